/*
 * When the heartbeat is tried, and when again. Its processes, its clock and the loop are
 * made here.
 */

#include "init/beat.h"
#include "init/beating.h"
#include "init/tell.h"

#include <errno.h>
#include <unistd.h>

#include "init/loop.h"
#include "tests/unit/check.h"
#include "vsock/heartbeat.h"
#include "vsock/io.h"

/* --- the seams --- */

static struct {
	int64_t now_ms;
	int fork_result;
	int forks, kills, goes;
	bool is_deaf;	       /* no word gets through */
	struct helper_job job; /* of the last one */
	uint8_t word;
	struct helper *killed;
	helper_gone_fn *gone;
	void *ctx;
	struct loop_clock clock;
	/* of the helper's side */
	int heartbeat_result;
	enum heartbeat_stage stage;
	uint8_t positive, negative;
	struct helper_report told;
} world;

int64_t io_now_ms(void)
{
	return world.now_ms;
}

int64_t io_now_us(void)
{
	return io_now_ms() * 1000;
}

void loop_add_clock(struct loop *l, struct loop_clock clock)
{
	(void)l;
	world.clock = clock;
}

int helper_start(struct helper *h, enum helper_kind kind,
		 struct helper_job *job, struct children *c,
		 helper_gone_fn *gone, void *ctx)
{
	CHECK_INT(kind, HELPER_BEAT);
	CHECK_INT(h->pid, 0);
	CHECK(!c);
	if (world.fork_result < 0)
		return world.fork_result;
	world.job = *job;
	world.gone = gone;
	world.ctx = ctx;
	*h = (struct helper){ .pid = 100 + ++world.forks };
	return 0;
}

bool helper_go(struct helper *h, uint8_t byte)
{
	CHECK(h->pid != 0);
	if (world.is_deaf)
		return false;
	world.goes++;
	world.word = byte;
	return true;
}

void helper_kill(const struct helper *h)
{
	if (h->pid == 0)
		return;
	world.kills++;
	world.killed = (struct helper *)(uintptr_t)h;
}

void tell_news(const struct helper_job *job, enum helper_news news,
	       uint8_t stage, int error)
{
	(void)job;
	world.told = (struct helper_report){ (uint8_t)news, stage, error };
}

int heartbeat_positive(uint32_t port, enum heartbeat_stage *reterr_stage)
{
	CHECK_INT(port, 9000);
	world.positive++;
	*reterr_stage = world.stage;
	return world.heartbeat_result;
}

int heartbeat_negative(uint32_t port, uint8_t code,
		       enum heartbeat_stage *reterr_stage)
{
	CHECK_INT(port, 9000);
	world.negative = code;
	*reterr_stage = world.stage;
	return world.heartbeat_result;
}

/* --- what happens --- */

static struct beat beat;

static void set_up(void)
{
	world.now_ms = 1000;
	beat_init(&beat, NULL, NULL);
	CHECK_INT(world.clock.next(world.clock.ctx), 0);
	CHECK(beat_is_over(&beat));
}

static void end(struct helper *h, struct helper_report report)
{
	REQUIRE(h->pid != 0);
	h->pid = 0;
	h->report = report;
	world.gone(world.ctx, h);
}

static void be_killed(void)
{
	end(beat.helper, (struct helper_report){ 0 });
}

static void be_answered(void)
{
	end(beat.helper, (struct helper_report){ .news = HELPER_DONE });
}

static void fail_at(enum heartbeat_stage stage, int error)
{
	end(beat.helper, (struct helper_report){ .news = HELPER_FAULT,
						 .stage = (uint8_t)stage,
						 .error = error });
}

static int64_t next(void)
{
	return world.clock.next(world.clock.ctx);
}

/* Sleeps until the next deadline, as the loop does. */
static void be_due(void)
{
	REQUIRE(next() != 0);
	world.now_ms = next();
	world.clock.due(world.clock.ctx, world.now_ms);
}

static void prepare(void)
{
	set_up();
	beat_prepare(&beat, 9000);
}

static void send_positive(void)
{
	prepare();
	beat_send(&beat, 9000, HEARTBEAT_BYTE);
}

/* --- waiting --- */

TEST(it_is_forked_before_and_gets_a_word)
{
	prepare();
	CHECK_INT(world.forks, 1);
	CHECK(world.job.waits && world.job.byte == 0xB7);
	CHECK_INT(world.job.port, 9000);
	CHECK_INT(beat.state, BEAT_WAITS);
	/* Nothing wakes PID 1 meanwhile. */
	CHECK_INT(next(), 0);
	CHECK(beat_is_over(&beat));

	beat_send(&beat, 9000, 0xB7);
	CHECK(world.forks == 1 && world.goes == 1 && world.word == 0xB7);
	CHECK_INT(beat.state, BEAT_TRIES);
	CHECK(!beat_is_over(&beat));
	be_answered();
	CHECK_INT(beat.state, BEAT_ANSWERED);
	CHECK(beat_is_over(&beat));
	CHECK_INT(next(), 0);
}

TEST(one_that_cannot_be_told_is_replaced)
{
	prepare();
	world.is_deaf = true;
	beat_send(&beat, 9000, 0xB7);
	CHECK(world.forks == 2 && world.kills == 1 && world.goes == 0);
	CHECK(!world.job.waits && world.job.byte == 0xB7);
	be_answered();
	CHECK(beat_is_over(&beat));
}

TEST(the_one_that_waits_takes_a_negative_word)
{
	prepare();
	beat_send(&beat, 9000, 8);
	CHECK(world.forks == 1 && world.goes == 1 && world.word == 8);
	be_answered();
	CHECK(beat_is_over(&beat));
	CHECK_INT(world.forks, 1);
}

TEST(one_for_another_port_is_killed)
{
	prepare();
	beat_send(&beat, 9001, 3);
	CHECK(world.kills == 1 && world.killed == &beat.helpers[0]);
	CHECK_INT(world.forks, 2);
	CHECK(!world.job.waits && world.job.port == 9001 &&
	      world.job.byte == 3);
	/* The end of the other one is no news. */
	end(&beat.helpers[0], (struct helper_report){ 0 });
	CHECK_INT(beat.state, BEAT_TRIES);
	be_answered();
	CHECK_INT(beat.state, BEAT_ANSWERED);
}

TEST(one_that_is_killed_while_it_waits_is_replaced)
{
	prepare();
	for (int i = 0; i < 20; i++) {
		be_killed();
		CHECK(next() > world.now_ms &&
		      next() <= world.now_ms + BEAT_PAUSE_MAX_MS);
		be_due();
		CHECK(world.forks == 2 + i && world.job.waits);
		CHECK_INT(beat.state, BEAT_WAITS);
	}
	beat_send(&beat, 9000, 0xB7);
	CHECK_INT(world.forks, 21);
	CHECK_INT(world.goes, 1);
	/* That it was killed before says nothing of the parent. */
	CHECK(!beat_is_over(&beat));
}

TEST(where_none_waits_it_is_forked_when_it_is_needed)
{
	set_up();
	world.fork_result = -EAGAIN;
	beat_prepare(&beat, 9000);
	CHECK(next() > 0);
	world.fork_result = 0;
	beat_send(&beat, 9000, 0xB7);
	CHECK(world.forks == 1 && !world.job.waits && world.goes == 0);
	be_answered();
	CHECK_INT(beat.state, BEAT_ANSWERED);
	CHECK_INT(next(), 0);
}

/* --- tries --- */

TEST(one_that_is_killed_is_tried_again)
{
	send_positive();
	be_killed();
	CHECK_INT(next(), 1000 + BEAT_PAUSE_MS);
	CHECK(!beat_is_over(&beat));
	be_due();
	CHECK(world.forks == 2 && !world.job.waits && world.job.byte == 0xB7);
	be_answered();
	CHECK_INT(beat.state, BEAT_ANSWERED);
}

TEST(pauses_grow_and_at_last_it_gives_up)
{
	int64_t pause = BEAT_PAUSE_MS, began;
	int tries = 1;

	send_positive();
	began = world.now_ms;
	for (be_killed(); beat.state == BEAT_TRIES; be_killed(), tries++) {
		CHECK_INT(next(), world.now_ms + pause);
		pause = 2 * pause < BEAT_PAUSE_MAX_MS ? 2 * pause :
							BEAT_PAUSE_MAX_MS;
		be_due();
	}
	CHECK_INT(beat.state, BEAT_FAILED);
	CHECK(tries > 5 && world.forks == tries);
	CHECK(world.now_ms - began <= BEAT_GIVE_UP_MS);
	CHECK(world.now_ms - began + pause > BEAT_GIVE_UP_MS);
	CHECK_INT(next(), 0);
	CHECK(beat_is_over(&beat));
}

TEST(who_never_reached_the_parent_is_tried_again)
{
	static const int errors[] = { ECONNRESET, ETIMEDOUT, ENODEV, ENOMEM };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		send_positive();
		fail_at(HEARTBEAT_CONNECT, -errors[i]);
		CHECK(beat.state == BEAT_TRIES);
		CHECK(next() != 0);
	}
}

TEST(once_a_byte_was_sent_there_is_no_other_try)
{
	static const enum heartbeat_stage stages[] = {
		HEARTBEAT_SEND,
		HEARTBEAT_REPLY,
	};

	for (size_t i = 0; i < 2; i++) {
		send_positive();
		fail_at(stages[i], -ECONNRESET);
		CHECK_INT(beat.state, BEAT_FAILED);
		CHECK(beat_is_over(&beat));
		CHECK_INT(next(), 0);
	}
	send_positive();
	fail_at(HEARTBEAT_REPLY, -EPROTO);
	CHECK_INT(beat.state, BEAT_FAILED);
}

TEST(a_kernel_without_vsock_is_tried_once)
{
	send_positive();
	fail_at(HEARTBEAT_CONNECT, -EAFNOSUPPORT);
	CHECK_INT(beat.state, BEAT_FAILED);
	CHECK_INT(next(), 0);
}

TEST(a_fork_that_fails_is_tried_again)
{
	send_positive();
	be_killed();
	world.fork_result = -EAGAIN;
	for (int i = 0; i < 3; i++)
		be_due();
	CHECK_INT(world.forks, 1);
	world.fork_result = 0;
	be_due();
	CHECK_INT(world.forks, 2);
	be_answered();
	CHECK_INT(beat.state, BEAT_ANSWERED);
}

TEST(one_that_is_held_is_killed_and_tried_again)
{
	send_positive();
	CHECK_INT(next(), 1000 + BEAT_MAX_MS);
	be_due();
	CHECK(world.kills == 1 && world.killed == beat.helper);
	/* Once: it dies, and that comes as any death. */
	CHECK_INT(next(), 0);
	be_killed();
	be_due();
	CHECK_INT(world.forks, 2);
	CHECK_INT(next(), world.now_ms + BEAT_MAX_MS);
	be_answered();
	CHECK_INT(next(), 0);
	CHECK_INT(world.kills, 1);
}

/* --- another thing to say --- */

TEST(a_stop_takes_the_place_of_what_is_under_way)
{
	struct helper *first;

	send_positive();
	first = beat.helper;
	beat_send(&beat, 9000, 9);
	CHECK(world.killed == first && beat.helper != first);
	CHECK(world.forks == 2 && world.job.byte == 9 && !world.job.waits);
	end(first, (struct helper_report){ .news = HELPER_DONE });
	CHECK_INT(beat.state, BEAT_TRIES);
	be_answered();
	CHECK_INT(beat.state, BEAT_ANSWERED);
}

TEST(a_stop_is_told_after_an_answer_and_after_a_failure)
{
	send_positive();
	be_answered();
	beat_send(&beat, 9000, 9);
	CHECK(world.forks == 2 && world.kills == 0);
	CHECK_INT(beat.state, BEAT_TRIES);

	send_positive();
	fail_at(HEARTBEAT_REPLY, -EPROTO);
	beat_send(&beat, 9000, 9);
	CHECK_INT(beat.state, BEAT_TRIES);
	CHECK(!beat.has_said);
}

/* --- the end --- */

TEST(who_gives_up_lets_the_one_under_way_end)
{
	send_positive();
	beat_give_up(&beat);
	CHECK_INT(world.kills, 0);
	CHECK(!beat_is_over(&beat));
	be_answered();
	CHECK_INT(beat.state, BEAT_ANSWERED);

	/* And does not begin anew, whatever becomes of it. */
	send_positive();
	beat_give_up(&beat);
	be_killed();
	CHECK_INT(beat.state, BEAT_FAILED);
	CHECK_INT(next(), 0);
	send_positive();
	beat_give_up(&beat);
	fail_at(HEARTBEAT_CONNECT, -ECONNRESET);
	CHECK(beat_is_over(&beat) && next() == 0);
}

TEST(who_gives_up_between_two_tries_has_failed)
{
	send_positive();
	be_killed();
	beat_give_up(&beat);
	CHECK_INT(beat.state, BEAT_FAILED);
	CHECK(beat_is_over(&beat) && next() == 0);
}

TEST(who_gives_up_before_it_was_asked_kills_the_one_that_waits)
{
	prepare();
	beat_give_up(&beat);
	CHECK(world.kills == 1 && beat_is_over(&beat));
	be_killed();
	CHECK_INT(next(), 0);
	CHECK_INT(world.forks, 1);
}

TEST(an_answer_stays_one)
{
	send_positive();
	be_answered();
	beat_give_up(&beat);
	CHECK_INT(beat.state, BEAT_ANSWERED);
}

/* --- in the helper --- */

TEST(the_helper_sends_what_it_was_told)
{
	struct helper_job job = { .port = 9000, .byte = HEARTBEAT_BYTE };

	CHECK_INT(beating_run(&job), 0);
	CHECK(world.positive == 1 && world.told.news == HELPER_DONE);
	world.heartbeat_result = -EPROTO;
	world.stage = HEARTBEAT_REPLY;
	job.byte = 8;
	CHECK_INT(beating_run(&job), 1);
	CHECK_INT(world.negative, 8);
	CHECK_INT(world.told.news, HELPER_FAULT);
	CHECK_INT(world.told.stage, HEARTBEAT_REPLY);
	CHECK_INT(world.told.error, -EPROTO);
}

/* What it writes to descriptor 2, and its exit code. */
static int by_hand(char ret[200])
{
	int fds[2], r;
	ssize_t n;

	REQUIRE(pipe(fds) == 0 && dup2(fds[1], 2) == 2);
	close(fds[1]);
	r = beat_by_hand(9000);
	REQUIRE(dup2(fds[0], 2) == 2); /* closes the last end to write to */
	n = read(fds[0], ret, 199);
	ret[n < 0 ? 0 : n] = '\0';
	close(fds[0]);
	return r;
}

TEST(by_hand_it_says_why_it_failed)
{
	char said[200];

	CHECK_INT(by_hand(said), 0);
	CHECK_STR(said, "");
	world.heartbeat_result = -ECONNREFUSED;
	world.stage = HEARTBEAT_CONNECT;
	CHECK_INT(by_hand(said), 1);
	CHECK_STR(said, "init: heartbeat: CID 3 port 9000: no connection: "
			"Connection refused\n");
	world.heartbeat_result = -EPROTO;
	world.stage = HEARTBEAT_REPLY;
	CHECK_INT(by_hand(said), 1);
	CHECK_STR(said, "init: heartbeat: CID 3 port 9000: the parent answered "
			"with another byte\n");
}

CHECK_MAIN("beat")
