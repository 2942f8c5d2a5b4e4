#include "vsock/relay/flow/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/unit/check.h"

static struct loop loop;
static int64_t clock_ms = 1000;

/* Time is what a test says. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	t->tv_sec = clock_ms / 1000;
	t->tv_nsec = clock_ms % 1000 * 1000000;
	return 0;
}

enum { TIMERS = 200 };

struct mark {
	struct timer timer;
	int64_t due_ms, was_ms; /* was_ms: -1: not called */
};

static struct mark marks[TIMERS];
static int64_t last_ms;
static int calls;

static void on_due(struct timer *t)
{
	struct mark *m = LOOP_OWNER(t, struct mark, timer);

	m->was_ms = clock_ms;
	calls++;
	CHECK(m->due_ms <= clock_ms);
	CHECK(m->due_ms >= last_ms);
	last_ms = m->due_ms;
}

static void set(struct mark *m, int64_t due_ms)
{
	m->timer.due = on_due;
	m->due_ms = due_ms;
	m->was_ms = -1;
	loop_timer(&loop, &m->timer, due_ms);
}

static uint32_t random_below(uint32_t n)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

/* Each loop_turn would sleep until the next timer, whose time never comes by itself. */
static void turn_at(int64_t ms)
{
	struct mark now = { 0 };

	clock_ms = ms;
	last_ms = 0;
	set(&now, 0);
	REQUIRE(loop_turn(&loop) == 0);
	CHECK_INT(now.was_ms, ms);
	calls--;
}

TEST(timers_come_in_order_and_in_time)
{
	REQUIRE(loop_open(&loop, TIMERS + 1) == 0);
	for (int round = 0; round < 50; round++) {
		int64_t now = clock_ms;
		int due = 0, unset = 0;

		for (int i = 0; i < TIMERS; i++)
			set(&marks[i], now + 1 + random_below(100));
		/* Some are moved, back or forth, and some taken away. */
		for (int i = 0; i < TIMERS / 2; i++)
			set(&marks[random_below(TIMERS)],
			    now + 1 + random_below(100));
		for (int i = 0; i < TIMERS; i += 7, unset++)
			loop_untimer(&loop, &marks[i].timer);
		calls = 0;
		turn_at(now + 50);
		for (int i = 0; i < TIMERS; i++) {
			bool is_due = i % 7 && marks[i].due_ms <= now + 50;

			due += is_due;
			CHECK_INT(marks[i].was_ms, is_due ? now + 50 : -1);
		}
		CHECK_INT(calls, due);
		CHECK_INT(loop.timers, TIMERS - due - unset);
		turn_at(now + 101);
		CHECK_INT(loop.timers, 0);
	}
	loop_close(&loop);
}

static void set_again(struct timer *t)
{
	calls++;
	loop_timer(&loop, t, clock_ms);
}

TEST(a_timer_that_sets_itself_leaves_room_for_others)
{
	struct timer t = { .due = set_again };

	REQUIRE(loop_open(&loop, 2) == 0);
	loop_timer(&loop, &t, clock_ms);
	for (int i = 1; i <= 3; i++) {
		REQUIRE(loop_turn(&loop) == 0);
		CHECK_INT(calls, i);
	}
	loop_untimer(&loop, &t);
	loop_untimer(&loop, &t);
	CHECK_INT(loop.timers, 0);
	loop_close(&loop);
}

/* --- sources ------------------------------------------------------------------------ */

enum { SOURCES = 10 };

static struct source sources[SOURCES];
static int fds[SOURCES][2], called[SOURCES];

static void remove_all(struct source *s, uint32_t events)
{
	CHECK(events & EPOLLIN);
	called[s - sources]++;
	for (int i = 0; i < SOURCES; i++)
		loop_remove(&loop, &sources[i]);
}

static void open_sources(void (*ready)(struct source *, uint32_t))
{
	REQUIRE(loop_open(&loop, 4) == 0);
	for (int i = 0; i < SOURCES; i++) {
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]) == 0);
		CHECK_INT(write(fds[i][1], "x", 1), 1);
		sources[i] = (struct source){ .ready = ready, .fd = fds[i][0] };
		CHECK_INT(loop_add(&loop, &sources[i], EPOLLIN), 0);
	}
}

static int sum(void)
{
	int n = 0;

	for (int i = 0; i < SOURCES; i++)
		n += called[i];
	return n;
}

TEST(what_was_removed_in_this_turn_is_not_called)
{
	open_sources(remove_all);
	REQUIRE(loop_turn(&loop) == 0);
	CHECK_INT(sum(), 1);
	turn_at(clock_ms + 1);
	CHECK_INT(sum(), 1);
	loop_close(&loop);
}

static void replace(struct source *s, uint32_t events)
{
	struct source *next = &sources[(s - sources + 1) % SOURCES];

	(void)events;
	called[s - sources]++;
	/* Its place is another's now, which has nothing to be read. */
	loop_remove(&loop, next);
	CHECK_INT(read(next->fd, &(char){ 0 }, 1), 1);
	CHECK_INT(loop_add(&loop, next, EPOLLIN), 0);
	s->ready = remove_all;
}

TEST(what_took_the_place_of_another_is_not_called_for_it)
{
	open_sources(replace);
	for (int i = 2; i < SOURCES; i++)
		loop_remove(&loop, &sources[i]);
	loop_remove(&loop, &sources[0]);
	CHECK_INT(loop_add(&loop, &sources[0], EPOLLIN), 0);
	sources[1].ready = remove_all;
	REQUIRE(loop_turn(&loop) == 0);
	/* Which of the two came first is the kernel's; never both after a replacement. */
	CHECK_INT(sum(), 1);
	loop_close(&loop);
}

static void note(struct source *s, uint32_t events)
{
	(void)events;
	calls++;
	loop_remove(&loop, s);
}

TEST(more_events_than_a_turn_takes_come_in_the_next)
{
	enum { MANY = 2 * LOOP_EVENTS + 1 };
	static struct source many[MANY];
	int pair[2];

	REQUIRE(loop_open(&loop, 4) == 0);
	for (int i = 0; i < MANY; i++) {
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		CHECK_INT(write(pair[1], "x", 1), 1);
		many[i] = (struct source){ .ready = note, .fd = pair[0] };
		CHECK_INT(loop_add(&loop, &many[i], EPOLLIN), 0);
	}
	for (int i = 1; i <= 3; i++) {
		REQUIRE(loop_turn(&loop) == 0);
		CHECK_INT(calls, i < 3 ? i * LOOP_EVENTS : MANY);
	}
	loop_close(&loop);
}

static void stop(struct timer *t)
{
	(void)t;
	loop_stop(&loop);
}

TEST(run_ends_where_it_is_stopped)
{
	struct timer t = { .due = stop };

	REQUIRE(loop_open(&loop, 4) == 0);
	loop_timer(&loop, &t, clock_ms);
	CHECK_INT(loop_run(&loop), 0);
	CHECK_INT(loop_now_ms(&loop), clock_ms);
	loop_close(&loop);
}

CHECK_MAIN("flow_loop")
