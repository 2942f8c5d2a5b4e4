#include "nsm/api/base/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include "vsock/io.h"

enum { GUARD_US = 5000, STACK_BYTES = 64 << 10 };

/*
 * Where the guard's handler runs: the kernel saves the registers there, in which a copy that was interrupted may have left bytes of
 * a secret.
 */
static uint8_t stack[STACK_BYTES] __attribute__((aligned(64)));
static volatile sig_atomic_t has_run;

int loop_open(struct loop *l)
{
	*l = (struct loop){ .epoll = epoll_create1(EPOLL_CLOEXEC),
			    .now_ms = io_now_ms() };
	return l->epoll < 0 ? -errno : 0;
}

static void ignore(int signal_)
{
	(void)signal_;
	has_run = 1;
}

void loop_guard(struct loop *l)
{
	/* No SA_RESTART, nor SIG_IGN: it has to interrupt. */
	const struct sigaction a = { .sa_handler = ignore,
				     .sa_flags = SA_ONSTACK };
	const stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };

	l->is_guarded = sigaltstack(&own, NULL) == 0 &&
			sigaction(SIGALRM, &a, NULL) == 0;
}

/* Again and again: what is closed may be many, and a signal is for one that waits now. */
static void set_guard(const struct loop *l, suseconds_t us)
{
	const struct itimerval t = { { .tv_usec = us }, { .tv_usec = us } };

	if (l->is_guarded)
		(void)setitimer(ITIMER_REAL, &t, NULL);
	if (us == 0 && has_run) {
		has_run = 0;
		explicit_bzero(stack, sizeof(stack));
	}
}

static int control(const struct loop *l, int what, struct watch *s,
		   uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	s->events = events;
	return epoll_ctl(l->epoll, what, s->fd, &e) < 0 ? -errno : 0;
}

int loop_add(struct loop *l, struct watch *s, uint32_t events)
{
	int r = control(l, EPOLL_CTL_ADD, s, events);

	s->is_added = r == 0;
	return r;
}

void loop_change(struct loop *l, struct watch *s, uint32_t events)
{
	if (s->is_added && s->events != events)
		(void)control(l, EPOLL_CTL_MOD, s, events);
}

void loop_remove(struct loop *l, struct watch *s)
{
	struct epoll_event *events = l->events;

	if (!s->is_added)
		return;
	(void)control(l, EPOLL_CTL_DEL, s, 0);
	s->is_added = false;
	for (int i = l->at; i < l->count; i++)
		if (events[i].data.ptr == s)
			events[i].data.ptr = NULL;
}

/* --- timers: some hundred at most, in a list --- */

void loop_timer(struct loop *l, struct timer *t, int64_t due_ms)
{
	t->due_ms = due_ms;
	if (t->is_set)
		return;
	t->is_set = true;
	t->previous = NULL;
	t->next = l->timers;
	if (l->timers)
		l->timers->previous = t;
	l->timers = t;
}

void loop_untimer(struct loop *l, struct timer *t)
{
	if (!t->is_set)
		return;
	t->is_set = false;
	if (t->previous)
		t->previous->next = t->next;
	else
		l->timers = t->next;
	if (t->next)
		t->next->previous = t->previous;
}

static struct timer *first_timer(const struct loop *l)
{
	struct timer *first = l->timers;

	for (struct timer *t = first; t; t = t->next)
		if (t->due_ms < first->due_ms)
			first = t;
	return first;
}

/*
 * Each is taken out before it is called, and may set itself again. Those that are set while this goes on come in the next turn: a
 * client whose requests fail at once could else keep all others out.
 */
static void call_timers(struct loop *l)
{
	size_t most = 0;
	struct timer *t;

	for (t = l->timers; t; t = t->next)
		most += t->due_ms <= l->now_ms;
	while (most-- > 0 && !l->is_stopped && (t = first_timer(l)) &&
	       t->due_ms <= l->now_ms) {
		loop_untimer(l, t);
		t->due(t);
	}
}

static int time_to_sleep(const struct loop *l)
{
	const struct timer *t = first_timer(l);
	int64_t left;

	if (!t)
		return -1;
	left = t->due_ms - io_now_ms();
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int64_t loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

static int turn(struct loop *l)
{
	struct epoll_event events[LOOP_EVENTS];
	struct watch *s;
	int n = epoll_wait(l->epoll, events, LOOP_EVENTS, time_to_sleep(l));

	if (n < 0 && errno != EINTR)
		return -errno;
	set_guard(l, GUARD_US);
	l->now_ms = io_now_ms();
	l->events = events;
	l->count = n < 0 ? 0 : n;
	for (l->at = 0; l->at < l->count && !l->is_stopped;) {
		uint32_t what = events[l->at].events;

		s = events[l->at++].data.ptr;
		if (s)
			s->ready(s, what);
	}
	l->events = NULL;
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
		r = turn(l);
	return r;
}

void loop_stop(struct loop *l)
{
	l->is_stopped = true;
}
