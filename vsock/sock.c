#include "vsock/sock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif

/* struct sockaddr_vm of linux/vm_sockets.h; host byte order. */
struct sockaddress {
	unsigned short family;
	unsigned short reserved;
	uint32_t port;
	uint32_t cid;
	uint8_t flags;
	uint8_t zero[3];
};

_Static_assert(SOCK_FAMILY == AF_VSOCK, "one number");
_Static_assert(sizeof(struct sockaddress) == 16, "the kernel's ABI");

enum {
	/* VMADDR_FLAG_TO_HOST: needed if vhost_vsock is loaded in this kernel. */
	FLAG_TO_HOST = 1,
	/* linux/vm_sockets.h: SO_VM_SOCKETS_BUFFER_SIZE and ..._MAX_SIZE. */
	BUFFER_SIZE = 0,
	BUFFER_MAX_SIZE = 2,
	BACKLOG = 128, /* before 5.4 somaxconn allows no more */
};

static const uint32_t any = UINT32_MAX; /* VMADDR_CID_ANY */

/*
 * Accepted connections inherit it; of one that connects, the first packet says it to the peer.
 * The maximum first: it bounds the size.
 */
static int set_buffer(int fd, uint64_t size)
{
	if (size == 0)
		return 0;
	if (setsockopt(fd, AF_VSOCK, BUFFER_MAX_SIZE, &size, sizeof(size)) <
		    0 ||
	    setsockopt(fd, AF_VSOCK, BUFFER_SIZE, &size, sizeof(size)) < 0)
		return -errno;
	return 0;
}

static int begin_flagged(uint32_t cid, uint32_t port, uint32_t buffer,
			 uint8_t flags)
{
	struct sockaddress a = {
		.family = AF_VSOCK, .port = port, .cid = cid, .flags = flags
	};
	int fd, r;

	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = set_buffer(fd, buffer);
	if (r == 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 &&
	    errno != EINPROGRESS)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int sock_connect_begin_sized(uint32_t cid, uint32_t port, uint32_t buffer)
{
	int r = begin_flagged(cid, port, buffer, FLAG_TO_HOST);

	/*
	 * Kernels before 5.11 know no flags, and require svm_zero to be zero.
	 */
	return r == -EINVAL ? begin_flagged(cid, port, buffer, 0) : r;
}

int sock_connect_begin(uint32_t cid, uint32_t port)
{
	return sock_connect_begin_sized(cid, port, 0);
}

int sock_connect_end(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static int wait_connected(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int n;

	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == 0 ? -ETIMEDOUT : sock_connect_end(fd);
}

int sock_connect(uint32_t cid, uint32_t port, int timeout_ms)
{
	int fd = sock_connect_begin(cid, port), r;

	if (fd < 0)
		return fd;
	r = wait_connected(fd, timeout_ms);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int sock_listen(uint32_t port, uint32_t buffer)
{
	const struct sockaddress a = { .family = AF_VSOCK,
				       .port = port,
				       .cid = any };
	int fd, r;

	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = set_buffer(fd, buffer);
	if (r == 0 && (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
		       listen(fd, BACKLOG) < 0))
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int sock_accept(int fd, uint32_t *ret_cid)
{
	struct sockaddress a = { 0 };
	socklen_t len = sizeof(a);
	int r;

	do
		r = accept4(fd, (struct sockaddr *)&a, &len,
			    SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (r < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (r < 0)
		return -errno;
	*ret_cid = a.cid;
	return r;
}
