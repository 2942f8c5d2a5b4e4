#ifndef INIT_SPAWN_H
#define INIT_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct config_service;
struct program;
struct text;
struct user;

/* How far the child came, in this order; what it tells over the pipe. */
enum spawn_stage {
	SPAWN_FORK = 1, /* there is no child */
	SPAWN_SESSION,
	SPAWN_NULL, /* stdin, stdout or stderr = null */
	SPAWN_OOM,
	SPAWN_NICE,
	SPAWN_BOUNDING,
	SPAWN_SECUREBITS,
	SPAWN_USER, /* groups, group, user, in this order */
	SPAWN_AMBIENT,
	SPAWN_PRIVILEGES, /* no-new-privileges */
	SPAWN_SECCOMP,
	SPAWN_EXEC,
	SPAWN_DIED,	  /* before exec, without a word */
	SPAWN_LIMIT = 64, /* and more: the limit of that number */
};

/* What is started, and as what. */
struct spawn_job {
	const struct program *program;
	/* A text without #! is run by PROGRAM_SHELL, for which ARGV[-1] must be a
	 * slot of the caller's too. */
	char **argv;
	char *const *envp;
	const struct user *user;	      /* NULL: as we are */
	const struct config_service *service; /* limits, privileges, terminal */
	const void *filter; /* FILTER_LEN bytes that seccomp_check has passed */
	size_t filter_len;  /* 0: none */
	/*
	 * Opened anew for descriptors 0 to 2, if it can be and the service has one
	 * of them or the terminal; NULL: they stay what they are.
	 */
	const char *console;
	/* Limits, score and nice value: a failure is told. The terminal's session is
	 * kept, the child's group made its foreground. */
	bool in_container;
};

/*
 * Runs JOB in a child with a session of its own, the console (descriptor 0, if it
 * is a terminal and the service is to have one) as its controlling terminal,
 * default signal dispositions, an empty mask and no descriptor above 2. Then, in
 * this order: oom score, nice value, limits, umask, bounding set, securebits,
 * groups, user, ambient capabilities, no new privileges, the filter. A user owns
 * descriptors 0 to 2 where they are devices, but for /dev/null, and in a container
 * also where they are pipes, sockets or files of root's: /dev/stdout may then be
 * opened again. A filter sets no_new_privs for every user but root, because
 * the kernel takes no filter from them without it.
 *
 * Waits until exec has succeeded: 0, and the child's *RET_PID. Otherwise -errno
 * (-ECHILD for SPAWN_DIED), *RETERR_STAGE, and the child is reaped; for
 * SPAWN_DIED *RETERR_STATUS is its wait status.
 */
int spawn_program(const struct spawn_job *job, pid_t *ret_pid,
		  enum spawn_stage *reterr_stage, int *reterr_status);

/* What a child did not get at STAGE, one between SPAWN_FORK and SPAWN_EXEC. */
void spawn_name_stage(enum spawn_stage stage, struct text *t);

/*
 * Looks NAME, without a slash, up in SEARCH once more, as USER, who may not get
 * at all that PID 1 does. P, what it has found, is replaced by what the user
 * finds; if that is nothing, it stays: its exec says why.
 */
void spawn_find(const char *name, const char *search, const struct user *user,
		struct program *p);

#endif
