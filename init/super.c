#include "init/super.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>

#include "vsock/io.h"

static const int forwarded[] = {
	SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH,
};

void super_block_signals(void)
{
	static const int faults[] = {
		SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS,
	};
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t set;

	/* Whoever ran us may have had children reap themselves. */
	(void)sigaction(SIGCHLD, &dfl, NULL);
	(void)sigfillset(&set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		(void)sigdelset(&set, faults[i]);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
}

/*
 * One SIGCHLD may stand for many deaths: the signal does not queue. Drains
 * until the kernel has nothing more to report. False if there is no child left.
 */
static bool reap_all(struct super *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->app) {
			s->app_gone = true;
			s->app_status = status;
		} else if (pid == s->beat) {
			s->beat_gone = true;
		}
	}
	return !(pid < 0 && errno == ECHILD);
}

void super_run(struct super *s)
{
	sigset_t set;
	int sig;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		(void)sigaddset(&set, forwarded[i]);

	for (;;) {
		(void)reap_all(s);
		if (s->app_gone)
			return;
		sig = sigwaitinfo(&set, NULL);
		/* A group that is gone already has nobody to tell. */
		if (sig > 0 && sig != SIGCHLD)
			(void)kill(-s->app, sig);
	}
}

/* Reaps until DEADLINE_MS; true once nobody is left, or, with BEAT_ONLY, once
 * the heartbeat is through. */
static bool reap_until(struct super *s, int64_t deadline_ms, bool beat_only)
{
	struct timespec t;
	int64_t left;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	for (;;) {
		if (!reap_all(s))
			return true;
		if (beat_only && (s->beat == 0 || s->beat_gone))
			return true;
		left = deadline_ms - io_now_ms();
		if (left <= 0)
			return false;
		t = (struct timespec){ .tv_sec = left / 1000,
				       .tv_nsec = left % 1000 * 1000000 };
		(void)sigtimedwait(&set, NULL, &t);
	}
}

void super_wait_beat(struct super *s, int timeout_ms)
{
	(void)reap_until(s, io_now_ms() + timeout_ms, true);
}

void super_end(struct super *s, int beat_ms)
{
	int64_t beat_deadline = io_now_ms() + beat_ms;

	/* The heartbeat's child has TERM blocked, as PID 1 has. */
	(void)kill(-1, SIGTERM);
	if (reap_until(s, io_now_ms() + SUPER_GRACE_MS, false))
		return;
	(void)reap_until(s, beat_deadline, true);
	(void)kill(-1, SIGKILL);
	(void)reap_until(s, io_now_ms() + SUPER_KILL_MS, false);
}
