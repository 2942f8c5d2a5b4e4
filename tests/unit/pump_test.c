#include "vsock/relay/flow/pump.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/unit/check.h"
#include "vsock/relay/flow/tally.h"
#include "vsock/sock.h"

enum { MIB = 1 << 20, MEMORY = 4 * MIB, ROOM = 64 };

static struct loop loop;
static struct pool pool;
static struct pumps pumps;
static int ends, last_error;

/* --- what the kernel says, where a test says otherwise ----------------------------- */

static int64_t clock_frozen_ms = -1;
static bool all_is_vsock;
static int send_errno;
static size_t send_takes; /* at most; 0: all */
static unsigned sends;
static uint64_t others_take; /* of the pool's memory, while we send */

int clock_gettime(clockid_t id, struct timespec *t)
{
	if (clock_frozen_ms < 0)
		return (int)syscall(SYS_clock_gettime, id, t);
	t->tv_sec = clock_frozen_ms / 1000;
	t->tv_nsec = clock_frozen_ms % 1000 * 1000000;
	return 0;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	long r = syscall(SYS_getsockopt, fd, level, name, value, len);

	if (r == 0 && all_is_vsock && level == SOL_SOCKET && name == SO_DOMAIN)
		*(int *)value = SOCK_FAMILY;
	return (int)r;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
	sends++;
	CHECK(len <= PUMP_WRITE_MAX);
	if (others_take) {
		tally_join(1);
		tally_memory((int64_t)others_take);
		tally_join(0);
		others_take = 0;
	}
	if (send_errno) {
		errno = send_errno;
		send_errno = 0;
		return -1;
	}
	if (send_takes && len > send_takes)
		len = send_takes;
	return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

/* --- a pump between two pairs of sockets ------------------------------------------- */

static void on_done(void *ctx, int error)
{
	*(int *)ctx += 1;
	last_error = error;
}

static struct pump_options usual = { .done = on_done };

static void set_up(uint64_t memory)
{
	REQUIRE(loop_open(&loop, 1000) == 0);
	REQUIRE(pool_open(&pool, memory) == 0);
	REQUIRE(pump_open(&pumps, &loop, &pool, ROOM) == 0);
}

/* Where nothing is left that had to be given back. */
static void tear_down(void)
{
	CHECK_INT(pumps.count, 0);
	CHECK_INT(loop.timers, 0);
	CHECK_INT(pumps.first, 0);
	pump_close(&pumps);
	pool_close(&pool);
	loop_close(&loop);
}

static void pair_unix(int fds[2])
{
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
}

static void pair_tcp(int fds[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	REQUIRE(bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0);
	REQUIRE(listen(listener, 1) == 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&a, &len) == 0);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(connect(fds[0], (struct sockaddr *)&a, sizeof(a)) == 0);
	fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	REQUIRE(fds[1] >= 0);
	close(listener);
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

/* A pump between A and B, whose other ends are *RET_A and *RET_B. */
static void join(void (*pair)(int fds[2]), const struct pump_options *o,
		 int *ret_a, int *ret_b)
{
	int a[2], b[2];

	pair(a);
	pair(b);
	*ret_a = a[0];
	*ret_b = b[0];
	CHECK_INT(pump_start(&pumps, a[1], b[1], o, NULL, &ends), 0);
}

static void ignore(struct timer *t)
{
	(void)t;
}

/* Without waiting. */
static void turn(void)
{
	struct timer t = { .due = ignore };

	loop_timer(&loop, &t, 0);
	REQUIRE(loop_turn(&loop) == 0);
	loop_untimer(&loop, &t);
}

static void note(struct timer *t)
{
	t->due_ms = -1;
}

/* A process that spins takes thousands of turns; on a busy machine the kernel has some to tell late. */
static void expect_quiet(void)
{
	struct timer t = { .due = note };
	int turns = 0;

	for (int i = 0; i < 10; i++)
		turn();
	loop_timer(&loop, &t, loop_now_ms(&loop) + 30);
	for (; t.due_ms >= 0; turns++)
		REQUIRE(loop_turn(&loop) == 0);
	CHECK(turns <= 10);
}

/* Turns until FD has something to be read, or its end. */
static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, 0) == 0)
		turn();
}

static void wait_ends(int wanted)
{
	while (ends < wanted)
		turn();
	CHECK_INT(ends, wanted);
}

static void expect(int fd, const char *text)
{
	char got[64] = "";

	wait_readable(fd);
	CHECK_INT(recv(fd, got, sizeof(got) - 1, 0), strlen(text));
	CHECK_STR(got, text);
}

static void expect_end(int fd)
{
	char c;

	wait_readable(fd);
	CHECK_INT(recv(fd, &c, 1, 0), 0);
}

static void expect_reset(int fd)
{
	char c;

	wait_readable(fd);
	CHECK_INT(recv(fd, &c, 1, 0), -1);
	CHECK_INT(errno, ECONNRESET);
}

static void say(int fd, const char *text)
{
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
}

/* As much as goes in; returns the number of bytes. */
static size_t flood(int fd)
{
	static char zeros[65536];
	size_t sum = 0;
	ssize_t n;

	do {
		turn();
		n = write(fd, zeros, sizeof(zeros));
		sum += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	return sum;
}

static size_t drain(int fd, size_t sum)
{
	static char bytes[65536];
	size_t got = 0;
	ssize_t n;

	while (got < sum) {
		turn();
		n = recv(fd, bytes,
			 sum - got < sizeof(bytes) ? sum - got : sizeof(bytes),
			 MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		got += n > 0 ? (size_t)n : 0;
	}
	return got;
}

/* --- peers, each a process ---------------------------------------------------------- */

struct stream {
	uint64_t state;
	size_t left;
};

static void fill(struct stream *s, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		s->state =
			s->state * 6364136223846793005U + 1442695040888963407U;
		bytes[i] = (uint8_t)(s->state >> 56);
	}
	s->left -= len;
}

struct peer {
	struct stream says, hears;
	size_t piece;	 /* bytes a read or write */
	unsigned pauses; /* before each so-manieth read it sleeps; 0: never */
};

static bool hear(int fd, struct peer *p, unsigned *n)
{
	static uint8_t got[65536], wanted[65536];
	ssize_t len;

	if (p->pauses && ++*n % p->pauses == 0)
		(void)usleep(1000);
	len = recv(fd, got, p->piece, MSG_DONTWAIT);
	if (len < 0)
		return errno == EAGAIN;
	if (len == 0 || (size_t)len > p->hears.left)
		return false;
	fill(&p->hears, wanted, (size_t)len);
	return memcmp(got, wanted, (size_t)len) == 0;
}

static bool tell(int fd, struct peer *p)
{
	static uint8_t bytes[65536];
	static size_t at, len;
	ssize_t n;

	if (at == len) {
		len = p->says.left < p->piece ? p->says.left : p->piece;
		fill(&p->says, bytes, len);
		at = 0;
	}
	n = syscall(SYS_sendto, fd, bytes + at, len - at,
		    MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
	if (n < 0)
		return errno == EAGAIN;
	at += (size_t)n;
	if (at < len || p->says.left > 0)
		return true;
	(void)shutdown(fd, SHUT_WR);
	p->says.state = 0;
	return true;
}

/* Exits with 0 if all it has heard is right, to the end. */
static void run_peer(int fd, struct peer p)
{
	struct pollfd poll_ = { .fd = fd };
	unsigned n = 0;
	bool good = true;
	char c;

	while (good && (p.says.state || p.hears.left)) {
		poll_.events = (short)((p.says.state ? POLLOUT : 0) |
				       (p.hears.left ? POLLIN : 0));
		(void)poll(&poll_, 1, -1);
		if (p.says.state && poll_.revents & POLLOUT)
			good = tell(fd, &p);
		if (good && p.hears.left && poll_.revents & POLLIN)
			good = hear(fd, &p, &n);
	}
	(void)fcntl(fd, F_SETFL, 0);
	_exit(!good || recv(fd, &c, 1, 0) != 0);
}

static pid_t start_peer(int fd, int not_fd, struct peer p)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		close(not_fd);
		run_peer(fd, p);
	}
	close(fd);
	return pid;
}

static void expect_exit(pid_t pid)
{
	int status = -1;

	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

/* Both say and hear, at once. */
static void talk(void (*pair)(int fds[2]), struct peer pa, struct peer pb)
{
	pid_t pids[2];
	int a, b;

	set_up(MEMORY);
	join(pair, &usual, &a, &b);
	pids[0] = start_peer(a, b, pa);
	pids[1] = start_peer(b, -1, pb);
	wait_ends(1);
	CHECK_INT(last_error, 0);
	expect_exit(pids[0]);
	expect_exit(pids[1]);
	tear_down();
}

static struct peer peer_of(uint64_t says, size_t says_len, uint64_t hears,
			   size_t hears_len, size_t piece, unsigned pauses)
{
	return (struct peer){
		{ says, says_len }, { hears, hears_len }, piece, pauses
	};
}

TEST(sixteen_mib_go_both_ways_at_once)
{
	talk(pair_unix, peer_of(1, 16 * MIB, 2, 16 * MIB, 65536, 0),
	     peer_of(2, 16 * MIB, 1, 16 * MIB, 10000, 0));
}

TEST(sixteen_mib_go_both_ways_over_tcp)
{
	talk(pair_tcp, peer_of(3, 16 * MIB, 4, 16 * MIB, 65536, 0),
	     peer_of(4, 16 * MIB, 3, 16 * MIB, 1460, 0));
}

TEST(a_peer_reads_and_writes_single_bytes)
{
	talk(pair_unix, peer_of(5, 100000, 6, 100000, 1, 0),
	     peer_of(6, 100000, 5, 100000, 1, 0));
}

TEST(peers_that_stall_lose_nothing)
{
	talk(pair_unix, peer_of(7, 4 * MIB, 8, 4 * MIB, 65536, 3),
	     peer_of(8, 4 * MIB, 7, 4 * MIB, 4000, 7));
}

TEST(vsock_loses_nothing_either)
{
	all_is_vsock = true;
	talk(pair_unix, peer_of(9, 4 * MIB, 10, 4 * MIB, 3000, 5),
	     peer_of(10, 4 * MIB, 9, 4 * MIB, 50000, 0));
}

/* --- ends --------------------------------------------------------------------------- */

static void check_half_close(void (*pair)(int fds[2]), bool from_b)
{
	int a, b, first, second;

	set_up(MEMORY);
	join(pair, &usual, &a, &b);
	first = from_b ? b : a;
	second = from_b ? a : b;
	say(first, "question");
	(void)shutdown(first, SHUT_WR);
	expect(second, "question");
	expect_end(second);
	CHECK_INT(ends, 0);
	say(second, "answer");
	expect(first, "answer");
	(void)shutdown(second, SHUT_WR);
	expect_end(first);
	wait_ends(1);
	CHECK_INT(last_error, 0);
	close(a);
	close(b);
	tear_down();
}

TEST(an_end_is_passed_on_and_the_answer_comes_back)
{
	check_half_close(pair_unix, false);
}

TEST(the_targets_end_is_passed_on_first)
{
	check_half_close(pair_unix, true);
}

TEST(ends_over_tcp_are_passed_on_in_either_order)
{
	check_half_close(pair_tcp, false);
	ends = 0;
	check_half_close(pair_tcp, true);
}

TEST(an_end_is_held_back_until_the_target_has_ended)
{
	static const struct pump_options o = { .done = on_done,
					       .holds_half_close = true };
	struct pollfd p = { .events = POLLIN };
	int a, b;

	set_up(MEMORY);
	join(pair_tcp, &o, &a, &b);
	say(a, "question");
	(void)shutdown(a, SHUT_WR);
	expect(b, "question");
	expect_quiet();
	p.fd = b;
	CHECK_INT(poll(&p, 1, 0), 0);
	say(b, "answer");
	(void)shutdown(b, SHUT_WR);
	expect(a, "answer");
	expect_end(a);
	expect_end(b);
	wait_ends(1);
	CHECK_INT(last_error, 0);
	tear_down();
}

TEST(the_targets_end_is_never_held_back)
{
	static const struct pump_options o = { .done = on_done,
					       .holds_half_close = true };
	int a, b;

	set_up(MEMORY);
	join(pair_tcp, &o, &a, &b);
	say(b, "greeting");
	(void)shutdown(b, SHUT_WR);
	expect(a, "greeting");
	expect_end(a);
	say(a, "late");
	expect(b, "late");
	close(a);
	wait_ends(1);
	expect_end(b);
	tear_down();
}

TEST(a_reset_is_passed_on_as_a_reset)
{
	char c;
	int a, b;

	for (int i = 0; i < 2; i++) {
		ends = 0;
		set_up(MEMORY);
		join(pair_tcp, &usual, &a, &b);
		say(a, "x");
		expect(b, "x");
		pump_reset(i ? a : b);
		wait_ends(1);
		CHECK_INT(last_error, -ECONNRESET);
		wait_readable(i ? b : a);
		CHECK_INT(recv(i ? b : a, &c, 1, 0), -1);
		CHECK_INT(errno, ECONNRESET);
		tear_down();
	}
}

TEST(a_reset_is_noticed_while_the_other_side_stalls)
{
	int a, b;

	set_up(MEMORY);
	join(pair_tcp, &usual, &a, &b);
	CHECK(flood(a) > 0);
	pump_reset(a);
	wait_ends(1);
	CHECK_INT(last_error, -ECONNRESET);
	tear_down();
}

TEST(an_answer_to_what_was_not_read_arrives)
{
	int a, b;

	/* The target closes with bytes unread, as a server does that refuses an upload. */
	set_up(MEMORY);
	join(pair_tcp, &usual, &a, &b);
	(void)flood(a);
	say(b, "too much");
	(void)shutdown(b, SHUT_WR);
	for (int i = 0; i < 10; i++)
		turn();
	close(b);
	wait_ends(1);
	expect(a, "too much");
	tear_down();
}

TEST(a_hangup_of_one_that_is_not_read_does_not_spin)
{
	size_t sum;
	int a, b;

	set_up(MEMORY);
	join(pair_unix, &usual, &a, &b);
	sum = flood(a);
	expect_quiet();
	close(a); /* its last bytes have yet to be read */
	expect_quiet();
	CHECK_INT(drain(b, sum), sum);
	expect_end(b);
	expect_quiet();
	close(b);
	wait_ends(1);
	CHECK_INT(last_error, 0);
	tear_down();
}

TEST(an_idle_connection_ends_in_order)
{
	static const struct pump_options o = { .done = on_done, .idle_ms = 20 };
	int a, b;

	set_up(MEMORY);
	/* The time stands still until the byte is through. */
	clock_frozen_ms = loop_now_ms(&loop);
	join(pair_tcp, &o, &a, &b);
	say(a, "x");
	expect(b, "x");
	clock_frozen_ms = -1;
	wait_ends(1);
	CHECK_INT(last_error, -ETIMEDOUT);
	expect_end(a);
	expect_end(b);
	tear_down();
}

TEST(half_a_connection_without_a_byte_ends_after_a_minute)
{
	int a, b;

	set_up(MEMORY);
	join(pair_tcp, &usual, &a, &b);
	clock_frozen_ms = loop_now_ms(&loop);
	(void)shutdown(a, SHUT_WR);
	expect_end(b);
	for (int i = 0; i < 5; i++) {
		clock_frozen_ms += PUMP_HALF_CLOSED_MS - 1;
		say(b, "x");
		expect(a, "x");
	}
	turn();
	CHECK_INT(ends, 0);
	clock_frozen_ms += PUMP_HALF_CLOSED_MS;
	wait_ends(1);
	CHECK_INT(last_error, -ETIMEDOUT);
	expect_reset(a); /* or it would be the end of an answer */
	tear_down();
}

/* --- memory ------------------------------------------------------------------------- */

TEST(with_an_empty_pool_a_direction_waits_and_loses_nothing)
{
	enum { PAIRS = 5 };
	size_t sums[PAIRS];
	int a[PAIRS], b[PAIRS];

	/* Two small chunks. */
	set_up(2 * POOL_SMALL);
	for (int i = 0; i < PAIRS; i++) {
		join(pair_unix, &usual, &a[i], &b[i]);
		sums[i] = flood(a[i]);
	}
	CHECK_INT(pool_offers(&pool), 0);
	CHECK(pumps.first != 0);
	/* The other way there is nothing to keep, and still no chunk: it waits, too. */
	for (int i = 0; i < PAIRS; i++)
		CHECK_INT(drain(b[i], sums[i]), sums[i]);
	CHECK_INT(pool_offers(&pool), POOL_SMALL);
	for (int i = 0; i < PAIRS; i++) {
		say(b[i], "after all");
		expect(a[i], "after all");
		close(a[i]);
		close(b[i]);
	}
	wait_ends(PAIRS);
	tear_down();
}

TEST(memory_that_others_take_meanwhile_costs_no_connection)
{
	static const uint64_t sizes[] = { MEMORY / 2, MEMORY };
	static uint8_t bytes[PUMP_WRITE_MAX];
	int a, b;

	set_up(MEMORY);
	tally_limit(2, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		join(pair_unix, &usual, &a, &b);
		CHECK_INT(write(a, bytes, sizeof(bytes)), sizeof(bytes));
		/* There was a chunk for it when it was read. */
		others_take = sizes[i];
		send_takes = 1;
		turn();
		send_takes = 0;
		CHECK_INT(others_take, 0);
		CHECK_INT(drain(b, sizeof(bytes)), sizeof(bytes));
		tally_forget(1);
		close(a);
		close(b);
		wait_ends((int)i + 1);
	}
	CHECK_INT(last_error, 0);
	CHECK_INT(tally_memory_sum(), 0);
	tally_limit(1, 0);
	tear_down();
}

TEST(those_that_wait_for_the_pool_may_end)
{
	enum { PAIRS = 6 };
	int a[PAIRS], b[PAIRS];

	set_up(POOL_SMALL);
	for (int i = 0; i < PAIRS; i++) {
		join(pair_tcp, &usual, &a[i], &b[i]);
		(void)flood(a[i]);
	}
	/* In the middle, at the end, at the beginning of the list; the one with the chunk. */
	for (int i = 3; i < 3 + PAIRS; i++) {
		pump_reset(b[i % PAIRS]);
		wait_ends(i - 2);
		close(a[i % PAIRS]);
	}
	tear_down();
}

TEST(one_connection_too_many_is_reset)
{
	int a[ROOM], b[ROOM], more_a[2], more_b[2];
	char c;

	set_up(MEMORY);
	for (int i = 0; i < ROOM; i++)
		join(pair_unix, &usual, &a[i], &b[i]);
	pair_tcp(more_a);
	pair_tcp(more_b);
	CHECK_INT(pump_start(&pumps, more_a[1], more_b[1], &usual, NULL, &ends),
		  -ENOMEM);
	CHECK_INT(recv(more_a[0], &c, 1, 0), -1);
	CHECK_INT(errno, ECONNRESET);
	close(a[7]);
	close(b[7]);
	wait_ends(1);
	join(pair_unix, &usual, &a[7], &b[7]);
	say(a[7], "in its place");
	expect(b[7], "in its place");
	CHECK_INT(pumps.count, ROOM);
	pump_close(&pumps);
	tear_down();
}

TEST(what_was_read_before_goes_first)
{
	static uint8_t bytes[PUMP_WRITE_MAX];
	struct pump_before before = { .to_b = "PROXY",
				      .to_b_len = 5,
				      .to_a = bytes,
				      .to_a_len = sizeof(bytes) };
	int a[2], b[2];

	set_up(MEMORY);
	pair_unix(a);
	pair_unix(b);
	say(a[0], " and more");
	/* No room for all of what goes to it. */
	CHECK(setsockopt(a[1], SOL_SOCKET, SO_SNDBUF, &(int){ 4096 },
			 sizeof(int)) == 0);
	CHECK_INT(pump_start(&pumps, a[1], b[1], &usual, &before, &ends), 0);
	say(b[0], "end");
	expect(b[0], "PROXY");
	expect(b[0], " and more");
	CHECK_INT(drain(a[0], sizeof(bytes)), sizeof(bytes));
	expect(a[0], "end");
	close(a[0]);
	close(b[0]);
	wait_ends(1);
	tear_down();
}

TEST(a_write_for_which_the_kernel_has_no_memory_is_tried_again)
{
	int a, b;

	set_up(MEMORY);
	join(pair_unix, &usual, &a, &b);
	send_errno = ENOMEM;
	say(a, "later");
	expect(b, "later");
	close(a);
	close(b);
	wait_ends(1);
	tear_down();
}

/* --- chance ------------------------------------------------------------------------- */

enum { PLAYERS = 40, MOVES = 60000, HELD = 3 };

/* One end of a connection, and what has gone into it and come out of it. */
struct player {
	int fd; /* -1: closed */
	uint64_t said, heard;
	bool has_ended, saw_end;
};

static uint32_t chance(uint32_t n)
{
	static uint32_t state = 16;

	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

/* Byte AT of what a player says. */
static uint8_t byte_of(uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16);
}

static void say_some(struct player *p)
{
	static uint8_t bytes[70000];
	size_t len = 1 + chance(chance(3) ? 100 : sizeof(bytes));
	ssize_t n;

	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_of(p->said + i);
	n = syscall(SYS_sendto, p->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		    NULL, 0);
	p->said += n > 0 ? (uint64_t)n : 0;
}

static void hear_some(struct player *p, const struct player *from)
{
	static uint8_t bytes[70000];
	size_t len = 1 + chance(chance(3) ? 5000 : sizeof(bytes));
	ssize_t n = syscall(SYS_recvfrom, p->fd, bytes, len, MSG_DONTWAIT, NULL,
			    NULL);
	bool good = true;

	for (ssize_t i = 0; i < n; i++)
		good = good && bytes[i] == byte_of(p->heard + (uint64_t)i);
	CHECK(good);
	p->heard += n > 0 ? (uint64_t)n : 0;
	CHECK(p->heard <= from->said);
	/* An end in order comes behind all that was said before it. */
	if (n == 0 && from->has_ended && from->fd >= 0)
		CHECK_INT(p->heard, from->said);
}

static void play(struct player *p, const struct player *other)
{
	switch (chance(60)) {
	case 0:
		(void)shutdown(p->fd, SHUT_WR);
		p->has_ended = true;
		break;
	case 1:
		if (chance(4))
			break;
		close(p->fd);
		p->fd = -1;
		break;
	case 2:
		if (chance(4))
			break;
		pump_reset(p->fd);
		p->fd = -1;
		break;
	case 3:
		send_errno =
			(int[]){ ENOMEM, EAGAIN, EINTR, ENOBUFS }[chance(4)];
		break;
	default:
		if (chance(2))
			hear_some(p, other);
		else if (!p->has_ended)
			say_some(p);
	}
}

static void new_pair(struct player p[2])
{
	static const struct pump_options held = { .done = on_done,
						  .holds_half_close = true };

	all_is_vsock = chance(2);
	p[0] = p[1] = (struct player){ 0 };
	join(chance(2) ? pair_unix : pair_tcp, chance(HELD) ? &usual : &held,
	     &p[0].fd, &p[1].fd);
}

TEST(whatever_peers_do_nothing_is_left_over)
{
	static struct player players[PLAYERS][2];
	int first_free, started = PLAYERS;

	first_free = dup(0);
	close(first_free);
	set_up(40 * POOL_SMALL);
	for (int i = 0; i < PLAYERS; i++)
		new_pair(players[i]);
	for (int i = 0; i < MOVES; i++) {
		struct player *p = players[chance(PLAYERS)];
		unsigned side = chance(2);

		if (p[0].fd < 0 && p[1].fd < 0) {
			turn();
			if (pumps.count < ROOM) {
				new_pair(p);
				started++;
			}
		} else if (p[side].fd >= 0) {
			play(&p[side], &p[!side]);
		}
		if (chance(3) == 0)
			turn();
	}
	send_errno = 0;
	for (int i = 0; i < PLAYERS; i++)
		for (int k = 0; k < 2; k++)
			if (players[i][k].fd >= 0)
				close(players[i][k].fd);
	wait_ends(started);
	CHECK(started > 2 * PLAYERS);
	tear_down();
	CHECK_INT(pool_offers(&pool), 0);
	CHECK_INT(dup(0), first_free);
}

/* --- vsock -------------------------------------------------------------------------- */

TEST(after_a_tiny_write_vsock_has_a_pause)
{
	static const char text[] = "of which the first write takes a part";
	unsigned before;
	int a, b;

	set_up(MEMORY);
	all_is_vsock = true;
	join(pair_unix, &usual, &a, &b);
	clock_frozen_ms = loop_now_ms(&loop);
	send_takes = 10;
	say(a, text);
	while (sends == 0)
		turn();
	CHECK_INT(loop.timers, 1);
	before = sends;
	for (int i = 0; i < 10; i++)
		turn();
	CHECK_INT(sends, before);
	/* What goes the other way does not put it off, and does not wait. */
	clock_frozen_ms += 1;
	say(b, "x");
	expect(a, "x");
	clock_frozen_ms += 1;
	before = sends;
	turn();
	CHECK_INT(sends, before + 1);
	send_takes = 0;
	clock_frozen_ms = -1;
	turn();
	while (loop.timers > 0)
		turn();
	expect(b, text);
	close(a);
	close(b);
	wait_ends(1);
	tear_down();
}

TEST(other_sockets_have_no_pause)
{
	int a, b;

	set_up(MEMORY);
	join(pair_unix, &usual, &a, &b);
	send_takes = 10;
	say(a, "twenty-three bytes here");
	while (sends < 3)
		turn();
	CHECK_INT(loop.timers, 0);
	expect(b, "twenty-three bytes here");
	close(a);
	close(b);
	wait_ends(1);
	tear_down();
}

CHECK_MAIN("pump")
