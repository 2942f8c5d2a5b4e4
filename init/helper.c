#include "init/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/beating.h"
#include "init/clock/steer.h"
#include "init/confine.h"
#include "init/link/last.h"
#include "init/link/serve.h"
#include "init/log.h"
#include "init/loop.h"
#include "init/notify.h"
#include "init/relaying.h"
#include "init/tell.h"
#include "nsm/nsmc.h"

enum {
	/* A user of nobody's: 65534 is a service's often enough, 65532 an image's. */
	HELPER_UID = 65530,
	CAP_SYS_TIME_BIT = 25, /* linux/capability.h */
	FDS_MAX = 256,	       /* PID 1 has far less */
	OOM_SCORE = -500,
};

_Static_assert(CHILD_MAX == 2 * CONFIG_SERVICES_MAX + HELPER_KINDS - 1,
	       "a service and a courier each, and one of each other kind");

/* Returns the exit code. */
typedef int helper_entry_fn(const struct helper_job *job);

static int run_courier(const struct helper_job *job)
{
	notify_carry(job->socket, job->channel);
	return 0;
}

static int run_sync(const struct helper_job *job)
{
	(void)job;
	sync();
	return 0;
}

static int run_debug(const struct helper_job *job)
{
	enum nsmc_debug debug = NSMC_DEBUG_UNKNOWN;
	int fd = job->nsm_fd < 0 ? nsmc_open() : job->nsm_fd, r = fd;

	if (fd >= 0)
		r = nsmc_get_debug(fd, &debug);
	tell_news(job, HELPER_DONE, debug == NSMC_DEBUG_YES, r);
	return 0;
}

struct helper_row {
	/* Before anything is given up: 0, or the exit code; NULL: nothing. */
	helper_entry_fn *prepare;
	helper_entry_fn *entry;
	bool is_root; /* and not a user of nobody's without capabilities */
	uint8_t capability; /* that this user has all the same; 0: none */
	uint8_t takes;	    /* the signal that may end it; 0: KILL alone */
	bool talks; /* what it sends is more than a report, for whoever watches its channel */
	int16_t oom_score; /* 0: PID 1's */
};

static const struct helper_row rows[HELPER_KINDS] = {
	[HELPER_BEAT] = { .entry = beating_run },
	[HELPER_CLOCK] = { .entry = steer_run,
			   .capability = CAP_SYS_TIME_BIT,
			   .takes =
				   SIGTERM }, /* the end does not wait for it */
	[HELPER_COURIER] = { .entry = run_courier,
			     .takes = SIGALRM, /* while it lets go */
			     .talks = true },
	/* It writes what is root's. */
	[HELPER_DEBUG] = { .entry = run_debug, .is_root = true },
	/* What a service writes must not end it first where memory is short. */
	[HELPER_LINK] = { .prepare = serve_prepare,
			  .entry = serve_run,
			  .oom_score = OOM_SCORE,
			  .talks = true },
	/* It binds as root, and then gives all of it up by itself. */
	[HELPER_RELAY] = { .entry = relaying_run,
			   .is_root = true,
			   .oom_score = OOM_SCORE,
			   .talks = true },
	[HELPER_LAST] = { .entry = last_run },
	[HELPER_SYNC] = { .entry = run_sync, .is_root = true },
};

/* --- in the child --- */

static void take(int sig)
{
	static const unsigned long dfl[4];
	sigset_t set;

	(void)syscall(SYS_rt_sigaction, sig, dfl, NULL, NSIG / 8);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, sig);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/*
 * It goes on with what it could not give up: a namespace may not have that user, a
 * container no capability for it.
 */
static void give_up_privileges(const struct helper_row *row, int proc_fd)
{
	const uint64_t capability =
		row->capability == 0 ? 0 : (uint64_t)1 << row->capability;
	struct confine c = {
		.has_ids = !row->is_root,
		.uid = HELPER_UID,
		.gid = HELPER_UID,
		.undumpable = true,
		.asked.no_new_privileges = !row->is_root,
		.asked.bounding_is_set = !row->is_root,
		.asked.bounding = capability,
		.asked.ambient = capability,
		.asked.oom_score_adjust = { row->oom_score != 0,
					    row->oom_score },
	};
	enum confine_stage stage;
	int r = confine_begin(&c, proc_fd, NULL, NULL, &stage);

	/* A container may not lower its score. */
	if (r < 0 && stage == CONFINE_OOM) {
		c.asked.oom_score_adjust.is_set = false;
		r = confine_begin(&c, proc_fd, NULL, NULL, &stage);
	}
	/* The user counts most. */
	if (r < 0 && stage < CONFINE_USER) {
		c.asked.bounding_is_set = false;
		c.asked.ambient = c.asked.securebits = 0;
		r = confine_begin(&c, proc_fd, NULL, NULL, &stage);
	}
	if (r == 0)
		(void)confine_finish(&c, &stage);
}

/* The end of PID 1's end is as good as a word: it has become another program. */
static void wait_for_word(struct helper_job *job)
{
	struct pollfd p = { .fd = job->channel, .events = POLLIN };
	uint8_t byte;

	while (poll(&p, 1, -1) < 0)
		;
	if (recv(job->channel, &byte, 1, MSG_DONTWAIT) == 1)
		job->byte = byte;
}

static bool needs(const struct helper_job *job, int fd)
{
	for (size_t i = 0; i < job->keep_count; i++)
		if (fd == job->keep[i])
			return true;
	return fd == job->channel || fd == job->device_fd ||
	       fd == job->nsm_fd || fd == job->proc_fd || log_writes_to(fd) ||
	       (job->socket && fd == job->socket->fd);
}

/*
 * What is PID 1's own, and would not outlive an exec, but for what the helper works
 * with. One call of poll tells which descriptors are open at all.
 */
static void close_others(const struct helper_job *job)
{
	struct pollfd fds[FDS_MAX] = { 0 };

	for (int fd = 0; fd < FDS_MAX; fd++)
		fds[fd].fd = fd;
	(void)poll(fds, FDS_MAX, 0);
	for (int fd = 3; fd < FDS_MAX; fd++)
		if (!(fds[fd].revents & POLLNVAL) && !needs(job, fd) &&
		    (syscall(SYS_fcntl, fd, F_GETFD) & FD_CLOEXEC))
			close(fd);
}

static _Noreturn void run(const struct helper_row *row, struct helper_job *job)
{
	int code;

	/* First of all: what is forked before the application shall not keep it waiting. */
	if (job->waits)
		wait_for_word(job);
	close_others(job);
	log_in_child();
	if (row->prepare && (code = row->prepare(job)) != 0)
		_exit(code);
	give_up_privileges(row, job->proc_fd);
	if (job->proc_fd > 2)
		close(job->proc_fd);
	if (row->takes != 0)
		take(row->takes);
	_exit(row->entry(job));
}

/* --- in PID 1 --- */

static void died(void *ctx, int status)
{
	struct helper *h = ctx;

	h->pid = 0;
	h->status = status;
	if (rows[h->kind].talks ||
	    recv(h->channel, &h->report, sizeof(h->report), MSG_DONTWAIT) !=
		    (ssize_t)sizeof(h->report))
		h->report = (struct helper_report){ 0 };
	h->gone(h->ctx, h);
	if (h->pid == 0 && h->channel >= 0) {
		close(h->channel);
		h->channel = -1;
	}
}

int helper_start(struct helper *h, enum helper_kind kind,
		 struct helper_job *job, struct children *c,
		 helper_gone_fn *gone, void *ctx)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, fds) < 0)
		return -errno;
	job->channel = fds[1];
	job->proc_fd = c->proc_fd;
	*h = (struct helper){
		.kind = kind, .channel = fds[0], .gone = gone, .ctx = ctx
	};
	pid = child_fork(c, -1, NULL, died, h);
	if (pid == 0) {
		close(fds[0]); /* or its end would never be seen */
		run(&rows[kind], job);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		h->channel = -1;
		return (int)pid;
	}
	h->pid = pid;
	return 0;
}

bool helper_go(struct helper *h, uint8_t byte)
{
	return h->channel >= 0 &&
	       send(h->channel, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

void helper_kill(const struct helper *h)
{
	if (h->pid > 0)
		(void)kill(h->pid, SIGKILL);
}
