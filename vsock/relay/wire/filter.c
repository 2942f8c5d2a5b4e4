#include "vsock/relay/wire/filter.h"

#include <string.h>

enum {
	ETHER_IPV4 = 0x0800,
	ETHER_ARP = 0x0806,
	ARP_LEN = 28,
	IP_LEN = 20,
	IP_ICMP = 1,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_MORE = 0x2000,
	IP_OFFSET = 0x1fff,
	TCP_LEN = 20,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
	UDP_LEN = 8,
	ICMP_LEN = 8,
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
};

/* Of ARP about IPv4 over Ethernet, up to the operation's low byte. */
static const uint8_t arp_head[] = { 0, 1, 8, 0, 6, 4, 0 };
static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

void filter_open(struct filter *f, const struct plan_tap *plan)
{
	memset(f, 0, sizeof(*f));
	f->plan = plan;
}

/* --- Conversations over UDP --------------------------------------------------- */

static struct filter_udp *set_of(struct filter *f, uint32_t peer,
				 uint16_t peer_port, uint16_t port)
{
	uint32_t h = peer ^ ((uint32_t)peer_port << 16 | port);

	h *= 0x9e3779b1U;
	return f->udp[h >> 24];
}

_Static_assert(FILTER_SETS == 1 << 8, "set_of takes eight bits");

static struct filter_udp *find(struct filter_udp *set, uint32_t peer,
			       uint16_t peer_port, uint16_t port)
{
	for (size_t i = 0; i < FILTER_WAYS; i++)
		if (set[i].used_ms && set[i].peer == peer &&
		    set[i].peer_port == peer_port && set[i].port == port)
			return &set[i];
	return NULL;
}

/* The one that was used longest ago goes. */
static void remember(struct filter *f, uint32_t peer, uint16_t peer_port,
		     uint16_t port, int64_t now_ms)
{
	struct filter_udp *set = set_of(f, peer, peer_port, port);
	struct filter_udp *at = find(set, peer, peer_port, port);

	if (!at) {
		at = set;
		for (size_t i = 1; i < FILTER_WAYS; i++)
			if (set[i].used_ms < at->used_ms)
				at = &set[i];
	}
	*at = (struct filter_udp){ now_ms, peer, peer_port, port };
}

static bool is_answer(struct filter *f, uint32_t peer, uint16_t peer_port,
		      uint16_t port, int64_t now_ms)
{
	struct filter_udp *at =
		find(set_of(f, peer, peer_port, port), peer, peer_port, port);

	if (!at || now_ms - at->used_ms > FILTER_UDP_MS)
		return false;
	at->used_ms = now_ms;
	return true;
}

/* --- ARP ------------------------------------------------------------------------ */

static bool is_of_network(const struct plan_tap *p, const uint8_t *ip)
{
	uint32_t mask = p->prefix ? UINT32_MAX << (32 - p->prefix) : 0;

	return ((get32(ip) ^ get32(p->ip)) & mask) == 0;
}

/* About IPv4 over Ethernet, of SENDER. */
static bool is_arp(const uint8_t *arp, size_t len, const uint8_t *sender)
{
	return len >= ARP_LEN && memcmp(arp, arp_head, sizeof(arp_head)) == 0 &&
	       (arp[7] == 1 || arp[7] == 2) && memcmp(arp + 8, sender, 6) == 0;
}

/* Nobody else has the own address, and only who is in the network is asked or answered. */
static bool arp_in(const struct plan_tap *p, const uint8_t *frame, size_t len)
{
	const uint8_t *arp = frame + FILTER_ETHER;

	return is_arp(arp, len, frame + 6) && memcmp(arp + 24, p->ip, 4) == 0 &&
	       memcmp(arp + 14, p->ip, 4) != 0 && is_of_network(p, arp + 14);
}

static bool arp_out(const struct plan_tap *p, const uint8_t *frame, size_t len)
{
	const uint8_t *arp = frame + FILTER_ETHER;

	return is_arp(arp, len, p->mac) && memcmp(arp + 14, p->ip, 4) == 0;
}

void filter_probe(const struct plan_tap *plan, uint8_t ret[FILTER_PROBE])
{
	uint8_t *arp = ret + FILTER_ETHER;

	_Static_assert(FILTER_PROBE == FILTER_ETHER + ARP_LEN, "no padding");
	memset(ret, 0, FILTER_PROBE);
	memcpy(ret, broadcast, sizeof(broadcast));
	memcpy(ret + 6, plan->mac, 6);
	ret[12] = ETHER_ARP >> 8;
	ret[13] = ETHER_ARP & 0xff;
	memcpy(arp, arp_head, sizeof(arp_head));
	arp[7] = 1;
	memcpy(arp + 8, plan->mac, 6);
	memcpy(arp + 14, plan->ip, 4);
	memcpy(arp + 24, plan->gateway, 4);
}

/* --- IPv4 ----------------------------------------------------------------------- */

struct packet {
	uint32_t from, to;
	uint8_t protocol;
	bool is_piece;
	const uint8_t *data; /* behind the head of IPv4 */
	size_t len;
};

static bool read_packet(const uint8_t *ip, size_t len, struct packet *ret)
{
	size_t head, total;

	if (len < IP_LEN || ip[0] >> 4 != 4)
		return false;
	head = (size_t)(ip[0] & 15) * 4;
	total = get16(ip + 2);
	if (head < IP_LEN || total < head || total > len)
		return false;
	*ret = (struct packet){
		.from = get32(ip + 12),
		.to = get32(ip + 16),
		.protocol = ip[9],
		.is_piece = get16(ip + 6) & (IP_MORE | IP_OFFSET),
		.data = ip + head,
		.len = total - head,
	};
	return true;
}

/* Of one machine, which is not this one. */
static bool is_peer(const struct plan_tap *p, uint32_t ip)
{
	return ip >> 24 != 0 && ip >> 24 != 127 && ip >> 28 < 14 &&
	       ip != get32(p->ip);
}

static bool is_accepted(const struct plan_tap *p, uint16_t port, bool is_udp)
{
	for (size_t i = 0; i < p->accepts; i++)
		if (p->accept[i].is_udp == is_udp &&
		    port >= p->accept[i].first && port <= p->accept[i].last)
			return true;
	return false;
}

static bool tcp_in(const struct plan_tap *plan, const struct packet *p)
{
	uint8_t flags;

	if (p->len < TCP_LEN)
		return false;
	flags = p->data[13];
	if (flags & TCP_SYN && !(flags & TCP_ACK))
		return is_accepted(plan, get16(p->data + 2), false);
	return flags & (TCP_ACK | TCP_RST);
}

static bool udp_in(struct filter *f, const struct packet *p, int64_t now_ms)
{
	uint16_t port;

	if (p->len < UDP_LEN)
		return false;
	port = get16(p->data + 2);
	return is_accepted(f->plan, port, true) ||
	       is_answer(f, p->from, get16(p->data), port, now_ms);
}

static bool icmp_in(const struct packet *p)
{
	uint8_t type;

	if (p->len < ICMP_LEN)
		return false;
	type = p->data[0];
	return type == ICMP_ECHO_REPLY || type == ICMP_UNREACHABLE ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER;
}

static bool ipv4_in(struct filter *f, const uint8_t *ip, size_t len,
		    int64_t now_ms)
{
	struct packet p;

	if (!read_packet(ip, len, &p) || p.data != ip + IP_LEN || p.is_piece ||
	    p.to != get32(f->plan->ip) || !is_peer(f->plan, p.from))
		return false;
	if (p.protocol == IP_TCP)
		return tcp_in(f->plan, &p);
	if (p.protocol == IP_UDP)
		return udp_in(f, &p, now_ms);
	return p.protocol == IP_ICMP && icmp_in(&p);
}

static bool ipv4_out(struct filter *f, const uint8_t *ip, size_t len,
		     int64_t now_ms)
{
	struct packet p;

	if (!read_packet(ip, len, &p) || p.from != get32(f->plan->ip))
		return false;
	/* Of several pieces the first one has the ports. */
	if (p.protocol == IP_UDP && !(get16(ip + 6) & IP_OFFSET) &&
	    p.len >= UDP_LEN)
		remember(f, p.to, get16(p.data + 2), get16(p.data), now_ms);
	return true;
}

/* --- Ethernet ------------------------------------------------------------------- */

bool filter_in(struct filter *f, const uint8_t *frame, size_t len,
	       int64_t now_ms)
{
	const uint8_t *data = frame + FILTER_ETHER;
	bool is_mine;
	uint16_t type;

	if (len < FILTER_ETHER)
		return false;
	is_mine = memcmp(frame, f->plan->mac, 6) == 0;
	type = get16(frame + 12);
	len -= FILTER_ETHER;
	if (type == ETHER_ARP &&
	    (is_mine || memcmp(frame, broadcast, sizeof(broadcast)) == 0))
		return arp_in(f->plan, frame, len);
	return is_mine && type == ETHER_IPV4 && ipv4_in(f, data, len, now_ms);
}

bool filter_out(struct filter *f, const uint8_t *frame, size_t len,
		int64_t now_ms)
{
	const uint8_t *data = frame + FILTER_ETHER;
	uint16_t type;

	if (len < FILTER_ETHER || memcmp(frame + 6, f->plan->mac, 6) != 0)
		return false;
	type = get16(frame + 12);
	len -= FILTER_ETHER;
	if (type == ETHER_ARP)
		return arp_out(f->plan, frame, len);
	return type == ETHER_IPV4 && ipv4_out(f, data, len, now_ms);
}
