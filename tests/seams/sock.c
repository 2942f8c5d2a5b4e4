/*
 * The parent is whoever holds the other end of the socket that the word PARENT
 * numbers: each attempt to connect is a message there, "CID PORT TIMEOUT",
 * with one end of a new stream. By that end come four bytes that say how it went:
 * 0, and the stream is the connection, or an errno. Not by PARENT's socket, where two that
 * ask at a time, or one that was killed, would have another's answer. Without PARENT
 * nobody listens. "listen PORT" brings one end of a seqpacket socket, and is answered
 * likewise; there a message of four bytes, the peer's CID, with a stream is a
 * connection to that port.
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

/* What the parent at TO answers by FDS[0] to TEXT with FDS[1]: 0 or -errno. */
static int ask(int to, char *text, const int fds[2])
{
	int answer = ECONNRESET, r = hand_over(to, text, fds[1]);
	ssize_t n;

	close(fds[1]);
	/* A real one waits for nobody, and no signal disturbs it. */
	do
		n = r == 0 ? recv(fds[0], &answer, sizeof(answer), 0) : 0;
	while (n < 0 && errno == EINTR);
	if (n != sizeof(answer))
		answer = ECONNRESET;
	return r < 0 ? r : -answer;
}

int sock_connect(uint32_t cid, uint32_t port, int timeout_ms)
{
	int to = seam_number("PARENT", -1), fds[2], r;
	char text[64];

	seam_record("connect %u %u\n", cid, port);
	if (to < 0)
		return -ECONNRESET;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	(void)snprintf(text, sizeof(text), "%u %u %d", cid, port, timeout_ms);
	r = ask(to, text, fds);
	if (r == 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0)
		return fds[0];
	close(fds[0]);
	return r;
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

int sock_listen(uint32_t port, uint32_t buffer)
{
	int to = seam_number("PARENT", -1), fds[2], r;
	char text[64];

	(void)buffer;
	seam_record("listen %u\n", port);
	if (to < 0)
		return -EAFNOSUPPORT;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	(void)snprintf(text, sizeof(text), "listen %u", port);
	r = ask(to, text, fds);
	if (r == 0)
		return fds[0];
	close(fds[0]);
	return r;
}

int sock_accept(int fd, uint32_t *ret_cid)
{
	struct iovec iov = { .iov_base = ret_cid, .iov_len = sizeof(*ret_cid) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	const struct cmsghdr *c;
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int got;

	if (n < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&msg);
	if (n != sizeof(*ret_cid) || !c)
		return -EAGAIN; /* the parent has gone */
	memcpy(&got, CMSG_DATA(c), sizeof(got));
	if (fcntl(got, F_SETFL, O_NONBLOCK) == 0)
		return got;
	close(got);
	return -errno;
}
