#include "vsock/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t io_now_us(void)
{
	struct timespec t;

	/*
	 * Cannot fail. By the system call: to find the vDSO's function once costs more
	 * than the few dozen calls that a boot makes.
	 */
	(void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t io_now_ms(void)
{
	return io_now_us() / 1000;
}

static int wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = deadline_ms - io_now_ms();
	int n;

	if (left <= 0)
		return -ETIMEDOUT;
	n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	if (n < 0 && errno != EINTR)
		return -errno;
	return 0;
}

int io_write_full(int fd, const void *buf, size_t len, int64_t deadline_ms)
{
	const uint8_t *at = buf;
	ssize_t n;
	int r;

	while (len > 0) {
		n = send(fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
			continue;
		}
		r = wait_for(fd, POLLOUT, deadline_ms);
		if (r < 0)
			return r;
	}
	return 0;
}

int io_read_full(int fd, void *buf, size_t len, int64_t deadline_ms)
{
	uint8_t *at = buf;
	ssize_t n;
	int r;

	while (len > 0) {
		n = recv(fd, at, len, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
			continue;
		}
		r = wait_for(fd, POLLIN, deadline_ms);
		if (r < 0)
			return r;
	}
	return 0;
}

ssize_t io_read_file(const char *path, int flags, void *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	uint8_t *at = buf;
	ssize_t len = 0, n;

	if (fd < 0)
		return -errno;
	while ((size_t)len < cap) {
		n = read(fd, at + len, cap - (size_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			len = -errno;
		if (n <= 0)
			break;
		len += n;
	}
	close(fd);
	return len;
}
