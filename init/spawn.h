#ifndef INIT_SPAWN_H
#define INIT_SPAWN_H

#include <sys/types.h>

struct program;
struct user;

/* How far the child came; what it tells over the pipe. */
enum spawn_stage {
	SPAWN_FORK = 1, /* there is no child */
	SPAWN_SESSION,
	SPAWN_USER, /* groups, group, user, in this order */
	SPAWN_EXEC,
	SPAWN_DIED, /* before exec, without a word */
};

/*
 * Runs P with ARGV and ENVP in a child with a session of its own, the console
 * (descriptor 0, if it is a terminal) as its controlling terminal, default
 * signal dispositions, an empty mask and no descriptor above 2. A text without
 * #! is run by PROGRAM_SHELL, for which ARGV[-1] must be a slot of the caller's
 * too. With USER not NULL it runs as that one, who owns descriptors 0 to 2 where
 * they are devices, but for /dev/null: /dev/stdout may then be opened again.
 *
 * Waits until exec has succeeded: 0, and the child's *RET_PID. Otherwise -errno
 * (-ECHILD for SPAWN_DIED), *RETERR_STAGE, and the child is reaped; for
 * SPAWN_DIED *RETERR_STATUS is its wait status.
 */
int spawn_program(const struct program *p, char **argv, char *const *envp,
		  const struct user *user, pid_t *ret_pid,
		  enum spawn_stage *reterr_stage, int *reterr_status);

/*
 * Looks NAME, without a slash, up in SEARCH once more, as USER, who may not get
 * at all that PID 1 does. P, what it has found, is replaced by what the user
 * finds; if that is nothing, it stays: its exec says why.
 */
void spawn_find(const char *name, const char *search, const struct user *user,
		struct program *p);

#endif
