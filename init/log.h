#ifndef INIT_LOG_H
#define INIT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/text.h"

/*
 * The log: one line a message, `init: step: object: reason`, one write each,
 * to a descriptor of /dev/console of its own. PID 1 never waits for it: what a
 * console does not take is kept, LOG_KEPT_MAX bytes of it, and tried again by the
 * loop; lines for which there is no room are counted, and the number is logged. There
 * is always room for the last line.
 */

enum {
	LOG_LINE_MAX =
		TEXT_MAX,     /* bytes, the newline included; longer is cut */
	LOG_OBJECT_MAX = 512, /* of them the object, so that the reason shows */
	LOG_WAIT_MS = 200,    /* how long a child waits for a full console */
	LOG_STUCK_MS = 2000,  /* how long a console may take nothing at all */
	LOG_LAST_WAIT_MS = 10000, /* and how long it has for all, if it moves */
	LOG_KEPT_MAX = 4096,
};

/* Where the lines go: FD, or nowhere if it is negative. The log owns it. */
void log_open(int fd);

/*
 * Each line goes to FD, too, a pipe that does not block: without "init: ", which its reader
 * puts before it. Lines for which it has no room are counted, and the number is logged.
 */
void log_also(int fd);

/* That descriptor, or a negative number. */
int log_descriptor(void);

/* Whether lines of the log are written to FD, by log_open or log_also. */
bool log_writes_to(int fd);

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
 * The last line: frees a console that the application stopped. The loop is to turn
 * until log_is_drained, or LOG_LAST_WAIT_MS: what is still queued is lost when the
 * machine restarts.
 */
void log_last(const char *step, const char *object, const char *reason);

/* Tries to write what is kept. Whether nothing is kept any more. */
bool log_flush(void);

/* A loop_clock's functions, with a ctx of NULL. */
int64_t log_next(const void *ctx);
void log_due(void *ctx, int64_t due_ms);

/*
 * Whether nothing is kept, nor queued in the terminal, or that has not become less for
 * LOG_STUCK_MS. For loop_until.
 */
bool log_is_drained(void *ctx);

/*
 * After a fork: this process has no loop. It forgets what is kept, which is PID 1's
 * to write, and its lines wait for the console, LOG_WAIT_MS each.
 */
void log_in_child(void);

#endif
