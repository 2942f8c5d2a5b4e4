/*
 * Helpers, as real processes. The parent that the heartbeat would reach is a socket pair
 * of the test's: no vsock is opened.
 */

#include "init/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init/link/sandbox.h"
#include "init/link/shared.h"
#include "init/log.h"
#include "init/loop.h"
#include "init/notify.h"
#include "tests/unit/check.h"
#include "vsock/record.h"
#include "vsock/sock.h"

/* --- the seam --- */

static int parent_fds[2] = { -1, -1 };

int sock_connect(uint32_t cid, uint32_t port, int timeout_ms)
{
	(void)cid;
	(void)timeout_ms;
	if (port != 9000)
		return -EAFNOSUPPORT;
	return dup(parent_fds[1]);
}

int sock_connect_begin(uint32_t cid, uint32_t port)
{
	return sock_connect(cid, port, 0);
}

int sock_connect_end(int fd)
{
	(void)fd;
	return 0;
}

/* One port can be listened at, by a socket to which nobody connects. */
int sock_listen(uint32_t port, uint32_t buffer)
{
	int fds[2];

	(void)buffer;
	if (port != 17000)
		return -EADDRINUSE;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ?
		       -errno :
		       fds[0];
}

int sock_accept(int fd, uint32_t *ret_cid)
{
	(void)fd;
	*ret_cid = 0;
	return -EAGAIN;
}

#ifdef __GLIBC__
/* ASan has calls of its own that the filter does not know. */
int sandbox_enter(void)
{
	return 0;
}
#endif

/* --- PID 1 --- */

static struct loop loop;
static struct children children;
static struct helper helper;
static int gone_count;

static void gone(void *ctx, struct helper *h)
{
	CHECK(ctx == &gone_count && h == &helper);
	CHECK_INT(h->pid, 0);
	gone_count++;
}

static bool is_gone(void *ctx)
{
	(void)ctx;
	return helper.pid == 0;
}

static void set_up(void)
{
	sigset_t set;

	loop.signal_fd = -1;
	loop_block_signals();
	/* Of check.h: a test that hangs is ended. */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	child_init(&children, &loop, -1);
	REQUIRE(loop_open(&loop, false) == 0);
	/* Not close-on-exec: that helpers let go of. */
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, parent_fds) == 0);
	helper.channel = -1;
}

static void begin(enum helper_kind kind, struct helper_job job)
{
	REQUIRE(helper_start(&helper, kind, &job, &children, gone,
			     &gone_count) == 0);
	CHECK(helper.pid > 0 && helper.channel >= 0);
}

static void wait_for_it(void)
{
	CHECK(loop_until(&loop, is_gone, NULL, -1));
	CHECK_INT(gone_count, 1);
	CHECK_INT(helper.channel, -1);
}

static int free_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* What the parent gets, and its answer, which is ANSWER. */
static void check_parent(uint8_t wanted, uint8_t answer)
{
	uint8_t byte = 0;

	CHECK_INT(read(parent_fds[0], &byte, 1), 1);
	CHECK_INT(byte, wanted);
	CHECK_INT(write(parent_fds[0], &answer, 1), 1);
}

/* --- reports --- */

TEST(a_report_is_there_when_the_helper_is_gone)
{
	int before;

	set_up();
	before = free_fd();
	begin(HELPER_BEAT, (struct helper_job){ .port = 9000, .byte = 0xB7 });
	check_parent(0xB7, 0xB7);
	wait_for_it();
	CHECK_INT(helper.report.news, HELPER_DONE);
	CHECK_INT(helper.report.error, 0);
	CHECK(WIFEXITED(helper.status) && WEXITSTATUS(helper.status) == 0);
	CHECK_INT(free_fd(), before);
}

TEST(a_fault_says_where_and_why)
{
	set_up();
	begin(HELPER_BEAT, (struct helper_job){ .port = 9000, .byte = 0xB7 });
	check_parent(0xB7, 0xB6);
	wait_for_it();
	CHECK_INT(helper.report.news, HELPER_FAULT);
	CHECK_INT(helper.report.error, -EPROTO);
}

TEST(one_that_is_killed_has_reported_nothing)
{
	set_up();
	begin(HELPER_BEAT,
	      (struct helper_job){ .port = 9000, .byte = 0xB7, .waits = true });
	helper_kill(&helper);
	wait_for_it();
	CHECK_INT(helper.report.news, 0);
	CHECK(WIFSIGNALED(helper.status) && WTERMSIG(helper.status) == SIGKILL);
	/* There is nobody to kill, or to tell anything. */
	helper_kill(&helper);
	helper_go(&helper, 1);
}

TEST(sync_ends_by_itself)
{
	set_up();
	begin(HELPER_SYNC, (struct helper_job){ 0 });
	wait_for_it();
	CHECK(WIFEXITED(helper.status) && WEXITSTATUS(helper.status) == 0);
}

/* --- the word --- */

TEST(a_helper_waits_for_its_word)
{
	struct pollfd p;

	set_up();
	p = (struct pollfd){ .fd = parent_fds[0], .events = POLLIN };
	begin(HELPER_BEAT,
	      (struct helper_job){ .port = 9000, .byte = 0xB7, .waits = true });
	CHECK_INT(poll(&p, 1, 50), 0);
	helper_go(&helper, 8);
	check_parent(8, 8);
	wait_for_it();
	CHECK_INT(helper.report.news, HELPER_DONE);
}

TEST(the_end_of_the_channel_is_a_word_as_well)
{
	set_up();
	begin(HELPER_BEAT,
	      (struct helper_job){ .port = 9000, .byte = 0xB7, .waits = true });
	/* As exec does with all that PID 1 has. */
	close(helper.channel);
	check_parent(0xB7, 0xB7);
	helper.channel = -1;
	(void)loop_until(&loop, is_gone, NULL, -1);
	CHECK(WIFEXITED(helper.status) && WEXITSTATUS(helper.status) == 0);
}

/* --- the courier --- */

static struct notify_socket notify;
static int sender = -1;

/* A socket as notify_open makes it, and what sends to it. */
static void open_notify(void)
{
	int fds[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   0, fds) == 0);
	notify.fd = fds[0];
	sender = fds[1];
}

/* TEXT with a descriptor. */
static void send_with_fd(const char *text, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)),
				 .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS } };
	struct iovec part = { .iov_base = (void *)(uintptr_t)text,
			      .iov_len = strlen(text) };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };

	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	CHECK_INT(sendmsg(sender, &m, 0), strlen(text));
}

static char heard[256];

/* As supervise has it: what is left in the channel is read when the courier is gone. */
static void courier_gone(void *ctx, struct helper *h)
{
	char buf[NOTIFY_MESSAGE_MAX];
	ssize_t n;

	(void)ctx;
	gone_count++;
	while ((n = notify_receive_carried(h->channel, buf)) > 0) {
		(void)strncat(heard, buf, (size_t)n);
		(void)strcat(heard, ";");
	}
}

TEST(what_a_courier_has_handed_on_is_all_for_its_reader)
{
	struct helper_job job = { .socket = &notify };

	set_up();
	open_notify();
	send_with_fd("READY=1", 0);
	send_with_fd("12345678", 0); /* as long as a report */
	CHECK_INT(send(sender, "STATUS=up", 9, 0), 9);
	REQUIRE(helper_start(&helper, HELPER_COURIER, &job, &children,
			     courier_gone, NULL) == 0);
	wait_for_it();
	CHECK_STR(heard, "READY=1;12345678;STATUS=up;");
}

TEST(a_helper_keeps_no_descriptor_that_exec_would_close)
{
	int fds[2], kept[2];
	char byte;

	set_up();
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0 && pipe(kept) == 0);
	begin(HELPER_BEAT,
	      (struct helper_job){ .port = 9000, .byte = 0xB7, .waits = true });
	close(fds[1]);
	close(kept[1]);
	CHECK_INT(fcntl(kept[0], F_SETFL, O_NONBLOCK), 0);
	helper_go(&helper, 0xB7);
	/* Its end: nobody else has the other one. */
	CHECK_INT(read(fds[0], &byte, 1), 0);
	/* It is still there: its parent has not answered. */
	CHECK_INT(read(kept[0], &byte, 1), -1);
	check_parent(0xB7, 0xB7);
	wait_for_it();
}

/* --- the link --- */

static struct link_work work;
static struct link_message said[4];
static size_t said_count;

/* As link.c has it: what is in the channel is read first. */
static void link_gone(void *ctx, struct helper *h)
{
	(void)ctx;
	gone_count++;
	while (said_count < 4 &&
	       recv(h->channel, &said[said_count], sizeof(said[0]),
		    MSG_DONTWAIT) == (ssize_t)sizeof(said[0]))
		said_count++;
}

static void begin_link(uint32_t port)
{
	struct helper_job job = { .work = &work };

	work.config.status = CONFIG_STATUS_BRIEF;
	work.config.status_port = port;
	work.memory_len = LINK_RING_AT;
	work.memory = mmap(NULL, work.memory_len, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(work.memory != MAP_FAILED);
	REQUIRE(helper_start(&helper, HELPER_LINK, &job, &children, link_gone,
			     NULL) == 0);
}

static void wait_until_it_serves(void)
{
	struct pollfd p = { .fd = helper.channel, .events = POLLIN };

	REQUIRE(poll(&p, 1, -1) == 1);
	REQUIRE(recv(helper.channel, &said[0], sizeof(said[0]), 0) ==
		(ssize_t)sizeof(said[0]));
	CHECK_INT(said[0].news, LINK_IS_READY);
}

static long oom_score(pid_t pid)
{
	char path[64], text[16] = "";
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtol(text, NULL, 10);
}

TEST(one_that_cannot_prepare_ends_with_its_reason)
{
	set_up();
	begin_link(1);
	wait_for_it();
	CHECK(WIFEXITED(helper.status) && WEXITSTATUS(helper.status) == 1);
	REQUIRE(said_count == 1);
	CHECK_INT(said[0].news, LINK_CANNOT);
	CHECK_INT(said[0].what, LINK_WHAT_STATUS);
	CHECK_INT(said[0].error, -EADDRINUSE);
	CHECK_INT(helper.report.news, 0);
}

TEST(one_that_is_prepared_serves_until_its_channel_ends)
{
	set_up();
	begin_link(17000);
	wait_until_it_serves();
	CHECK_INT(shutdown(helper.channel, SHUT_WR), 0);
	wait_for_it();
	CHECK(WIFEXITED(helper.status) && WEXITSTATUS(helper.status) == 0);
}

/* The sandbox knows the call by which a poll goes on. */
TEST(one_that_was_stopped_goes_on)
{
	siginfo_t info;

	set_up();
	begin_link(17000);
	wait_until_it_serves();
	for (int i = 0; i < 3; i++) {
		CHECK_INT(kill(helper.pid, SIGSTOP), 0);
		CHECK_INT(waitid(P_PID, (id_t)helper.pid, &info, WSTOPPED), 0);
		CHECK_INT(kill(helper.pid, SIGCONT), 0);
		CHECK_INT(waitid(P_PID, (id_t)helper.pid, &info, WCONTINUED),
			  0);
	}
	CHECK_INT(shutdown(helper.channel, SHUT_WR), 0);
	wait_for_it();
	CHECK(WIFEXITED(helper.status) && WEXITSTATUS(helper.status) == 0);
}

TEST(the_score_is_taken_where_it_can_be_had)
{
	long before;
	int fd;

	set_up();
	before = oom_score(getpid());
	children.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	begin_link(17000);
	wait_until_it_serves();
	/* Root of a container may not lower it. */
	CHECK_INT(oom_score(helper.pid),
		  fd >= 0 && write(fd, "-500", 4) == 4 ? -500 : before);
	helper_kill(&helper);
	wait_for_it();
}

TEST(one_without_its_score_serves_all_the_same)
{
	set_up();
	children.proc_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	begin_link(17000);
	wait_until_it_serves();
	CHECK_INT(oom_score(helper.pid), oom_score(getpid()));
	helper_kill(&helper);
	wait_for_it();
}

static void begin_report(void)
{
	static const struct record record;

	work.config.report_port = 9000;
	begin(HELPER_LAST, (struct helper_job){ .work = &work,
						.record = &record,
						.until_ms = INT64_MAX });
}

TEST(a_report_has_arrived_when_the_parent_closes)
{
	char text[1100] = "";

	set_up();
	begin_report();
	/* The helper has copies of them, which it closes with its end. */
	close(parent_fds[1]);
	CHECK(read(parent_fds[0], text, sizeof(text) - 1) > 0);
	CHECK(strstr(text, "{\"status\":\"running\",\"ready\":false,") == text);
	CHECK_INT(read(parent_fds[0], text, sizeof(text)), 0);
	CHECK_INT(shutdown(parent_fds[0], SHUT_WR), 0);
	wait_for_it();
	CHECK_INT(helper.report.news, HELPER_DONE);
}

TEST(a_parent_that_answers_a_report_without_an_end_is_left)
{
	char text[1100];

	set_up();
	begin_report();
	CHECK(read(parent_fds[0], text, sizeof(text)) > 0);
	for (int i = 0; i < 5; i++)
		CHECK_INT(send(parent_fds[0], text, sizeof(text), MSG_DONTWAIT),
			  sizeof(text));
	(void)loop_until(&loop, is_gone, NULL, -1);
	CHECK_INT(helper.report.news, HELPER_FAULT);
	CHECK_INT(helper.report.error, -EPROTO);
}

/* Or a line would go to what is opened there next. */
TEST(a_helper_keeps_what_the_log_is_written_to)
{
	char text[64] = "";
	struct pollfd p;
	int fds[2];

	set_up();
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	log_also(fds[1]);
	begin(HELPER_BEAT,
	      (struct helper_job){ .port = 9000, .byte = 0xB7, .waits = true });
	log_also(-1);
	close(fds[1]);
	helper_go(&helper, 0xB7);
	p = (struct pollfd){ .fd = parent_fds[0], .events = POLLIN };
	CHECK_INT(poll(&p, 1, -1), 1);
	CHECK_INT(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	/* It has closed what it does not need, and not this. */
	CHECK_INT(read(fds[0], text, sizeof(text)), -1);
	check_parent(0xB7, 0xB7);
	wait_for_it();
	CHECK_INT(read(fds[0], text, sizeof(text)), 0);
}

CHECK_MAIN("helper")
