/*
 * In the place of nsm/dev.c: the NSM that tests/kms/nsm.py serves at the UNIX socket
 * $KMS_NSM; without the variable there is none. Each exchange sends the request and
 * the socket for its answer, which is errno and the device's bytes: as with an
 * ioctl, who waits gets the answer to its own request, also where several processes
 * have one descriptor, and no signal ends the wait.
 */

#include "nsm/dev.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

int dev_open(void)
{
	const char *path = getenv("KMS_NSM");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, n, r;

	if (!path)
		return -ENOENT;
	n = snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (n < 0 || (size_t)n >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	r = errno == ECONNREFUSED ? -ENXIO : -errno;
	close(fd);
	return r;
}

static int send_request(int fd, const void *req, size_t len, int back)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)req,
			     .iov_len = len };
	struct msghdr m = { 0 };
	struct cmsghdr *c;

	m.msg_iov = &iov;
	m.msg_iovlen = 1;
	m.msg_control = control.space;
	m.msg_controllen = sizeof(control.space);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &back, sizeof(int));
	while (sendmsg(fd, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int receive_answer(int fd, void *resp, size_t *ret_len)
{
	int32_t error = 0;
	struct iovec iov[] = {
		{ .iov_base = &error, .iov_len = sizeof(error) },
		{ .iov_base = resp, .iov_len = DEV_RESPONSE_MAX },
	};
	ssize_t n;

	do
		n = readv(fd, iov, 2);
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof(error))
		return n < 0 ? -errno : -EIO;
	if (error)
		return -error;
	*ret_len = (size_t)n - sizeof(error);
	return 0;
}

int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len)
{
	int ends[2], r;

	if (len == 0 || len > DEV_REQUEST_MAX)
		return -EMSGSIZE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	r = send_request(fd, req, len, ends[1]);
	close(ends[1]);
	if (r == 0)
		r = receive_answer(ends[0], resp, ret_len);
	close(ends[0]);
	return r;
}
