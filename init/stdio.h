#ifndef INIT_STDIO_H
#define INIT_STDIO_H

#include <sys/types.h>

struct exec_job;

/*
 * Descriptors 0 to 2 of a start, in its child.
 */

/*
 * Takes what JOB says for them: the console, opened anew, and a session, whose terminal it is
 * with `terminal`; /dev/null; pipes to the log. The terminal controls the service even if all of
 * its descriptors are /dev/null. One that has neither does not open the console. Returns 0;
 * or -errno and what could not be done.
 */
int stdio_take(const struct exec_job *job, const char **reterr_step);

/* Of all that, /dev/null alone. */
int stdio_take_nulls(const struct exec_job *job, const char **reterr_step);

/*
 * Has the user UID own them. A console belongs to root and group tty; a pipe or file that
 * a container was started with, and a pipe to the log, belong to root. The first other
 * user becomes its owner. A second user makes it writable for all users, unless it is
 * a file: /dev/stdout has to open for each of them. Where that fails the descriptor itself
 * stays usable.
 */
void stdio_give(const struct exec_job *job, uid_t uid);

/* Has exec close all descriptors above 2. */
void stdio_close_others(void);

#endif
