#ifndef VSOCK_LINE_H
#define VSOCK_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Makes lines of the log of what a service writes. Pure.
 *
 *   NAME: text     a line of its standard output
 *   NAME! text     a line of its standard error
 *   NAME+ text     more of the line before it of this stream, whichever it is: text
 *                  of more than LINE_TEXT_MAX bytes, or behind line_flush
 *
 * A CR before the newline is dropped. With ESCAPE all lines are UTF-8 without
 * anything that a terminal acts on. Written as \xHH for each byte, in lower-case
 * digits, are
 *
 *   - control characters but tab: C0, DEL, C1
 *   - bytes that are no UTF-8
 *   - characters that utf8_is_safe refuses: invisible ones, and those that break
 *     lines or turn the direction of text
 *   - a backslash before an x. So wherever \x stands in a line, two digits follow and
 *     are a byte of the service's; any other backslash is itself.
 *
 * Without ESCAPE all bytes but the newline stay as they are.
 */

enum {
	LINE_NAME_MAX = 31,   /* bytes of a name, as in CONFIG_SECTION_MAX */
	LINE_TEXT_MAX = 4096, /* bytes of text in a line, escapes included */
	/* Bytes of the longest line, with name, mark, space and newline. */
	LINE_MAX_BYTES = LINE_NAME_MAX + 2 + LINE_TEXT_MAX + 1,
	/* The room that a line is written to: what is copied may be more. */
	LINE_ROOM = LINE_MAX_BYTES + 16,
	LINE_PENDING_MAX = 3,
};

/*
 * A stream: 4 KiB, of which as much is touched as its open line is long. All of it
 * is line.c's.
 */
struct line {
	uint8_t name_len;
	char name[LINE_NAME_MAX + 1];
	char mark; /* : or ! */
	bool escapes;
	/* The line goes on, and what there was of it has been written. */
	bool is_continued;
	/* Bytes of which it depends on the next one what they are. */
	uint8_t pending_len;
	uint8_t pending[LINE_PENDING_MAX];
	/* The open line, its prefix included, as it will be written; 0: none. */
	uint16_t held_len;
	char held[LINE_MAX_BYTES];
};

/*
 * A new stream of the service NAME, of which LINE_NAME_MAX bytes are taken, with
 * nothing open. NAME is copied.
 */
void line_init(struct line *l, const char *name, bool is_stderr, bool escapes);

/*
 * Takes bytes of the LEN at BYTES, and writes the lines that they complete to OUT,
 * which has room for CAP bytes, LINE_ROOM or more, and does not overlap them. Returns
 * how many bytes it took: all of them unless there is too little room for another line.
 * *RET_LEN is the number of bytes written: whole lines, each with its newline. If LEN
 * is not 0, one of the two numbers is not. Bytes behind *RET_LEN in OUT are undefined. An
 * open line is kept in L. How the bytes are divided into calls makes no difference.
 */
size_t line_write(struct line *l, const void *bytes, size_t len, char *out,
		  size_t cap, size_t *ret_len);

/* Whether there is something to write for line_flush. */
bool line_is_open(const struct line *l);

/*
 * Writes the open line, which has waited long enough, as a line of its own; what
 * follows of it will have a +. Up to LINE_PENDING_MAX bytes stay: half a character, or a
 * CR or backslash whose successor counts. Returns the number of bytes written to
 * OUT, LINE_ROOM or more; 0 if there are none.
 */
size_t line_flush(struct line *l, char *out);

/*
 * The stream has ended: writes the open line, with the bytes that line_flush leaves.
 * What follows is a new line. Returns the number of bytes written to OUT, 2 * LINE_ROOM
 * or more, since these may be two lines.
 */
size_t line_end(struct line *l, char *out);

#endif
