#ifndef INIT_PROCESS_H
#define INIT_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* A process, as /proc/PID/status has it. */
struct process {
	pid_t pid, parent, session;
	pid_t tracer; /* 0: none */
	uid_t uid;    /* the real one */
	bool is_dead; /* and waits to be reaped */
};

/*
 * Looks at the process NAME, its number, below PROC_FD, which is /proc. Whether it is
 * there. It never blocks: the kernel makes what is read.
 */
bool process_look(int proc_fd, const char *name, struct process *ret);

#endif
