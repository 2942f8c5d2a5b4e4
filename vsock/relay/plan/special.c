#include "vsock/relay/plan/special.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct range {
	uint8_t ip
		[8]; /* the beginning; no prefix is longer, but those that are below */
	uint8_t bits;
	const char *words;
};

/* As of October 2025, and multicast. The globally reachable parts of 192.0.0.0/24 are of no use here. */
static const struct range v4[] = {
	{ { 0 }, 8, "this network" },
	{ { 10 }, 8, "private" },
	{ { 100, 64 }, 10, "shared (carrier-grade NAT)" },
	{ { 127 }, 8, "loopback" },
	{ { 169, 254 }, 16, "link-local" },
	{ { 172, 16 }, 12, "private" },
	{ { 192, 0, 0 }, 24, "of protocols" },
	{ { 192, 0, 2 }, 24, "documentation" },
	{ { 192, 88, 99 }, 24, "6to4 relays" },
	{ { 192, 168 }, 16, "private" },
	{ { 198, 18 }, 15, "benchmarks" },
	{ { 198, 51, 100 }, 24, "documentation" },
	{ { 203, 0, 113 }, 24, "documentation" },
	{ { 224 }, 4, "multicast" },
	{ { 240 }, 4, "reserved" },
};

/* Of 2000::/3, without which there is no address of the internet. */
static const struct range v6[] = {
	{ { 0x20, 0x01 }, 23, "of protocols" }, /* Teredo, ORCHID, benchmarks */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, "documentation" },
	{ { 0x3f, 0xff }, 20, "documentation" },
};

/* The others, only for the words. */
static const struct range others[] = {
	{ { 0xfc }, 7, "private (unique local)" },
	{ { 0xfe, 0x80 }, 10, "link-local" },
	{ { 0xfe, 0xc0 }, 10, "private (site-local)" },
	{ { 0xff }, 8, "multicast" },
	{ { 0x01, 0x00 }, 8, "discard" },
	{ { 0x5f }, 16, "segment routing" },
};

static bool has_prefix(const uint8_t *ip, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(ip, prefix, whole) == 0 &&
	       (rest == 0 ||
		((ip[whole] ^ prefix[whole]) & (0xff00U >> rest) & 0xff) == 0);
}

static const char *find(const struct range *ranges, size_t count,
			const uint8_t *ip)
{
	for (size_t i = 0; i < count; i++)
		if (has_prefix(ip, ranges[i].ip, ranges[i].bits))
			return ranges[i].words;
	return NULL;
}

static const char *words_of_v4(const uint8_t *ip)
{
	return find(v4, sizeof(v4) / sizeof(v4[0]), ip);
}

static const char *words_of_v6(const uint8_t *ip)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t six_to_four[2] = { 0x20, 0x02 };
	static const uint8_t internet[1] = { 0x20 };
	const char *words;

	if (memcmp(ip, nat64, sizeof(nat64)) == 0 ||
	    memcmp(ip, mapped, sizeof(mapped)) == 0)
		return words_of_v4(ip + 12);
	if (memcmp(ip, six_to_four, sizeof(six_to_four)) == 0)
		return words_of_v4(ip + 2);
	if (memcmp(ip, loopback, sizeof(loopback)) == 0)
		return "loopback";
	if (has_prefix(ip, internet, 3))
		return find(v6, sizeof(v6) / sizeof(v6[0]), ip);
	words = find(others, sizeof(others) / sizeof(others[0]), ip);
	return words ? words : "reserved";
}

const char *special_words(const struct host *h)
{
	switch (h->kind) {
	case HOST_V4:
		return words_of_v4(h->ip);
	case HOST_V6:
		return words_of_v6(h->ip);
	case HOST_NAME:
	case HOST_NONE:
		break;
	}
	return NULL;
}
