/*
 * Frames in and out of an enclave, each after 16 bits: the upper one is the direction, the others are its
 * length. What enters is read here once more, and more simply.
 */

#include <stdlib.h>
#include <string.h>

#include "vsock/relay/wire/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct plan_tap plan = {
	.ip = { 192, 168, 127, 2 },
	.prefix = 24,
	.gateway = { 192, 168, 127, 1 },
	.mac = { 0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xee },
	.mtu = 1500,
	.accepts = 2,
	.accept = { { 80, 80, false }, { 5000, 5001, true } },
};

static void require(bool truth)
{
	if (!truth)
		abort();
}

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void check_in(const uint8_t *f, size_t len)
{
	const uint8_t *ip = f + 14, *data = f + 34;

	if (get16(f + 12) == 0x806) {
		require(memcmp(ip + 24, plan.ip, 4) == 0);
		return;
	}
	require(memcmp(f, plan.mac, 6) == 0 && get16(f + 12) == 0x800);
	require(len >= 34 && ip[0] == 0x45 && memcmp(ip + 16, plan.ip, 4) == 0);
	require((get16(ip + 6) & 0x3fff) == 0 && get16(ip + 2) + 14U <= len);
	if (ip[9] == 6)
		require((data[13] & 0x12) != 2 || get16(data + 2) == 80);
	else if (ip[9] == 1)
		require(data[0] != 8 && data[0] != 5);
	else
		require(ip[9] == 17);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct filter f;
	int64_t now_ms = 1;
	size_t len;
	bool is_out;

	filter_open(&f, &plan);
	for (; size >= 2; data += len, size -= len, now_ms += 1000) {
		is_out = data[0] & 0x80;
		len = get16(data) & 0x7fff;
		data += 2;
		size -= 2;
		len = len < size ? len : size;
		/* Of just that size: the sanitizer sees what is one too many. */
		uint8_t *frame = malloc(len + !len);

		require(frame);
		memcpy(frame, data, len);
		if (is_out && filter_out(&f, frame, len, now_ms))
			require(memcmp(frame + 6, plan.mac, 6) == 0);
		if (!is_out && filter_in(&f, frame, len, now_ms))
			check_in(frame, len);
		free(frame);
	}
	return 0;
}
