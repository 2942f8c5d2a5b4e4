#ifndef VSOCK_RELAY_MONITOR_LINES_H
#define VSOCK_RELAY_MONITOR_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Lines of a stream, in bounded memory. Pure. */

struct lines {
	char *text; /* CAP bytes of the caller's */
	size_t cap;
	size_t len;	/* of the open line, or of what is not yet given out */
	bool is_inside; /* what comes is more of a line that was too long */
};

/* A line, or a part of one that is too long. */
struct lines_piece {
	const char *
		text; /* no NUL and no newline of its own; valid until the next call */
	size_t len;
	bool is_first, is_last; /* both: a whole line */
};

void lines_open(struct lines *l, char *text, size_t cap);

/*
 * Takes bytes of the LEN at BYTES, up to the end of a line or as many as there is room
 * for, and returns their number: 0 only if LEN is 0. *RET_IS_PIECE: there is a piece in
 * *RET. How the bytes are divided into calls makes no difference.
 */
size_t lines_take(struct lines *l, const char *bytes, size_t len,
		  bool *ret_is_piece, struct lines_piece *ret);

#endif
