#include "nsm/api/base/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "tests/unit/check.h"

static struct loop loop;
static int ends[2];

static void open_all(void)
{
	REQUIRE(loop_open(&loop) == 0);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
}

enum { MOST = 1000 };

static int calls;

/* As a task that is refused at once, and whose client has sent the next one ahead. */
static void set_again(struct timer *t)
{
	if (++calls == 1)
		CHECK(send(ends[1], "x", 1, 0) == 1);
	if (calls == MOST)
		loop_stop(&loop);
	loop_timer(&loop, t, loop_now_ms(&loop));
}

static void stop(struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
	loop_stop(&loop);
}

TEST(a_timer_that_sets_itself_again_keeps_nobody_out)
{
	struct timer t = { .due = set_again }, later = { .due = set_again };
	struct watch w = { .ready = stop };

	open_all();
	w.fd = ends[0];
	REQUIRE(loop_add(&loop, &w, EPOLLIN) == 0);
	loop_timer(&loop, &t, loop_now_ms(&loop));
	/* One that is not due, as each idle connection has, gives no turn away. */
	loop_timer(&loop, &later, loop_now_ms(&loop) + 1000000);
	CHECK_INT(loop_run(&loop), 0);
	CHECK_INT(calls, 1);
	loop_untimer(&loop, &later);
	loop_untimer(&loop, &t);
	loop_untimer(&loop, &t);
}

static struct timer order[3];
static int said[4];

static void say(struct timer *t)
{
	said[calls++] = (int)(t - order);
	if (calls == 3)
		loop_stop(&loop);
}

/* All that are due in one turn, the earliest first, whatever the order in which they were set. */
TEST(timers_come_in_their_order)
{
	int64_t now;

	open_all();
	now = loop_now_ms(&loop);
	for (int i = 0; i < 3; i++)
		order[i].due = say;
	loop_timer(&loop, &order[1], now - 2);
	loop_timer(&loop, &order[0], now - 1);
	loop_timer(&loop, &order[2], now + 5000);
	loop_timer(&loop, &order[2], now - 3); /* set anew */
	CHECK_INT(loop_run(&loop), 0);
	CHECK_INT(calls, 3);
	CHECK_INT(said[0], 2);
	CHECK_INT(said[1], 1);
	CHECK_INT(said[2], 0);
}

static struct watch pair[2];

/* Whichever comes first removes the other, which has arrived in this turn, too. */
static void remove_other(struct watch *w, uint32_t events)
{
	(void)events;
	calls++;
	loop_remove(&loop, w == &pair[0] ? &pair[1] : &pair[0]);
	loop_stop(&loop);
}

TEST(what_was_removed_is_not_called)
{
	open_all();
	for (int i = 0; i < 2; i++) {
		pair[i] =
			(struct watch){ .ready = remove_other, .fd = ends[i] };
		REQUIRE(send(ends[i], "x", 1, 0) == 1);
		REQUIRE(loop_add(&loop, &pair[i], EPOLLIN) == 0);
	}
	CHECK_INT(loop_run(&loop), 0);
	CHECK_INT(calls, 1);
	for (int i = 0; i < 2; i++) {
		loop_remove(&loop, &pair[i]);
		loop_remove(&loop, &pair[i]);
		loop_change(&loop, &pair[i], EPOLLIN); /* none is added */
		CHECK(!pair[i].is_added);
	}
	pair[0].fd = -1;
	CHECK_INT(loop_add(&loop, &pair[0], EPOLLIN), -EBADF);
	CHECK(!pair[0].is_added);
}

CHECK_MAIN("api_loop")
