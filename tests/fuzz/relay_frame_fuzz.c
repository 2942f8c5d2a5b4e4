/*
 * A stream of frames: the format, a number that decides how the stream is cut, the stream.
 * However it is cut, the frames are the same, and so is the end.
 */

#include <stdlib.h>
#include <string.h>

#include "vsock/relay/wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MIN = 2, MAX = 200, SEEN = 70000 };

struct seen {
	size_t len;
	int end;
	uint8_t bytes[SEEN];
};

static void require(int truth)
{
	if (!truth)
		abort();
}

/* Takes the frames that are there, as heads of two bytes and data. */
static void take(struct frame_reader *r, struct seen *s)
{
	const uint8_t *frame;
	size_t len;

	while ((s->end = frame_next(r, &frame, &len)) > 0) {
		require(len >= MIN && len <= MAX && s->len + 2 + len <= SEEN);
		s->bytes[s->len++] = (uint8_t)(len >> 8);
		s->bytes[s->len++] = (uint8_t)len;
		memcpy(s->bytes + s->len, frame, len);
		s->len += len;
	}
}

static void read_all(enum frame_format format, size_t step,
		     const uint8_t *stream, size_t len, struct seen *s)
{
	size_t cap = MAX + FRAME_HEAD_MAX + step, n;
	struct frame_reader r = { .format = format,
				  .min = MIN,
				  .max = MAX,
				  .buf = malloc(cap),
				  .cap = cap };
	uint8_t *room;

	require(r.buf != NULL);
	s->len = 0;
	s->end = 0;
	for (size_t at = 0; at < len && s->end >= 0; at += n) {
		room = frame_room(&r, &n);
		require(n > 0);
		n = n < step ? n : step;
		n = n < len - at ? n : len - at;
		memcpy(room, stream + at, n);
		frame_fill(&r, n);
		take(&r, s);
	}
	free(r.buf);
}

/* What is written is what is read. */
static void check_head(enum frame_format format, size_t len)
{
	uint8_t buf[FRAME_HEAD_MAX + MAX] = { 0 };
	struct frame_reader r = { .format = format,
				  .min = MIN,
				  .max = MAX,
				  .buf = buf,
				  .cap = sizeof(buf) };
	const uint8_t *frame;
	size_t got;

	require(frame_head(format, len, buf) == frame_head_len(format));
	frame_fill(&r, frame_head_len(format) + len);
	require(frame_next(&r, &frame, &got) == 1 && got == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen whole, cut;
	enum frame_format format;

	if (size < 2 || size > SEEN / 2)
		return 0;
	format = (enum frame_format)(data[0] % 3);
	check_head(format, MIN + data[1] % (MAX - MIN + 1));
	read_all(format, size, data + 2, size - 2, &whole);
	read_all(format, data[1] % 64 + 1, data + 2, size - 2, &cut);
	require(whole.len == cut.len && whole.end == cut.end);
	require(memcmp(whole.bytes, cut.bytes, whole.len) == 0);
	return 0;
}
