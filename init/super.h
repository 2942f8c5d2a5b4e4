#ifndef INIT_SUPER_H
#define INIT_SUPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/config.h"
#include "init/notify.h"

/*
 * The services, the application among them: started in their order, watched,
 * started again, ended. One loop, which sleeps in the kernel, without a timer
 * where there is nothing to wait for.
 */

enum {
	SUPER_GRACE_MS = 2000, /* between TERM and KILL */
	SUPER_KILL_MS = 2000,  /* for what does not even die of KILL */
	SUPER_STOP_MS = 10000, /* the same for a service but the application */
};

enum super_state {
	SUPER_WAITING,	/* not started yet */
	SUPER_STARTING, /* runs, and has not said that it is ready */
	SUPER_RUNNING,
	SUPER_STOPPING, /* was told to end, or is killed */
	SUPER_BACKOFF,	/* is started again in a while */
	SUPER_ENDED,	/* for good */
};

/* What is left to know of a service when the configuration is gone. */
struct super_service {
	char name[CONFIG_SECTION_MAX + 1];
	enum super_state state;
	pid_t pid;   /* leads its session and group; 0: it does not run */
	pid_t group; /* the last one's, of which something may be left */
	int status;  /* wait status of its last end */
	bool was_ready, failed, says_stopping;
	bool is_told; /* to end: it is not started again */
	uint32_t after;
	int stop_signal;
	int stop_ms; /* from its stop signal to KILL */
	bool stop_is_set;
	enum config_restart restart;
	uint32_t delay_ms, delay_max_ms, limit, times; /* restarts in a row */
	bool notifies;
	uint32_t ready_ms;
	uint32_t watchdog_ms, watchdog_now_ms; /* a message may change it */
	int64_t ran_ms;	     /* since when it has been ready; 0: it is not */
	int64_t deadline_ms; /* of its state; 0: none */
	char text[NOTIFY_STATUS_MAX + 1];
};

/* Starts service I: its pid, or -1 with the reason told. */
typedef pid_t super_start_fn(void *ctx, size_t i);

/* Told why a service keeps the boot from going on. */
typedef void super_fail_fn(void *ctx, const char *name, const char *reason);

struct super {
	struct super_service services[CONFIG_SERVICES_MAX];
	size_t count;
	enum config_end end;
	size_t first_end; /* of end = any: who it was */
	bool is_through;  /* all were ready once: failures end no boot */
	bool boot_failed; /* before that: the reason was told */
	bool is_ending;	  /* nothing is started any more */
	bool has_ignored; /* a message of nobody's: told once */
	bool hears_all;	  /* signals, as in a container */
	int signal_fd, notify_fd; /* negative: none */
	const char *notify_variable;
	int proc_fd; /* for how the kernel killed it; or negative */
	super_start_fn *start;
	super_fail_fn *fail;
	void *ctx;

	pid_t helper;	   /* the child that works for PID 1: the heartbeat's */
	int helper_status; /* wait status, once helper_gone */
	bool helper_gone;
};

/* Blocks all signals but the synchronous faults, for PID 1's whole life. */
void super_block_signals(void);

/* Takes over from C what is needed of its services. */
void super_init(struct super *s, const struct config *c);

/*
 * Starts all services, each when those that it comes after are ready, and waits
 * until all are ready. Returns 0, or -1 when one is not, which s->fail or s->start
 * has told. Where some service tells by messages it first makes the socket for
 * them: -errno.
 */
int super_start(struct super *s);

/* Whether nothing will ever be started again. */
bool super_is_final(const struct super *s);

/*
 * Reaps whatever dies, starts again what the configuration says, and hands TERM,
 * INT, HUP, QUIT, USR1, USR2 and WINCH to the application's process group (for
 * TERM its stop signal), until the end that the configuration says has come, or
 * the application's after TERM.
 */
void super_run(struct super *s);

/* Whose end it was: the application, or who came first with end = any. */
const struct super_service *super_who(const struct super *s);

/* Waits up to TIMEOUT_MS for the helper, reaping others. */
void super_wait_helper(struct super *s, int timeout_ms);

/*
 * Ends the services that run, as super_end does first. What else there is stays.
 */
void super_stop(struct super *s);

/*
 * Ends everything: services that run get their stop signal, those first which no
 * other comes after, and KILL after their time. For what else there is: TERM (what
 * is left of a service's group gets its stop signal before), SUPER_GRACE_MS, then,
 * when the helper is through or HELPER_MS are over, KILL; all is reaped, for
 * SUPER_KILL_MS at most.
 */
void super_end(struct super *s, int helper_ms);

/* How long to wait before start number TIMES + 1 in a row. Pure. */
uint32_t super_delay(uint32_t delay_ms, uint32_t max_ms, uint32_t times);

#endif
