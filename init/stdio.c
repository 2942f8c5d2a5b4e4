#include "init/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "init/exec.h"
#include "init/spec/config.h"
#include "init/text.h"

enum {
	CLOEXEC_RANGE = 1 << 2, /* CLOSE_RANGE_CLOEXEC, since 5.11 */
	FALLBACK_FDS = 1024,	/* the boot's own limit of open files */
};

/*
 * The service gets an open file description of its own, whose flags no other
 * service shares. Where that fails it keeps PID 1's descriptors, which are the
 * console as well.
 */
static void open_console(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	for (int want = 0; fd >= 0 && want <= 2; want++)
		(void)dup2(fd, want);
}

/*
 * An enclave's console controls who asks for it, since the end of its session's leader
 * hangs a terminal up, with what it has not sent. A container's terminal is its first
 * process' session's already, and is made for its application.
 */
static bool wants_terminal(const struct exec_job *job)
{
	const struct config_service *s = job->service;

	return s->terminal ||
	       (job->in_container && job->is_main && !s->terminal_is_set);
}

static int begin_session(const struct exec_job *job)
{
	bool has_terminal = wants_terminal(job) && isatty(0);
	pid_t pid = getpid();

	if (job->in_container && has_terminal) {
		if (setpgid(0, 0) < 0)
			return -errno;
		/* SIGTTOU is blocked. Without that session it is nobody's. */
		(void)ioctl(0, TIOCSPGRP, &pid);
		return 0;
	}
	if (setsid() < 0)
		return -errno;
	if (has_terminal)
		(void)ioctl(0, TIOCSCTTY, 0);
	return 0;
}

static bool is_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/*
 * Root in an enclave may have replaced it: the open of a FIFO would block, and a file
 * would keep what is written. What a container has there is for its runtime to say.
 */
static int make_null(int want, bool in_container)
{
	int fd = open("/dev/null", (want == 0 ? O_RDONLY : O_WRONLY) |
					   O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!in_container && !is_null(&st))
		r = -ENODEV;
	else if (syscall(SYS_fcntl, fd, F_SETFL, 0) < 0 || dup2(fd, want) < 0)
		r = -errno;
	close(fd);
	return r;
}

static bool wants_null(const struct config_service *s, int fd)
{
	if (fd == 0)
		return s->standard_input == CONFIG_STDIN_NULL;
	return (fd == 1 ? s->standard_output : s->standard_error) ==
	       CONFIG_OUTPUT_NULL;
}

int stdio_take_nulls(const struct exec_job *job, const char **reterr_step)
{
	int r = 0;

	*reterr_step = "/dev/null";
	for (int want = 0; want <= 2 && r == 0; want++)
		if (wants_null(job->service, want))
			r = make_null(want, job->in_container);
	return r;
}

/*
 * A description of its own, whose flags neither another start nor PID 1 shares; where
 * that cannot be had, PID 1's own. PID 1 has the other end, too: it does not block.
 */
static int open_pipe(int proc_fd, int pipe)
{
	struct text t;

	text_clear(&t);
	text_add(&t, "self/fd/");
	text_add_number(&t, pipe);
	return openat(proc_fd, text_string(&t), O_WRONLY | O_CLOEXEC);
}

static int take_pipes(const struct exec_job *job)
{
	int r = 0, fd, pipe;

	for (int want = 1; want <= 2 && r == 0; want++) {
		pipe = job->log_fds[want - 1];
		if (pipe < 0)
			continue;
		fd = open_pipe(job->proc_fd, pipe);
		if (dup2(fd < 0 ? pipe : fd, want) < 0)
			r = -errno;
		if (fd >= 0)
			close(fd);
	}
	return r;
}

int stdio_take(const struct exec_job *job, const char **reterr_step)
{
	const struct config_service *service = job->service;
	int r;

	if (job->console &&
	    (wants_terminal(job) || !wants_null(service, 0) ||
	     !wants_null(service, 1) || !wants_null(service, 2)))
		open_console(job->console);
	*reterr_step = "setsid";
	r = begin_session(job);
	if (r == 0)
		r = stdio_take_nulls(job, reterr_step);
	if (r < 0)
		return r;
	*reterr_step = "log";
	return take_pipes(job);
}

static bool is_log(const struct exec_job *job, int fd)
{
	return fd > 0 && job->log_fds[fd - 1] >= 0;
}

void stdio_give(const struct exec_job *job, uid_t uid)
{
	struct stat st;

	for (int fd = 0; fd <= 2; fd++) {
		if (fstat(fd, &st) < 0 || st.st_uid == uid || is_null(&st) ||
		    (!S_ISCHR(st.st_mode) && !job->in_container &&
		     !is_log(job, fd)))
			continue;
		if (st.st_uid == 0)
			(void)!fchown(fd, uid, (gid_t)-1);
		else if (!S_ISREG(st.st_mode))
			(void)!fchmod(fd, (st.st_mode & 07777) | 0022);
	}
}

/* Before 5.11. One call of poll tells which descriptors are open at all. */
static void close_others_slowly(void)
{
	struct pollfd fds[FALLBACK_FDS] = { 0 };

	for (int fd = 0; fd < FALLBACK_FDS; fd++)
		fds[fd].fd = fd;
	(void)poll(fds, FALLBACK_FDS, 0);
	for (int fd = 3; fd < FALLBACK_FDS; fd++)
		if (!(fds[fd].revents & POLLNVAL))
			(void)syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
}

void stdio_close_others(void)
{
	if (syscall(SYS_close_range, 3U, ~0U, CLOEXEC_RANGE) < 0)
		close_others_slowly();
}
