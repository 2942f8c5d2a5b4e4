#include "nsm/kms/credentials/frames.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock/io.h"

enum {
	DRAIN_MS = 2000, /* of what is too long */
	DRAIN_MAX = 1 << 20,
};

/* Waits for bytes: 1; 0: the end, or too late; -errno. */
static int receive(struct frames *f, int64_t deadline_ms)
{
	struct pollfd p = { .fd = f->fd, .events = POLLIN };
	int64_t left = deadline_ms - io_now_ms();
	ssize_t n;

	n = poll(&p, 1, left < 0 ? 0 : (int)left);
	if (n == 0)
		return 0;
	n = n < 0 ? -1 : read(f->fd, f->buf + f->len, sizeof(f->buf) - f->len);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	f->len += (size_t)n;
	return n > 0;
}

/* A close with unread bytes would be a reset, which can take the answer away. */
static void drain(struct frames *f)
{
	int64_t deadline_ms = io_now_ms() + DRAIN_MS;
	size_t total = 0;

	(void)shutdown(f->fd, SHUT_WR);
	do {
		explicit_bzero(f->buf, sizeof(f->buf));
		f->len = 0;
		if (receive(f, deadline_ms) <= 0)
			return;
		total += f->len;
	} while (total < DRAIN_MAX);
}

int frames_next(struct frames *f, int64_t idle_ms, int64_t frame_ms,
		char **ret_end)
{
	int64_t deadline_ms = io_now_ms() + (f->len ? frame_ms : idle_ms);
	size_t from = 0;
	int r;

	for (;;) {
		*ret_end = memchr(f->buf + from, '\0', f->len - from);
		if (*ret_end)
			return FRAMES_ONE;
		if (f->len == sizeof(f->buf)) {
			(void)frames_answer(f, false, "Message size too large.",
					    frame_ms);
			drain(f);
			return FRAMES_TOO_LONG;
		}
		from = f->len;
		r = receive(f, deadline_ms);
		if (r <= 0)
			return FRAMES_END;
		if (from == 0 && f->len)
			deadline_ms = io_now_ms() + frame_ms;
	}
}

void frames_drop(struct frames *f, const char *end)
{
	size_t used = (size_t)(end + 1 - f->buf);

	memmove(f->buf, end + 1, f->len - used);
	explicit_bzero(f->buf + f->len - used, used);
	f->len -= used;
}

int frames_answer(const struct frames *f, bool is_ok, const char *message,
		  int64_t timeout_ms)
{
	char buf[FRAME_STATUS_CAP];
	size_t len = frame_status(is_ok, message, buf);
	int r = io_write_full(f->fd, buf, len, io_now_ms() + timeout_ms);

	explicit_bzero(buf, sizeof(buf));
	return r;
}
