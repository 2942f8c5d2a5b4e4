/*
 * The parent is whoever holds the other end of the socket that the word PARENT
 * numbers: each attempt to connect is a message there, "CID PORT TIMEOUT",
 * with one end of a new stream. An answer of four bytes says how it went:
 * 0, and the stream's other end is the connection, or an errno. Without PARENT
 * nobody listens.
 */

#include "vsock/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/seams/seam.h"

/* Sends TEXT and the descriptor FD over the socket TO. */
static int hand_over(int to, char *text, int fd)
{
	struct iovec iov = { .iov_base = text, .iov_len = strlen(text) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(to, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int sock_connect(uint32_t cid, uint32_t port, int timeout_ms)
{
	int to = seam_number("PARENT", -1), fds[2], answer = ECONNRESET, r;
	char text[64];

	seam_record("connect %u %u\n", cid, port);
	if (to < 0)
		return -ECONNRESET;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	(void)snprintf(text, sizeof(text), "%u %u %d", cid, port, timeout_ms);
	r = hand_over(to, text, fds[1]);
	close(fds[1]);
	if (r == 0 && recv(to, &answer, sizeof(answer), 0) != sizeof(answer))
		answer = ECONNRESET;
	if (r == 0 && answer == 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0)
		return fds[0];
	close(fds[0]);
	return r < 0 ? r : -answer;
}
