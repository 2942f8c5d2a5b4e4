/*
 * The heartbeat over sockets and a clock made here: a parent is a script of
 * what it does, and ten seconds pass at once.
 */

#include "vsock/heartbeat.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/check.h"
#include "vsock/io.h"
#include "vsock/sock.h"

/* --- the seams --- */

static struct {
	int64_t now_ms;
	/* of the connections */
	int attempts, closed;
	int refuse_with;    /* -errno of each attempt ... */
	int64_t listens_at; /* ... before this time */
	int64_t attempt_ms; /* what an attempt takes */
	int last_timeout_ms;
	/* of the bytes */
	uint8_t sent;
	int writes, reads;
	int write_result, read_result;
	uint8_t echo;
	int64_t read_deadline, write_deadline;
} parent;

int64_t io_now_ms(void)
{
	return parent.now_ms;
}

int64_t io_now_us(void)
{
	return io_now_ms() * 1000;
}

int sock_connect(uint32_t cid, uint32_t port, int timeout_ms)
{
	CHECK_INT(cid, 3);
	CHECK_INT(port, 9000);
	CHECK(timeout_ms > 0);
	parent.attempts++;
	parent.last_timeout_ms = timeout_ms;
	parent.now_ms += parent.attempt_ms;
	if (parent.now_ms < parent.listens_at)
		return parent.refuse_with;
	return dup(0);
}

int io_write_full(int fd, const void *buf, size_t len, int64_t deadline_ms)
{
	CHECK(fd >= 0);
	CHECK_INT(len, 1);
	parent.writes++;
	parent.sent = *(const uint8_t *)buf;
	parent.write_deadline = deadline_ms;
	return parent.write_result;
}

int io_read_full(int fd, void *buf, size_t len, int64_t deadline_ms)
{
	CHECK(fd >= 0);
	CHECK_INT(len, 1);
	parent.reads++;
	parent.read_deadline = deadline_ms;
	if (parent.read_result == -ETIMEDOUT)
		parent.now_ms = deadline_ms;
	if (parent.read_result == 0)
		*(uint8_t *)buf = parent.echo;
	return parent.read_result;
}

/* The pause between two attempts. */
int nanosleep(const struct timespec *t, struct timespec *rest)
{
	(void)rest;
	parent.now_ms += (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000;
	return 0;
}

static void start(void)
{
	memset(&parent, 0, sizeof(parent));
	parent.now_ms = 5000;
	parent.refuse_with = -ECONNRESET;
	parent.echo = 0xB7;
}

/* The lowest free number: the same before and after, unless one leaked. */
static int free_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void check_positive(int r, enum heartbeat_stage stage)
{
	enum heartbeat_stage got = (enum heartbeat_stage)99;
	int before = free_fd();

	CHECK_INT(heartbeat_positive(9000, &got), r);
	if (r < 0)
		CHECK_INT(got, stage);
	CHECK_INT(free_fd(), before);
}

/* --- positive --- */

TEST(a_positive_one_is_b7_there_and_back)
{
	start();
	check_positive(0, 0);
	CHECK_INT(parent.sent, 0xB7);
	CHECK_INT(parent.attempts, 1);
	CHECK_INT(parent.writes, 1);
	CHECK_INT(parent.write_deadline, 5000 + HEARTBEAT_REPLY_MS);
	CHECK_INT(parent.read_deadline, 5000 + HEARTBEAT_REPLY_MS);
}

TEST(a_late_listener_is_met)
{
	start();
	parent.listens_at = 5000 + 9000;
	check_positive(0, 0);
	CHECK(parent.attempts > 50);
	CHECK_INT(parent.writes, 1);
	/* The time to answer starts with the connection. */
	CHECK_INT(parent.read_deadline, parent.now_ms + HEARTBEAT_REPLY_MS);
}

TEST(nobody_there_costs_ten_seconds)
{
	start();
	parent.listens_at = INT64_MAX;
	check_positive(-ECONNRESET, HEARTBEAT_CONNECT);
	CHECK(parent.now_ms >= 15000 && parent.now_ms < 15100);
	CHECK_INT(parent.writes, 0);
}

TEST(each_error_of_connect_is_tried_again)
{
	static const int errors[] = { ECONNRESET,   ETIMEDOUT, ENODEV,
				      ENETUNREACH,  EINTR,     ENOMEM,
				      ECONNREFUSED, EINVAL };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		start();
		parent.refuse_with = -errors[i];
		parent.listens_at = 6000;
		check_positive(0, 0);
		CHECK(parent.attempts > 1);
		start();
		parent.refuse_with = -errors[i];
		parent.listens_at = INT64_MAX;
		check_positive(-errors[i], HEARTBEAT_CONNECT);
	}
}

TEST(attempts_of_two_seconds_end_in_time)
{
	start();
	parent.attempt_ms = 2000;
	parent.refuse_with = -ETIMEDOUT;
	parent.listens_at = INT64_MAX;
	check_positive(-ETIMEDOUT, HEARTBEAT_CONNECT);
	CHECK(parent.attempts >= 4);
	CHECK(parent.now_ms < 5000 + HEARTBEAT_CONNECT_MS + 2050);
	CHECK(parent.last_timeout_ms <= 2000);
}

TEST(a_kernel_without_vsock_is_not_waited_for)
{
	start();
	parent.refuse_with = -EAFNOSUPPORT;
	parent.listens_at = INT64_MAX;
	check_positive(-EAFNOSUPPORT, HEARTBEAT_CONNECT);
	CHECK_INT(parent.attempts, 1);
	CHECK_INT(parent.now_ms, 5000);
}

TEST(a_wrong_echo_is_refused_and_not_tried_again)
{
	start();
	parent.echo = 0xB6;
	check_positive(-EPROTO, HEARTBEAT_REPLY);
	CHECK_INT(parent.attempts, 1);
	CHECK_INT(parent.writes, 1);
}

TEST(once_a_byte_is_sent_there_is_no_second_connection)
{
	static const int results[] = { -ECONNRESET, -ETIMEDOUT, -EIO };

	for (size_t i = 0; i < 3; i++) {
		start();
		parent.read_result = results[i];
		check_positive(results[i], HEARTBEAT_REPLY);
		CHECK_INT(parent.attempts, 1);
		CHECK(parent.now_ms <= 5000 + HEARTBEAT_REPLY_MS);
	}
	start();
	parent.write_result = -EPIPE;
	check_positive(-EPIPE, HEARTBEAT_SEND);
	CHECK_INT(parent.attempts, 1);
	CHECK_INT(parent.reads, 0);
}

/* --- negative --- */

static void check_negative(uint8_t code, int r, enum heartbeat_stage stage)
{
	enum heartbeat_stage got = (enum heartbeat_stage)99;
	int before = free_fd();

	CHECK_INT(heartbeat_negative(9000, code, &got), r);
	if (r < 0 && r != -EINVAL)
		CHECK_INT(got, stage);
	CHECK_INT(free_fd(), before);
}

TEST(a_negative_one_is_any_other_byte)
{
	for (int code = 0; code < 256; code++) {
		start();
		if (code == 0xB7) {
			check_negative(0xB7, -EINVAL, 0);
			CHECK_INT(parent.attempts, 0);
			continue;
		}
		check_negative((uint8_t)code, 0, 0);
		CHECK_INT(parent.sent, code);
		CHECK_INT(parent.writes, 1);
	}
}

TEST(a_negative_one_waits_for_the_parent_to_take_it)
{
	static const int results[] = { 0, -ECONNRESET, -ETIMEDOUT };

	for (size_t i = 0; i < 3; i++) {
		start();
		parent.read_result = results[i];
		check_negative(8, 0, 0);
		CHECK_INT(parent.reads, 1);
		CHECK_INT(parent.read_deadline, 5000 + HEARTBEAT_CLOSE_MS);
	}
}

TEST(a_negative_one_that_cannot_be_sent_is_an_error)
{
	start();
	parent.listens_at = INT64_MAX;
	check_negative(8, -ECONNRESET, HEARTBEAT_CONNECT);
	start();
	parent.write_result = -EPIPE;
	check_negative(8, -EPIPE, HEARTBEAT_SEND);
}

CHECK_MAIN("heartbeat")
