/*
 * The loop over real descriptors, signals and children. What happens in a turn is noted
 * in the order in which it does, a character each.
 */

#include "init/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/check.h"
#include "vsock/io.h"

static struct loop loop;
static char notes[64];

static void note(char c)
{
	size_t len = strlen(notes);

	if (len < sizeof(notes) - 1)
		notes[len] = c;
}

static void forget_notes(void)
{
	memset(notes, 0, sizeof(notes));
}

static void set_up_signals(void)
{
	sigset_t set;

	loop.signal_fd = -1;
	loop_block_signals();
	/* Of check.h: a test that hangs is ended. */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void set_up(void)
{
	set_up_signals();
	REQUIRE(loop_open(&loop, false) == 0);
}

/* What is readable until a callback has read it. */
static int new_event(unsigned value)
{
	int fd = eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK);

	REQUIRE(fd >= 0);
	return fd;
}

static void read_event(int fd)
{
	uint64_t n;

	CHECK_INT(read(fd, &n, sizeof(n)), sizeof(n));
}

/* --- callbacks --- */

struct source {
	int fd;
	char name;
};

static void take(void *ctx)
{
	struct source *s = ctx;

	note(s->name);
	read_event(s->fd);
}

static bool reap_one(void *ctx)
{
	(void)ctx;
	note('d');
	return false;
}

static int signals[32];
static size_t signal_count;

static void take_signal(void *ctx, int sig)
{
	(void)ctx;
	note('s');
	if (signal_count < 32)
		signals[signal_count++] = sig;
}

struct timer {
	int64_t deadline_ms;
	char name;
};

static int64_t timer_next(const void *ctx)
{
	const struct timer *t = ctx;

	return t->deadline_ms;
}

static void timer_due(void *ctx, int64_t now_ms)
{
	struct timer *t = ctx;

	if (t->deadline_ms == 0 || t->deadline_ms > now_ms)
		return;
	note(t->name);
	t->deadline_ms = 0;
}

static void add_timer(struct timer *t)
{
	loop_add_clock(&loop, (struct loop_clock){ timer_next, timer_due, t });
}

static void watch(struct source *s)
{
	REQUIRE(loop_watch(&loop, s->fd, take, s) == 0);
}

/* A turn that does not sleep. */
static void turn(void)
{
	loop_turn(&loop, 0);
}

/* --- the order in a turn --- */

TEST(deaths_signals_descriptors_then_deadlines)
{
	struct source a = { .name = 'a' }, b = { .name = 'b' };
	struct timer t = { .name = 't' };

	set_up();
	a.fd = new_event(1);
	b.fd = new_event(1);
	loop.reap = reap_one;
	loop.take_signal = take_signal;
	t.deadline_ms = io_now_ms();
	add_timer(&t);
	watch(&a);
	watch(&b);
	CHECK_INT(kill(getpid(), SIGHUP), 0);
	loop_turn(&loop, -1);
	CHECK_STR(notes, "dsabt");
}

static int64_t ping_deadline;

/* As a service's watchdog: each message moves its deadline. */
static void take_ping(void *ctx)
{
	take(ctx);
	ping_deadline = io_now_ms() + 1000000;
}

static int64_t ping_next(const void *ctx)
{
	(void)ctx;
	return ping_deadline;
}

static void ping_due(void *ctx, int64_t now_ms)
{
	(void)ctx;
	if (ping_deadline <= now_ms)
		note('!');
}

TEST(a_message_that_is_there_counts_before_a_deadline)
{
	struct source s = { .name = 'm' };

	set_up();
	s.fd = new_event(1);
	loop_add_clock(&loop, (struct loop_clock){ ping_next, ping_due, NULL });
	REQUIRE(loop_watch(&loop, s.fd, take_ping, &s) == 0);
	/* PID 1 was kept from its loop: the time is over long ago. */
	ping_deadline = io_now_ms() - 5000;
	turn();
	CHECK_STR(notes, "m");
}

/* Takes its time, and the deadline comes meanwhile. */
static void take_slowly(void *ctx)
{
	struct timer *t = ctx;

	note('m');
	t->deadline_ms = io_now_ms() + 1;
	while (io_now_ms() <= t->deadline_ms)
		(void)poll(NULL, 0, 1);
	loop_forget(&loop, loop.sources[0].fd);
}

TEST(a_deadline_is_judged_by_a_time_before_the_messages)
{
	struct timer t = { .name = 't' };

	set_up();
	add_timer(&t);
	REQUIRE(loop_watch(&loop, new_event(1), take_slowly, &t) == 0);
	turn();
	/* What came while it worked is read before it is judged. */
	CHECK_STR(notes, "m");
	turn();
	CHECK_STR(notes, "mt");
}

/* --- sources --- */

static struct source victim = { .name = 'v' };

static void take_and_forget_victim(void *ctx)
{
	take(ctx);
	loop_forget(&loop, victim.fd);
}

TEST(who_is_forgotten_by_a_callback_is_not_called)
{
	struct source a = { .name = 'a' }, c = { .name = 'c' };

	set_up();
	a.fd = new_event(1);
	victim.fd = new_event(1);
	c.fd = new_event(1);
	REQUIRE(loop_watch(&loop, a.fd, take_and_forget_victim, &a) == 0);
	watch(&victim);
	watch(&c);
	turn();
	CHECK_STR(notes, "ac");
	turn();
	CHECK_STR(notes, "ac");
	CHECK_INT(loop.source_count, 2);
}

static void forget_itself(void *ctx)
{
	struct source *s = ctx;

	note(s->name);
	loop_forget(&loop, s->fd);
}

TEST(a_callback_may_forget_itself)
{
	struct source s = { .name = 'a' };

	set_up();
	s.fd = new_event(1); /* nobody reads it */
	REQUIRE(loop_watch(&loop, s.fd, forget_itself, &s) == 0);
	turn();
	turn();
	CHECK_STR(notes, "a");
}

static struct source newcomer = { .name = 'n' };

/* The new one gets the number of the old one. */
static void replace_victim(void *ctx)
{
	int number = victim.fd;

	take(ctx);
	loop_forget(&loop, victim.fd);
	close(victim.fd);
	newcomer.fd = new_event(0);
	CHECK_INT(newcomer.fd, number);
	watch(&newcomer);
}

TEST(a_number_used_again_in_a_turn_is_another_descriptor)
{
	struct source a = { .name = 'a' };
	uint64_t one = 1;

	set_up();
	a.fd = new_event(1);
	victim.fd = new_event(1);
	REQUIRE(loop_watch(&loop, a.fd, replace_victim, &a) == 0);
	watch(&victim);
	turn();
	/* Neither the old one, which was readable, nor the new one, which is not. */
	CHECK_STR(notes, "a");
	turn();
	CHECK_STR(notes, "a");
	CHECK_INT(write(newcomer.fd, &one, sizeof(one)), sizeof(one));
	turn();
	CHECK_STR(notes, "an");
}

/* A death: a service's descriptors go with it, and its next start has others. */
static bool reap_and_replace(void *ctx)
{
	(void)ctx;
	loop.reap = NULL;
	note('d');
	loop_forget(&loop, victim.fd);
	close(victim.fd);
	newcomer.fd = new_event(0);
	watch(&newcomer);
	return false;
}

TEST(a_death_may_replace_a_descriptor_as_well)
{
	set_up();
	victim.fd = new_event(1);
	watch(&victim);
	loop.reap = reap_and_replace;
	turn();
	CHECK_INT(newcomer.fd, victim.fd);
	CHECK_STR(notes, "d");
}

static void forget_and_watch(void *ctx)
{
	struct source *s = ctx;

	note(s->name);
	loop_forget(&loop, s->fd);
	REQUIRE(loop_watch(&loop, s->fd, forget_and_watch, s) == 0);
}

TEST(who_is_watched_again_is_called_once_a_turn)
{
	struct source s = { .name = 'a' };

	set_up();
	s.fd = new_event(1);
	REQUIRE(loop_watch(&loop, s.fd, forget_and_watch, &s) == 0);
	for (int i = 0; i < 5; i++)
		turn();
	CHECK_STR(notes, "aaaaa");
	CHECK(loop.source_count <= 2);
}

TEST(there_is_room_for_so_many_and_no_more)
{
	struct source s = { .name = 'a' };

	set_up();
	s.fd = new_event(0);
	for (int i = 0; i < LOOP_SOURCES_MAX; i++)
		watch(&s);
	CHECK_INT(loop_watch(&loop, s.fd, take, &s), -ENOSPC);
	loop_forget(&loop, s.fd);
	turn();
	CHECK_INT(loop.source_count, 0);
	CHECK_INT(loop_watch(&loop, s.fd, take, &s), 0);
}

TEST(what_is_not_watched_cannot_be_forgotten)
{
	struct source s = { .name = 'a' };

	set_up();
	s.fd = new_event(1);
	watch(&s);
	loop_forget(&loop, -1);
	loop_forget(&loop, s.fd + 1);
	turn();
	CHECK_STR(notes, "a");
}

TEST(an_end_is_readable)
{
	struct source s = { .name = 'e' };
	int fds[2];

	set_up();
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	close(fds[1]);
	s.fd = fds[0];
	REQUIRE(loop_watch(&loop, s.fd, forget_itself, &s) == 0);
	loop_turn(&loop, -1);
	CHECK_STR(notes, "e");
}

/* --- signals --- */

/* Behind the last waitpid(2) of this turn another child dies. */
static bool reap_and_miss_one(void *ctx)
{
	note('D');
	if (strlen(notes) == 1)
		(void)kill(getpid(), SIGCHLD);
	(void)ctx;
	return false;
}

TEST(a_death_during_the_reaping_is_the_next_turns)
{
	set_up();
	loop.reap = reap_and_miss_one;
	(void)kill(getpid(), SIGCHLD);
	loop_turn(&loop, -1);
	loop_turn(&loop,
		  -1); /* for ever, if the signal was read with the first */
	CHECK_STR(notes, "DD");
}

TEST(signals_are_taken_but_for_chld)
{
	set_up();
	loop.take_signal = take_signal;
	loop.reap = reap_one;
	CHECK_INT(kill(getpid(), SIGCHLD), 0);
	loop_turn(&loop, -1);
	CHECK_STR(notes, "d");
	CHECK_INT(kill(getpid(), SIGTERM), 0);
	CHECK_INT(kill(getpid(), SIGWINCH), 0);
	loop_turn(&loop, -1);
	CHECK_INT(signal_count, 2);
	/* Those of an enclave, no others. */
	forget_notes();
	CHECK_INT(kill(getpid(), SIGCONT), 0);
	CHECK_INT(kill(getpid(), SIGRTMIN), 0);
	turn();
	CHECK_STR(notes, "d");
}

TEST(nobody_need_take_them)
{
	set_up();
	CHECK_INT(kill(getpid(), SIGTERM), 0);
	loop_turn(&loop, -1);
	loop.take_signal = take_signal;
	turn();
	CHECK_STR(notes, "");
}

TEST(a_turn_takes_so_many_signals_and_the_next_one_goes_on)
{
	const union sigval none = { 0 };

	set_up_signals();
	REQUIRE(loop_open(&loop, true) == 0);
	loop.take_signal = take_signal;
	for (int i = 0; i < 20; i++)
		CHECK_INT(sigqueue(getpid(), SIGRTMIN, none), 0);
	turn();
	CHECK_INT(signal_count, LOOP_SIGNALS_MAX);
	turn();
	turn();
	CHECK_INT(signal_count, 20);
	for (size_t i = 0; i < signal_count; i++)
		CHECK_INT(signals[i], SIGRTMIN);
}

TEST(a_container_hears_all_that_can_be_handed_on)
{
	set_up_signals();
	REQUIRE(loop_open(&loop, true) == 0);
	loop.take_signal = take_signal;
	CHECK_INT(kill(getpid(), SIGTTOU), 0); /* of our own writing */
	CHECK_INT(kill(getpid(), SIGCONT), 0);
	CHECK_INT(kill(getpid(), SIGPIPE), 0);
	turn();
	CHECK_INT(signal_count, 2);
}

TEST(faults_are_not_blocked)
{
	static const int faults[] = { SIGSEGV, SIGBUS,	SIGILL, SIGFPE,
				      SIGTRAP, SIGABRT, SIGSYS };
	sigset_t set;

	loop_block_signals();
	REQUIRE(sigprocmask(SIG_SETMASK, NULL, &set) == 0);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		CHECK_INT(sigismember(&set, faults[i]), 0);
	CHECK_INT(sigismember(&set, SIGTERM), 1);
	CHECK_INT(sigismember(&set, SIGCHLD), 1);
}

TEST(children_wait_to_be_reaped_whatever_was_inherited)
{
	pid_t pid;
	int status;

	(void)signal(SIGCHLD, SIG_IGN);
	set_up_signals();
	pid = fork();
	if (pid == 0)
		_exit(7);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

TEST(the_signalfd_is_none_of_the_consoles_numbers)
{
	set_up_signals();
	close(0);
	REQUIRE(loop_open(&loop, false) == 0);
	CHECK(loop.signal_fd > 2);
	CHECK_INT(fcntl(loop.signal_fd, F_GETFD), FD_CLOEXEC);
	CHECK_INT(fcntl(0, F_GETFD), -1);
}

/* --- deadlines --- */

TEST(a_turn_ends_at_the_first_of_all_deadlines)
{
	struct timer late = { .name = 'l' }, soon = { .name = 's' },
		     none = { .name = 'n' };
	int64_t began;

	set_up();
	began = io_now_ms();
	late.deadline_ms = began + 1000000;
	soon.deadline_ms = began + 20;
	add_timer(&late);
	add_timer(&none);
	add_timer(&soon);
	loop_turn(&loop, -1);
	CHECK(io_now_ms() >= began + 20);
	CHECK_STR(notes, "s");
	/* The caller's is one of them. */
	loop_turn(&loop, io_now_ms() + 20);
	CHECK_STR(notes, "s");
}

TEST(what_is_over_already_does_not_sleep)
{
	struct timer t = { .deadline_ms = 1, .name = 't' };

	set_up();
	add_timer(&t);
	loop_turn(&loop, -1);
	CHECK_STR(notes, "t");
}

/* --- loop_until --- */

static int asked, done_after;

static bool is_done(void *ctx)
{
	CHECK(ctx == &asked);
	return asked++ >= done_after;
}

TEST(what_is_done_takes_no_turn)
{
	set_up();
	loop.reap = reap_one;
	CHECK(loop_until(&loop, is_done, &asked, -1));
	CHECK(loop_until(&loop, is_done, &asked, 1)); /* long ago */
	CHECK_STR(notes, "");
}

TEST(it_is_asked_before_each_turn)
{
	struct source s = { .name = 'a' };

	set_up();
	s.fd = new_event(1);
	REQUIRE(loop_watch(&loop, s.fd, forget_and_watch, &s) == 0);
	done_after = 3;
	CHECK(loop_until(&loop, is_done, &asked, -1));
	CHECK_INT(asked, 4);
	CHECK_STR(notes, "aaa");
}

TEST(its_time_ends_and_what_came_in_time_counts)
{
	bool is_in_time = false;
	int64_t until;

	set_up();
	done_after = 1000000;
	until = io_now_ms() + 30;
	CHECK(!loop_until(&loop, is_done, &asked, until));
	CHECK(io_now_ms() >= until);
	/* The turn that its time has ended in was the one that did it. On a busy machine
	 * it may be over before the first turn, which says nothing. */
	done_after = 1;
	for (int i = 0; i < 100 && !is_in_time; i++) {
		asked = 0;
		is_in_time =
			loop_until(&loop, is_done, &asked, io_now_ms() + 5);
	}
	CHECK(is_in_time);
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static bool reap_forever(void *ctx)
{
	(void)ctx;
	return true;
}

TEST(a_flood_of_deaths_does_not_keep_it_from_its_end)
{
	struct source s = { .name = 'a' };
	struct timer t = { .name = 't' };

	set_up();
	loop.reap = reap_forever;
	s.fd = new_event(1);
	watch(&s);
	t.deadline_ms = io_now_ms() + 5;
	add_timer(&t);
	/* On a busy machine its time may be over before the first turn. */
	for (int i = 0; i < 100 && !*notes; i++)
		CHECK(!loop_until(&loop, never, NULL, io_now_ms() + 30));
	CHECK_STR(notes, "at");
}

/* --- without a signalfd --- */

static bool reap_child(void *ctx)
{
	int *pid = ctx;

	if (waitpid(*pid, NULL, WNOHANG) == *pid)
		*pid = 0;
	return false;
}

static bool is_reaped(void *ctx)
{
	return *(int *)ctx == 0;
}

TEST(without_a_signalfd_it_looks_by_itself)
{
	struct source s = { .name = 'a' };
	int pid;

	set_up_signals();
	pid = fork();
	if (pid == 0)
		_exit(0);
	loop.reap = reap_child;
	loop.reap_ctx = &pid;
	CHECK(loop_until(&loop, is_reaped, &pid, -1));
	/* And takes what arrives as else. */
	s.fd = new_event(1);
	watch(&s);
	loop_turn(&loop, -1);
	CHECK_STR(notes, "a");
	CHECK(!loop_until(&loop, never, NULL, io_now_ms() + 250));
}

static int deaths_left;

static bool reap_some(void *ctx)
{
	(void)ctx;
	return --deaths_left > 0;
}

TEST(nor_does_it_pause_while_deaths_are_left)
{
	int64_t took = INT64_MAX, began;

	set_up_signals();
	loop.reap = reap_some;
	/* Ten pauses would take a second; on a busy machine one of these is quick. */
	for (int i = 0; i < 20 && took >= 500; i++) {
		deaths_left = 10;
		loop.has_more = true;
		began = io_now_ms();
		while (loop.has_more)
			loop_turn(&loop, -1);
		took = io_now_ms() - began;
	}
	CHECK(took < 500);
}

TEST(there_is_room_for_so_many_clocks_and_no_more)
{
	static struct timer timers[LOOP_CLOCKS_MAX + 2];

	set_up();
	for (int i = 0; i < LOOP_CLOCKS_MAX + 2; i++)
		add_timer(&timers[i]);
	CHECK_INT(loop.clock_count, LOOP_CLOCKS_MAX);
	turn();
}

CHECK_MAIN("loop")
