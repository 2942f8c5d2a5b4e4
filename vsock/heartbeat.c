#include "vsock/heartbeat.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "vsock/io.h"
#include "vsock/sock.h"

/* Between two attempts: a late listener is noticed this much later. */
static const struct timespec retry_pause = { .tv_nsec = 50 * 1000 * 1000 };

static int connect_parent(uint32_t port)
{
	int64_t deadline = io_now_ms() + HEARTBEAT_CONNECT_MS, left;
	int r;

	for (;;) {
		left = deadline - io_now_ms();
		r = sock_connect(SOCK_CID_PARENT, port,
				 left > 1 ? (int)left : 1);
		/* Waiting does not bring vsock to a kernel that lacks it. */
		if (r >= 0 || r == -EAFNOSUPPORT)
			return r;
		if (io_now_ms() >= deadline)
			return r;
		(void)nanosleep(&retry_pause, NULL);
	}
}

/* Connects and sends BYTE: a descriptor, or -errno. */
static int send_byte(uint32_t port, uint8_t byte,
		     enum heartbeat_stage *reterr_stage)
{
	int fd, r;

	*reterr_stage = HEARTBEAT_CONNECT;
	fd = connect_parent(port);
	if (fd < 0)
		return fd;
	*reterr_stage = HEARTBEAT_SEND;
	r = io_write_full(fd, &byte, 1, io_now_ms() + HEARTBEAT_REPLY_MS);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int heartbeat_positive(uint32_t port, enum heartbeat_stage *reterr_stage)
{
	uint8_t echo = 0;
	int fd, r;

	fd = send_byte(port, HEARTBEAT_BYTE, reterr_stage);
	if (fd < 0)
		return fd;
	*reterr_stage = HEARTBEAT_REPLY;
	r = io_read_full(fd, &echo, 1, io_now_ms() + HEARTBEAT_REPLY_MS);
	if (r == 0 && echo != HEARTBEAT_BYTE)
		r = -EPROTO;
	close(fd);
	return r;
}

int heartbeat_negative(uint32_t port, uint8_t code,
		       enum heartbeat_stage *reterr_stage)
{
	uint8_t rest;
	int fd;

	if (code == HEARTBEAT_BYTE)
		return -EINVAL;
	fd = send_byte(port, code, reterr_stage);
	if (fd < 0)
		return fd;
	/*
	 * Data, the end of the stream or the deadline: each means that the byte
	 * was delivered, or that nothing more can be done.
	 */
	(void)io_read_full(fd, &rest, 1, io_now_ms() + HEARTBEAT_CLOSE_MS);
	close(fd);
	return 0;
}
