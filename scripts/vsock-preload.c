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
 * The backend resets a connection from the parent whose first bytes, or whose
 * end, it sees before the guest has accepted it. So it hears of the connection
 * only when it has dealt with the guest's answer, which is read here in the
 * queue that the guest sends by: the backend's memory of the guest is mapped a
 * second time, as the messages of vhost-user say that it lies.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LISTEN ".early"
#define SOCK ".sock"
#define MISSED ".missed"

enum {
	HOLD_MAX_MS = 30000, /* an answer that was missed */
	TICK_MS = 2,
	HELD_MAX = 4096, /* descriptors */
};

/* vhost-user: a header, and in a read of its own what it announces. */
enum {
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	HEADER_LEN = 12,
	REGIONS_MAX = 8,
	SEND_QUEUE = 1, /* the guest's */
};

/* A connection of the parent's that the guest may not have accepted yet. */
static struct {
	long since_ms; /* 0: none */
	unsigned port; /* the parent's */
	int is_answered;
	uint16_t answer; /* its place in the queue */
	int epoll;	 /* -1: not waited for yet */
	struct epoll_event wanted;
} held[HELD_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint held_count;
static int has_thread;

/* The guest's memory, and its queue by QEMU's addresses. All with the lock held. */
static struct region {
	uint64_t guest, len, user, offset; /* as the message has them */
} regions[REGIONS_MAX];
static uint8_t *region_at[REGIONS_MAX];
static int region_fds[REGIONS_MAX];
static unsigned region_count;
static uint32_t queue_len;
static struct {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
} queue;
static uint16_t looked_at; /* the first place that is not */
static uint32_t message;

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

/* --- What the guest sends; with the lock held ------------------------------------ */

static const void *in_memory(uint64_t address, size_t len, int is_user)
{
	for (unsigned i = 0; i < region_count; i++) {
		const struct region *r = &regions[i];
		uint64_t at = address - (is_user ? r->user : r->guest);

		if (region_at[i] && at < r->len && len <= r->len - at)
			return region_at[i] + r->offset + at;
	}
	return NULL;
}

static void take_memory(const uint8_t *body, size_t len)
{
	uint32_t count;

	for (unsigned i = 0; i < region_count; i++)
		if (region_at[i])
			(void)munmap(region_at[i],
				     regions[i].offset + regions[i].len);
	region_count = 0;
	memcpy(&count, body, sizeof count);
	if (count > REGIONS_MAX || len < 8 + count * sizeof *regions)
		return;
	memcpy(regions, body + 8, count * sizeof *regions);
	for (unsigned i = 0; i < count; i++) {
		void *at = mmap(NULL, regions[i].offset + regions[i].len,
				PROT_READ, MAP_SHARED, region_fds[i], 0);

		region_at[i] = at == MAP_FAILED ? NULL : at;
	}
	region_count = count;
}

static void take_body(const uint8_t *body, size_t len)
{
	uint32_t state[2]; /* a queue, and a number */

	if (message == SET_MEM_TABLE && len >= 8)
		take_memory(body, len);
	if (len < sizeof state)
		return;
	memcpy(state, body, sizeof state);
	if (message == SET_VRING_NUM && state[0] == SEND_QUEUE)
		queue_len = state[1];
	if (message == SET_VRING_ADDR && state[0] == SEND_QUEUE &&
	    len >= sizeof queue)
		memcpy(&queue, body, sizeof queue);
}

static void take_header(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	memcpy(&message, m->msg_iov[0].iov_base, sizeof message);
	for (unsigned i = 0; i < REGIONS_MAX; i++)
		region_fds[i] = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len <= CMSG_LEN(sizeof region_fds))
		memcpy(region_fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

/* The guest has answered the connection that comes from PORT. */
static void answered(unsigned port, uint16_t place)
{
	for (int fd = 0; fd < HELD_MAX; fd++)
		if (held[fd].since_ms && held[fd].port == port) {
			held[fd].is_answered = 1;
			held[fd].answer = place;
		}
}

/* Looks at what the guest has sent since the last look, and may not have been taken yet. */
static void look(void)
{
	const struct vring_desc *desc =
		in_memory(queue.desc, queue_len * sizeof *desc, 1);
	const struct vring_avail *avail = in_memory(
		queue.avail, sizeof *avail + queue_len * sizeof(uint16_t), 1);
	struct virtio_vsock_hdr h;
	const void *at;
	uint16_t end;

	if (!desc || !avail || queue_len == 0)
		return;
	end = __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE);
	if ((uint16_t)(end - looked_at) > queue_len)
		looked_at = (uint16_t)(end - queue_len);
	for (; looked_at != end; looked_at++) {
		at = in_memory(
			desc[avail->ring[looked_at % queue_len] % queue_len]
				.addr,
			sizeof h, 0);
		if (!at)
			continue;
		memcpy(&h, at, sizeof h);
		if (h.op == VIRTIO_VSOCK_OP_RESPONSE)
			answered(h.dst_port, looked_at);
	}
}

/* Whether the backend is done with what is at PLACE. */
static int is_taken(uint16_t place)
{
	const struct vring_used *used = in_memory(queue.used, sizeof *used, 1);

	return used && (int16_t)(__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) -
				 place) > 0;
}

/* Before what is sent is taken, and before its memory is the guest's again. */
static void look_if_held(void)
{
	if (atomic_load(&held_count) == 0)
		return;
	pthread_mutex_lock(&lock);
	look();
	pthread_mutex_unlock(&lock);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	ssize_t n = REAL(recvmsg)(fd, m, flags);

	if (n <= 0 || m->msg_iovlen == 0)
		return n;
	pthread_mutex_lock(&lock);
	if (message) {
		take_body(m->msg_iov[0].iov_base, (size_t)n);
		message = 0;
	} else if (n == HEADER_LEN) {
		take_header(m);
		if (((const uint32_t *)m->msg_iov[0].iov_base)[2] == 0)
			message = 0; /* has no body */
	}
	pthread_mutex_unlock(&lock);
	return n;
}

/* What is read or written of eight bytes are the events by which guest and backend wake each other. */
ssize_t read(int fd, void *buf, size_t len)
{
	ssize_t n = REAL(read)(fd, buf, len);

	if (n == 8 && len == 8)
		look_if_held();
	return n;
}

ssize_t write(int fd, const void *buf, size_t len)
{
	if (len == 8)
		look_if_held();
	return REAL(write)(fd, buf, len);
}

/* --- Connections that are held ------------------------------------------------------ */

/* With the lock held. */
static void forget(int fd)
{
	if (fd >= 0 && fd < HELD_MAX && held[fd].since_ms) {
		held[fd].since_ms = 0;
		atomic_fetch_sub(&held_count, 1);
	}
}

static int is_due(int fd)
{
	return now_ms() - held[fd].since_ms >= HOLD_MAX_MS ||
	       (held[fd].is_answered && is_taken(held[fd].answer));
}

static void *release_due(void *unused)
{
	struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
	unsigned left = 1;

	while (left > 0) {
		(void)nanosleep(&tick, NULL);
		pthread_mutex_lock(&lock);
		look();
		for (int fd = 0; fd < HELD_MAX; fd++) {
			if (!held[fd].since_ms || !is_due(fd))
				continue;
			if (held[fd].epoll >= 0)
				(void)REAL(epoll_ctl)(held[fd].epoll,
						      EPOLL_CTL_ADD, fd,
						      &held[fd].wanted);
			forget(fd);
		}
		left = atomic_load(&held_count);
		has_thread = left > 0;
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

static void hold(int fd, unsigned port)
{
	pthread_t thread;

	if (fd >= HELD_MAX)
		return;
	pthread_mutex_lock(&lock);
	forget(fd);
	look(); /* no answer to this one */
	held[fd].since_ms = now_ms();
	held[fd].port = port;
	held[fd].is_answered = 0;
	held[fd].epoll = -1;
	atomic_fetch_add(&held_count, 1);
	if (!has_thread &&
	    pthread_create(&thread, NULL, release_due, NULL) == 0) {
		(void)pthread_detach(thread);
		has_thread = 1;
	}
	if (!has_thread)
		forget(fd);
	pthread_mutex_unlock(&lock);
}

/* One that is held is not waited for: its end would be told whatever the events. */
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	int r = 0;

	if (fd < 0 || fd >= HELD_MAX)
		return REAL(epoll_ctl)(epoll, op, fd, event);
	pthread_mutex_lock(&lock);
	if (!held[fd].since_ms) {
		r = REAL(epoll_ctl)(epoll, op, fd, event);
	} else if (op == EPOLL_CTL_DEL) {
		forget(fd);
	} else {
		held[fd].epoll = epoll;
		held[fd].wanted = *event;
	}
	pthread_mutex_unlock(&lock);
	return r;
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
		port = next_port++;
		answer(addr, len, VMADDR_CID_LOCAL, port);
		hold(conn, port);
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
