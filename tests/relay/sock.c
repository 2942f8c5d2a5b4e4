/*
 * In place of vsock/sock in the relay with sanitizers: no socket of the machine's vsock is
 * opened. PORT of CID is the socket $RELAY_VSOCK/CID.PORT, a port of the parent
 * $RELAY_VSOCK/PORT, and who connects to that is the CID with which the name of its
 * own socket begins. Without the variable the kernel has no vsock. With $RELAY_SNDBUF, a
 * number of bytes, what is connected takes few at a time.
 */

#include "vsock/sock.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int open_socket(struct sockaddr_un *un, uint32_t cid, uint32_t port)
{
	const char *dir = getenv("RELAY_VSOCK"), *size = getenv("RELAY_SNDBUF");
	int fd, n;

	if (!dir)
		return -EAFNOSUPPORT;
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = cid ? snprintf(un->sun_path, sizeof(un->sun_path), "%s/%u.%u", dir,
			   cid, port) :
		  snprintf(un->sun_path, sizeof(un->sun_path), "%s/%u", dir,
			   port);
	if (n < 0 || (size_t)n >= sizeof(un->sun_path) - 4)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (size)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF,
				 &(int){ atoi(size) }, sizeof(int));
	return fd;
}

/* One that takes nothing, as long as there is a file of its name with ".slow" behind it. */
static int undecided(void)
{
	static const char zeros[4096];
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       fds) < 0)
		return -errno;
	while (send(fds[0], zeros, sizeof(zeros), 0) > 0)
		;
	return fds[0]; /* the other end stays open, too */
}

int sock_connect_end(int fd)
{
	(void)fd;
	return 0;
}

int sock_connect_begin(uint32_t cid, uint32_t port)
{
	struct sockaddr_un un;
	int fd = open_socket(&un, cid, port);
	char slow[sizeof(un.sun_path) + 8];

	if (fd < 0)
		return fd;
	(void)snprintf(slow, sizeof(slow), "%s.slow", un.sun_path);
	if (access(slow, F_OK) == 0) {
		close(fd);
		return undecided();
	}
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	close(fd);
	return -ECONNRESET;
}

/* What is undecided stays so: nobody ever takes it. */
int sock_connect(uint32_t cid, uint32_t port, int timeout_ms)
{
	int fd = sock_connect_begin(cid, port), n;
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (fd < 0)
		return fd;
	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return fd;
	close(fd);
	return n < 0 ? -errno : -ETIMEDOUT;
}

int sock_connect_begin_sized(uint32_t cid, uint32_t port, uint32_t buffer)
{
	(void)buffer;
	return sock_connect_begin(cid, port);
}

/* Vsock has no sockets that are left over: what nobody listens on is replaced. */
static int put_in_place(const struct sockaddr_un *new,
			const struct sockaddr_un *un)
{
	int fd, r;

	if (link(new->sun_path, un->sun_path) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = connect(fd, (const struct sockaddr *)un, sizeof(*un));
	close(fd);
	if (r == 0)
		return -EADDRINUSE;
	return rename(new->sun_path, un->sun_path) < 0 ? -errno : 0;
}

int sock_listen(uint32_t port, uint32_t buffer)
{
	struct sockaddr_un un, new;
	int fd = open_socket(&un, 0, port), r = 0;

	(void)buffer;
	if (fd < 0)
		return fd;
	/* What is there takes connections. */
	new = un;
	strncat(new.sun_path, ".new", 4);
	if (bind(fd, (const struct sockaddr *)&new, sizeof(new)) < 0 ||
	    listen(fd, 128) < 0)
		r = -errno;
	else
		r = put_in_place(&new, &un);
	(void)unlink(new.sun_path);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int sock_accept(int fd, uint32_t *ret_cid)
{
	struct sockaddr_un un = { 0 };
	socklen_t len = sizeof(un);
	const char *name;
	int r = accept4(fd, (struct sockaddr *)&un, &len,
			SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (r < 0)
		return -errno;
	name = strrchr(un.sun_path, '/');
	*ret_cid = name ? (uint32_t)strtoul(name + 1, NULL, 10) : 0;
	return r;
}
