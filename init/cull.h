#ifndef INIT_CULL_H
#define INIT_CULL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Ends processes that are not PID 1's own children, found by a walk of /proc. It
 * never blocks: what it reads the kernel makes.
 */

struct children;

/*
 * Without control groups: sends SIGKILL to what is left of a service whose process was
 * LEADER: what is in its session, and, where IS_SOLE_USER says that no other service
 * runs as UID, the orphans of that user. PROC_FD is /proc, or negative.
 */
void cull_leftovers(int proc_fd, const struct children *c, pid_t leader,
		    uid_t uid, bool is_sole_user);

/*
 * Sends SIGKILL to all processes but PID 1 and C's. They are stopped first, so that none
 * gets away by forking. Returns how many there were, or -errno.
 */
int cull_all_but(int proc_fd, const struct children *c);

#endif
