#include "vsock/relay/plan/network.h"

#include <arpa/inet.h>
#include <string.h>

#include "vsock/relay/base/value.h"

enum { PREFIX_MIN = 8, PREFIX_MAX = 30, MTU = 1500 };

void network_defaults(struct plan_tap *t)
{
	*t = (struct plan_tap){
		.framing = PLAN_FRAMING_GVPROXY,
		.ip = { 192, 168, 127, 2 },
		.prefix = 24,
		.gateway = { 192, 168, 127, 1 },
		.mac = { 0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xee },
		.mtu = MTU,
	};
}

static bool read_ip(const char *text, size_t len, uint8_t ret[4])
{
	char copy[INET_ADDRSTRLEN + 1];

	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return inet_pton(AF_INET, copy, ret) == 1;
}

const char *network_address(const char *text, size_t len, struct plan_tap *t)
{
	static const char why[] = "it must be an IPv4 address with the length "
				  "of its network: 192.168.127.2/24";
	const char *end = text + len, *slash = memchr(text, '/', len);
	uint64_t prefix;

	if (!slash || !read_ip(text, (size_t)(slash - text), t->ip))
		return why;
	slash++;
	if (!value_number_at(&slash, end, PREFIX_MAX, &prefix) ||
	    slash != end || prefix < PREFIX_MIN)
		return "the length of a network is 8 to 30 bits";
	t->prefix = (unsigned)prefix;
	return NULL;
}

const char *network_gateway(const char *text, size_t len, struct plan_tap *t)
{
	return read_ip(text, len, t->gateway) ? NULL :
						"it must be an IPv4 address";
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *network_mac(const char *text, size_t len, struct plan_tap *t)
{
	static const char why[] =
		"it must be six bytes in hexadecimal: 5a:94:ef:e4:0c:ee";
	uint8_t mac[6];
	int high, low;

	if (len != 17)
		return why;
	for (unsigned i = 0; i < 6; i++) {
		high = hex_digit(text[3 * i]);
		low = hex_digit(text[3 * i + 1]);
		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return why;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	if (mac[0] & 1)
		return "the address of a group cannot be a device's";
	memcpy(t->mac, mac, sizeof(mac));
	return NULL;
}

static const char *read_accept(const char *word, const char *end,
			       struct plan_accept *ret)
{
	static const char why[] =
		"a word of it must be PORT[-LAST], /tcp or /udp behind it";
	uint64_t first, last;

	if (!value_number_at(&word, end, UINT16_MAX, &first) || first == 0)
		return why;
	last = first;
	if (word < end && *word == '-') {
		word++;
		if (!value_number_at(&word, end, UINT16_MAX, &last))
			return why;
	}
	if (last < first)
		return "a range's last port is before its first";
	*ret = (struct plan_accept){ .first = (uint16_t)first,
				     .last = (uint16_t)last };
	if (word == end)
		return NULL;
	if (end - word != 4 ||
	    (memcmp(word, "/tcp", 4) != 0 && memcmp(word, "/udp", 4) != 0))
		return why;
	ret->is_udp = word[1] == 'u';
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

const char *network_accept(const char *text, size_t len, struct plan_tap *t)
{
	const char *end = text + len, *word, *why = NULL;

	while (!why && text < end) {
		word = text;
		while (text < end && !is_blank(*text))
			text++;
		if (t->accepts == PLAN_ACCEPTS_MAX)
			return "there are more than 64 of them";
		why = read_accept(word, text, &t->accept[t->accepts++]);
		while (text < end && is_blank(*text))
			text++;
	}
	return why;
}

static uint32_t number(const uint8_t ip[4])
{
	return (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 |
	       (uint32_t)ip[2] << 8 | ip[3];
}

const char *network_check(const struct plan_tap *t)
{
	uint32_t ip = number(t->ip), gateway = number(t->gateway);
	uint32_t host = UINT32_MAX >> t->prefix;

	if ((ip ^ gateway) & ~host)
		return "tap-gateway is not in the network of tap-address";
	if (ip == gateway)
		return "tap-address and tap-gateway are the same";
	if ((ip & host) == 0 || (ip & host) == host || (gateway & host) == 0 ||
	    (gateway & host) == host)
		return "the first and the last address of a network are "
		       "nobody's";
	return NULL;
}
