#include "vsock/relay/monitor/wait.h"

#include <limits.h>
#include <string.h>

#include "vsock/io.h"

void wait_begin(struct wait *w)
{
	w->count = 0;
	w->until_ms = INT64_MAX;
}

static void add(struct wait *w, int fd, short events)
{
	if (fd >= 0 && w->count < WAIT_MAX)
		w->fds[w->count++] =
			(struct pollfd){ .fd = fd, .events = events };
}

void wait_fd(struct wait *w, int fd)
{
	add(w, fd, POLLIN);
}

void wait_writable(struct wait *w, int fd)
{
	add(w, fd, POLLOUT);
}

void wait_until(struct wait *w, int64_t ms)
{
	if (ms < w->until_ms)
		w->until_ms = ms;
}

void wait_turn(const struct wait *w)
{
	struct pollfd fds[WAIT_MAX];
	int64_t left = w->until_ms - io_now_ms();

	memcpy(fds, w->fds, w->count * sizeof(fds[0]));
	if (left < 0)
		left = 0;
	if (w->until_ms == INT64_MAX)
		left = -1;
	else if (left > INT_MAX)
		left = INT_MAX;
	/* Whoever was ready is read without blocking, and so are the others. */
	(void)poll(fds, w->count, (int)left);
}
