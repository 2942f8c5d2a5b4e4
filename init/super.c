#include "init/super.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vsock/io.h"

static const int forwarded[] = {
	SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH,
};

void super_block_signals(void)
{
	static const int faults[] = {
		SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS,
	};
	static const unsigned long dfl[4];
	sigset_t set;

	/* Whoever ran us may have had children reap themselves. By the kernel's
	 * own struct, all zero for SIG_DFL: libc's function is a large one. */
	(void)syscall(SYS_rt_sigaction, SIGCHLD, dfl, NULL, NSIG / 8);
	(void)sigfillset(&set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		(void)sigdelset(&set, faults[i]);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
}

enum { REAP_BATCH = 256 };

enum reaped {
	REAPED_ALL,  /* nobody else is dead */
	REAPED_SOME, /* there may be more */
	REAPED_LAST, /* there is no child left, dead or alive */
};

/*
 * One SIGCHLD may stand for many deaths: the signal does not queue. Drains
 * until the kernel has nothing more to report, or a batch is full: what dies
 * faster than it is reaped must not keep PID 1 from all else.
 */
static enum reaped reap(struct super *s)
{
	int status;
	pid_t pid;

	for (int i = 0; i < REAP_BATCH; i++) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid == 0)
			return REAPED_ALL;
		if (pid < 0)
			return errno == ECHILD ? REAPED_LAST : REAPED_SOME;
		if (pid == s->app) {
			s->app_gone = true;
			s->app_status = status;
		} else if (pid == s->helper) {
			s->helper_gone = true;
			s->helper_status = status;
		}
	}
	return REAPED_SOME;
}

void super_run(struct super *s)
{
	static const struct timespec at_once;
	sigset_t set;
	bool more;
	int sig;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		(void)sigaddset(&set, forwarded[i]);

	for (;;) {
		more = reap(s) == REAPED_SOME;
		if (s->app_gone)
			return;
		sig = more ? sigtimedwait(&set, NULL, &at_once) :
			     sigwaitinfo(&set, NULL);
		/* A group that is gone already has nobody to tell. */
		if (sig == SIGTERM && s->stop_signal > 0)
			sig = s->stop_signal;
		else if (sig == SIGCHLD)
			continue;
		if (sig > 0)
			(void)kill(-s->app, sig);
	}
}

/*
 * Reaps until DEADLINE_MS; true once nobody is left, or, with HELPER_ONLY, once
 * the helper is through.
 */
static bool reap_until(struct super *s, int64_t deadline_ms, bool helper_only)
{
	enum reaped reaped;
	struct timespec t;
	int64_t left;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	for (;;) {
		reaped = reap(s);
		if (reaped == REAPED_LAST)
			return true;
		if (helper_only && (s->helper == 0 || s->helper_gone))
			return true;
		left = deadline_ms - io_now_ms();
		if (left <= 0)
			return false;
		if (reaped == REAPED_SOME)
			continue;
		t = (struct timespec){ .tv_sec = left / 1000,
				       .tv_nsec = left % 1000 * 1000000 };
		(void)sigtimedwait(&set, NULL, &t);
	}
}

void super_wait_helper(struct super *s, int timeout_ms)
{
	(void)reap_until(s, io_now_ms() + timeout_ms, true);
}

void super_end(struct super *s, int helper_ms)
{
	int64_t helper_deadline = io_now_ms() + helper_ms;

	if (s->app > 0 && s->stop_signal > 0)
		(void)kill(-s->app, s->stop_signal);
	/* The helper has TERM blocked, as PID 1 has. */
	(void)kill(-1, SIGTERM);
	if (reap_until(s, io_now_ms() + SUPER_GRACE_MS, false))
		return;
	(void)reap_until(s, helper_deadline, true);
	(void)kill(-1, SIGKILL);
	(void)reap_until(s, io_now_ms() + SUPER_KILL_MS, false);
}
