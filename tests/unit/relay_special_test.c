/* Addresses that are not of the internet. */

#include <arpa/inet.h>

#include "check.h"
#include "vsock/relay/plan/special.h"

static const char *words(const char *text)
{
	struct host h;
	const char *why = host_read(text, strlen(text), &h);

	if (why) {
		CHECK_FAIL("%s: %s", text, why);
		return NULL;
	}
	return special_words(&h);
}

TEST(special_addresses_are_refused)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "0.0.0.0", "this network" },
		{ "0.255.255.255", "this network" },
		{ "10.0.0.0", "private" },
		{ "10.255.255.255", "private" },
		{ "100.64.0.0", "shared" },
		{ "100.127.255.255", "shared" },
		{ "127.0.0.1", "loopback" },
		{ "127.255.255.255", "loopback" },
		{ "169.254.169.254", "link-local" }, /* metadata */
		{ "169.254.169.253", "link-local" }, /* its resolver */
		{ "172.16.0.0", "private" },
		{ "172.31.255.255", "private" },
		{ "192.0.0.1", "protocols" },
		{ "192.0.0.170", "protocols" },
		{ "192.0.2.1", "documentation" },
		{ "192.88.99.1", "6to4" },
		{ "192.168.0.0", "private" },
		{ "192.168.255.255", "private" },
		{ "198.18.0.0", "benchmarks" },
		{ "198.19.255.255", "benchmarks" },
		{ "198.51.100.1", "documentation" },
		{ "203.0.113.255", "documentation" },
		{ "224.0.0.1", "multicast" },
		{ "239.255.255.255", "multicast" },
		{ "240.0.0.0", "reserved" },
		{ "255.255.255.255", "reserved" },
		{ "::", "reserved" },
		{ "::1", "loopback" },
		{ "::2", "reserved" },
		{ "::127.0.0.1", "reserved" },
		{ "::8.8.8.8", "reserved" },
		{ "::ffff:10.0.0.1", "private" },
		{ "::ffff:0:8.8.8.8", "reserved" },
		{ "64:ff9b::127.0.0.1", "loopback" },
		{ "64:ff9b::a9fe:a9fe", "link-local" },
		{ "64:ff9b:1::8.8.8.8", "reserved" },
		{ "100::1", "discard" },
		{ "2001::1", "protocols" },
		{ "2001:0:4136:e378:8000:63bf:3fff:fdd2", "protocols" },
		{ "2001:2::1", "protocols" },
		{ "2001:20::1", "protocols" },
		{ "2001:1ff:ffff::1", "protocols" },
		{ "2001:db8::1", "documentation" },
		{ "2001:db8:ffff:ffff::1", "documentation" },
		{ "2002:7f00:1::1", "loopback" },
		{ "2002:a9fe:a9fe::1", "link-local" },
		{ "2002:c0a8:101::", "private" },
		{ "3fff::1", "documentation" },
		{ "3fff:fff::1", "documentation" },
		{ "5f00::1", "segment" },
		{ "fc00::1", "private" },
		{ "fd00:ec2::254", "private" }, /* metadata */
		{ "fdff:ffff::1", "private" },
		{ "fe80::1", "link-local" },
		{ "febf::1", "link-local" },
		{ "fec0::1", "private" },
		{ "ff02::1", "multicast" },
		{ "1fff::1", "reserved" },
		{ "4000::1", "reserved" },
		{ "8000::1", "reserved" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *w = words(cases[i].text);

		if (!w || !strstr(w, cases[i].words))
			CHECK_FAIL("%s: %s", cases[i].text,
				   w ? w : "of the internet");
	}
}

TEST(addresses_of_the_internet_are_not)
{
	static const char *const good[] = {
		"1.1.1.1",
		"8.8.8.8",
		"9.255.255.255",
		"11.0.0.0",
		"100.63.255.255",
		"100.128.0.0",
		"126.255.255.255",
		"128.0.0.0",
		"169.253.255.255",
		"169.255.0.0",
		"172.15.255.255",
		"172.32.0.0",
		"192.0.1.0",
		"192.0.3.0",
		"192.88.98.1",
		"192.167.255.255",
		"192.169.0.0",
		"198.17.255.255",
		"198.20.0.0",
		"223.255.255.255",
		"2000::1",
		"2001:200::1",
		"2001:4860:4860::8888",
		"2001:db7::1",
		"2001:db9::1",
		"2002:808:808::1",
		"2606:4700::1",
		"2620:4f:8000::1",
		"3ffe::1",
		"3fff:1000::1",
		"64:ff9b::8.8.8.8",
		"::ffff:8.8.8.8",
		"example.com",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *w = words(good[i]);

		if (w)
			CHECK_FAIL("%s: %s", good[i], w);
	}
}

CHECK_MAIN("relay_special")
