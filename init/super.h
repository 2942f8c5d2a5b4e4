#ifndef INIT_SUPER_H
#define INIT_SUPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	SUPER_GRACE_MS = 2000, /* between TERM and KILL */
	SUPER_KILL_MS = 2000,  /* for what does not even die of KILL */
};

/* Who PID 1 waits for; a pid of 0 is none. */
struct super {
	pid_t app;	   /* the application, leader of its process group */
	pid_t helper;	   /* the child that works for PID 1: the heartbeat's */
	int app_status;	   /* wait status, once app_gone */
	int helper_status; /* the same, once helper_gone */
	bool app_gone, helper_gone;
	int stop_signal; /* what the application takes for TERM, or 0 */
};

/* Blocks all signals but the synchronous faults, for PID 1's whole life. */
void super_block_signals(void);

/*
 * Reaps whatever dies and hands TERM, INT, HUP, QUIT, USR1, USR2 and WINCH to
 * the application's process group (for TERM its stop signal), until the
 * application is gone. Sleeps in the kernel without a timer.
 */
void super_run(struct super *s);

/* Waits up to TIMEOUT_MS for the helper, reaping others. */
void super_wait_helper(struct super *s, int timeout_ms);

/*
 * Ends everything else: TERM (what is left of the application's group gets its
 * stop signal before), SUPER_GRACE_MS, then, when the helper is through
 * or HELPER_MS are over, KILL; all is reaped, for SUPER_KILL_MS at most.
 */
void super_end(struct super *s, int helper_ms);

#endif
