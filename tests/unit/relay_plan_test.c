/* Addresses, forwards and whole plans: relay's. */

#include "tests/unit/check.h"
#include "vsock/relay/base/value.h"
#include "vsock/relay/plan/conflict.h"
#include "vsock/relay/plan/plan.h"
#include "vsock/relay/plan/words.h"

static struct address a;
static struct plan plan;
static struct plan_fault fault;

static const char *address(const char *text, unsigned flags)
{
	memset(&a, 0xaa, sizeof(a));
	return address_read(text, strlen(text), flags, &a);
}

static bool read_plan(const char *text, enum plan_side side)
{
	memset(&fault, 0, sizeof(fault));
	memset(&plan, 0, sizeof(plan));
	return plan_read(text, strlen(text), side, &plan, &fault) == 0;
}

TEST(an_address_is_written_as_it_is_read)
{
	static const char *const texts[] = {
		"vsock:16:80",		"vsock:4294967294:4294967294",
		"vsock:16:10000-10250", "tcp:127.0.0.1:80",
		"tcp:0.0.0.0:1-256",	"tcp:[::1]:65535",
		"tcp:[::]:8000-8001",	"tcp:example.com:443",
		"tcp:a_b-c.1x:443",	"unix:/run/a:b/c.sock",
		"unix:relative",	"dir:/run/x:y:80",
		"dir:.:80-90",		"mux:/run/v.sock:80",
	};
	char text[ADDRESS_TEXT];

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CHECK_STR(address(texts[i], 0) ? texts[i] : "", "");
		address_text(&a, text);
		CHECK_STR(text, texts[i]);
	}
}

TEST(a_port_of_vsock_needs_no_cid_in_an_enclave_and_where_it_listens)
{
	CHECK(address("vsock:80", 0));
	CHECK(!address("vsock:80", ADDRESS_LISTENS));
	CHECK(!address("vsock:80", ADDRESS_INSIDE));
	CHECK(a.cid == ADDRESS_CID_ANY);
	CHECK_INT(a.port, 80);
	CHECK(!address("vsock:16:80-90", ADDRESS_LISTENS));
	CHECK_INT(a.cid, 16);
	CHECK_INT(address_ports(&a), 11);
	a = address_at(&a, 3);
	CHECK_INT(a.port, 83);
	CHECK_INT(address_ports(&a), 1);
}

TEST(what_is_no_address_is_refused)
{
	static const char *const texts[] = {
		"",
		"80",
		"vsock",
		"vsock:",
		"vsock:a",
		"vsock:0",
		"vsock:-1",
		"vsock:1-",
		"vsock:-",
		"vsock:16:",
		"vsock::80",
		"vsock:0:80",
		"vsock:16:80:90",
		"vsock:4294967295",
		"vsock:4294967295:1",
		"vsock:9-8",
		"vsock:1-257",
		"vsock:1 ",
		"vsock:+1",
		"tcp:80",
		"tcp::80",
		"tcp:1.2.3.4",
		"tcp:1.2.3.4:",
		"tcp:1.2.3.4:0",
		"tcp:1.2.3.4:65536",
		"tcp:1.2.3.4:1-65536",
		"tcp:1.2.3:80",
		"tcp:1.2.3.4.5:80",
		"tcp:1.2.3.256:80",
		"tcp:::1:80",
		"tcp:[::1:80",
		"tcp:[:80",
		"tcp:[]:80",
		"tcp:[::g]:80",
		"tcp:[::1]80",
		"tcp:[1.2.3.4]:80",
		"tcp:[fe80::1%lo]:80",
		"tcp:a..b:80",
		"tcp:.a:80",
		"tcp:.:80",
		"tcp:a b:80",
		"tcp:a/b:80",
		"tcp:*:80",
		"tcp:a.7:80",
		"tcp:0x7f.1:80",
		"unix:",
		"dir::80",
		"dir:/a",
		"dir:/a:",
		"dir:/a:b",
		"mux::80",
		"udp:1.2.3.4:80",
		"TCP:1.2.3.4:80",
	};
	char label[80] = "tcp:", path[120] = "unix:/";

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CHECK_STR(address(texts[i], 0) ? "" : texts[i], "");
	memset(label + 4, 'a', 63);
	strcpy(label + 67, ":1");
	CHECK(!address(label, 0));
	strcpy(label + 67, "a:1");
	CHECK(address(label, 0));
	memset(path + 6, 'p', 106);
	CHECK(!address(path, 0));
	path[112] = 'p';
	CHECK(address(path, 0));
	CHECK(address_read("unix:/a\0b", 9, 0, &a));
	CHECK(address_read("tcp:1.2.3.4\0:80", 15, 0, &a));
}

TEST(an_enclave_and_what_listens_know_no_names)
{
	CHECK(address("tcp:localhost:80", ADDRESS_LISTENS));
	CHECK(address("tcp:localhost:80", ADDRESS_INSIDE));
	CHECK(address("dir:/x:80", ADDRESS_INSIDE));
	CHECK(address("mux:/x:80", ADDRESS_INSIDE));
	CHECK(address("unix:x", ADDRESS_INSIDE));
	CHECK(address("vsock:1-2", ADDRESS_SINGLE | ADDRESS_INSIDE));
	CHECK(!address("tcp:localhost.:80", 0));
	CHECK_INT(a.kind, ADDRESS_NAME);
	CHECK_INT(a.name_len, 9);
}

static bool overlaps(const char *one, const char *other)
{
	struct address b;

	CHECK(!address(one, ADDRESS_LISTENS));
	b = a;
	CHECK(!address(other, ADDRESS_LISTENS));
	CHECK_INT(address_overlaps(&a, &b), address_overlaps(&b, &a));
	return address_overlaps(&a, &b);
}

TEST(one_port_is_one_place)
{
	CHECK(overlaps("vsock:80", "vsock:16:80"));
	CHECK(overlaps("vsock:80-90", "vsock:90-95"));
	CHECK(!overlaps("vsock:80-90", "vsock:91"));
	CHECK(!overlaps("vsock:80", "tcp:127.0.0.1:80"));
	CHECK(overlaps("tcp:0.0.0.0:80", "tcp:127.0.0.1:80"));
	CHECK(overlaps("tcp:[::]:80", "tcp:127.0.0.1:80"));
	CHECK(overlaps("tcp:[::]:80", "tcp:[::1]:80"));
	CHECK(!overlaps("tcp:0.0.0.0:80", "tcp:[::1]:80"));
	CHECK(!overlaps("tcp:127.0.0.2:80", "tcp:127.0.0.1:80"));
	CHECK(overlaps("unix:/a", "unix:/a"));
	CHECK(!overlaps("unix:/a", "unix:/ab"));
	CHECK(overlaps("dir:/a:80", "dir:/a:70-80"));
	CHECK(!overlaps("dir:/a:80", "dir:/b:80"));
	CHECK(!overlaps("dir:/a:80", "mux:/a:80"));
}

static const char *route(const char *text, struct route *ret, char bad[64])
{
	const char *at = text, *why;
	size_t len = 0;

	why = route_read(text, strlen(text), 0, ret, &at, &len);
	bad[0] = '\0';
	if (why)
		words_add_bytes(bad, 64, at, len);
	return why;
}

TEST(a_forward_has_two_ends_and_options)
{
	struct route r;
	char bad[64];

	CHECK(!route("vsock:80 tcp:127.0.0.1:8080", &r, bad));
	CHECK(r.max == 0 && r.buffer == 0 && r.idle_ms == 0);
	CHECK(!r.no_half_close && !r.proxy_v2);
	CHECK(!route("vsock:80\t tcp:127.0.0.1:8080  max=7 buffer=128K "
		     "idle=15m half-close=no proxy=v2 ",
		     &r, bad));
	CHECK_INT(r.max, 7);
	CHECK_INT(r.buffer, 131072);
	CHECK_INT(r.idle_ms, 900000);
	CHECK(r.no_half_close && r.proxy_v2);
	CHECK(!route("vsock:80 unix:/a half-close=yes", &r, bad));
	CHECK(!r.no_half_close);
	CHECK(!route("vsock:10-20 tcp:1.1.1.1:30-40", &r, bad));
	CHECK(!route("vsock:10-20 tcp:1.1.1.1:30", &r, bad));
	CHECK(!route("tcp:1.1.1.1:30 vsock:16:10-20", &r, bad));
}

TEST(a_forward_that_is_none_names_the_word)
{
	static const struct {
		const char *text, *bad;
	} rows[] = {
		{ "", "" },
		{ "vsock:80", "vsock:80" },
		{ "vsock:x tcp:1.1.1.1:80", "vsock:x" },
		{ "vsock:80 tcp:1.1.1.1", "tcp:1.1.1.1" },
		{ "tcp:a.b:80 vsock:16:80", "tcp:a.b:80" },
		{ "vsock:1 unix:/a max=0", "max=0" },
		{ "vsock:1 unix:/a max=", "max=" },
		{ "vsock:1 unix:/a max", "max" },
		{ "vsock:1 unix:/a max=1048577", "max=1048577" },
		{ "vsock:1 unix:/a max=1 max=1", "max=1" },
		{ "vsock:1 unix:/a buffer=63K", "buffer=63K" },
		{ "vsock:1 unix:/a buffer=65M", "buffer=65M" },
		{ "vsock:1 unix:/a idle=0", "idle=0" },
		{ "vsock:1 unix:/a idle=1y", "idle=1y" },
		{ "vsock:1 unix:/a half-close=maybe", "half-close=maybe" },
		{ "vsock:1 unix:/a proxy=v1", "proxy=v1" },
		{ "vsock:1 unix:/a =", "=" },
		{ "vsock:1 unix:/a unix:/b", "unix:/b" },
		{ "vsock:1 unix:/a max=99999999999999999999999999",
		  "max=99999999999999999999999999" },
		{ "vsock:1-3 vsock:16:1-4", "vsock:1-3 vsock:16:1-4" },
		{ "tcp:1.1.1.1:1 unix:/a buffer=64K",
		  "tcp:1.1.1.1:1 unix:/a buffer=64K" },
	};
	struct route r = { .max = 77 };
	char bad[64];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK_STR(route(rows[i].text, &r, bad) ? "" : rows[i].text, "");
		CHECK_STR(bad, rows[i].bad);
		CHECK_INT(r.max, 77);
	}
}

TEST(sizes_have_units)
{
	uint64_t n;

	CHECK(value_size("65536", 1 << 20, &n) && n == 65536);
	CHECK(value_size("64K", 65536, &n) && n == 65536);
	CHECK(value_size("1G", UINT64_MAX, &n) && n == 1 << 30);
	CHECK(!value_size("65K", 65536, &n));
	CHECK(!value_size("18446744073709551615K", UINT64_MAX, &n));
	CHECK(!value_size("1KB", 65536, &n) && !value_size("K", 65536, &n));
	CHECK(!value_size("", 65536, &n) && !value_size("1k", 65536, &n));
}

TEST(a_plan_of_an_enclave_is_read)
{
	CHECK(read_plan("# outside in\n"
			"\n"
			"forward = vsock:80 tcp:127.0.0.1:8080 max=10\n"
			"  forward=unix:/run/kms.sock vsock:8000\n"
			"forward-workers = 2\n"
			"forward-memory = 8M\n"
			"forward-max = 100\n"
			"egress = 127.0.0.1:3128\n"
			"egress-via = socks5\n"
			"egress-allow = a.example:443 *.b.example\n"
			"egress-allow = c.example\n"
			"egress-names = a.example:443\n"
			"dns-forward = vsock:5353\n"
			"dns-allow = a.example\n"
			"tap = vsock:3:1024\n"
			"tap-framing = qemu\n"
			"tap-address = 10.0.0.5/16\n"
			"tap-gateway = 10.0.255.1\n"
			"tap-mac = 52:54:00:12:34:56\n"
			"tap-mtu = 9000\n"
			"tap-accept = 443 8000-8010/tcp\n"
			"tap-accept = 53/udp",
			PLAN_INSIDE));
	CHECK_INT(plan.routes, 2);
	CHECK_INT(plan.route[0].line, 3);
	CHECK_INT(plan.route[1].line, 4);
	CHECK_INT(plan.route[1].target.port, 8000);
	CHECK_INT(plan.workers, 2);
	CHECK_INT(plan.memory, 8 << 20);
	CHECK_INT(plan.max, 100);
	CHECK_INT(plan.egress.line, 8);
	CHECK_INT(plan.egress.listen.kind, ADDRESS_TCP);
	CHECK_INT(plan.egress.target.port, 17002);
	CHECK_INT(plan.egress.via, PLAN_VIA_SOCKS5);
	CHECK_INT(plan.egress.allow.count, 2);
	CHECK_INT(plan.egress.allow.at[1].line, 11);
	CHECK_INT(plan.egress.allow.at[1].len, strlen("c.example"));
	CHECK_INT(plan.dns.line, 13);
	CHECK_INT(plan.tap.line, 15);
	CHECK_INT(plan.tap.framing, PLAN_FRAMING_QEMU);
	CHECK_INT(plan.tap.ip[3], 5);
	CHECK_INT(plan.tap.prefix, 16);
	CHECK_INT(plan.tap.gateway[2], 255);
	CHECK_INT(plan.tap.mac[5], 0x56);
	CHECK_INT(plan.tap.mtu, 9000);
	CHECK_INT(plan.tap.accepts, 3);
	CHECK_INT(plan.tap.accept[1].last, 8010);
	CHECK(plan.tap.accept[2].is_udp && !plan.tap.accept[1].is_udp);
}

TEST(a_plan_of_the_parent_is_read)
{
	CHECK(read_plan("forward = tcp:[::]:443 vsock:16:443\n"
			"exit = vsock:17002 allow=10.0.0.0/8 only=a\n"
			"exit = vsock:17003\n"
			"dns = vsock:53\tserver=9.9.9.9\n",
			PLAN_PARENT));
	CHECK_INT(plan.exits.count, 2);
	CHECK_INT(plan.exits.at[0].options.len, 23);
	CHECK_INT(plan.exits.at[1].options.len, 0);
	CHECK_INT(plan.exits.at[1].options.line, 3);
	CHECK_INT(plan.resolvers.count, 1);
	CHECK(memcmp(plan.resolvers.at[0].options.at, "server", 6) == 0);
	CHECK(read_plan("", PLAN_PARENT));
	CHECK_INT(plan.routes, 0);
	CHECK_INT(plan.max, 4096);
	CHECK_INT(plan.tap.line, 0);
}

/* Lines of an enclave's plan, and what is said of them, with the line's number. */
TEST(what_is_wrong_with_a_plan_is_told_with_its_line)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *words;
	} rows[] = {
		{ "\nx = 1", 2, "no key x; the keys are forward " },
		{ "forward", 1, "the line is no KEY = VALUE" },
		{ "forward =", 1, "forward: its value is missing" },
		{ "forward = \x01", 1, "the line has a control character" },
		{ "forward = vsock:80 tcp:x:80\r", 1,
		  "the line has a control character" },
		{ "forward = vsock:80 tcp:x:80", 1,
		  "forward: tcp:x:80: it must be an address, as an enclave "
		  "looks up no names" },
		{ "forward = vsock:80 dir:/x:80", 1,
		  "forward: dir:/x:80: dir: and mux: are for the parent alone" },
		{ "exit = vsock:80", 1, "exit is a key of the parent's file" },
		{ "forward-max = 1\nforward-max = 1", 2,
		  "forward-max is there twice" },
		{ "forward-max = 0", 1,
		  "forward-max: 0: it must be a number from 1 to 1048576" },
		{ "forward-workers = 65", 1,
		  "forward-workers: 65: it must be a number from 1 to 64" },
		{ "forward-memory = 1K", 1,
		  "forward-memory: 1K: it must be a size from 1M to 64G" },
		{ "\negress-allow = a", 2,
		  "egress-allow: it needs egress or egress-names" },
		{ "dns-allow = a", 1, "dns-allow: it needs dns-forward" },
		{ "dns-forward = vsock:53\ndns-allow = a b:53", 2,
		  "dns-allow: a b:53: names that are asked for have no ports" },
		{ "tap-mtu = 1500", 1, "tap-mtu: it needs tap" },
		{ "egress = a:1", 1,
		  "egress: a:1: it must be an address, as names are not looked "
		  "up here" },
		{ "egress = 127.0.0.1:1\negress-via = http", 2,
		  "egress-via: http: it must be connect, enclaver or socks5" },
		{ "tap = vsock:1-2", 1, "tap: vsock:1-2: it must be one port" },
		{ "tap = vsock:1\ntap-address = 10.0.0.1", 2,
		  "tap-address: 10.0.0.1: it must be an IPv4 address with the "
		  "length of its network: 192.168.127.2/24" },
		{ "tap = vsock:1\ntap-address = 10.0.0.2/24", 1,
		  "tap-gateway is not in the network of tap-address" },
		{ "tap = vsock:1\ntap-gateway = 192.168.127.2", 1,
		  "tap-address and tap-gateway are the same" },
		{ "tap = vsock:1\ntap-gateway = 192.168.127.255", 1,
		  "the first and the last address of a network are nobody's" },
		{ "tap = vsock:1\ntap-mac = 53:54:00:12:34:56", 2,
		  "tap-mac: 53:54:00:12:34:56: the address of a group cannot "
		  "be a device's" },
		{ "tap = vsock:1\ntap-mtu = 100", 2,
		  "tap-mtu: 100: it must be a number from 576 to 16000" },
		{ "tap = vsock:1\ntap-accept = 443 80/sctp", 2,
		  "tap-accept: 443 80/sctp: a word of it must be PORT[-LAST], "
		  "/tcp or /udp behind it" },
		{ "forward = vsock:80 unix:/a\nforward = vsock:70-90 unix:/b",
		  2,
		  "forward: vsock:70-90: forward of line 1 listens there, "
		  "too" },
		{ "egress = 0.0.0.0:80\nforward = tcp:127.0.0.1:80 vsock:1", 1,
		  "egress: tcp:0.0.0.0:80: forward of line 2 listens there, "
		  "too" },
		{ "dns-forward = vsock:1\nforward = tcp:127.0.0.1:53 vsock:1",
		  1,
		  "dns-forward: tcp:127.0.0.1:53: forward of line 2 listens "
		  "there, too" },
		{ "forward = tcp:127.0.0.1:1 tcp:127.0.0.1:1", 1,
		  "forward: what its target does comes back to it" },
		{ "forward = vsock:9 unix:/a\n"
		  "forward = unix:/a tcp:127.0.0.1:2\n"
		  "forward = tcp:0.0.0.0:2 unix:/a",
		  2, "forward: what its target does comes back to it" },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK_STR(read_plan(rows[i].text, PLAN_INSIDE) ? rows[i].text :
								 "",
			  "");
		CHECK_INT(fault.line, rows[i].line);
		fault.words[strlen(rows[i].words)] = '\0';
		CHECK_STR(fault.words, rows[i].words);
	}
}

TEST(keys_that_repeat_have_an_end)
{
	static char text[PLAN_TEXT_MAX];
	size_t len = 0;

	for (unsigned i = 1; i <= PLAN_ROUTES_MAX + 1; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"forward = vsock:%u unix:/a\n", i);
	CHECK(!read_plan(text, PLAN_INSIDE));
	CHECK_INT(fault.line, PLAN_ROUTES_MAX + 1);
	len = 0;
	for (unsigned i = 0; i <= PLAN_LINES_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"egress-allow = a\n");
	CHECK(!read_plan(text, PLAN_INSIDE));
	CHECK_INT(fault.line, PLAN_LINES_MAX + 1);
	len = 0;
	for (unsigned i = 1; i <= PLAN_ENDS_MAX + 1; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"exit = vsock:%u\n", i);
	CHECK(!read_plan(text, PLAN_PARENT));
	CHECK_INT(fault.line, PLAN_ENDS_MAX + 1);
}

TEST(ports_of_pid_1_are_taken)
{
	static const struct conflict_port ports[] = { { 17000, "status-port" },
						      { 17001, "log-port" } };

	CHECK(read_plan("forward = vsock:17000-17001 unix:/a", PLAN_INSIDE));
	CHECK(conflict_taken(&plan, ports, 2, &fault) < 0);
	CHECK_INT(fault.line, 1);
	CHECK_STR(fault.words,
		  "forward: vsock port 17000 is that of status-port");
	CHECK(read_plan("forward = vsock:17002 vsock:17000\n"
			"forward = tcp:127.0.0.1:17000 vsock:3",
			PLAN_INSIDE));
	CHECK_INT(conflict_taken(&plan, ports, 2, &fault), 0);
}

TEST(sentences_are_cut_where_their_room_ends)
{
	char buf[8] = "";

	words_add(buf, sizeof(buf), "line ");
	words_add_number(buf, sizeof(buf), 12345);
	CHECK_STR(buf, "line 12");
	words_set(buf, sizeof(buf), "a", "\x1b\xff.", 3, "b");
	CHECK_STR(buf, "a??.b");
	words_set(buf, sizeof(buf), NULL, NULL, 0, NULL);
	words_add_number(buf, sizeof(buf), 0);
	CHECK_STR(buf, "0");
}

CHECK_MAIN("relay_plan")
