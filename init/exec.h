#ifndef INIT_EXEC_H
#define INIT_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/log.h"

struct cgroup;
struct config_service;
struct file;
struct names;

/*
 * One start of a service, in its child: all that touches what the image or a service
 * may have put there, and so may block. PID 1 only reads the reports, in its loop,
 * and kills a child that takes too long.
 */

enum exec_kind {
	EXEC_ABOUT = 1, /* execve comes next; OBJECT is the program */
	EXEC_FAILED,	/* the last one: OBJECT and REASON say why */
	EXEC_WARNED,	/* in a container: the service goes on without OBJECT */
};

enum { EXEC_REASON_MAX = 1024 };

/* One write, smaller than PIPE_BUF: a read of this size gets a whole one. */
struct exec_report {
	uint8_t kind;
	/* A file is missing or is no program: the kernel may have unpacked only part
	 * of the image, of which its log tells. */
	bool may_be_cut;
	/* Of EXEC_FAILED, -errno where it was the program that could not be found or
	 * run, and 0 otherwise: a container's exit code follows from it. */
	int32_t error;
	/* With their NUL; cut where they are too long. The object begins with the
	 * service's name and ": ", unless it is the main one. */
	char object[LOG_OBJECT_MAX + 1];
	char reason[EXEC_REASON_MAX];
};

struct exec_job {
	const struct config_service *service;
	bool is_main;		   /* its name is not put before the object */
	const struct names *names; /* that are read */
	const struct file *filter; /* read and checked before; or NULL */
	char *const *app_argv;	   /* of /cmd */
	size_t app_argc;
	char *const *app_envp; /* of /env */
	size_t app_envc;
	const char *notify_variable; /* "NOTIFY_SOCKET=..."; or NULL */
	const char *proxy;	     /* where egress listens; or NULL */
	/* Opened anew for descriptors 0 to 2; NULL: they stay what they are. */
	const char *console;
	int folder_fd; /* where it begins without workdir; or negative */
	int proc_fd;   /* /proc, whatever is mounted over it; or negative */
	/* To be entered first; NULL: there is none, or clone3 has done it. */
	const struct cgroup *cgroup;
	/* Limits, score and nice value: a failure is a warning. The terminal's
	 * session is kept, the child's group becomes its foreground. */
	bool in_container;
	int report_fd;	/* close-on-exec, and above 2 */
	int log_fds[2]; /* pipes for descriptors 1 and 2; or negative */
};

/*
 * In a child of PID 1's, all of whose signals are blocked: becomes the service JOB. It
 * gets a session of its own, with `terminal` the console (descriptor 0, if that is a
 * terminal) as its controlling terminal, default signal dispositions,
 * an empty mask, no descriptor above 2, and what confine.h says.
 *
 * A user owns descriptors 0 to 2 where they are devices, but for /dev/null, and in a
 * container also where they are pipes, sockets or files of root's: /dev/stdout may
 * then be opened again. Pipes to the log are the user's, too.
 *
 * EXEC_ABOUT alone and the end of the pipe are a success; EXEC_FAILED, before or
 * after it, is none; and nothing at all is the child's death, which its wait status
 * explains.
 */
_Noreturn void exec_service(const struct exec_job *job);

/*
 * In PID 1: becomes the service JOB, with its folder, variables, limits and
 * privileges, but as root and without a session: console and terminal stay as they
 * are, for the program to take. Returns only where that failed, with RET filled in
 * and all signals blocked again; limits and privileges that were taken stay taken.
 */
void exec_hand_over(const struct exec_job *job, struct exec_report *ret);

#endif
