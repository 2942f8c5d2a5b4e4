/*
 * What services say, and the sockets that they say it to. The folder of the sockets is one
 * of the test's.
 */

#include "init/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "rootfs/bind.h"
#include "tests/unit/check.h"
#include "tests/unit/temp.h"

static struct notify parse(const char *text, size_t len)
{
	struct notify n;
	char *copy = malloc(len + !len);

	/* Of just that size: the sanitizer sees what is one too many. */
	REQUIRE(copy);
	memcpy(copy, text, len);
	notify_parse(copy, len, &n);
	if (n.status)
		n.status = n.status_len == 0 ? "" :
					       strndup(n.status, n.status_len);
	free(copy);
	return n;
}

#define PARSE(text) parse((text), sizeof(text) - 1)

TEST(lines_are_understood_in_any_order)
{
	struct notify n =
		PARSE("STATUS=half = way\nREADY=1\nMAINPID=4\nSTOPPING=1\n"
		      "WATCHDOG=1\nWATCHDOG_USEC=20000000\nFDSTORE=1");

	CHECK(n.ready && n.stopping && n.watchdog && !n.watchdog_trigger);
	CHECK_STR(n.status, "half = way");
	CHECK(n.has_watchdog_usec && !n.has_extend_usec);
	CHECK_INT(n.watchdog_usec, 20000000);
	n = PARSE("EXTEND_TIMEOUT_USEC=5000000\nWATCHDOG=trigger\n");
	CHECK(n.has_extend_usec && n.watchdog_trigger && !n.watchdog);
	CHECK_INT(n.extend_usec, 5000000);
	n = PARSE("READY=1\n\n\n");
	CHECK(n.ready);
	n = PARSE("STATUS=");
	CHECK_STR(n.status, "");
}

TEST(what_is_not_exactly_that_is_nothing)
{
	static const char *const none[] = {
		"",
		"\n",
		"READY",
		"READY=",
		"READY=0",
		"READY=11",
		"READY=1 ",
		" READY=1",
		"XREADY=1",
		"ready=1",
		"READY =1",
		"STATUS",
		"WATCHDOG=2",
		"WATCHDOG=trigger2",
		"READY=1\r",
		"STOPPING=yes",
		"WATCHDOG_USEC=",
		"WATCHDOG_USEC=-1",
		"WATCHDOG_USEC=1s",
		"WATCHDOG_USEC=18446744073709551616",
		"EXTEND_TIMEOUT_USEC=99999999999999999999999",
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct notify n = parse(none[i], strlen(none[i]));

		if (n.ready || n.stopping || n.watchdog || n.watchdog_trigger ||
		    n.has_watchdog_usec || n.has_extend_usec || n.status)
			CHECK_FAIL("understood: %s", none[i]);
	}
	CHECK(!PARSE("READY=1\0").ready);
	CHECK(PARSE("\0\nREADY=1").ready);
}

TEST(every_prefix_and_every_byte_is_taken)
{
	static const char whole[] =
		"READY=1\nSTATUS=x\nWATCHDOG_USEC=12\nSTOPPING=1";
	char text[sizeof(whole)];

	for (size_t len = 0; len < sizeof(whole); len++)
		(void)parse(whole, len);
	for (size_t at = 0; at < sizeof(whole) - 1; at++)
		for (int c = 0; c < 256; c++) {
			memcpy(text, whole, sizeof(whole));
			text[at] = (char)c;
			(void)parse(text, sizeof(whole) - 1);
		}
}

/* --- the seam --- */

static int folder_error; /* of the one below /run/enclave */

int bind_own_folder(const char *path, mode_t mode)
{
	bool is_parent = strcmp(path, "/run/enclave") == 0;
	int fd;

	if (!is_parent)
		CHECK_STR(path, "/run/enclave/notify");
	CHECK_INT(mode, is_parent ? 0755 : 0711);
	if (!is_parent && folder_error < 0)
		return folder_error;
	fd = open(temp_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* --- sockets --- */

static const char in_folder[] = "NOTIFY_SOCKET=/run/enclave/notify/";
static const char abstract[] = "NOTIFY_SOCKET=@";

/* The part of the variable that is random. */
static const char *secret_of(const struct notify_socket *s)
{
	size_t skip = s->asks_who ? sizeof(abstract) - 1 :
				    sizeof(in_folder) - 1;

	REQUIRE(strncmp(s->variable, s->asks_who ? abstract : in_folder,
			skip) == 0);
	return s->variable + skip;
}

/* A socket that sends to S, as a service's would. */
static int connect_to(const struct notify_socket *s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(un);

	REQUIRE(fd >= 0);
	if (s->asks_who) {
		memcpy(un.sun_path + 1, secret_of(s), 32);
		len = offsetof(struct sockaddr_un, sun_path) + 1 + 32;
	} else {
		(void)snprintf(un.sun_path, sizeof(un.sun_path), "%.60s/%.32s",
			       temp_path, secret_of(s));
	}
	REQUIRE(connect(fd, (const struct sockaddr *)&un, len) == 0);
	return fd;
}

static void say(int fd, const char *text)
{
	CHECK_INT(send(fd, text, strlen(text), 0), strlen(text));
}

/* TEXT with the descriptor PASSED. */
static void say_with(int fd, const char *text, int passed)
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

	memcpy(CMSG_DATA(&control.align), &passed, sizeof(passed));
	CHECK_INT(sendmsg(fd, &m, 0), strlen(text));
}

static char buf[NOTIFY_MESSAGE_MAX];

static void check_next(const struct notify_socket *s, const char *wanted)
{
	ssize_t n = notify_receive(s, buf);

	CHECK_INT(n, strlen(wanted));
	if (n > 0)
		CHECK_MEM(buf, wanted, (size_t)n);
}

static int free_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static struct notify_socket sock;

static void open_one(uid_t owner, bool is_private)
{
	temp_enter();
	memset(&sock, 0xaa, sizeof(sock));
	REQUIRE(notify_open(owner, is_private, &sock) == 0);
	CHECK(sock.fd >= 0);
	CHECK(fcntl(sock.fd, F_GETFL) & O_NONBLOCK);
	CHECK_INT(fcntl(sock.fd, F_GETFD), FD_CLOEXEC);
}

/* As where the image's /run/enclave is a link. */
static void open_without_folder(uid_t owner)
{
	folder_error = -ELOOP;
	open_one(owner, true);
	CHECK(sock.asks_who);
}

static void check_place(mode_t mode)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%.60s/%s", temp_path,
		       secret_of(&sock));
	REQUIRE(lstat(path, &st) == 0);
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_INT(st.st_mode & 07777, mode);
	CHECK_INT(st.st_uid, getuid());
}

TEST(a_private_socket_is_its_owners_under_a_random_name)
{
	char cwd[8];
	struct notify_socket other;

	open_one(getuid(), true);
	CHECK(!sock.asks_who);
	CHECK_INT(strlen(secret_of(&sock)), 32);
	CHECK_INT(strspn(secret_of(&sock), "0123456789abcdef"), 32);
	check_place(0600);
	CHECK(getcwd(cwd, sizeof(cwd)));
	CHECK_STR(cwd, "/");
	REQUIRE(notify_open(getuid(), true, &other) == 0);
	CHECK(strcmp(other.variable, sock.variable) != 0);
	check_place(0600);
	temp_leave();
}

TEST(one_for_all_that_know_its_name_is_open_for_all)
{
	open_one((uid_t)-1, false);
	check_place(0666);
	say(connect_to(&sock), "READY=1");
	check_next(&sock, "READY=1");
	temp_leave();
}

TEST(its_name_is_told_by_nothing_but_the_variable)
{
	char text[4096];
	bool found = false;
	FILE *f;

	open_one(getuid(), true);
	f = fopen("/proc/net/unix", "re");
	REQUIRE(f);
	while (fgets(text, sizeof(text), f))
		found |= strstr(text, secret_of(&sock)) != NULL;
	(void)fclose(f);
	CHECK(!found);
	temp_leave();
}

TEST(what_lies_in_its_folder_is_in_nobodys_way)
{
	temp_enter();
	temp_text("new", "of an earlier one", 0600);
	temp_leave();
	open_one(getuid(), true);
	temp_text("new", "", 0600);
	say(connect_to(&sock), "READY=1");
	check_next(&sock, "READY=1");
	temp_leave();
}

TEST(without_its_folder_the_name_is_abstract_and_none_is_kept_open)
{
	int before;

	temp_enter();
	before = free_fd();
	temp_leave();
	open_without_folder(getuid());
	CHECK_INT(strlen(secret_of(&sock)), 32);
	close(sock.fd);
	CHECK_INT(free_fd(), before);
	/* It may be there, and be of no use. */
	folder_error = 0;
	REQUIRE(rmdir(temp_path) == 0);
	CHECK_INT(notify_open(getuid(), true, &sock), 0);
	CHECK(sock.asks_who);
	close(sock.fd);
	CHECK_INT(free_fd(), before);
}

/* --- messages --- */

TEST(messages_come_one_by_one_and_then_there_is_none)
{
	int fd;

	open_one(getuid(), true);
	fd = connect_to(&sock);
	CHECK_INT(notify_receive(&sock, buf), -EAGAIN);
	say(fd, "READY=1");
	say(fd, "STATUS=a\nWATCHDOG=1");
	close(fd);
	check_next(&sock, "READY=1"); /* its sender is gone */
	check_next(&sock, "STATUS=a\nWATCHDOG=1");
	CHECK_INT(notify_receive(&sock, buf), -EAGAIN);
	temp_leave();
}

TEST(a_message_that_is_cut_or_empty_is_none)
{
	static char text[NOTIFY_MESSAGE_MAX + 1];
	int fd;

	open_one(getuid(), true);
	fd = connect_to(&sock);
	memset(text, 'x', sizeof(text));
	CHECK_INT(send(fd, text, sizeof(text) - 1, 0), NOTIFY_MESSAGE_MAX);
	CHECK_INT(send(fd, text, sizeof(text), 0), sizeof(text));
	CHECK_INT(send(fd, text, 0, 0), 0);
	say(fd, "READY=1");
	CHECK_INT(notify_receive(&sock, buf), NOTIFY_MESSAGE_MAX);
	CHECK_INT(notify_receive(&sock, buf), 0);
	CHECK_INT(notify_receive(&sock, buf), 0);
	check_next(&sock, "READY=1");
	temp_leave();
}

/* With a descriptor each, as PID 1 sees them: never. */
static void check_descriptors_stay(void)
{
	int fd = connect_to(&sock), before;

	say(fd, "STATUS=before");
	say_with(fd, "READY=1", 0);
	say(fd, "STATUS=behind");
	before = free_fd();
	check_next(&sock, "STATUS=before");
	for (int i = 0; i < 3; i++)
		CHECK_INT(notify_receive(&sock, buf), -EMSGSIZE);
	CHECK_INT(free_fd(), before);
	close(fd);
}

TEST(a_message_with_descriptors_stays_and_is_told)
{
	open_one(getuid(), true);
	check_descriptors_stay();
	temp_leave();
	open_without_folder(getuid());
	check_descriptors_stay();
	temp_leave();
}

TEST(credentials_that_a_sender_adds_are_no_descriptors)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(struct ucred)),
				 .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_CREDENTIALS } };
	struct ucred who = { .pid = getpid(),
			     .uid = getuid(),
			     .gid = getgid() };
	char text[] = "READY=1";
	struct iovec part = { .iov_base = text, .iov_len = 7 };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };

	/* systemd's sd_pid_notify does. */
	memcpy(CMSG_DATA(&control.align), &who, sizeof(who));
	open_one(getuid(), true);
	CHECK_INT(sendmsg(connect_to(&sock), &m, 0), 7);
	check_next(&sock, "READY=1");
	temp_leave();
	open_without_folder(getuid());
	CHECK_INT(sendmsg(connect_to(&sock), &m, 0), 7);
	check_next(&sock, "READY=1");
	temp_leave();
}

/* --- who is heard at an abstract name --- */

TEST(at_an_abstract_name_its_owner_is_heard)
{
	open_without_folder(getuid());
	say(connect_to(&sock), "READY=1");
	check_next(&sock, "READY=1");
	temp_leave();
}

TEST(at_an_abstract_name_others_are_not_heard)
{
	int status;
	pid_t pid;

	open_without_folder(12345);
	if (getuid() == 0) {
		say(connect_to(&sock), "READY=1");
		check_next(&sock, "READY=1"); /* root is */
	}
	pid = fork();
	if (pid == 0) {
		if (getuid() == 0 && setuid(54321) < 0)
			_exit(1);
		say(connect_to(&sock), "READY=1");
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_INT(notify_receive(&sock, buf), 0);
	CHECK_INT(notify_receive(&sock, buf), -EAGAIN);
	temp_leave();
}

/* --- the courier --- */

static int channel[2];

static void open_channel(void)
{
	REQUIRE(socketpair(AF_UNIX,
			   SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			   channel) == 0);
}

static void check_carried(const char *wanted)
{
	ssize_t n = notify_receive_carried(channel[0], buf);

	CHECK_INT(n, strlen(wanted));
	if (n > 0)
		CHECK_MEM(buf, wanted, (size_t)n);
}

TEST(a_courier_hands_all_on_but_descriptors)
{
	int fd, fds[2], before;
	char byte;

	open_one(getuid(), true);
	open_channel();
	fd = connect_to(&sock);
	REQUIRE(pipe(fds) == 0);
	say_with(fd, "READY=1", fds[1]);
	close(fds[1]);
	say(fd, "STATUS=up");
	say_with(fd, "BARRIER=1", 0);
	before = free_fd();
	notify_carry(&sock, channel[1]);
	CHECK_INT(free_fd(), before);
	check_carried("READY=1");
	check_carried("STATUS=up");
	check_carried("BARRIER=1");
	CHECK_INT(notify_receive_carried(channel[0], buf), -EAGAIN);
	close(channel[1]);
	CHECK_INT(notify_receive_carried(channel[0], buf), 0);
	/* The pipe's last end was let go of. */
	CHECK_INT(read(fds[0], &byte, 1), 0);
	CHECK_INT(notify_receive(&sock, buf), -EAGAIN);
	temp_leave();
}

TEST(what_does_not_count_is_not_handed_on)
{
	static char text[NOTIFY_MESSAGE_MAX + 1];
	int fd;

	open_one(getuid(), true);
	open_channel();
	fd = connect_to(&sock);
	say_with(fd, "READY=1", 0);
	CHECK_INT(send(fd, text, sizeof(text), 0), sizeof(text));
	CHECK_INT(send(fd, text, 0, 0), 0); /* it would be an end */
	say(fd, "STATUS=up");
	notify_carry(&sock, channel[1]);
	check_carried("READY=1");
	check_carried("STATUS=up");
	CHECK_INT(notify_receive_carried(channel[0], buf), -EAGAIN);
	temp_leave();
}

TEST(a_courier_hears_nobody_that_is_not_heard)
{
	int status;
	pid_t pid;

	open_without_folder(12345);
	open_channel();
	pid = fork();
	if (pid == 0) {
		if (getuid() == 0 && setuid(54321) < 0)
			_exit(1);
		say_with(connect_to(&sock), "READY=1", 0);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	notify_carry(&sock, channel[1]);
	CHECK_INT(notify_receive_carried(channel[0], buf), -EAGAIN);
	CHECK_INT(notify_receive(&sock, buf), -EAGAIN);
	temp_leave();
}

/* Whether all ends of FD's pipe to write to are closed. */
static bool has_end(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

TEST(descriptors_are_let_go_of_after_their_message_was_handed_on)
{
	const int small = 1;
	int fd, fds[2], status;
	bool ended;
	ssize_t n;
	pid_t pid;

	open_one(getuid(), true);
	open_channel();
	/* Room for some messages: the courier has to wait for more. */
	REQUIRE(setsockopt(channel[1], SOL_SOCKET, SO_SNDBUF, &small,
			   sizeof(small)) == 0);
	while (send(channel[1], "x", 1, 0) == 1)
		;
	fd = connect_to(&sock);
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	say_with(fd, "BARRIER=1", fds[1]);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		notify_carry(&sock, channel[1]);
		_exit(0);
	}
	close(fds[1]);
	close(channel[1]);
	/* As long as there is no room it holds on to it. */
	(void)poll(NULL, 0, 100);
	CHECK(!has_end(fds[0]));
	do {
		ended = has_end(fds[0]);
		n = notify_receive_carried(channel[0], buf);
		/* Who sees the end finds the message. */
		CHECK(!ended || n != -EAGAIN);
	} while (n == 1 || n == -EAGAIN);
	CHECK_INT(n, 9);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(has_end(fds[0]));
	temp_leave();
}

TEST(a_courier_ends_when_nobody_reads)
{
	open_one(getuid(), true);
	open_channel();
	close(channel[0]);
	say_with(connect_to(&sock), "READY=1", 0);
	notify_carry(&sock, channel[1]);
	/* It is there for the next one. */
	CHECK_INT(notify_receive(&sock, buf), -EMSGSIZE);
	temp_leave();
}

CHECK_MAIN("notify")
