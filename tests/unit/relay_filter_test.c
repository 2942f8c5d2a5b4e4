/* Which frames pass between an enclave and its parent's network. */

#include "tests/unit/check.h"
#include "vsock/relay/wire/filter.h"

enum {
	FIN = 1,
	SYN = 2,
	RST = 4,
	ACK = 16,
	ME = 2,
	GATEWAY = 1,
	HOST = 254,
	TCP = 6,
	UDP = 17,
	ICMP = 1,
};

static const struct plan_tap plan = {
	.ip = { 192, 168, 127, ME },
	.prefix = 24,
	.gateway = { 192, 168, 127, GATEWAY },
	.mac = { 0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xee },
	.mtu = 1500,
	.accepts = 3,
	.accept = { { 80, 80, false },
		    { 8000, 8010, false },
		    { 53, 53, true } },
};
static const uint8_t gateway_mac[6] = { 0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd };
static const uint8_t everybody[6] = { 255, 255, 255, 255, 255, 255 };

static struct filter f;
static uint8_t frame[200];
static size_t len;
static int64_t now_ms;

static void put16(size_t at, unsigned n)
{
	frame[at] = (uint8_t)(n >> 8);
	frame[at + 1] = (uint8_t)n;
}

static void ether(const uint8_t *to, const uint8_t *from, unsigned type)
{
	memset(frame, 0, sizeof(frame));
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	put16(12, type);
}

/* A packet of the network, with SIZE bytes behind the head of IPv4. */
static void ipv4(unsigned from, unsigned to, unsigned protocol, unsigned size)
{
	bool is_in = from != ME;

	ether(is_in ? plan.mac : gateway_mac, is_in ? gateway_mac : plan.mac,
	      0x800);
	frame[14] = 0x45;
	put16(16, 20 + size);
	frame[23] = (uint8_t)protocol;
	memcpy(frame + 26, "\xc0\xa8\x7f", 3);
	frame[29] = (uint8_t)from;
	memcpy(frame + 30, "\xc0\xa8\x7f", 3);
	frame[33] = (uint8_t)to;
	len = 34 + size;
}

static void tcp(unsigned port, unsigned flags)
{
	ipv4(GATEWAY, ME, TCP, 20);
	put16(34, 40000);
	put16(36, port);
	frame[46] = 0x50;
	frame[47] = (uint8_t)flags;
}

static void udp(unsigned from, unsigned from_port, unsigned to,
		unsigned to_port)
{
	ipv4(from, to, UDP, 8);
	put16(34, from_port);
	put16(36, to_port);
}

static void arp(unsigned op, const uint8_t *to, const uint8_t *from,
		unsigned from_ip, unsigned to_ip)
{
	ether(to, from, 0x806);
	memcpy(frame + 14, "\0\1\x08\0\6\4", 6);
	put16(20, op);
	memcpy(frame + 22, from, 6);
	memcpy(frame + 28, "\xc0\xa8\x7f", 3);
	frame[31] = (uint8_t)from_ip;
	memcpy(frame + 38, "\xc0\xa8\x7f", 3);
	frame[41] = (uint8_t)to_ip;
	len = 42;
}

static bool enters(void)
{
	return filter_in(&f, frame, len, now_ms);
}

static bool leaves(void)
{
	return filter_out(&f, frame, len, now_ms);
}

static void begin(void)
{
	filter_open(&f, &plan);
	now_ms = 1;
}

TEST(connections_come_to_accepted_ports_alone)
{
	begin();
	for (unsigned port = 0; port < 65536; port++) {
		bool is_accepted = port == 80 || (port >= 8000 && port <= 8010);

		tcp(port, SYN);
		CHECK(enters() == is_accepted);
		tcp(port, SYN | FIN);
		CHECK(enters() == is_accepted);
	}
}

TEST(answers_of_tcp_come_to_all_ports)
{
	begin();
	for (unsigned flags = 0; flags < 64; flags++) {
		tcp(443, flags);
		CHECK(enters() ==
		      ((flags & ACK) || ((flags & RST) && !(flags & SYN))));
	}
	tcp(443, ACK);
	put16(16, 39); /* the head of TCP is not whole */
	CHECK(!enters());
}

TEST(datagrams_come_to_accepted_ports_and_as_answers)
{
	begin();
	udp(GATEWAY, 9, ME, 53);
	CHECK(enters());
	udp(GATEWAY, 53, ME, 40000);
	CHECK(!enters());
	udp(ME, 40000, GATEWAY, 53);
	CHECK(leaves());
	udp(GATEWAY, 53, ME, 40000);
	CHECK(enters());
	/* Of another port, of another machine, to another port. */
	udp(GATEWAY, 54, ME, 40000);
	CHECK(!enters());
	udp(HOST, 53, ME, 40000);
	CHECK(!enters());
	udp(GATEWAY, 53, ME, 40001);
	CHECK(!enters());
}

TEST(a_conversation_ends_when_nothing_is_said)
{
	begin();
	udp(ME, 40000, GATEWAY, 53);
	CHECK(leaves());
	udp(GATEWAY, 53, ME, 40000);
	now_ms += FILTER_UDP_MS;
	CHECK(enters());
	now_ms += FILTER_UDP_MS;
	CHECK(enters());
	now_ms += FILTER_UDP_MS + 1;
	CHECK(!enters());
}

TEST(the_oldest_conversation_makes_room)
{
	unsigned kept = 0;

	begin();
	for (unsigned i = 0; i < 4096; i++) {
		now_ms++;
		udp(ME, 1024 + i, GATEWAY, 53);
		CHECK(leaves());
		udp(GATEWAY, 53, ME, 1024 + i);
		CHECK(enters());
	}
	for (unsigned i = 0; i < 4096; i++) {
		udp(GATEWAY, 53, ME, 1024 + i);
		kept += enters();
	}
	CHECK(kept <= FILTER_SETS * FILTER_WAYS);
	CHECK(kept >= FILTER_SETS * FILTER_WAYS / 2);
}

TEST(icmp_brings_answers_and_errors)
{
	begin();
	for (unsigned type = 0; type < 256; type++) {
		ipv4(GATEWAY, ME, ICMP, 8);
		frame[34] = (uint8_t)type;
		CHECK(enters() ==
		      (type == 0 || type == 3 || type == 11 || type == 12));
	}
}

TEST(other_protocols_do_not_enter)
{
	begin();
	for (unsigned p = 0; p < 256; p++) {
		ipv4(GATEWAY, ME, p, 60);
		put16(36, 53);
		frame[47] = ACK;
		CHECK(enters() == (p == TCP || p == UDP || p == ICMP));
	}
}

TEST(pieces_and_options_do_not_enter)
{
	begin();
	tcp(80, SYN);
	CHECK(enters());
	put16(20, 0x4000); /* not to be cut: usual */
	CHECK(enters());
	put16(20, 0x2000);
	CHECK(!enters());
	put16(20, 1);
	CHECK(!enters());
	put16(20, 0);
	frame[14] = 0x46;
	CHECK(!enters());
	frame[14] = 0x44;
	CHECK(!enters());
	frame[14] = 0x65;
	CHECK(!enters());
}

TEST(what_is_for_another_does_not_enter)
{
	begin();
	tcp(80, SYN);
	frame[5] ^= 1;
	CHECK(!enters());
	tcp(80, SYN);
	memcpy(frame, everybody, 6);
	CHECK(!enters());
	tcp(80, SYN);
	frame[33] = 3;
	CHECK(!enters());
	frame[33] = 255;
	CHECK(!enters());
}

TEST(nobody_comes_from_odd_addresses)
{
	static const uint8_t odd[][4] = {
		{ 127, 0, 0, 1 },	{ 0, 0, 0, 0 },	       { 224, 0, 0, 1 },
		{ 255, 255, 255, 255 }, { 192, 168, 127, ME },
	};

	begin();
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		tcp(80, SYN);
		memcpy(frame + 26, odd[i], 4);
		CHECK(!enters());
	}
	tcp(80, SYN);
	memcpy(frame + 26, "\1\1\1\1", 4);
	CHECK(enters());
}

TEST(ipv6_and_tags_pass_in_no_direction)
{
	static const unsigned types[] = { 0x86dd, 0x8100, 0x88a8, 0x0801, 60 };

	begin();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		tcp(80, SYN);
		put16(12, types[i]);
		CHECK(!enters());
		udp(ME, 40000, GATEWAY, 53);
		put16(12, types[i]);
		CHECK(!leaves());
	}
}

TEST(only_the_own_address_leaves)
{
	begin();
	ipv4(ME, GATEWAY, TCP, 20);
	CHECK(leaves());
	frame[29] = 3;
	CHECK(!leaves());
	ipv4(ME, GATEWAY, TCP, 20);
	frame[6] ^= 2;
	CHECK(!leaves());
	/* It may send in pieces, to everybody, and of any protocol. */
	ipv4(ME, 255, 2, 60);
	put16(20, 0x2001);
	CHECK(leaves());
}

TEST(arp_is_of_the_network)
{
	begin();
	arp(1, everybody, gateway_mac, GATEWAY, ME);
	CHECK(enters());
	arp(2, plan.mac, gateway_mac, HOST, ME);
	CHECK(enters());
	arp(2, gateway_mac, gateway_mac, HOST, ME);
	CHECK(!enters());
	arp(1, everybody, gateway_mac, GATEWAY, 3);
	CHECK(!enters());
	/* Somebody else says that the own address is his. */
	arp(2, plan.mac, gateway_mac, ME, ME);
	CHECK(!enters());
	arp(2, plan.mac, gateway_mac, GATEWAY, ME);
	frame[29] = 9;
	CHECK(!enters());
	arp(2, plan.mac, gateway_mac, GATEWAY, ME);
	frame[22] ^= 1;
	CHECK(!enters());
	arp(3, plan.mac, gateway_mac, GATEWAY, ME);
	CHECK(!enters());

	arp(1, everybody, plan.mac, ME, GATEWAY);
	CHECK(leaves());
	arp(1, everybody, plan.mac, GATEWAY, GATEWAY);
	CHECK(!leaves());
}

TEST(the_question_for_the_gateway_is_one)
{
	uint8_t probe[FILTER_PROBE];

	begin();
	filter_probe(&plan, probe);
	arp(1, everybody, plan.mac, ME, GATEWAY);
	CHECK_INT(len, sizeof(probe));
	CHECK_MEM(probe, frame, sizeof(probe));
	CHECK(leaves());
}

TEST(what_is_cut_short_does_not_pass)
{
	begin();
	tcp(80, SYN);
	for (size_t n = len; n-- > 0;)
		CHECK(!filter_in(&f, frame, n, now_ms));
	/* Ethernet adds bytes to short frames. */
	CHECK(filter_in(&f, frame, len + 6, now_ms));
	arp(1, everybody, gateway_mac, GATEWAY, ME);
	for (size_t n = len; n-- > 0;)
		CHECK(!filter_in(&f, frame, n, now_ms));
	ipv4(ME, GATEWAY, TCP, 20);
	for (size_t n = len; n-- > 0;)
		CHECK(!filter_out(&f, frame, n, now_ms));
}

CHECK_MAIN("relay_filter")
