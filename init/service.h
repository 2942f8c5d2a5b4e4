#ifndef INIT_SERVICE_H
#define INIT_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/notify.h"
#include "init/spec/config.h"

/*
 * What one service does: from a state, something that has happened and the time to a
 * state and what is to be done. Pure: no process, no clock, no log. init/supervise.h
 * does it.
 *
 *            start          runs           READY=1
 *   WAITING -------> EXECUTING -> STARTING --------> RUNNING
 *                        |            |                 |
 *                        |            v                 v
 *                        |         STOPPING <-----------+
 *                        v            v                 |
 *                     BACKOFF <----- (its process has ended) ----> ENDED
 */

enum {
	SERVICE_EXEC_MS = 20000, /* from fork to the program's exec */
	SERVICE_FIRST_EXEC_MS =
		60000,		 /* of the first start, which stops the boot */
	SERVICE_GRACE_MS = 2000, /* between the application's TERM and KILL */
	SERVICE_STOP_MS = 10000, /* the same for another service */
	SERVICE_SIGNALS = 64,
};

enum service_state {
	SERVICE_WAITING,   /* not started yet */
	SERVICE_EXECUTING, /* its process has not become its program yet */
	SERVICE_STARTING,  /* runs, and has not said that it is ready */
	SERVICE_RUNNING,
	SERVICE_STOPPING, /* was told to end, or is killed */
	SERVICE_BACKOFF,  /* is started again in a while */
	SERVICE_ENDED,	  /* for good */
};

/* What there is to say, of which the supervisor has the words. */
enum service_news {
	SERVICE_NO_NEWS,
	SERVICE_IS_READY,
	SERVICE_HELD,	       /* no exec in time; MS */
	SERVICE_NOT_READY,     /* in time; MS */
	SERVICE_SILENT,	       /* no sign of life; MS */
	SERVICE_WANTS_ABORT,   /* WATCHDOG=trigger */
	SERVICE_HAS_ENDED,     /* for good */
	SERVICE_GIVEN_UP,      /* the same, at its restart-limit */
	SERVICE_AGAIN,	       /* ended, and is started again; MS */
	SERVICE_ENDED_UNREADY, /* before it was ready, in the boot */
};

struct service_action {
	bool start;	  /* fork it */
	uint64_t signals; /* to be sent by its kill-mode; bit N - 1: N */
	bool kill_all;	  /* SIGKILL to whatever is left of it */
	bool fails_boot;
	enum service_news news;
	uint32_t ms;
};

struct service {
	struct config_supervision
		config; /* start_forget frees the whole of it */
	bool is_main;

	enum service_state state;
	bool in_boot; /* until all have been ready: a failure is the boot's */
	bool was_ready;
	bool failed;	    /* whatever its wait status says */
	bool says_stopping; /* STOPPING=1 */
	bool is_told;	    /* to end: it is not started again */
	bool is_wanted; /* somebody wants a new start, whatever restart says */
	bool is_ending; /* the enclave is: nothing is started again */
	bool has_started; /* its program has been executed in this start */
	uint64_t held;	  /* signals to be handed on once its program runs */
	int status;	  /* wait status of its last end */
	uint32_t times;	  /* restarts in a row */
	uint32_t watchdog_now_ms; /* a message may change it */
	int64_t ran_ms;	     /* since when it has been ready; 0: it is not */
	int64_t deadline_ms; /* of its state; 0: none */
	char text[NOTIFY_STATUS_MAX + 1]; /* STATUS= */
};

/* A service as C says; IS_MAIN: the application. */
void service_init(struct service *v, const struct config_supervision *c,
		  bool is_main);

/* Whether it has a process. */
bool service_is_alive(const struct service *v);

/* The signal that asks it to end, and how long it has then before KILL. */
int service_stop_signal(const struct service *v);
int service_stop_ms(const struct service *v);

/* The time has come to start it: WAITING becomes EXECUTING. */
void service_start(struct service *v, int64_t now, struct service_action *ret);

/* Its program has been executed. */
void service_runs(struct service *v, int64_t now, struct service_action *ret);

/*
 * Its process is gone, with the wait status STATUS; or, if it COULD_NOT_START, it was
 * not to be had or its program not executed.
 */
void service_died(struct service *v, int status, bool could_not_start,
		  int64_t now, struct service_action *ret);

/* A message of it. */
void service_heard(struct service *v, const struct notify *n, int64_t now,
		   struct service_action *ret);

/* Does what is due at NOW. */
void service_due(struct service *v, int64_t now, struct service_action *ret);

/*
 * The signal SIG was sent to PID 1 and is handed on. TERM asks it to end, by its stop
 * signal, for good.
 */
void service_signal(struct service *v, int sig, int64_t now,
		    struct service_action *ret);

/* The enclave ends: it is asked to, and not started again. */
void service_stop(struct service *v, int64_t now, struct service_action *ret);

/* Somebody asks: it is stopped for good. */
void service_halt(struct service *v, int64_t now, struct service_action *ret);

/* The same: it is stopped, if it runs, and started. Not in the boot, nor at the end. */
void service_again(struct service *v, int64_t now, struct service_action *ret);

/* It is not started any more; one that has no process has ended. */
void service_end(struct service *v);

/* How long to wait before start number TIMES + 1 in a row. */
uint32_t service_delay(uint32_t delay_ms, uint32_t max_ms, uint32_t times);

#endif
