#ifndef INIT_LOOP_H
#define INIT_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The only place where PID 1 sleeps: one ppoll(2) over a signalfd and the
 * descriptors that others have registered. A turn takes what has arrived in this
 * order: deaths, signals, descriptors; and judges deadlines last, by a time from
 * before it read anything, so that a message which was there in time counts.
 *
 * A callback never blocks, and takes a bounded amount: what is left makes the
 * descriptor readable again, and the next turn goes on.
 */

enum {
	/* A service has a process, a report and a socket or its courier; and others. */
	LOOP_SOURCES_MAX = 256,
	LOOP_CLOCKS_MAX = 6,  /* log, children, beat, services, link, relay */
	LOOP_SIGNALS_MAX = 8, /* that one turn takes off the signalfd */
};

typedef void loop_ready_fn(void *ctx);

/* A part of PID 1 with deadlines of its own. */
struct loop_clock {
	/* The earliest deadline on io_now_ms' clock, or 0: there is none. */
	int64_t (*next)(const void *ctx);
	/* Does what is due at NOW_MS. */
	void (*due)(void *ctx, int64_t now_ms);
	void *ctx;
};

struct loop_source {
	int fd; /* -1: forgotten in this turn */
	loop_ready_fn *ready;
	void *ctx;
};

struct loop {
	int signal_fd; /* negative: none, and the loop looks every 100 ms */
	bool has_more; /* deaths are left over from the last turn */
	/* Reaps a bounded number of children: whether there may be more. */
	bool (*reap)(void *ctx);
	void *reap_ctx;
	/* Hands one on; not SIGCHLD. Both may be NULL. */
	void (*take_signal)(void *ctx, int signal);
	void *signal_ctx;
	struct loop_clock clocks[LOOP_CLOCKS_MAX];
	size_t clock_count, source_count;
	struct loop_source sources[LOOP_SOURCES_MAX];
};

/*
 * Blocks all signals but the synchronous faults, for PID 1's whole life, and has
 * children wait to be reaped.
 */
void loop_block_signals(void);

/*
 * Opens the signalfd for SIGCHLD and the signals that PID 1 hands on; with HEARS_ALL,
 * as in a container, for all that can be handed on. Returns 0 or -errno; the loop
 * works without, too.
 */
int loop_open(struct loop *l, bool hears_all);

/* Calls READY(CTX) when FD is readable or at its end. Returns 0 or -ENOSPC. */
int loop_watch(struct loop *l, int fd, loop_ready_fn *ready, void *ctx);

/* FD is not watched any more; -1 and unknown descriptors are passed over. */
void loop_forget(struct loop *l, int fd);

/* Adds a part with deadlines; one beyond LOOP_CLOCKS_MAX is dropped. */
void loop_add_clock(struct loop *l, struct loop_clock clock);

/* The earlier of two deadlines, of which 0 is none. */
int64_t loop_sooner(int64_t a, int64_t b);

/* One turn, which sleeps until UNTIL_MS at the longest; negative: as long as it takes. */
void loop_turn(struct loop *l, int64_t until_ms);

/*
 * Turns until IS_DONE(CTX), which is asked before each, or UNTIL_MS, if that is not
 * negative. Returns whether it is done.
 */
bool loop_until(struct loop *l, bool (*is_done)(void *ctx), void *ctx,
		int64_t until_ms);

#endif
