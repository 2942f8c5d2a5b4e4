#include "vsock/relay/flow/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { GUARD_US = 5000 };

/* By the vDSO: io_now_ms is a system call, and this is twice a turn. */
static int64_t clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum { EVENTS_BYTES = LOOP_EVENTS * sizeof(struct epoll_event) };

/* Of the heap, and the events behind it. */
static size_t loop_bytes(uint32_t room)
{
	return ((size_t)room + 1) * sizeof(struct loop_slot) + EVENTS_BYTES;
}

int loop_open(struct loop *l, uint32_t timers)
{
	int r;

	*l = (struct loop){ .epoll = -1, .room = timers, .now_ms = clock_ms() };
	/* Pages that no timer and no event has reached cost nothing. */
	l->heap = mmap(NULL, loop_bytes(timers), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (l->heap == MAP_FAILED) {
		l->heap = NULL;
		return -ENOMEM;
	}
	l->events = l->heap + timers + 1;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll >= 0)
		return 0;
	r = -errno;
	loop_close(l);
	return r;
}

static void ignore(int signal_)
{
	(void)signal_;
}

void loop_guard(struct loop *l)
{
	/* No SA_RESTART, nor SIG_IGN: it has to interrupt. */
	const struct sigaction a = { .sa_handler = ignore };

	l->is_guarded = sigaction(SIGALRM, &a, NULL) == 0;
}

/* Again and again: what is closed may be many, and a signal is for one that waits now. */
static void set_guard(const struct loop *l, suseconds_t us)
{
	const struct itimerval t = { { .tv_usec = us }, { .tv_usec = us } };

	if (l->is_guarded)
		(void)setitimer(ITIMER_REAL, &t, NULL);
}

void loop_close(struct loop *l)
{
	if (l->epoll >= 0)
		close(l->epoll);
	if (l->heap)
		(void)munmap(l->heap, loop_bytes(l->room));
	*l = (struct loop){ .epoll = -1 };
}

static int control(struct loop *l, int what, struct source *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	return epoll_ctl(l->epoll, what, s->fd, &e) < 0 ? -errno : 0;
}

int loop_add(struct loop *l, struct source *s, uint32_t events)
{
	return control(l, EPOLL_CTL_ADD, s, events);
}

void loop_change(struct loop *l, struct source *s, uint32_t events)
{
	(void)control(l, EPOLL_CTL_MOD, s, events);
}

void loop_remove(struct loop *l, struct source *s)
{
	struct epoll_event *events = l->events;

	(void)control(l, EPOLL_CTL_DEL, s, 0);
	for (int i = l->at; i < l->count; i++)
		if (events[i].data.ptr == s)
			events[i].data.ptr = NULL;
}

/* --- timers: a heap, in which a later time is set without a move ---------------- */

static void place(struct loop *l, uint32_t at, struct loop_slot slot)
{
	l->heap[at] = slot;
	slot.timer->slot = at;
}

static void move_up(struct loop *l, uint32_t at, struct loop_slot slot)
{
	while (at > 1 && l->heap[at / 2].key_ms > slot.key_ms) {
		place(l, at, l->heap[at / 2]);
		at /= 2;
	}
	place(l, at, slot);
}

static void move_down(struct loop *l, uint32_t at, struct loop_slot slot)
{
	uint32_t below;

	for (; (below = 2 * at) <= l->timers; at = below) {
		if (below < l->timers &&
		    l->heap[below + 1].key_ms < l->heap[below].key_ms)
			below++;
		if (l->heap[below].key_ms >= slot.key_ms)
			break;
		place(l, at, l->heap[below]);
	}
	place(l, at, slot);
}

void loop_timer(struct loop *l, struct timer *t, int64_t due_ms)
{
	t->due_ms = due_ms;
	if (t->slot == 0) {
		/* The callers know how many they have. */
		if (l->timers == l->room)
			abort();
		move_up(l, ++l->timers,
			(struct loop_slot){ .key_ms = due_ms, .timer = t });
	} else if (due_ms < l->heap[t->slot].key_ms) {
		move_up(l, t->slot,
			(struct loop_slot){ .key_ms = due_ms, .timer = t });
	}
}

void loop_untimer(struct loop *l, struct timer *t)
{
	struct loop_slot last;
	uint32_t at = t->slot;

	if (at == 0)
		return;
	t->slot = 0;
	last = l->heap[l->timers--];
	if (last.timer == t)
		return;
	if (at > 1 && last.key_ms < l->heap[at / 2].key_ms)
		move_up(l, at, last);
	else
		move_down(l, at, last);
}

/* The first timer whose time is its key; NULL: none is set. */
static struct timer *first_timer(struct loop *l)
{
	struct loop_slot slot;

	while (l->timers > 0) {
		slot = l->heap[1];
		if (slot.timer->due_ms <= slot.key_ms)
			return slot.timer;
		slot.key_ms = slot.timer->due_ms;
		move_down(l, 1, slot);
	}
	return NULL;
}

/* No more calls than timers are set: one that sets itself for now does not keep the turn. */
static void call_timers(struct loop *l)
{
	uint32_t most = l->timers;
	struct timer *t;

	while (most-- > 0 && !l->is_stopped && (t = first_timer(l)) &&
	       t->due_ms <= l->now_ms) {
		loop_untimer(l, t);
		t->due(t);
	}
}

static int time_to_sleep(struct loop *l)
{
	const struct timer *t = first_timer(l);
	int64_t left;

	if (!t)
		return -1;
	left = t->due_ms - clock_ms();
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* --- turns ------------------------------------------------------------------------ */

int64_t loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

int loop_turn(struct loop *l)
{
	struct epoll_event *events = l->events, e;
	int n = epoll_wait(l->epoll, events, LOOP_EVENTS, time_to_sleep(l));

	if (n < 0 && errno != EINTR)
		return -errno;
	set_guard(l, GUARD_US);
	l->now_ms = clock_ms();
	l->count = n < 0 ? 0 : n;
	for (l->at = 0; l->at < l->count && !l->is_stopped;) {
		struct source *s;

		e = events[l->at++];
		s = e.data.ptr;
		if (s)
			s->ready(s, e.events);
	}
	l->count = l->at = 0;
	call_timers(l);
	set_guard(l, 0);
	return 0;
}

int loop_run(struct loop *l)
{
	int r = 0;

	l->is_stopped = false;
	while (r == 0 && !l->is_stopped)
		r = loop_turn(l);
	return r;
}

void loop_stop(struct loop *l)
{
	l->is_stopped = true;
}
