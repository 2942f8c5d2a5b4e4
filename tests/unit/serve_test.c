/*
 * The link's process over sockets of this machine: peers that are slow, many, gone or stuck get
 * what is theirs, and it does not run in circles. What stands for the clock counts its
 * turns.
 */

#include "init/link/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "init/helper.h"
#include "init/link/sandbox.h"
#include "init/link/shared.h"
#include "init/log.h"
#include "tests/unit/check.h"
#include "vsock/io.h"
#include "vsock/sock.h"

enum { RING = 128 * 1024, LOG = 17001, STATUS = 17000, CONTROL = 17003 };

static struct shared {
	_Atomic int turns;
	_Atomic bool is_full; /* there is no descriptor for a connection */
	struct sockaddr_un at[3];
	socklen_t len[3];
} * shared;

/* --- the seams --- */

int64_t io_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t io_now_ms(void)
{
	shared->turns++;
	return io_now_us() / 1000;
}

int io_write_full(int fd, const void *buf, size_t len, int64_t deadline_ms)
{
	(void)deadline_ms;
	return write(fd, buf, len) == (ssize_t)len ? 0 : -errno;
}

int io_read_full(int fd, void *buf, size_t len, int64_t deadline_ms)
{
	(void)deadline_ms;
	return read(fd, buf, len) == (ssize_t)len ? 0 : -errno;
}

/* The filter is of vsock alone; what ASan needs it knows neither. */
int sandbox_enter(void)
{
	return 0;
}

static size_t index_of(uint32_t port)
{
	return port == LOG ? 0 : port == STATUS ? 1 : 2;
}

int sock_listen(uint32_t port, uint32_t buffer)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	size_t i = index_of(port);

	(void)buffer;
	shared->len[i] = sizeof(shared->at[i]);
	/* A name of the kernel's choice. */
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)) <
		    0 ||
	    listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&shared->at[i],
			&shared->len[i]) < 0)
		return -errno;
	return fd;
}

int sock_accept(int fd, uint32_t *ret_cid)
{
	const int size = 4096;
	int got;

	if (shared->is_full)
		return -ENFILE;
	got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (got < 0)
		return -errno;
	(void)setsockopt(got, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	*ret_cid = SOCK_CID_PARENT;
	return got;
}

int sock_connect(uint32_t cid, uint32_t port, int timeout_ms)
{
	(void)cid;
	(void)port;
	(void)timeout_ms;
	return -ECONNRESET;
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

/* --- the process --- */

static struct link_work work;
static int channel, writes[2], console[2] = { -1, -1 };
static pid_t pid;

static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(p != MAP_FAILED);
	return p;
}

static void open_stream(size_t i, const char *name)
{
	struct link_shared *s = work.memory;
	int fds[2];

	REQUIRE(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	line_init(&s->lines[i], name, false, true);
	work.reads[i] = fds[0];
	writes[i] = fds[1];
	(void)fcntl(fds[1], F_SETFL, 0); /* as a service's */
}

static void begin(bool is_debug)
{
	struct link_message m;
	struct link_shared *s;
	struct ring ring;
	int fds[2];

	shared = map(sizeof(*shared));
	work.memory_len = LINK_RING_AT + RING_HEADER_BYTES + RING;
	work.memory = s = map(work.memory_len);
	REQUIRE(ring_init(&ring, (char *)work.memory + LINK_RING_AT,
			  RING_HEADER_BYTES + RING) == 0);
	work.config = (struct config_link){ .log = CONFIG_LOG_LISTEN,
					    .status = CONFIG_STATUS_BRIEF,
					    .control_stop = true,
					    .log_port = LOG,
					    .status_port = STATUS,
					    .control_port = CONTROL,
					    .log_readers = 2,
					    .log_size = RING };
	work.stream_count = 2;
	s->is_debug = is_debug;
	open_stream(0, "init");
	open_stream(1, "main");
	if (is_debug) {
		REQUIRE(pipe2(console, O_CLOEXEC | O_NONBLOCK) == 0);
		log_open(console[1]);
	}
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) ==
		0);
	channel = fds[0];
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		const struct helper_job job = { .channel = fds[1],
						.work = &work };

		close(fds[0]);
		if (serve_prepare(&job) != 0)
			_exit(9);
		_exit(serve_run(&job));
	}
	close(fds[1]);
	while (recv(channel, &m, sizeof(m), 0) < 0)
		REQUIRE(errno == EAGAIN);
	CHECK_INT(m.news, LINK_IS_READY);
}

static void end(void)
{
	int status;

	CHECK_INT(shutdown(channel, SHUT_WR), 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int reach(uint32_t port)
{
	size_t i = index_of(port);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	REQUIRE(connect(fd, (const struct sockaddr *)&shared->at[i],
			shared->len[i]) == 0);
	return fd;
}

static void put(size_t stream, const char *s)
{
	CHECK_INT(write(writes[stream], s, strlen(s)), strlen(s));
}

/* All up to a piece of TEXT, STEP bytes a time. */
static char *read_until(int fd, const char *text, size_t step)
{
	static char got[1 << 18];
	size_t n = 0, len = strlen(text);
	ssize_t r;

	while (n < len || memcmp(got + n - len, text, len) != 0) {
		r = read(fd, got + n,
			 step < sizeof(got) - 1 - n ? step :
						      sizeof(got) - 1 - n);
		if (!CHECK(r > 0))
			break;
		n += (size_t)r;
	}
	got[n] = '\0';
	return got;
}

/* How many turns it makes in 300 ms, by the time that passes, in which it is left alone. */
static int count_turns(void)
{
	int64_t began = io_now_us();
	int before = shared->turns, turns;

	(void)poll(NULL, 0, 300);
	turns = shared->turns - before;
	return (int)(turns * INT64_C(300000) / (io_now_us() - began));
}

/* It is left alone, and makes fewer than LIMIT turns in 300 ms once it is through with what was begun. */
static bool rests(int limit)
{
	(void)poll(NULL, 0, 100);
	for (int i = 0; i < 100; i++)
		if (count_turns() < limit)
			return true;
	return false;
}

/* The descriptors of the process. */
static int count_open(void)
{
	char path[64];
	int n = 0;

	for (int i = 0; i < 1024; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, i);
		n += access(path, F_OK) == 0;
	}
	return n;
}

/* --- what holds --- */

TEST(one_that_takes_a_byte_a_time_gets_all_in_order)
{
	static char wanted[60000];
	size_t n = 0;
	const char *got;
	int fd, before;

	begin(false);
	fd = reach(LOG);
	(void)read_until(fd, "0 lost\n", 1);
	for (int i = 0; i < 3000; i++) {
		char line[32];

		(void)snprintf(line, sizeof(line), "line %d\n", i);
		n += (size_t)sprintf(wanted + n, "main: %s", line);
		put(1, line);
	}
	before = shared->turns;
	got = read_until(fd, "line 2999\n", 1);
	CHECK_STR(got, wanted);
	/* A turn a piece, and not a byte. */
	CHECK(shared->turns - before < 3000);
	end();
	CHECK(strncmp(read_until(fd, "\n", 1), "init: log: end at byte ", 23) ==
	      0);
}

TEST(there_are_no_more_places_than_configured)
{
	int fds[5], next;
	char byte;

	begin(false);
	for (int i = 0; i < 5; i++)
		fds[i] = reach(LOG);
	for (int i = 0; i < 2; i++)
		CHECK(strncmp(read_until(fds[i], "\n", 100), "init: log: from",
			      15) == 0);
	for (int i = 2; i < 5; i++)
		CHECK_INT(read(fds[i], &byte, 1), 0);
	close(fds[0]);
	/* As soon as it has seen that. */
	do
		next = reach(LOG);
	while (read(next, &byte, 1) == 0 && close(next) == 0);
	CHECK_INT(byte, 'i');
	put(1, "x\n");
	(void)read_until(fds[1], "main: x\n", 100);
	end();
}

TEST(a_full_table_of_files_is_waited_for)
{
	int fd;

	begin(false);
	shared->is_full = true;
	fd = reach(LOG);
	/* A few for each rest, and not as many as there is time for. */
	CHECK(rests(20));
	shared->is_full = false;
	(void)read_until(fd, "0 lost\n", 100);
	end();
}

TEST(peers_that_vanish_leave_nothing)
{
	char byte;
	int fd, before;

	begin(false);
	before = count_open();
	for (int i = 0; i < 300; i++) {
		fd = reach(i % 3 == 0 ? LOG : i % 3 == 1 ? STATUS : CONTROL);
		if (i % 2)
			CHECK(send(fd, "sto", 3, MSG_NOSIGNAL) != 0);
		close(fd);
	}
	for (uint32_t port = STATUS; port <= LOG; port++) {
		do
			fd = reach(port);
		while (read(fd, &byte, 1) <= 0 && close(fd) == 0);
		close(fd);
	}
	CHECK(rests(20));
	while (count_open() > before)
		(void)poll(NULL, 0, 1);
	end();
}

TEST(commands_are_answered_and_handed_on_once)
{
	struct link_message m;
	char answer[64] = "";
	int fd;

	begin(false);
	fd = reach(CONTROL);
	for (const char *c = "stop\r\n"; *c; c++)
		CHECK_INT(write(fd, c, 1), 1);
	CHECK_STR(read_until(fd, "\n", 1), "ok\n");
	CHECK_INT(recv(channel, &m, sizeof(m), 0), sizeof(m));
	CHECK_INT(m.news, LINK_STOP);
	CHECK_INT(recv(channel, &m, sizeof(m), 0), -1);
	CHECK_INT(read(fd, answer, sizeof(answer)), 0);
	close(fd);
	fd = reach(CONTROL);
	CHECK_INT(write(fd, "stop", 4), 4);
	CHECK_INT(shutdown(fd, SHUT_WR), 0);
	CHECK_INT(read(fd, answer, sizeof(answer)), 0);
	CHECK_INT(recv(channel, &m, sizeof(m), 0), -1);
	end();
}

TEST(nothing_turns_while_nobody_moves)
{
	int stuck, reader, half, status, left;

	begin(false);
	stuck = reach(LOG); /* takes nothing */
	reader = reach(LOG);
	half = reach(CONTROL);
	status = reach(STATUS);
	left = reach(STATUS); /* has nothing to say any more */
	CHECK_INT(write(half, "sto", 3), 3);
	CHECK_INT(shutdown(left, SHUT_WR), 0);
	for (int i = 0; i < 5000; i++)
		put(1, "a line of the service that fills the buffers\n");
	put(1, "last\n");
	(void)read_until(reader, "main: last\n", 65536);
	(void)read_until(status, "\n", 1);
	CHECK(rests(20));
	/* It is told what it has missed, once it takes something. */
	(void)read_until(stuck, "main: last\n", 65536);
	end();
}

TEST(a_console_that_is_full_is_shown_the_rest_later)
{
	char *got, *second;
	size_t lines = 0;
	struct pollfd p;

	begin(true);
	for (int i = 0; i < 100; i++) {
		put(0, "of PID 1, which is on the console already\n");
		for (int n = 0; n < 20; n++)
			put(1, "a line of the service that fills the pipe\n");
	}
	put(1, "last\n");
	/* 20 ms between two tries. */
	CHECK(rests(60));
	(void)fcntl(console[0], F_SETFL, 0);
	p = (struct pollfd){ .fd = console[0], .events = POLLIN };
	CHECK_INT(poll(&p, 1, -1), 1);
	got = read_until(console[0], "main: last\n", 1000);
	CHECK(!strstr(got, "PID 1"));
	for (second = got; (second = strstr(second, "main: a line of the "
						    "service that fills the "
						    "pipe\n"));
	     second++)
		lines++;
	CHECK_INT(lines, 2000);
	end();
}

CHECK_MAIN("serve")
