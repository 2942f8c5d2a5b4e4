/* What a host is, which rules match it, and names with addresses of their own. */

#include <errno.h>

#include "check.h"
#include "vsock/inside.h"
#include "vsock/relay/plan/hosts.h"

_Static_assert((int)HOSTS_NAMES_MAX == (int)INSIDE_NAMES_MAX,
	       "as PID 1 has it");

/* --- hosts --- */

static const char *read_text(const char *text, char ret[HOST_TEXT])
{
	struct host h;
	const char *why = host_read(text, strlen(text), &h);

	ret[0] = '\0';
	if (!why)
		host_text(&h, ret);
	return why;
}

TEST(hosts_are_read)
{
	static const struct {
		const char *text, *is;
		enum host_kind kind;
	} good[] = {
		{ "example.com", "example.com", HOST_NAME },
		{ "EXAMPLE.Com.", "example.com", HOST_NAME },
		{ "localhost", "localhost", HOST_NAME },
		{ "_dmarc.a-b.example", "_dmarc.a-b.example", HOST_NAME },
		{ "xn--bcher-kva.example", "xn--bcher-kva.example", HOST_NAME },
		{ "1and1.com", "1and1.com", HOST_NAME },
		{ "3.4.com", "3.4.com", HOST_NAME },
		{ "0x7f.com", "0x7f.com", HOST_NAME },
		{ "1.2.3.4.example", "1.2.3.4.example", HOST_NAME },
		{ "0xg", "0xg", HOST_NAME },
		{ "1.2.3.4", "1.2.3.4", HOST_V4 },
		{ "255.255.255.255", "255.255.255.255", HOST_V4 },
		{ "::1", "[::1]", HOST_V6 },
		{ "[::1]", "[::1]", HOST_V6 },
		{ "[2001:DB8::00ff]", "[2001:db8::ff]", HOST_V6 },
		{ "::ffff:1.2.3.4", "1.2.3.4", HOST_V4 },
		{ "[::ffff:0102:0304]", "1.2.3.4", HOST_V4 },
		{ "[0:0:0:0:0:ffff:a9fe:a9fe]", "169.254.169.254", HOST_V4 },
		/* These have an address within, but are themselves others. */
		{ "::1.2.3.4", "[::1.2.3.4]", HOST_V6 },
		{ "64:ff9b::1.2.3.4", "[64:ff9b::102:304]", HOST_V6 },
	};
	char is[HOST_TEXT];
	struct host h;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *why = read_text(good[i].text, is);

		if (why)
			CHECK_FAIL("%s: %s", good[i].text, why);
		CHECK_STR(is, good[i].is);
		CHECK(!host_read(good[i].text, strlen(good[i].text), &h) &&
		      h.kind == good[i].kind);
	}
}

/* What other programs take for a host, and may take for another one than we do. */
TEST(odd_spellings_are_no_host)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		"a..b",
		".a",
		"a..",
		"a.b..",
		"-a.com",
		"a-.com",
		"a.-b",
		/* numbers of any base and number of parts are addresses in C libraries */
		"2130706433",
		"0x7f000001",
		"0X7F.1",
		"017700000001",
		"0177.0.0.1",
		"127.1",
		"127.0.1",
		"1.2.3.4.",
		"1.2.3.4.5",
		"1.2.3.256",
		"1.2.3.04",
		"01.2.3.4",
		"1.2.3.0x4",
		"a.1",
		"a.0x1",
		"a.0x",
		"0x",
		"1.2.3.4 ",
		" 1.2.3.4",
		"1.2.3.4/8",
		"user@example.com",
		"a@1.2.3.4",
		"example.com#",
		"example.com/",
		"example.com?",
		"example.com\\",
		"exa%6dple.com",
		"%65xample.com",
		"b\xc3\xbc"
		"cher.example",
		"example\xe3\x80\x82"
		"com",
		"\xef\xbd\x85xample.com",
		"example.com\r",
		"example.com\r\nX: y",
		"a b",
		"a\tb",
		"*.example.com",
		"**",
		"a,b",
		"[1.2.3.4]",
		"[::1",
		"::1]",
		"[]",
		"[",
		"[::1%lo]",
		"fe80::1%eth0",
		"[fe80::1%25eth0]",
		"[::1]a",
		"[v1.a]",
		":::",
		"1:2:3:4:5:6:7:8:9",
		"12345::",
		"::ffff:1.2.3",
		"::ffff:01.2.3.4",
		"example.com:443",
	};
	char is[HOST_TEXT];
	struct host h;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!read_text(bad[i], is))
			CHECK_FAIL("%s is taken for %s", bad[i], is);
	CHECK(host_read("a\0b", 3, &h));
	CHECK(host_read("1.2.3.4\0", 8, &h));
	CHECK(host_read("::1\0", 4, &h));
}

TEST(lengths_of_names_are_bounded)
{
	char text[400];
	struct host h;

	memset(text, 'a', sizeof(text));
	for (size_t i = 63; i < sizeof(text); i += 64)
		text[i] = '.';
	CHECK(!host_read(text, 63, &h) && h.len == 63);
	CHECK(!host_read(text, 253, &h) && h.len == 253);
	CHECK(host_read(text, 254, &h));
	text[253] = '.';
	CHECK(!host_read(text, 254, &h) && h.len == 253);
	CHECK(host_read(text, 255, &h));
	CHECK(host_read(text, 400, &h));
	text[31] = 'a';
	text[63] = 'a';
	CHECK(host_read(text, 64, &h));
}

/* --- rules --- */

static const char *add(struct rules *r, const char *text)
{
	const char *bad = NULL;
	size_t len = 0;

	return rules_add(r, text, strlen(text), &bad, &len);
}

/* What the rules of ALLOW and DENY say: '+', '-' or '?'. */
static char judge(const char *allow, const char *deny, const char *host,
		  uint16_t port)
{
	static struct rules a, d;
	const struct rule *rule;
	const char *why;
	struct host h;

	rules_open(&a, RULES_PORT);
	rules_open(&d, RULES_ANY_PORT);
	why = add(&a, allow);
	if (why)
		CHECK_FAIL("%s: %s", allow, why);
	why = add(&d, deny);
	if (why)
		CHECK_FAIL("%s: %s", deny, why);
	if (host_read(host, strlen(host), &h))
		return '!';
	return "+-?"[rules_judge(&a, &d, &h, port, &rule)];
}

TEST(names_ports_and_spellings)
{
	static const struct {
		const char *allow, *deny, *host;
		uint16_t port;
		char is;
	} cases[] = {
		{ "", "", "example.com", 443, '?' },
		{ "example.com", "", "example.com", 443, '+' },
		{ "example.com", "", "EXAMPLE.COM.", 443, '+' },
		{ "Example.Com.", "", "example.com", 443, '+' },
		{ "example.com", "", "example.com", 80, '?' },
		{ "example.com", "", "example.com", 0xffff, '?' },
		{ "example.com:80", "", "example.com", 443, '?' },
		{ "example.com:80", "", "example.com", 80, '+' },
		{ "example.com:80,443", "", "example.com", 443, '+' },
		{ "example.com:80,443", "", "example.com", 81, '?' },
		{ "example.com:80-90,443", "", "example.com", 80, '+' },
		{ "example.com:80-90,443", "", "example.com", 90, '+' },
		{ "example.com:80-90,443", "", "example.com", 91, '?' },
		{ "example.com:80-90,443", "", "example.com", 443, '+' },
		{ "example.com:1-65535", "", "example.com", 1, '+' },
		{ "example.com", "", "a.example.com", 443, '?' },
		{ "example.com", "", "notexample.com", 443, '?' },
		{ "example.com", "", "example.com.evil.org", 443, '?' },
		{ "example.com", "", "xexample.com", 443, '?' },
		{ "*.example.com", "", "example.com", 443, '?' },
		{ "*.example.com", "", "a.example.com", 443, '+' },
		{ "*.example.com", "", "A.Example.com.", 443, '+' },
		{ "*.example.com", "", "a.b.example.com", 443, '?' },
		{ "*.example.com", "", "aexample.com", 443, '?' },
		{ "*.EXAMPLE.com.", "", "a.example.com", 443, '+' },
		{ "**.example.com", "", "example.com", 443, '?' },
		{ "**.example.com", "", "a.example.com", 443, '+' },
		{ "**.example.com", "", "a.b.c.example.com", 443, '+' },
		{ "**.example.com", "", "a.b.cexample.com", 443, '?' },
		{ "**.example.com:8443", "", "a.b.example.com", 443, '?' },
		{ "**.example.com:8443", "", "a.b.example.com", 8443, '+' },
		{ "**", "", "anything.at.all", 443, '+' },
		{ "**", "", "localhost", 443, '+' },
		{ "**", "", "1.2.3.4", 443, '?' },
		{ "**", "", "::1", 443, '?' },
		{ "**", "", "anything", 80, '?' },
		/* deny wins, at each port unless it names some */
		{ "example.com", "example.com", "example.com", 443, '-' },
		{ "**:1-65535", "evil.org", "evil.org", 80, '-' },
		{ "**:1-65535", "evil.org:443", "evil.org", 443, '-' },
		{ "**:1-65535", "evil.org:443", "evil.org", 80, '+' },
		{ "**:80,443", "**.evil.org", "a.evil.org", 80, '-' },
		{ "**:80,443", "**.evil.org", "evil.org", 80, '+' },
		{ "1.2.3.4", "1.2.0.0/16", "1.2.3.4", 443, '-' },
		/* addresses only if they are listed as such */
		{ "1.2.3.4", "", "1.2.3.4", 443, '+' },
		{ "1.2.3.4", "", "1.2.3.4", 80, '?' },
		{ "1.2.3.4:80", "", "1.2.3.4", 80, '+' },
		{ "1.2.3.4", "", "1.2.3.5", 443, '?' },
		{ "1.2.3.4", "", "[::ffff:1.2.3.4]", 443, '+' },
		{ "1.2.3.4", "", "::ffff:102:304", 443, '+' },
		{ "1.2.3.4", "", "::1.2.3.4", 443, '?' },
		{ "[::ffff:1.2.3.4]", "", "1.2.3.4", 443, '+' },
		{ "[::ffff:1.2.0.0]/112", "", "1.2.3.4", 443, '+' },
		{ "10.0.0.0/8", "", "10.255.0.1", 443, '+' },
		{ "10.0.0.0/8", "", "11.0.0.0", 443, '?' },
		{ "10.0.0.0/8:80", "", "10.0.0.1", 80, '+' },
		{ "192.168.4.0/22", "", "192.168.7.255", 443, '+' },
		{ "192.168.4.0/22", "", "192.168.8.0", 443, '?' },
		{ "0.0.0.0/0", "", "8.8.8.8", 443, '+' },
		{ "0.0.0.0/0", "", "::1", 443, '?' },
		{ "0.0.0.0/0", "", "example.com", 443, '?' },
		{ "1.2.3.4/32", "", "1.2.3.4", 443, '+' },
		{ "[2001:db8::]/32", "", "2001:db8:ffff::1", 443, '+' },
		{ "[2001:db8::]/32", "", "[2001:db9::]", 443, '?' },
		{ "[2001:db8::]/33", "", "[2001:db8:8000::]", 443, '?' },
		{ "[2001:db8::1]:8443", "", "2001:DB8::1", 8443, '+' },
		{ "[::]/0", "", "2001:db8::1", 443, '+' },
		{ "[::]/0", "", "1.2.3.4", 443, '?' },
		{ "**:80 [::]/0:80 0.0.0.0/0:80", "", "1.2.3.4", 80, '+' },
		/* and not by another spelling */
		{ "127.0.0.1", "", "127.1", 443, '!' },
		{ "127.0.0.1", "", "2130706433", 443, '!' },
		{ "127.0.0.1", "", "0177.0.0.1", 443, '!' },
		{ "example.com", "", "example.com@evil.org", 443, '!' },
		{ "example.com", "", "exa%6Dple.com", 443, '!' },
		{ "example.com", "", "example.com\r\nHost: evil.org", 443,
		  '!' },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char is = judge(cases[i].allow, cases[i].deny, cases[i].host,
				cases[i].port);

		if (is != cases[i].is)
			CHECK_FAIL("allow %s, deny %s: %s:%u is %c, not %c",
				   cases[i].allow, cases[i].deny, cases[i].host,
				   cases[i].port, is, cases[i].is);
	}
}

TEST(bad_rules_are_refused)
{
	static const char *const bad[] = {
		"*",
		"*.",
		"**.",
		"*example.com",
		"a.*.com",
		"a.*",
		"***",
		"***.a",
		"*.*.a",
		"**.**.a",
		"example.com:",
		"example.com:0",
		"example.com:65536",
		"example.com:80,",
		"example.com:,80",
		"example.com:80-",
		"example.com:90-80",
		"example.com:http",
		"example.com:80:90",
		"example.com:*",
		"http://example.com",
		"example.com/24",
		"1.2.3.4/33",
		"1.2.3.4/",
		"1.2.3.4/8",
		"1.2.3.4/x",
		"1.2.3.0/24x",
		"1.2.3/24",
		"0x7f.1",
		"1.2.3.04",
		"*.1.2.3.4",
		"2001:db8::1",
		"2001:db8::/32",
		"[2001:db8::",
		"[2001:db8::/32]",
		"[2001:db8::1]/32",
		"[::]/129",
		"[::1]x",
		"[::1]443",
		"[::ffff:1.2.3.4]/32",
		"[::ffff:1.2.3.4]/100",
		"a..b",
		"user@example.com",
		"b\xc3\xbc.example",
		":443",
		"*:443",
		"a b:",
		"-a",
		"example.com:443/24",
	};
	static struct rules r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rules_open(&r, RULES_PORT);
		if (!add(&r, bad[i]))
			CHECK_FAIL("%s is taken", bad[i]);
	}
}

TEST(a_bad_word_is_named)
{
	static struct rules r;
	static const char text[] = "a.com \t bad..com:80  b.com";
	const char *bad;
	size_t len;

	rules_open(&r, RULES_PORT);
	CHECK(rules_add(&r, text, strlen(text), &bad, &len));
	CHECK(len == 11 && strncmp(bad, "bad..com:80", 11) == 0);
	CHECK_INT(r.count, 1);
}

TEST(there_is_room_for_512_rules)
{
	static struct rules r;
	static char text[4 * RULES_MAX + 8];
	const char *bad;
	size_t len;

	for (size_t i = 0; i < RULES_MAX + 1; i++)
		memcpy(text + 3 * i, "ab ", 3);
	rules_open(&r, RULES_PORT);
	CHECK(!rules_add(&r, text, RULES_MAX * 3, &bad, &len));
	CHECK(rules_add(&r, "a", 1, &bad, &len));
}

/* --- names with addresses --- */

static struct plan_fault fault;

static int read_names(const char *allow, const char *deny, const char *names,
		      struct hosts *ret)
{
	static char copies[3][32 << 10];
	static struct plan_egress e;
	static struct rules a, d;

	(void)snprintf(copies[0], sizeof(copies[0]), "%s", allow);
	(void)snprintf(copies[1], sizeof(copies[1]), "%s", deny);
	(void)snprintf(copies[2], sizeof(copies[2]), "%s", names);
	memset(&e, 0, sizeof(e));
	e.allow.at[e.allow.count++] =
		(struct plan_value){ copies[0], strlen(allow), 3 };
	e.deny.at[e.deny.count++] =
		(struct plan_value){ copies[1], strlen(deny), 4 };
	e.names.at[e.names.count++] =
		(struct plan_value){ copies[2], strlen(names), 5 };
	hosts_rules(&e, &a, &d);
	return hosts_read(&e.names, &a, &d, ret, &fault);
}

TEST(names_are_numbered)
{
	static struct hosts h;

	CHECK_INT(read_names("**:1-65535", "",
			     "b.com:443 A.com.:80,443 B.COM:80,443", &h),
		  0);
	CHECK_INT(h.names, 2);
	CHECK(h.name[0].len == 5 && strncmp(h.name[0].at, "b.com", 5) == 0);
	CHECK(h.name[1].len == 5 && strncmp(h.name[1].at, "A.com", 5) == 0);
	CHECK_INT(h.pairs, 4);
	CHECK(h.pair[0].name == 0 && h.pair[0].port == 443);
	CHECK(h.pair[2].name == 1 && h.pair[2].port == 443);
	CHECK(h.pair[3].name == 0 && h.pair[3].port == 80);
}

TEST(names_that_cannot_be_reached_are_faults)
{
	static const struct {
		const char *allow, *deny, *names, *words;
	} cases[] = {
		{ "", "", "a.com:443",
		  "egress-names: a.com:443: no egress-allow allows it" },
		{ "a.com", "", "a.com:443,80",
		  "egress-names: a.com:443,80: no egress-allow" },
		{ "a.com", "*.com", "a.com:443", "egress-deny denies it" },
		{ "**", "", "a.com", "NAME:PORT" },
		{ "**", "", "a.com:", "NAME:PORT" },
		{ "**", "", "a.com:443,", "NAME:PORT" },
		{ "**", "", "a.com:443-444", "NAME:PORT" },
		{ "**", "", ":443", "it is empty" },
		{ "**", "", "*.com:443", "no name has" },
		{ "**", "", "1.2.3.4:443", "only a name" },
		{ "**", "", "[::1]:443", "only a name" },
	};
	static struct hosts h;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_INT(read_names(cases[i].allow, cases[i].deny,
				     cases[i].names, &h),
			  -EINVAL);
		CHECK_INT(fault.line, 5);
		if (!strstr(fault.words, cases[i].words))
			CHECK_FAIL("%s: %s", cases[i].names, fault.words);
	}
}

TEST(there_is_room_for_256_names)
{
	static struct hosts h;
	static char text[8 << 10];
	size_t len = 0;

	for (int i = 0; i < 256; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"a%d.com:443 ", i);
	CHECK_INT(read_names("**", "", text, &h), 0);
	CHECK_INT(h.names, 256);
	(void)snprintf(text + len, sizeof(text) - len, "b.com:443");
	CHECK_INT(read_names("**", "", text, &h), -EINVAL);
}

CHECK_MAIN("relay_rules")
