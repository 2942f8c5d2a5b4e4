#ifndef INIT_LOG_H
#define INIT_LOG_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The log: one line a message, `init: step: object: reason`, one write each,
 * to a descriptor of /dev/console of its own. PID 1 never blocks on it: a
 * console that takes nothing for a while loses the line.
 */

enum {
	LOG_LINE_MAX = 1024,  /* bytes, the newline included; longer is cut */
	LOG_OBJECT_MAX = 512, /* of them the object, so that the reason shows */
	LOG_WAIT_MS = 200,    /* how long a full console is waited for */
	LOG_LAST_WAIT_MS = 2000,
};

/* A text put together from pieces; what does not fit is cut. */
struct text {
	size_t len;
	char buf[LOG_LINE_MAX];
};

void text_clear(struct text *t);
void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const char *s, size_t len);
void text_add_number(struct text *t, long long n);
/* T as a string, which lives as long as T does. */
const char *text_string(struct text *t);

/* Where the lines go: FD, or nowhere if it is negative. The log owns it. */
void log_open(int fd);

/* From here on log_debug says something; the clock starts at the first call. */
void log_set_debug(bool on);

/*
 * One line. OBJECT may be NULL. Control characters come out as '?', so that no
 * text of the image can make a second line.
 */
void log_line(const char *step, const char *object, const char *reason);

/* The time since start and a line, only with init_debug on the command line. */
void log_debug(const char *step, const char *object, const char *reason);

/*
 * The last line: frees a console that the application stopped, and waits
 * longer for it to take what the application left behind and this line: what
 * is still queued is lost when the machine restarts.
 */
void log_last(const char *step, const char *object, const char *reason);

#endif
