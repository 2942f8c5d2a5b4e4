/*
 * Loads for programs that pass connections on, and the least such program. bench_relay
 *
 *   copy LISTEN TARGET        passes connections on: two processes each, 32 KiB at a time
 *   serve LISTEN              the far end of the loads
 *   stream AT N SIZE MS       N connections are written to, SIZE bytes at a time
 *   turns AT SIZE MS          SIZE bytes there and back, again and again
 *   connect AT N MS           N clients connect, send and get a byte, and are closed
 *   many AT N MS              N are open; a line of stdin later one of a hundred is used
 *
 * An address is vsock:PORT, vsock:CID:PORT, tcp:PORT of 127.0.0.1, or unix:PATH. A load prints
 * its figures, a name and a number a line.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	PIECE = 32768, /* what a write to vsock may have */
	FILES = 65536,
	TURNS_MAX = 1 << 20,
	BUSY_OF = 100,	 /* one of so many */
	BLOCK = 1 << 18, /* of a stream: the far end tells of each */
};

struct vsock_address {
	unsigned short family;
	unsigned short reserved;
	uint32_t port;
	uint32_t cid;
	uint8_t zero[4];
};

/* The first byte of a connection. */
enum mode { FRESH = 0, ECHO = 'e', SINK = 's', ONCE = 'c' };

static char buf[1 << 16];
static uint32_t took_ns[TURNS_MAX];
static struct {
	uint8_t mode;
	uint64_t count;
} served[FILES];

static _Noreturn void fail(const char *what)
{
	(void)fprintf(stderr, "bench_relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- addresses -------------------------------------------------------------------- */

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un;
	struct vsock_address vm;
};

static socklen_t parse(const char *text, union address *a)
{
	const char *last = strrchr(text, ':');

	*a = (union address){ 0 };
	if (strncmp(text, "unix:", 5) == 0 &&
	    strlen(text + 5) < sizeof(a->un.sun_path)) {
		a->un.sun_family = AF_UNIX;
		memcpy(a->un.sun_path, text + 5, strlen(text + 5) + 1);
		return sizeof(a->un);
	}
	if (strncmp(text, "tcp:", 4) == 0) {
		a->in.sin_family = AF_INET;
		a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		a->in.sin_port = htons((uint16_t)atoi(last + 1));
		return sizeof(a->in);
	}
	if (strncmp(text, "vsock:", 6) == 0) {
		a->vm.family = 40; /* AF_VSOCK */
		a->vm.port = (uint32_t)atoi(last + 1);
		a->vm.cid = last == text + 5 ? UINT32_MAX :
					       (uint32_t)atoi(text + 6);
		return sizeof(a->vm);
	}
	errno = EINVAL;
	fail(text);
}

static int new_socket(const union address *a)
{
	int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		fail("socket");
	if (a->any.sa_family == AF_INET) {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	return fd;
}

static int listen_at(const char *text)
{
	union address a;
	socklen_t len = parse(text, &a);
	int fd = new_socket(&a);

	if (bind(fd, &a.any, len) < 0 || listen(fd, 4096) < 0)
		fail(text);
	return fd;
}

/* A full queue is waited for, as TCP does by itself. */
static int connect_to(const char *text)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };
	union address a;
	socklen_t len = parse(text, &a);

	for (int tries = 0;; tries++) {
		int fd = new_socket(&a);

		if (connect(fd, &a.any, len) == 0)
			return fd;
		if (tries == 10000 || (errno != EAGAIN && errno != ECONNRESET))
			fail(text);
		close(fd);
		(void)nanosleep(&pause, NULL);
	}
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n =
			send(fd, data, len > PIECE ? PIECE : len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool read_all(int fd, char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, data, len);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* --- the least that passes connections on ------------------------------------------- */

static void copy_one_way(int from, int to)
{
	ssize_t n;

	while ((n = read(from, buf, PIECE)) > 0)
		if (!write_all(to, buf, (size_t)n))
			break;
	(void)shutdown(to, SHUT_WR);
}

static _Noreturn void copy(const char *at, const char *target)
{
	int listener = listen_at(at);

	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int a = accept4(listener, NULL, NULL, SOCK_CLOEXEC), b;

		if (a < 0)
			fail("accept");
		if (fork() == 0) {
			b = connect_to(target);
			if (fork() == 0)
				copy_one_way(a, b);
			else
				copy_one_way(b, a);
			_exit(0);
		}
		close(a);
	}
}

/* --- the far end ---------------------------------------------------------------------- */

static void serve_one(int fd)
{
	ssize_t n = read(fd, buf, sizeof(buf)), skip = 0;
	uint64_t block = served[fd].count / BLOCK;

	if (n <= 0) {
		close(fd);
		return;
	}
	if (served[fd].mode == FRESH) {
		served[fd].mode = (uint8_t)buf[0];
		skip = 1;
	}
	served[fd].count += (uint64_t)(n - skip);
	if (served[fd].mode == SINK && served[fd].count / BLOCK != block) {
		block = served[fd].count / BLOCK;
		(void)write_all(fd, (const char *)&block, sizeof(block));
	}
	if (served[fd].mode == SINK || n == skip)
		return;
	if (!write_all(fd, buf + skip, (size_t)(n - skip)) ||
	    served[fd].mode == ONCE)
		close(fd);
}

static _Noreturn void serve(const char *at)
{
	struct epoll_event e[64], new = { .events = EPOLLIN };
	int listener = listen_at(at), ep = epoll_create1(EPOLL_CLOEXEC);

	new.data.fd = listener;
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &new) < 0)
		fail("epoll");
	for (;;) {
		int n = epoll_wait(ep, e, 64, -1);

		for (int i = 0; i < n; i++) {
			if (e[i].data.fd != listener) {
				serve_one(e[i].data.fd);
				continue;
			}
			new.data.fd =
				accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			if (new.data.fd < 0 || new.data.fd >= FILES)
				fail("accept");
			served[new.data.fd].mode = FRESH;
			served[new.data.fd].count = 0;
			if (epoll_ctl(ep, EPOLL_CTL_ADD, new.data.fd, &new) < 0)
				fail("epoll_ctl");
		}
	}
}

/* --- loads ------------------------------------------------------------------------------ */

/* Runs CLIENT in N processes; the sum of what they return, and the time that the last took. */
static uint64_t in_processes(unsigned n, uint64_t (*client)(void *), void *ctx,
			     int64_t *ret_ns)
{
	int64_t begin = now_ns();
	uint64_t total = 0, one;
	int fds[2], status;
	unsigned i;

	if (pipe(fds) < 0)
		fail("pipe");
	for (i = 0; i < n; i++)
		if (fork() == 0) {
			one = client(ctx);
			_exit(write(fds[1], &one, sizeof(one)) != sizeof(one));
		}
	for (i = 0; i < n; i++)
		if (wait(&status) < 0 || status != 0)
			fail("a client");
	*ret_ns = now_ns() - begin;
	for (i = 0; i < n; i++) {
		if (read(fds[0], &one, sizeof(one)) != sizeof(one))
			fail("a client's sum");
		total += one;
	}
	return total;
}

struct load {
	const char *at;
	size_t size;
	int64_t ms;
};

/* What the far end tells, so that it never waits for room; FLAGS of recv. False: nothing. */
static bool hear(int fd, uint64_t *block, int flags)
{
	uint64_t told[64];
	ssize_t n = recv(fd, told, sizeof(told), flags);

	if (n > 0 && n % (ssize_t)sizeof(told[0]) == 0)
		*block = told[n / (ssize_t)sizeof(told[0]) - 1];
	return n > 0;
}

/* Without an end of one direction, which some programs do not pass on. */
static uint64_t stream_client(void *ctx)
{
	const struct load *l = ctx;
	uint64_t sent = 0, arrived = 0;
	int fd = connect_to(l->at);
	int64_t end = now_ns() + l->ms * 1000000;
	bool good = write_all(fd, "s", 1);

	for (; good && now_ns() < end; sent++) {
		for (size_t n = 0; good && n < BLOCK; n += l->size)
			good = write_all(fd, buf, l->size);
		while (hear(fd, &arrived, MSG_DONTWAIT))
			;
	}
	while (good && arrived < sent)
		good = hear(fd, &arrived, 0);
	if (!good || arrived != sent)
		fail("stream");
	return sent * BLOCK;
}

static void stream(struct load *l, unsigned n)
{
	int64_t ns;
	uint64_t bytes = in_processes(n, stream_client, l, &ns);

	printf("mib %.3f\nmbs %.1f\n", (double)bytes / (1 << 20),
	       (double)bytes * 1000 / (double)ns);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void print_turns(unsigned n)
{
	qsort(took_ns, n, sizeof(took_ns[0]), by_size);
	printf("turns %u\np50 %.1f\np99 %.1f\n", n, took_ns[n / 2] / 1000.0,
	       took_ns[(uint64_t)n * 99 / 100] / 1000.0);
}

static void turn(int fd, size_t size, uint32_t *ret_ns)
{
	int64_t begin = now_ns();

	if (!write_all(fd, buf, size) || !read_all(fd, buf, size))
		fail("turn");
	*ret_ns = (uint32_t)(now_ns() - begin);
}

static void turns(const struct load *l)
{
	int fd = connect_to(l->at);
	int64_t end;
	unsigned n = 0;

	if (!write_all(fd, "e", 1))
		fail("turns");
	for (int i = 0; i < 100; i++)
		turn(fd, l->size, &took_ns[0]);
	end = now_ns() + l->ms * 1000000;
	while (n < TURNS_MAX && now_ns() < end)
		turn(fd, l->size, &took_ns[n++]);
	print_turns(n);
}

static uint64_t connect_client(void *ctx)
{
	const struct load *l = ctx;
	int64_t end = now_ns() + l->ms * 1000000;
	uint64_t n = 0;
	char c;

	for (; now_ns() < end; n++) {
		int fd = connect_to(l->at);

		if (!write_all(fd, "cx", 2) || !read_all(fd, &c, 1) ||
		    c != 'x' || read(fd, &c, 1) > 0)
			fail("connect");
		close(fd);
	}
	return n;
}

static void connections(struct load *l, unsigned clients)
{
	int64_t ns;
	uint64_t n = in_processes(clients, connect_client, l, &ns);

	printf("connections %llu\na-second %.0f\n", (unsigned long long)n,
	       (double)n * 1e9 / (double)ns);
}

static void await_line(const char *what)
{
	printf("%s 1\n", what);
	if (read(0, buf, 1) != 1)
		exit(0);
}

static void many(const struct load *l, unsigned n)
{
	static int fds[FILES];
	unsigned done = 0, busy = n / BUSY_OF ? n / BUSY_OF : 1;
	int64_t begin = now_ns(), end;
	uint32_t first;

	for (unsigned i = 0; i < n; i++) {
		fds[i] = connect_to(l->at);
		if (!write_all(fds[i], "e", 1))
			fail("many");
	}
	/* All have got through when the last has its answer. */
	for (unsigned i = 0; i < n; i++)
		turn(fds[i], 1, &first);
	printf("opened-ms %.0f\n", (double)(now_ns() - begin) / 1e6);
	await_line("open");
	end = now_ns() + l->ms * 1000000;
	while (done < TURNS_MAX && now_ns() < end) {
		turn(fds[done % busy], l->size, &took_ns[done]);
		done++;
	}
	print_turns(done);
	await_line("done");
}

int main(int argc, char **argv)
{
	struct rlimit files;
	const char *what = argc > 2 ? argv[1] : "";
	struct load l = { .at = argc > 2 ? argv[2] : "", .size = 64 };
	unsigned n = argc > 3 ? (unsigned)atoi(argv[3]) : 0;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	l.ms = argc > 4 ? atoi(argv[argc - 1]) : 0;
	if (strcmp(what, "copy") == 0 && argc == 4)
		copy(argv[2], argv[3]);
	if (strcmp(what, "serve") == 0)
		serve(argv[2]);
	if (strcmp(what, "stream") == 0 && argc == 6) {
		l.size = (size_t)atoi(argv[4]);
		stream(&l, n);
	} else if (strcmp(what, "turns") == 0 && argc == 5) {
		l.size = n;
		turns(&l);
	} else if (strcmp(what, "connect") == 0 && argc == 5) {
		connections(&l, n);
	} else if (strcmp(what, "many") == 0 && argc == 5) {
		many(&l, n);
	} else {
		errno = EINVAL;
		fail("arguments");
	}
	return 0;
}
