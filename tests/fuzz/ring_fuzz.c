/*
 * A ring beside a model that has all bytes that were ever written: by writers that
 * are killed, readers anywhere, and at last with a header of any content.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vsock/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ALL = 1 << 18 };

static uint8_t all[ALL];
static uint64_t written; /* of ALL: the head */
static uint64_t claimed;

static void require(bool truth)
{
	if (!truth)
		abort();
}

struct input {
	const uint8_t *at, *end;
};

static uint64_t take(struct input *in, size_t bytes)
{
	uint64_t v = 0;

	for (; bytes > 0 && in->at < in->end; bytes--)
		v = v << 8 | *in->at++;
	return v;
}

static uint64_t oldest(const struct ring *r)
{
	uint64_t tail = claimed > r->size ? claimed - r->size : 0;

	return tail < written ? tail : written;
}

static void write_some(struct ring *r, size_t len)
{
	static uint32_t random;

	if (len > ALL - written)
		return;
	for (size_t i = 0; i < len; i++) {
		random = random * 1103515245 + 12345;
		/* Lines of some length. */
		all[written + i] =
			(random >> 16) % 16 ? (uint8_t)(random >> 20) : '\n';
	}
	ring_write(r, all + written, len);
	written += len;
	if (claimed < written)
		claimed = written;
}

/* A writer that dies within the next LEN bytes. */
static void die(struct ring *r, void *mem, size_t len)
{
	uint64_t *claim = (uint64_t *)mem + 3;

	len %= r->size / RING_PIECES + 1;
	for (size_t i = 0; i < len; i++)
		r->data[(written + i) % r->size] ^= 0x55;
	if (claimed < written + len)
		claimed = written + len;
	*claim = claimed;
	require(ring_open(r, mem, RING_HEADER_BYTES + r->size) == 0);
}

static void read_some(const struct ring *r, uint64_t pos, size_t len)
{
	uint8_t *buf = malloc(len + !len);
	uint64_t at = pos, lost, from = pos < oldest(r) ? oldest(r) : pos;
	size_t n;

	require(buf);
	n = ring_read(r, &at, buf, len, &lost);
	if (pos > written) {
		require(n == 0 && lost == 0 && at == written);
	} else {
		require(lost == from - pos);
		require(n == (len < written - from ? len : written - from));
		require(at == from + n && memcmp(buf, all + from, n) == 0);
	}
	free(buf);
}

static void find_line(const struct ring *r, size_t len)
{
	uint64_t pos = ring_tail_from_line(r, len), from = oldest(r), p;

	if (written - from > len)
		from = written - len;
	require(pos >= from && pos <= written);
	/* The first of those that begin there. */
	for (p = from; p < written; p++)
		if (p == 0 || (p > oldest(r) && all[p - 1] == '\n'))
			break;
	require(p == written ? pos <= from + 3 : pos == p);
}

static void spoil(struct ring *r, void *mem, struct input *in)
{
	uint8_t buf[600] = { 0 };
	uint64_t pos, lost;

	for (size_t i = 0; i < RING_HEADER_BYTES / 8; i++)
		((uint64_t *)mem)[i] = take(in, 8);
	pos = take(in, 8);
	require(ring_read(r, &pos, buf, sizeof(buf), &lost) <= r->size);
	require(ring_tail(r) <= ring_head(r));
	(void)ring_tail_from_line(r, take(in, 2));
	ring_write(r, buf, take(in, 2) % sizeof(buf));
	(void)ring_open(r, mem, RING_HEADER_BYTES + r->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .at = data, .end = data + size };
	size_t len = RING_HEADER_BYTES + RING_SIZE_MIN + take(&in, 2) % 5000;
	void *mem = malloc(len);
	struct ring r;

	require(mem && ring_init(&r, mem, len) == 0);
	written = claimed = 0;
	while (in.at < in.end) {
		switch (take(&in, 1) % 8) {
		case 0:
		case 1:
			write_some(&r, take(&in, 1));
			break;
		case 2:
			write_some(&r, take(&in, 2) % (2 * r.size));
			break;
		case 3:
			die(&r, mem, take(&in, 2));
			break;
		case 4:
			read_some(&r, take(&in, 3), take(&in, 2));
			break;
		case 5:
			read_some(&r, written - take(&in, 2) % (written + 1),
				  take(&in, 2));
			break;
		case 6:
			find_line(&r, take(&in, 2));
			break;
		case 7:
			if (take(&in, 1) == 255)
				goto spoil;
			break;
		}
		require(ring_head(&r) == written &&
			ring_tail(&r) == oldest(&r));
	}
spoil:
	spoil(&r, mem, &in);
	free(mem);
	return 0;
}
