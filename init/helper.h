#ifndef INIT_HELPER_H
#define INIT_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/child.h"

struct link_work;
struct notify_socket;
struct record;

/*
 * Processes that work for PID 1: what talks to the parent, asks a device, or lets go of
 * what others have passed may take as long as it likes in a process of its own. A
 * const row each. What they report is one struct with an enum, never bytes of
 * somebody else's.
 */

enum helper_kind {
	HELPER_BEAT,	/* the heartbeat, init/beating.h */
	HELPER_CLOCK,	/* follows the hypervisor's clock, init/clock/steer.h */
	HELPER_COURIER, /* reads a notify socket with descriptors in it */
	HELPER_SYNC,	/* sync(2), at the end */
	HELPER_DEBUG,	/* asks the NSM whether this is debug mode: stage 1 */
	HELPER_LINK, /* serves the log, the status and control, init/link/serve.h */
	HELPER_LAST,  /* sends a report, init/link/last.h */
	HELPER_RELAY, /* becomes relay, init/relaying.h */
	HELPER_KINDS,
};

enum helper_news { HELPER_DONE = 1, HELPER_FAULT };

/* What a helper reports, once, before it exits. */
struct helper_report {
	uint8_t news;
	uint8_t stage; /* of the helper's own */
	int32_t error; /* 0 or -errno */
};

/* What a helper needs to know; each kind looks at its own. */
struct helper_job {
	int channel;   /* the helper's end of a socket pair */
	uint32_t port; /* HELPER_BEAT: of CID 3 */
	uint8_t byte;
	bool waits; /* for a word, or for PID 1's end of the channel to close */
	int device_fd;			    /* HELPER_CLOCK: /dev/ptp0 */
	int nsm_fd;			    /* the same: /dev/nsm */
	const struct notify_socket *socket; /* HELPER_COURIER */
	const struct link_work *work;	    /* HELPER_LINK, HELPER_LAST */
	const struct record *record; /* HELPER_LAST: as it is at the fork */
	int proc_fd;	 /* /proc, or negative; filled in by helper_start */
	const int *keep; /* more descriptors that it works with, or -1 */
	size_t keep_count;
	int64_t until_ms; /* HELPER_LAST: when it gives up, on io_now_ms' clock */
};

struct helper;

/* Told when H is gone: its report and wait status are there. */
typedef void helper_gone_fn(void *ctx, struct helper *h);

/* One that runs, or has run. Its place must not move meanwhile. */
struct helper {
	enum helper_kind kind;
	pid_t pid;		     /* 0: it does not run */
	int channel;		     /* PID 1's end; negative: none */
	int status;		     /* wait status, once it has run */
	struct helper_report report; /* news is 0: none has come */
	helper_gone_fn *gone;
	void *ctx;
};

/*
 * Starts a helper of KIND in H, which does not run. JOB is copied by the fork, its
 * descriptors stay the caller's; JOB->channel is filled in. Returns 0 or -errno.
 */
int helper_start(struct helper *h, enum helper_kind kind,
		 struct helper_job *job, struct children *c,
		 helper_gone_fn *gone, void *ctx);

/*
 * The word that a helper with JOB->waits waits for: BYTE takes the place of its own.
 * False: it cannot be had, and the helper waits on.
 */
bool helper_go(struct helper *h, uint8_t byte);

/* Ends it by KILL, if it runs. */
void helper_kill(const struct helper *h);

#endif
