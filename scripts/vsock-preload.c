/*
 * Preloaded into vhost-device-vsock: the host side's AF_VSOCK sockets become
 * AF_UNIX sockets below $VSOCK_DIR, named by port, so that nothing ever
 * reaches the vsock of the machine that runs the tests.
 *
 *   bind(port P)     listens on VSOCK_DIR/P.early (machine.py calls it P.listen,
 *                    where the parent connects, when the guest is up)
 *   connect(port P)  connects to VSOCK_DIR/P.sock (the parent listens there);
 *                    where nobody does, VSOCK_DIR/P.missed says so
 *
 * No table of ports is kept: the kernel knows each socket's path, and
 * the path gives the port. Other AF_UNIX sockets are left alone.
 *
 * The backend resets a connection from the parent whose first bytes it sees
 * before the guest has accepted it. So it hears of these bytes only when the
 * guest has had the time: HOLD_MS, and a sign of life since.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LISTEN ".early"
#define SOCK ".sock"
#define MISSED ".missed"

enum {
	HOLD_MS = 30,
	HOLD_MAX_MS = 10000, /* a guest that does not move */
	AFTER_MS = 3, /* from the guest's sign until its packet is read */
	TICK_MS = 5,
	HELD_MAX = 4096, /* descriptors */
};

/* A connection of the parent's that the guest may not have accepted yet. */
static struct {
	long since_ms;	 /* 0: none */
	unsigned before; /* signs that had been then */
	int epoll;	 /* -1: not waited for yet */
	struct epoll_event wanted;
} held[HELD_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned held_count;
static int has_thread;
static atomic_long sign_ms; /* when the guest last woke the backend */
static atomic_uint signs;   /* how often */

typedef int name_fn(int, struct sockaddr *, socklen_t *);

#define REAL(NAME) ((__typeof__(&(NAME)))dlsym(RTLD_NEXT, #NAME))

static int unix_path(unsigned port, const char *suffix, struct sockaddr_un *un)
{
	const char *dir = getenv("VSOCK_DIR");
	int n;

	if (!dir) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(un->sun_path, sizeof un->sun_path, "%s/%u%s", dir, port,
		     suffix);
	if (n < 0 || (size_t)n >= sizeof un->sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/*
 * Whether GET (getsockname or getpeername) calls FD a path of ours that ends
 * in SUFFIX; then its port is in *RET_PORT.
 */
static int unix_port(name_fn *get, int fd, const char *suffix,
		     unsigned *ret_port)
{
	struct sockaddr_un have = { 0 }, want;
	socklen_t len = sizeof have - 1; /* leaves the path a final NUL */
	const char *base;
	unsigned port;

	if (get(fd, (struct sockaddr *)&have, &len) < 0 ||
	    have.sun_family != AF_UNIX)
		return 0;
	base = strrchr(have.sun_path, '/');
	if (!base || sscanf(base, "/%u", &port) != 1 ||
	    unix_path(port, suffix, &want) < 0 ||
	    strncmp(have.sun_path, want.sun_path, sizeof have.sun_path) != 0)
		return 0;
	*ret_port = port;
	return 1;
}

static void answer(struct sockaddr *addr, socklen_t *len, unsigned cid,
		   unsigned port)
{
	struct sockaddr_vm vm = {
		.svm_family = AF_VSOCK,
		.svm_cid = cid,
		.svm_port = port,
	};

	if (!addr || !len)
		return;
	memcpy(addr, &vm, *len < sizeof vm ? *len : sizeof vm);
	*len = sizeof vm;
}

/* The port of ADDR if it is a vsock address, else -1. */
static long vsock_port(const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_vm vm;

	if (!addr || len < sizeof vm || addr->sa_family != AF_VSOCK)
		return -1;
	memcpy(&vm, addr, sizeof vm);
	return vm.svm_port;
}

int socket(int domain, int type, int protocol)
{
	if (domain == AF_VSOCK) {
		domain = AF_UNIX;
		protocol = 0;
	}
	return REAL(socket)(domain, type, protocol);
}

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	long port = vsock_port(addr, len);
	struct sockaddr_un un;

	if (port < 0)
		return REAL(bind)(fd, addr, len);
	if (unix_path((unsigned)port, LISTEN, &un) < 0)
		return -1;
	/* A vsock port is free again once its listener is gone. */
	(void)unlink(un.sun_path);
	return REAL(bind)(fd, (struct sockaddr *)&un, sizeof un);
}

static void tell_missed(unsigned port)
{
	struct sockaddr_un un;
	int fd;

	if (unix_path(port, MISSED, &un) < 0)
		return;
	fd = open(un.sun_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	long port = vsock_port(addr, len);
	struct sockaddr_un un;
	int r;

	if (port < 0)
		return REAL(connect)(fd, addr, len);
	if (unix_path((unsigned)port, SOCK, &un) < 0)
		return -1;
	r = REAL(connect)(fd, (struct sockaddr *)&un, sizeof un);
	/* vsock knows no refusal: nobody listening is a reset. */
	if (r < 0 && (errno == ENOENT || errno == ECONNREFUSED)) {
		tell_missed((unsigned)port);
		errno = ECONNRESET;
	}
	return r;
}

static long now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* With the lock held. */
static void forget(int fd)
{
	if (fd >= 0 && fd < HELD_MAX && held[fd].since_ms) {
		held[fd].since_ms = 0;
		held_count--;
	}
}

static int is_due(int fd, long now)
{
	long age = now - held[fd].since_ms;
	int has_moved = atomic_load(&signs) != held[fd].before;

	return age >= HOLD_MAX_MS || (age >= HOLD_MS && has_moved &&
				      now - atomic_load(&sign_ms) >= AFTER_MS);
}

static void *release_due(void *unused)
{
	struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
	unsigned left = 1;

	while (left > 0) {
		(void)nanosleep(&tick, NULL);
		pthread_mutex_lock(&lock);
		for (int fd = 0; fd < HELD_MAX; fd++) {
			if (!held[fd].since_ms || !is_due(fd, now_ms()))
				continue;
			if (held[fd].epoll >= 0)
				(void)REAL(epoll_ctl)(held[fd].epoll,
						      EPOLL_CTL_MOD, fd,
						      &held[fd].wanted);
			forget(fd);
		}
		left = held_count;
		has_thread = left > 0;
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

static void hold(int fd)
{
	pthread_t thread;

	if (fd >= HELD_MAX)
		return;
	pthread_mutex_lock(&lock);
	forget(fd);
	held[fd].since_ms = now_ms();
	held[fd].before = atomic_load(&signs);
	held[fd].epoll = -1;
	held_count++;
	if (!has_thread &&
	    pthread_create(&thread, NULL, release_due, NULL) == 0) {
		(void)pthread_detach(thread);
		has_thread = 1;
	}
	if (!has_thread)
		forget(fd);
	pthread_mutex_unlock(&lock);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	struct epoll_event less;
	int r;

	if (fd < 0 || fd >= HELD_MAX)
		return REAL(epoll_ctl)(epoll, op, fd, event);
	pthread_mutex_lock(&lock);
	if (held[fd].since_ms && op == EPOLL_CTL_DEL) {
		forget(fd);
	} else if (held[fd].since_ms) {
		held[fd].epoll = epoll;
		held[fd].wanted = less = *event;
		less.events &= ~(uint32_t)EPOLLIN;
		event = &less;
	}
	r = REAL(epoll_ctl)(epoll, op, fd, event);
	pthread_mutex_unlock(&lock);
	return r;
}

/* What is read of eight bytes are the events by which the guest wakes the backend. */
ssize_t read(int fd, void *buf, size_t len)
{
	ssize_t n = REAL(read)(fd, buf, len);

	if (n == 8 && len == 8) {
		atomic_store(&sign_ms, now_ms());
		atomic_fetch_add(&signs, 1);
	}
	return n;
}

int close(int fd)
{
	pthread_mutex_lock(&lock);
	forget(fd);
	pthread_mutex_unlock(&lock);
	return REAL(close)(fd);
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	/* The backend tells connections apart by the port they come from. */
	static atomic_uint next_port = 1U << 30;
	unsigned port;
	int conn;

	if (!unix_port(REAL(getsockname), fd, LISTEN, &port))
		return REAL(accept4)(fd, addr, len, flags);
	conn = REAL(accept4)(fd, NULL, NULL, flags);
	if (conn >= 0) {
		answer(addr, len, VMADDR_CID_LOCAL, next_port++);
		hold(conn);
	}
	return conn;
}

int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return accept4(fd, addr, len, 0);
}

int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	unsigned port;

	if (unix_port(REAL(getsockname), fd, LISTEN, &port))
		answer(addr, len, VMADDR_CID_LOCAL, port);
	else if (unix_port(REAL(getpeername), fd, SOCK, &port))
		answer(addr, len, VMADDR_CID_LOCAL, VMADDR_PORT_ANY);
	else
		return REAL(getsockname)(fd, addr, len);
	return 0;
}

int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	unsigned port;

	if (unix_port(REAL(getpeername), fd, SOCK, &port))
		answer(addr, len, VMADDR_CID_LOCAL, port);
	else
		return REAL(getpeername)(fd, addr, len);
	return 0;
}
