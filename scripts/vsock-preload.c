/*
 * Preloaded into vhost-device-vsock: the host side's AF_VSOCK sockets become
 * AF_UNIX sockets below $VSOCK_DIR, named by port, so that nothing ever
 * reaches the vsock of the machine that runs the tests.
 *
 *   bind(port P)     listens on VSOCK_DIR/P.early (machine.py calls it P.listen,
 *                    where the parent connects, when the guest is up)
 *   connect(port P)  connects to VSOCK_DIR/P.sock (the parent listens there)
 *
 * No table of descriptors is kept: the kernel knows each socket's path, and
 * the path gives the port. Other AF_UNIX sockets are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN ".early"
#define SOCK ".sock"

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
	if (r < 0 && (errno == ENOENT || errno == ECONNREFUSED))
		errno = ECONNRESET;
	return r;
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
	if (conn >= 0)
		answer(addr, len, VMADDR_CID_LOCAL, next_port++);
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
