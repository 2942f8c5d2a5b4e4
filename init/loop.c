#include "init/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vsock/io.h"

enum { BLIND_MS = 100 }; /* between two looks without a signalfd */

static const int forwarded[] = {
	SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH,
};

static const int faults[] = {
	SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS,
};

static void fill_but_faults(sigset_t *ret)
{
	(void)sigfillset(ret);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		(void)sigdelset(ret, faults[i]);
}

void loop_block_signals(void)
{
	static const unsigned long dfl[4];
	sigset_t set;

	/* Whoever ran us may have had children reap themselves. By the kernel's
	 * own struct, all zero for SIG_DFL: libc's function is a large one. */
	(void)syscall(SYS_rt_sigaction, SIGCHLD, dfl, NULL, NSIG / 8);
	fill_but_faults(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
}

int loop_open(struct loop *l, bool hears_all)
{
	sigset_t set;
	int fd, r;

	if (hears_all) {
		fill_but_faults(&set);
		(void)sigdelset(&set, SIGTTIN);
		(void)sigdelset(&set, SIGTTOU);
	} else {
		(void)sigemptyset(&set);
		for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]);
		     i++)
			(void)sigaddset(&set, forwarded[i]);
	}
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signal_fd < 0)
		return -errno;
	if (l->signal_fd > 2)
		return 0;
	/* PID 1 may have been started without 0 to 2, which are the console's. */
	fd = (int)syscall(SYS_fcntl, l->signal_fd, F_DUPFD_CLOEXEC, 3);
	r = fd < 0 ? -errno : 0;
	close(l->signal_fd);
	l->signal_fd = fd;
	return r;
}

int loop_watch(struct loop *l, int fd, loop_ready_fn *ready, void *ctx)
{
	if (l->source_count == LOOP_SOURCES_MAX)
		return -ENOSPC;
	l->sources[l->source_count++] =
		(struct loop_source){ .fd = fd, .ready = ready, .ctx = ctx };
	return 0;
}

void loop_forget(struct loop *l, int fd)
{
	/* The place stays until the turn is over, which counts through them. */
	for (size_t i = 0; fd >= 0 && i < l->source_count; i++)
		if (l->sources[i].fd == fd)
			l->sources[i].fd = -1;
}

void loop_add_clock(struct loop *l, struct loop_clock clock)
{
	if (l->clock_count < LOOP_CLOCKS_MAX)
		l->clocks[l->clock_count++] = clock;
}

int64_t loop_sooner(int64_t a, int64_t b)
{
	return b != 0 && (a == 0 || b < a) ? b : a;
}

static void close_gaps(struct loop *l)
{
	size_t to = 0;

	for (size_t i = 0; i < l->source_count; i++)
		if (l->sources[i].fd >= 0)
			l->sources[to++] = l->sources[i];
	l->source_count = to;
}

/* When the turn has to be over; negative: never. */
static int64_t find_end(const struct loop *l, int64_t until_ms)
{
	int64_t first = until_ms, next;

	for (size_t i = 0; i < l->clock_count; i++) {
		next = l->clocks[i].next(l->clocks[i].ctx);
		if (next != 0 && (first < 0 || next < first))
			first = next;
	}
	return first;
}

/* Sleeps until something has arrived in FDS, or END_MS. */
static int sleep_until(const struct loop *l, struct pollfd *fds, size_t n,
		       int64_t end_ms)
{
	struct timespec t = { 0 };
	int64_t left = 0;

	if (end_ms >= 0 && !l->has_more)
		left = end_ms - io_now_ms();
	if (l->signal_fd < 0 && !l->has_more && (end_ms < 0 || left > BLIND_MS))
		left = end_ms = BLIND_MS;
	if (left > 0) {
		t.tv_sec = left / 1000;
		t.tv_nsec = left % 1000 * 1000000;
	}
	return ppoll(fds, n, end_ms < 0 && !l->has_more ? NULL : &t, NULL);
}

/* Which signals there are: how many. What PID 1's own writes raise is nobody else's. */
static size_t read_signals(const struct loop *l, int ret[LOOP_SIGNALS_MAX])
{
	struct signalfd_siginfo infos[LOOP_SIGNALS_MAX];
	ssize_t n = read(l->signal_fd, infos, sizeof(infos));
	size_t count = 0;

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(infos[0]); i++)
		if (infos[i].ssi_signo != SIGCHLD &&
		    (infos[i].ssi_code != SI_USER || infos[i].ssi_pid != 1))
			ret[count++] = (int)infos[i].ssi_signo;
	return count;
}

void loop_turn(struct loop *l, int64_t until_ms)
{
	struct pollfd fds[1 + LOOP_SOURCES_MAX];
	int signals[LOOP_SIGNALS_MAX], ready;
	size_t n, count = 0;
	int64_t now;

	close_gaps(l);
	n = l->source_count;
	fds[0] = (struct pollfd){ .fd = l->signal_fd, .events = POLLIN };
	for (size_t i = 0; i < n; i++)
		fds[1 + i] = (struct pollfd){ .fd = l->sources[i].fd,
					      .events = POLLIN };
	ready = sleep_until(l, fds, 1 + n, find_end(l, until_ms));
	now = io_now_ms();

	/* Read first: a SIGCHLD that comes during the reaping has to stay for the next
	 * turn, or a death would be missed. */
	if (ready > 0 && fds[0].revents)
		count = read_signals(l, signals);
	l->has_more = l->reap && l->reap(l->reap_ctx);
	for (size_t i = 0; i < count && l->take_signal; i++)
		l->take_signal(l->signal_ctx, signals[i]);
	/* A callback before may have forgotten this one. */
	for (size_t i = 0; ready > 0 && i < n; i++)
		if (fds[1 + i].revents && l->sources[i].fd == fds[1 + i].fd)
			l->sources[i].ready(l->sources[i].ctx);
	for (size_t i = 0; i < l->clock_count; i++)
		l->clocks[i].due(l->clocks[i].ctx, now);
}

bool loop_until(struct loop *l, bool (*is_done)(void *ctx), void *ctx,
		int64_t until_ms)
{
	while (!is_done(ctx)) {
		if (until_ms >= 0 && io_now_ms() >= until_ms)
			return false;
		loop_turn(l, until_ms);
	}
	return true;
}
