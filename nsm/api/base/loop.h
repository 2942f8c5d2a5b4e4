#ifndef NSM_API_BASE_LOOP_H
#define NSM_API_BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The one place where the process sleeps: level-triggered epoll, and timers. Nothing is allocated; watches and timers are
 * embedded in their owners, which outlive them.
 */

enum { LOOP_EVENTS = 64 }; /* taken a turn */

/* A descriptor that is waited for. READY gets EPOLL... bits, EPOLLERR and EPOLLHUP also unasked. All zeros: not added. */
struct watch {
	void (*ready)(struct watch *s, uint32_t events);
	int fd;
	bool is_added;
	uint32_t events; /* the loop's: what is waited for */
};

/* What MEMBER at AT is embedded in. */
#define LOOP_OWNER(at, type, member) \
	((type *)(void *)((char *)(at)-offsetof(type, member)))

/* A point in time. All zeros: not set. */
struct timer {
	void (*due)(struct timer *t);
	int64_t due_ms;
	bool is_set;
	struct timer *next, *previous; /* the loop's */
};

struct loop {
	int epoll;
	bool is_stopped;
	bool is_guarded;
	int64_t now_ms;
	struct timer *timers;
	void *events; /* of this turn; those from AT on have not been called */
	int at, count;
};

/* Returns 0 or -errno. */
int loop_open(struct loop *l);

/*
 * For a process with sockets of AF_UNIX. Descriptors that are sent along with bytes are closed by who reads these, and one that lingers
 * keeps it for as long as its sender likes. From now on a call that waits in a turn is interrupted by SIGALRM, after some milliseconds.
 */
void loop_guard(struct loop *l);

/* Waits for EVENTS (EPOLLIN, EPOLLOUT) at S->fd. Returns 0 or -errno: -ENOMEM, -ENOSPC. */
int loop_add(struct loop *l, struct watch *s, uint32_t events);

/* Other events; 0 waits for EPOLLERR and EPOLLHUP alone. S was added. */
void loop_change(struct loop *l, struct watch *s, uint32_t events);

/* S is not called any more, also not for what this turn has found; safe for one that was not added. */
void loop_remove(struct loop *l, struct watch *s);

/*
 * Calls T->due once, DUE_MS (on loop_now_ms's clock) or later; one that is set is set anew. What a timer sets comes in the next turn
 * at the earliest, behind what has arrived.
 */
void loop_timer(struct loop *l, struct timer *t, int64_t due_ms);

/* Safe for one that is not set. */
void loop_untimer(struct loop *l, struct timer *t);

/* The monotonic clock, as it was when this turn began. */
int64_t loop_now_ms(const struct loop *l);

/* Turns until loop_stop. Returns 0 or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

#endif
