#ifndef INIT_CHILD_H
#define INIT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/spec/config.h"

/*
 * The only fork of PID 1, and who dies of its children. Where the kernel has pidfds
 * (5.3), one for each child tells of its end even while a tracer keeps it from
 * being reaped.
 */

enum {
	/* A service each, their readers, and what works for PID 1. */
	CHILD_MAX = 2 * CONFIG_SERVICES_MAX + 7,
	CHILD_TRACED_MS = 1000, /* a tracer has that long to reap a dead one */
	CHILD_LOOK_MS = 10000, /* between two looks where there are no pidfds */
};

struct loop;

/* Told once of the end of a child: its wait status. */
typedef void child_died_fn(void *ctx, int status);

struct child {
	pid_t pid;	   /* 0: the entry is free */
	int pidfd;	   /* negative: none */
	int64_t traced_ms; /* when its tracer is killed; 0: nobody holds it */
	child_died_fn *died;
	void *ctx;
	struct children *all;
};

struct children {
	struct loop *loop;
	int proc_fd;   /* /proc, or negative */
	bool is_alone; /* at the last look there was no child, dead or alive */
	bool is_last_resort; /* clone3 has failed: this kernel has none */
	bool yields;	     /* to whoever runs, as the children do not */
	int64_t look_ms; /* when dead ones that a tracer holds are looked for; 0: pidfds tell */
	struct child table[CHILD_MAX];
};

/* Takes part in L: reaps, and has deadlines. PROC_FD stays the caller's. */
void child_init(struct children *c, struct loop *l, int proc_fd);

/*
 * Forks, into the control group CGROUP_FD (negative: none) where the kernel can do
 * that at once, which *RET_IS_IN_CGROUP says (NULL if there is none). Returns 0 in the
 * child, which has all of PID 1's descriptors and has to end by _exit or exec; the pid in
 * PID 1, where DIED(CTX) is called when it is over; or -errno.
 */
pid_t child_fork(struct children *c, int cgroup_fd, bool *ret_is_in_cgroup,
		 child_died_fn *died, void *ctx);

/*
 * While PID 1 YIELDS it preempts nobody when it wakes, as it does when a child executes
 * its program. Its children do.
 */
void child_yield(struct children *c, bool yields);

/* Reaps some children. Whether there may be more. */
bool child_reap(struct children *c);

/* Whether PID is one of them. */
bool child_is_known(const struct children *c, pid_t pid);

#endif
