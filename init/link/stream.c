#include "init/link/stream.h"

#include <stddef.h>
#include <unistd.h>

enum {
	BUFFER = 16384,	    /* of which the pages stay touched */
	REST_MAX = 1 << 20, /* somebody may write faster than we read */
};

static char in[BUFFER], out[BUFFER + 2 * LINE_ROOM];

bool stream_take(int fd, struct line *l, struct ring *ring)
{
	ssize_t n = read(fd, in, sizeof(in));
	size_t at = 0, len;

	while (n > 0 && at < (size_t)n) {
		at += line_write(l, in + at, (size_t)n - at, out, sizeof(out),
				 &len);
		ring_write(ring, out, len);
	}
	return n == (ssize_t)sizeof(in);
}

void stream_flush(struct line *l, struct ring *ring)
{
	ring_write(ring, out, line_flush(l, out));
}

void stream_end(int fd, struct line *l, struct ring *ring)
{
	size_t rest = REST_MAX;

	while (rest > 0 && stream_take(fd, l, ring))
		rest -= BUFFER;
	ring_write(ring, out, line_end(l, out));
}

void stream_repair(struct line *l)
{
	if (l->name_len <= LINE_NAME_MAX &&
	    l->pending_len <= LINE_PENDING_MAX && l->held_len <= LINE_MAX_BYTES)
		return;
	l->held_len = 0;
	l->pending_len = 0;
	if (l->name_len > LINE_NAME_MAX)
		l->name_len = LINE_NAME_MAX;
}
