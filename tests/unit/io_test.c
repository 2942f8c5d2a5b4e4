#include "vsock/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/unit/check.h"
#include "tests/unit/temp.h"

enum { LONG_MS = 30000, SHORT_MS = 30 };

static int ours, theirs;

static void connect_pair(void)
{
	int fds[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	ours = fds[0];
	theirs = fds[1];
	REQUIRE(fcntl(ours, F_SETFL, O_NONBLOCK) == 0);
}

TEST(bytes_that_are_there_are_read)
{
	char buf[5] = "";

	connect_pair();
	REQUIRE(send(theirs, "abcdef", 6, 0) == 6);
	CHECK_INT(io_read_full(ours, buf, 4, 0), 0);
	CHECK_STR(buf, "abcd"); /* and no more */
	CHECK_INT(io_read_full(ours, buf, 2, 0), 0);
	CHECK_MEM(buf, "ef", 2);
	CHECK_INT(io_read_full(ours, buf, 0, 0), 0);
}

/* One byte at a time, each only when the other has been taken. */
TEST(bytes_that_come_one_by_one_are_put_together)
{
	char buf[101] = "", one;
	pid_t pid;

	connect_pair();
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 100; i++) {
			one = (char)('!' + i % 90);
			if (send(theirs, &one, 1, 0) != 1)
				_exit(1);
			sched_yield();
		}
		_exit(0);
	}
	CHECK_INT(io_read_full(ours, buf, 100, io_now_ms() + LONG_MS), 0);
	for (int i = 0; i < 100; i++)
		CHECK_INT(buf[i], '!' + i % 90);
}

TEST(an_end_before_all_has_come_is_a_reset)
{
	char buf[8];

	connect_pair();
	REQUIRE(send(theirs, "abc", 3, 0) == 3);
	close(theirs);
	CHECK_INT(io_read_full(ours, buf, 4, io_now_ms() + LONG_MS),
		  -ECONNRESET);
	CHECK_INT(io_read_full(ours, buf, 1, io_now_ms() + LONG_MS),
		  -ECONNRESET);
}

TEST(silence_lasts_until_the_deadline)
{
	int64_t start = io_now_ms();
	char buf[8];

	connect_pair();
	CHECK_INT(io_read_full(ours, buf, 1, start + SHORT_MS), -ETIMEDOUT);
	CHECK(io_now_ms() >= start + SHORT_MS);
	/* over before it began */
	CHECK_INT(io_read_full(ours, buf, 1, start), -ETIMEDOUT);
	CHECK_INT(io_read_full(ours, buf, 1, INT64_MIN / 2), -ETIMEDOUT);
}

TEST(all_is_written_although_the_reader_is_slow)
{
	enum { TOTAL = 4 << 20 };
	char *buf = malloc(TOTAL);
	size_t len = 0;
	ssize_t n;
	pid_t pid;
	int status;

	REQUIRE(buf);
	memset(buf, 'w', TOTAL);
	connect_pair();
	pid = fork();
	if (pid == 0) {
		close(ours);
		while ((n = recv(theirs, buf, 3000, 0)) > 0)
			len += (size_t)n;
		_exit(len == TOTAL ? 0 : 1);
	}
	CHECK_INT(io_write_full(ours, buf, TOTAL, io_now_ms() + LONG_MS), 0);
	close(ours);
	close(theirs);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	free(buf);
}

TEST(a_reader_that_takes_nothing_costs_until_the_deadline)
{
	static char buf[4 << 20];
	int64_t start = io_now_ms();

	connect_pair();
	CHECK_INT(io_write_full(ours, buf, sizeof(buf), start + SHORT_MS),
		  -ETIMEDOUT);
	CHECK(io_now_ms() >= start + SHORT_MS);
}

/* No SIGPIPE: the default would end us. */
TEST(a_peer_that_is_gone_is_an_errno)
{
	connect_pair();
	close(theirs);
	CHECK_INT(io_write_full(ours, "x", 1, io_now_ms() + LONG_MS), -EPIPE);
	CHECK_INT(io_write_full(-1, "x", 1, io_now_ms() + LONG_MS), -EBADF);
	CHECK_INT(io_read_full(-1, &(char){ 0 }, 1, io_now_ms() + LONG_MS),
		  -EBADF);
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST(signals_neither_end_nor_prolong_the_wait)
{
	const struct sigaction act = { .sa_handler = on_alarm };
	const struct itimerspec each = { { 0, 1000000 }, { 0, 1000000 } };
	struct sigevent by = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR1 };
	int64_t start = io_now_ms();
	timer_t timer;
	char buf;

	connect_pair();
	REQUIRE(sigaction(SIGUSR1, &act, NULL) == 0);
	REQUIRE(timer_create(CLOCK_MONOTONIC, &by, &timer) == 0);
	REQUIRE(timer_settime(timer, 0, &each, NULL) == 0);
	CHECK_INT(io_read_full(ours, &buf, 1, start + 100), -ETIMEDOUT);
	CHECK(io_now_ms() >= start + 100);
}

TEST(a_file_is_read_to_its_end_or_as_far_as_there_is_room)
{
	char buf[8] = "........";

	temp_enter();
	temp_text("file", "abcdef", 0600);
	CHECK_INT(io_read_file("file", 0, buf, sizeof(buf)), 6);
	CHECK_MEM(buf, "abcdef..", 8);
	CHECK_INT(io_read_file("file", O_NONBLOCK | O_NOCTTY, buf, 3), 3);
	CHECK_INT(io_read_file("file", 0, buf, 6), 6);
	CHECK_INT(io_read_file("file", 0, buf, 0), 0);
	temp_text("file", "", 0600);
	CHECK_INT(io_read_file("file", 0, buf, sizeof(buf)), 0);
	temp_leave();
}

TEST(what_is_no_file_is_an_errno_and_no_wait)
{
	int before = dup(0), after, fd;
	char buf[8];

	close(before);
	temp_enter();
	CHECK_INT(io_read_file("none", 0, buf, sizeof(buf)), -ENOENT);
	CHECK_INT(io_read_file(".", 0, buf, sizeof(buf)), -EISDIR);
	REQUIRE(mkfifo("pipe", 0600) == 0);
	CHECK_INT(io_read_file("pipe", O_NONBLOCK, buf, sizeof(buf)), 0);
	fd = open("pipe", O_RDWR | O_CLOEXEC);
	REQUIRE(fd >= 0);
	CHECK_INT(io_read_file("pipe", O_NONBLOCK, buf, sizeof(buf)), -EAGAIN);
	close(fd);
	after = dup(0);
	CHECK_INT(after, before); /* all are closed */
	temp_leave();
}

static volatile sig_atomic_t *alarms;

static void count_alarm(int sig)
{
	(void)sig;
	(*alarms)++;
}

/* The second byte comes when the read that waits for it was interrupted, or soon will be. */
TEST(signals_do_not_end_the_reading_of_a_file)
{
	const struct sigaction act = { .sa_handler = count_alarm };
	const struct itimerspec each = { { 0, 1000000 }, { 0, 1000000 } };
	struct sigevent by = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR1 };
	char buf[8] = "", path[32];
	timer_t timer;
	int fds[2];

	alarms = mmap(NULL, sizeof(*alarms), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(alarms != MAP_FAILED && pipe2(fds, O_CLOEXEC) == 0);
	REQUIRE(write(fds[1], "a", 1) == 1);
	if (fork() == 0) {
		while (*alarms < 5)
			sched_yield();
		_exit(write(fds[1], "b", 1) != 1);
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	REQUIRE(sigaction(SIGUSR1, &act, NULL) == 0);
	REQUIRE(timer_create(CLOCK_MONOTONIC, &by, &timer) == 0);
	REQUIRE(timer_settime(timer, 0, &each, NULL) == 0);
	CHECK_INT(io_read_file(path, 0, buf, 2), 2);
	CHECK_STR(buf, "ab");
}

CHECK_MAIN("io")
