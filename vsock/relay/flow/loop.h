#ifndef VSOCK_RELAY_FLOW_LOOP_H
#define VSOCK_RELAY_FLOW_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The one place where a process of flow/ sleeps: level-triggered epoll, and timers. Nothing
 * is allocated after loop_open.
 */

enum { LOOP_EVENTS = 128 }; /* taken a turn */

/*
 * A descriptor that is waited for; embedded in its owner. READY gets EPOLL... bits, and
 * EPOLLERR and EPOLLHUP also where they were not asked for: an owner that cannot act on
 * these removes the source, since they come again in each turn.
 */
struct source {
	void (*ready)(struct source *s, uint32_t events);
	int fd;
};

/* What MEMBER at AT is embedded in. */
#define LOOP_OWNER(at, type, member) \
	((type *)(void *)((char *)(at)-offsetof(type, member)))

/* A point in time; embedded in its owner. All zeros: not set. */
struct timer {
	void (*due)(struct timer *t);
	int64_t due_ms;
	uint32_t slot; /* the loop's; 0: not set */
};

/* One entry of the heap of timers. */
struct loop_slot {
	int64_t key_ms; /* at most the timer's DUE_MS */
	struct timer *timer;
};

struct loop {
	int epoll;
	bool is_stopped;
	bool is_guarded;
	int64_t now_ms;
	/* Of this turn: those from AT on have not been called yet. */
	void *events;
	int at, count;
	struct loop_slot *heap; /* from 1 on */
	uint32_t timers, room;
};

/* Makes room for TIMERS timers that are set at once. Returns 0 or -errno. */
int loop_open(struct loop *l, uint32_t timers);

/*
 * For a process with sockets of AF_UNIX. Descriptors that are sent along with bytes are closed by
 * who reads these, and one that lingers keeps it for as long as its sender likes. From now on
 * a call that waits in a turn is interrupted by SIGALRM, after some milliseconds. It needs
 * sigaction here, and setitimer later.
 */
void loop_guard(struct loop *l);

/* Sources and timers are the callers'; none may be used any more. */
void loop_close(struct loop *l);

/*
 * Waits for EVENTS (EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLEXCLUSIVE) at S->fd, and calls
 * S->ready. Returns 0 or -errno: -ENOMEM, -ENOSPC.
 */
int loop_add(struct loop *l, struct source *s, uint32_t events);

/* Other events. Cannot fail for a source that was added without EPOLLEXCLUSIVE. */
void loop_change(struct loop *l, struct source *s, uint32_t events);

/*
 * S is not called any more, not even for what this turn has found already; its owner
 * may free it and close the descriptor, in this order.
 */
void loop_remove(struct loop *l, struct source *s);

/*
 * Calls T->due once, at DUE_MS or later, as soon as the loop gets to it; a timer that is set
 * already is set anew. A time that has passed is due in the next turn.
 */
void loop_timer(struct loop *l, struct timer *t, int64_t due_ms);

/* Safe for one that is not set. */
void loop_untimer(struct loop *l, struct timer *t);

/* The monotonic clock, as it was when this turn began. */
int64_t loop_now_ms(const struct loop *l);

/* One turn: sleeps until there is something to do, and does it. Returns 0 or -errno. */
int loop_turn(struct loop *l);

/* Turns until loop_stop. Returns 0 or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

#endif
