#include "init/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "vsock/io.h"

static struct {
	int fd;
	bool debug_on;
	bool is_socket, is_console, blocks, is_child, is_last;
	int64_t start_us;
	/* How much the console has not taken yet, and how many lines found no room. */
	size_t kept_len;
	unsigned lost;
	int64_t retry_ms; /* when it is tried again; 0: nothing is kept */
	int64_t pause_ms;
	/* What the drain waits for, and when that counts as stuck; 0: there is no drain. */
	size_t left;
	int64_t stuck_ms;
	int also_fd;	    /* negative: none */
	unsigned also_lost; /* lines that it has no room for */
} state = { .fd = -1, .also_fd = -1 };

static char kept[LOG_KEPT_MAX + LOG_LINE_MAX];

enum {
	HEAD = sizeof("init: ") - 1,
	PAUSE_MIN_MS = 2,
	PAUSE_MAX_MS = 1024,
};

void log_open(int fd)
{
	struct stat st;

	state.fd = fd;
	if (fd < 0 || fstat(fd, &st) < 0)
		st.st_mode = 0;
	state.is_socket = S_ISSOCK(st.st_mode);
	state.is_console = S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 1);
	/* Of a container, where there was no /proc to open it anew by. */
	state.blocks = fd >= 0 && !state.is_socket &&
		       !(syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK);
}

int log_descriptor(void)
{
	return state.fd;
}

bool log_writes_to(int fd)
{
	return fd == state.fd || fd == state.also_fd;
}

void log_set_debug(bool on)
{
	state.start_us = io_now_us();
	state.debug_on = on;
}

/* Writes what is taken at once: how much, or -errno. */
static ssize_t write_some(const char *buf, size_t len)
{
	struct pollfd p = { .fd = state.fd, .events = POLLOUT };
	ssize_t n;

	/* Takes the console back from a terminal that has it by TIOCCONS, and whose
	 * own flags would say whether a write blocks. */
	if (state.is_console)
		(void)ioctl(state.fd, TIOCCONS);
	/* What may be written to takes that much at once: a pipe, PIPE_BUF. */
	if (state.blocks) {
		if (poll(&p, 1, 0) <= 0)
			return -EAGAIN;
		len = len < PIPE_BUF ? len : PIPE_BUF;
	}
	/* A socket's own flag may be another's to change. */
	do
		n = state.is_socket ? send(state.fd, buf, len,
					   MSG_DONTWAIT | MSG_NOSIGNAL) :
				      write(state.fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* In a child nobody comes back to a line: it waits for the console, a while. */
static void write_waiting(const char *buf, size_t len)
{
	static const struct timespec pause = { .tv_nsec = 2 * 1000 * 1000 };
	const int64_t end = io_now_ms() + LOG_WAIT_MS;
	ssize_t n;

	while (len > 0) {
		n = write_some(buf, len);
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
			continue;
		}
		if ((n < 0 && n != -EAGAIN) || io_now_ms() > end)
			return;
		(void)nanosleep(&pause, NULL);
	}
}

/*
 * A line, or the rest of one whose begin was written: that is kept alone, and has room.
 * The last line, which is why all this came to its end, has room of its own.
 */
static void keep(const char *buf, size_t len)
{
	size_t room =
		(state.is_last ? sizeof(kept) : LOG_KEPT_MAX) - state.kept_len;

	if (len > room) {
		state.lost++;
		return;
	}
	memcpy(kept + state.kept_len, buf, len);
	state.kept_len += len;
	if (state.retry_ms == 0) {
		state.pause_ms = PAUSE_MIN_MS;
		state.retry_ms = io_now_ms() + state.pause_ms;
	}
}

static void tell_lost(void)
{
	static const char head[] = "init: log: ", tail[] = " lines were lost\n";
	struct text t;

	if (state.lost == 0 || state.kept_len > 0)
		return;
	text_clear(&t);
	text_add(&t, head);
	text_add_number(&t, state.lost);
	text_add(&t, tail);
	state.lost = 0;
	keep(t.buf, t.len);
}

bool log_flush(void)
{
	ssize_t n;

	if (state.fd < 0)
		state.kept_len = 0;
	do {
		tell_lost();
		n = state.kept_len > 0 ? write_some(kept, state.kept_len) : 0;
		if (n < 0 && n != -EAGAIN)
			/* It will not be taken ever. */
			n = (ssize_t)state.kept_len;
		if (n > 0) {
			state.kept_len -= (size_t)n;
			memmove(kept, kept + n, state.kept_len);
			state.pause_ms = PAUSE_MIN_MS;
		}
	} while (n > 0 && (state.kept_len > 0 || state.lost > 0));
	if (state.kept_len == 0)
		state.retry_ms = 0;
	return state.kept_len == 0;
}

void log_also(int fd)
{
	state.also_fd = fd;
}

/* All or nothing: a line is shorter than PIPE_BUF. */
static bool write_also(const char *buf, size_t len)
{
	return write(state.also_fd, buf, len) == (ssize_t)len;
}

static void copy_line(const char *buf, size_t len)
{
	struct text t;

	if (state.also_fd < 0)
		return;
	if (state.also_lost > 0) {
		text_clear(&t);
		text_add(&t, "log: ");
		text_add_number(&t, state.also_lost);
		text_add(&t, " lines were lost here\n");
		if (write_also(t.buf, t.len))
			state.also_lost = 0;
	}
	if (state.also_lost > 0 || !write_also(buf + HEAD, len - HEAD))
		state.also_lost++;
}

static void write_line(const char *buf, size_t len)
{
	ssize_t n;

	copy_line(buf, len);
	if (state.fd < 0)
		return;
	if (state.is_child) {
		write_waiting(buf, len);
		return;
	}
	if (!log_flush()) {
		keep(buf, len);
		return;
	}
	n = write_some(buf, len);
	if (n < 0 && n != -EAGAIN)
		return;
	if (n < 0)
		n = 0;
	if ((size_t)n < len)
		keep(buf + n, len - (size_t)n);
}

int64_t log_next(const void *ctx)
{
	(void)ctx;
	return state.retry_ms;
}

/*
 * By the clock, not by poll: a console is "ready" while another writer sits on its
 * lock, or has stopped it, and a write then fails all the same.
 */
void log_due(void *ctx, int64_t due_ms)
{
	(void)ctx;
	if (state.retry_ms == 0 || state.retry_ms > due_ms || log_flush())
		return;
	if (state.pause_ms < PAUSE_MAX_MS)
		state.pause_ms *= 2;
	state.retry_ms = due_ms + state.pause_ms;
}

bool log_is_drained(void *ctx)
{
	const int64_t now_ms = io_now_ms();
	int queued = 0;
	size_t left;

	(void)ctx;
	(void)log_flush();
	(void)ioctl(state.fd, TIOCOUTQ, &queued);
	left = state.kept_len + (size_t)queued;
	if (state.stuck_ms == 0 || left < state.left)
		state.stuck_ms = now_ms + LOG_STUCK_MS;
	state.left = left;
	if (left == 0 || now_ms >= state.stuck_ms) {
		state.stuck_ms = 0;
		return true;
	}
	/* The pause that had grown until now may be a second. */
	state.pause_ms = PAUSE_MIN_MS;
	state.retry_ms = now_ms + state.pause_ms;
	return false;
}

void log_in_child(void)
{
	state.is_child = true;
	state.kept_len = 0;
}

static void add_clean(struct text *t, const char *s, size_t max)
{
	size_t from = t->len, i;

	text_add_bytes(t, s, strnlen(s, max));
	for (i = from; i < t->len; i++)
		if ((unsigned char)t->buf[i] < ' ' || t->buf[i] == 0x7f)
			t->buf[i] = '?';
}

void log_line(const char *step, const char *object, const char *reason)
{
	struct text t;

	text_clear(&t);
	text_add(&t, "init: ");
	text_add(&t, step);
	if (object) {
		text_add(&t, ": ");
		add_clean(&t, object, LOG_OBJECT_MAX);
	}
	text_add(&t, ": ");
	add_clean(&t, reason, LOG_LINE_MAX);
	t.buf[t.len] = '\n';
	write_line(t.buf, t.len + 1);
}

void log_debug(const char *step, const char *object, const char *reason)
{
	struct text t;
	long long us;
	size_t point;

	if (!state.debug_on)
		return;
	us = io_now_us() - state.start_us;
	text_clear(&t);
	text_add(&t, reason);
	text_add(&t, " (");
	text_add_number(&t, us / 1000);
	point = t.len;
	text_add_number(&t, 1000 + us % 1000);
	t.buf[point] = '.'; /* in the place of the thousand */
	text_add(&t, " ms)");
	log_line(step, object, text_string(&t));
}

void log_last(const char *step, const char *object, const char *reason)
{
	(void)ioctl(state.fd, TCXONC, TCOON);
	state.is_last = true;
	state.stuck_ms = 0; /* what another drain has left */
	log_line(step, object, reason);
}
