#include "init/log.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int log_fd = -1;
static bool debug_on;
static struct timespec start;
static bool is_cut; /* the last line has no end */

void text_clear(struct text *t)
{
	t->len = 0;
}

void text_add_bytes(struct text *t, const char *s, size_t len)
{
	size_t room = sizeof(t->buf) - 1 - t->len;

	if (len > room)
		len = room;
	memcpy(t->buf + t->len, s, len);
	t->len += len;
}

void text_add(struct text *t, const char *s)
{
	text_add_bytes(t, s, strlen(s));
}

void text_add_number(struct text *t, long long n)
{
	char digits[24];
	size_t i = sizeof(digits);
	unsigned long long v = n < 0 ? -(unsigned long long)n :
				       (unsigned long long)n;

	do
		digits[--i] = (char)('0' + v % 10);
	while (v /= 10);
	if (n < 0)
		digits[--i] = '-';
	text_add_bytes(t, digits + i, sizeof(digits) - i);
}

const char *text_string(struct text *t)
{
	t->buf[t->len] = '\0';
	return t->buf;
}

static long long elapsed_us(const struct timespec *since)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (long long)(now.tv_sec - since->tv_sec) * 1000000 +
	       (now.tv_nsec - since->tv_nsec) / 1000;
}

void log_open(int fd)
{
	log_fd = fd;
}

void log_set_debug(bool on)
{
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	debug_on = on;
}

/*
 * Not poll: a console is "ready" while another writer sits on its lock, and a
 * write then fails all the same.
 */
static const struct timespec retry_pause = { .tv_nsec = 2 * 1000 * 1000 };

static void write_line(const char *buf, size_t len, long long wait_ms)
{
	const size_t whole = len;
	struct timespec began;
	ssize_t n;

	(void)clock_gettime(CLOCK_MONOTONIC, &began);
	while (len > 0) {
		n = write(log_fd, buf, len);
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if ((n < 0 && errno != EAGAIN) ||
		    elapsed_us(&began) > wait_ms * 1000)
			break;
		(void)nanosleep(&retry_pause, NULL);
	}
	if (len < whole)
		is_cut = len > 0;
}

/* Waits until what was written has left the machine. */
static void drain(long long wait_ms)
{
	struct timespec began;
	int queued;

	(void)clock_gettime(CLOCK_MONOTONIC, &began);
	while (ioctl(log_fd, TIOCOUTQ, &queued) == 0 && queued > 0 &&
	       elapsed_us(&began) < wait_ms * 1000)
		(void)nanosleep(&retry_pause, NULL);
}

static void add_clean(struct text *t, const char *s, size_t max)
{
	size_t from = t->len, i;

	text_add_bytes(t, s, strnlen(s, max));
	for (i = from; i < t->len; i++)
		if ((unsigned char)t->buf[i] < ' ' || t->buf[i] == 0x7f)
			t->buf[i] = '?';
}

static void put(const char *step, const char *object, const char *reason,
		long long wait_ms)
{
	struct text t;

	text_clear(&t);
	text_add(&t, is_cut ? "\ninit: " : "init: ");
	text_add(&t, step);
	if (object) {
		text_add(&t, ": ");
		add_clean(&t, object, LOG_OBJECT_MAX);
	}
	text_add(&t, ": ");
	add_clean(&t, reason, LOG_LINE_MAX);
	t.buf[t.len] = '\n';
	write_line(t.buf, t.len + 1, wait_ms);
}

void log_line(const char *step, const char *object, const char *reason)
{
	put(step, object, reason, LOG_WAIT_MS);
}

void log_debug(const char *step, const char *object, const char *reason)
{
	struct text t;
	long long us;

	if (!debug_on)
		return;
	us = elapsed_us(&start);
	text_clear(&t);
	text_add(&t, reason);
	text_add(&t, " (");
	text_add_number(&t, us / 1000);
	text_add(&t, us % 1000 < 10 ? ".00" : us % 1000 < 100 ? ".0" : ".");
	text_add_number(&t, us % 1000);
	text_add(&t, " ms)");
	log_line(step, object, text_string(&t));
}

void log_last(const char *step, const char *object, const char *reason)
{
	if (log_fd >= 0)
		(void)ioctl(log_fd, TCXONC, TCOON);
	put(step, object, reason, LOG_LAST_WAIT_MS);
	if (log_fd >= 0)
		drain(LOG_LAST_WAIT_MS);
}
