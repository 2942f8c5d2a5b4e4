#include "init/link/excerpt.h"

#include <stdbool.h>
#include <string.h>

#include "vsock/line.h"

enum { BUFFER = 8 * LINE_MAX_BYTES };

static char buf[BUFFER];

static bool is_of(const char *line, size_t len, const char *name,
		  size_t name_len)
{
	return len > name_len + 1 && memcmp(line, name, name_len) == 0 &&
	       memchr(":!+", line[name_len], 3) && line[name_len + 1] == ' ';
}

/* Makes room for LEN bytes by dropping whole lines from the begin of OUT. */
static size_t drop_lines(char *out, size_t have, size_t cap, size_t len)
{
	size_t at = have + len > cap ? have + len - cap : 0;
	const char *end;

	if (at == 0)
		return have;
	end = memchr(out + at - 1, '\n', have - (at - 1));
	at = end ? (size_t)(end - out) + 1 : have;
	memmove(out, out + at, have - at);
	return have - at;
}

size_t excerpt_of(const struct ring *ring, const char *name, char *out,
		  size_t cap)
{
	const size_t name_len = strnlen(name, LINE_NAME_MAX);
	uint64_t pos = ring_tail(ring), lost = 0;
	size_t have = 0, n, len;
	bool is_cut = pos > 0; /* at first, and behind what was lost */
	const char *end;

	while ((n = ring_read(ring, &pos, buf, sizeof(buf), &lost)) > 0) {
		const char *at = buf;

		is_cut |= lost > 0;
		while ((end = memchr(at, '\n', n))) {
			len = (size_t)(end - at) + 1;
			if (!is_cut && len <= cap &&
			    is_of(at, len, name, name_len)) {
				have = drop_lines(out, have, cap, len);
				memcpy(out + have, at, len);
				have += len;
			}
			is_cut = false;
			at += len;
			n -= len;
		}
		/* A line that is cut by the buffer is read again; one without an end is left. */
		if (at == buf)
			break;
		pos -= n;
	}
	return have;
}
