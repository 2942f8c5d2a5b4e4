/*
 * What a service writes. The lines do not depend on how its bytes are divided; none
 * is too long, none has what a terminal acts on; and what is read back from them is
 * what was written.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/utf8.h"
#include "vsock/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 20000, OUT = 8 * INPUT_MAX + 2 * LINE_ROOM };

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* Writes LEN bytes by pieces of STEP, with CAP bytes of room each time. */
static size_t write_all(struct line *l, const uint8_t *s, size_t len,
			size_t step, size_t cap, char *out)
{
	size_t at = 0, done = 0, n, got;
	char *room = malloc(cap);

	require(room);
	while (done < len) {
		size_t want = len - done < step ? len - done : step;
		uint8_t *piece = malloc(want);

		require(piece);
		memcpy(piece, s + done, want);
		n = line_write(l, piece, want, room, cap, &got);
		require(n <= want && got <= cap && (n > 0 || got > 0));
		require(got == 0 || room[got - 1] == '\n');
		require(at + got <= OUT);
		memcpy(out + at, room, got);
		at += got;
		done += n;
		free(piece);
	}
	free(room);
	return at + line_end(l, out + at);
}

static uint8_t digit(char c)
{
	require((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The bytes of a text of LEN bytes at S; returns their number. */
static size_t decode(const char *s, size_t len, bool escapes, uint8_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (escapes && s[i] == '\\' && i + 1 < len && s[i + 1] == 'x') {
			require(i + 3 < len);
			to[n++] = (uint8_t)(digit(s[i + 2]) << 4 |
					    digit(s[i + 3]));
			i += 3;
		} else {
			to[n++] = (uint8_t)s[i];
		}
	}
	return n;
}

static void check_safe(const char *s, size_t len)
{
	for (size_t n; len > 0; s += n, len -= n)
		require(utf8_is_safe(utf8_decode(s, len, &n)) || *s == '\t');
}

/* What the service wrote, but for CRs before newlines and with a newline at its end. */
static size_t normal(const uint8_t *s, size_t len, uint8_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (s[i] != '\r' || i + 1 == len || s[i + 1] != '\n')
			to[n++] = s[i];
	if (n > 0 && to[n - 1] != '\n')
		to[n++] = '\n';
	return n;
}

static void check_lines(const char *out, size_t len, bool escapes,
			const uint8_t *wanted, size_t wanted_len)
{
	static uint8_t text[OUT];
	size_t n = 0;

	for (size_t at = 0; at < len;) {
		const char *line = out + at,
			   *end = memchr(line, '\n', len - at);
		size_t of_line;

		require(end);
		of_line = (size_t)(end - line);
		require(of_line >= 4 && of_line <= 4 + LINE_TEXT_MAX);
		require(line[0] == 'a' && line[1] == 'b' && line[3] == ' ');
		require(line[2] == '!' || (line[2] == '+' && at > 0));
		if (line[2] == '+') {
			require(n > 0 && of_line > 4);
			n--; /* the newline is none of the service's */
		}
		if (escapes)
			check_safe(line, of_line);
		n += decode(line + 4, of_line - 4, escapes, text + n);
		text[n++] = '\n';
		at += of_line + 1;
	}
	require(n == wanted_len && memcmp(text, wanted, n) == 0);
}

/* Flushed anywhere, the bytes are the same. */
static void check_flush(const uint8_t *s, size_t len, size_t step,
			const uint8_t *wanted, size_t wanted_len)
{
	static char out[2 * OUT];
	static struct line l;
	size_t at = 0, n;

	line_init(&l, "ab", true, true);
	for (size_t i = 0; i < len; i += step) {
		size_t piece = len - i < step ? len - i : step;

		/* A byte makes no more than eight, and so does one that was pending, in a line of its own. */
		require(line_write(&l, s + i, piece, out + at,
				   LINE_ROOM + 8 * (piece + LINE_PENDING_MAX),
				   &n) == piece);
		at += n;
		at += line_flush(&l, out + at);
		require(!line_is_open(&l));
	}
	at += line_end(&l, out + at);
	check_lines(out, at, true, wanted, wanted_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char whole[OUT], pieces[OUT];
	static uint8_t wanted[INPUT_MAX + 1];
	static struct line l;
	size_t step, cap, len, wanted_len;
	bool escapes;

	if (size < 3 || size > INPUT_MAX)
		return 0;
	escapes = data[0] & 1;
	step = (size_t)1 + data[1] * data[1] / 16;
	cap = (size_t)LINE_ROOM + data[2] * 40;
	data += 3;
	size -= 3;
	/* Each piece costs a copy of the open line. */
	step += size / 1000;
	memset(&l, 0xaa, sizeof(l));
	line_init(&l, "ab", true, escapes);
	len = write_all(&l, data, size, size + 1, OUT, whole);
	wanted_len = normal(data, size, wanted);
	check_lines(whole, len, escapes, wanted, wanted_len);
	/* The same stream again: nothing is left of the first. */
	require(write_all(&l, data, size, step, cap, pieces) == len &&
		memcmp(whole, pieces, len) == 0);
	if (size / step < 200)
		check_flush(data, size, step, wanted, wanted_len);
	return 0;
}
