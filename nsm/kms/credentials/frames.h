#ifndef NSM_KMS_CREDENTIALS_FRAMES_H
#define NSM_KMS_CREDENTIALS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/kms/credentials/frame.h"

/* The frames of a connection, one after the other. */

struct frames {
	int fd; /* non-blocking, the caller's */
	char buf[FRAME_MAX + 1];
	size_t len;
};

/* What frames_next found. */
enum {
	FRAMES_END = 0, /* the connection's end, or no whole frame in time */
	FRAMES_ONE = 1,
	FRAMES_TOO_LONG = 2, /* it was answered; nothing more can be read */
};

/*
 * Waits until a whole frame is there, which begins at F->buf, and whose NUL is at *RET_END:
 * IDLE_MS for its first byte, FRAME_MS for the rest.
 */
int frames_next(struct frames *f, int64_t idle_ms, int64_t frame_ms,
		char **ret_end);

/* Wipes it, END being its NUL, and goes on to what came after it. */
void frames_drop(struct frames *f, const char *end);

/* Writes frame_status until TIMEOUT_MS are over: 0 or a negative number. */
int frames_answer(const struct frames *f, bool is_ok, const char *message,
		  int64_t timeout_ms);

#endif
