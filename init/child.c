#include "init/child.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/loop.h"
#include "init/process.h"
#include "init/text.h"
#include "vsock/io.h"

enum {
	REAP_BATCH = 256,
	FLAG_PIDFD = 0x1000, /* linux/sched.h */
};

#define FLAG_INTO_CGROUP 0x200000000ULL

/* struct clone_args of linux/sched.h, as of 5.7. */
struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack,
		stack_size, tls, set_tid, set_tid_size, cgroup;
};

static int64_t next_deadline(const void *ctx)
{
	const struct children *c = ctx;
	int64_t first = c->look_ms;

	for (size_t i = 0; i < CHILD_MAX; i++)
		first = loop_sooner(first, c->table[i].traced_ms);
	return first;
}

/* The process that holds PID, which is dead, by tracing it; or 0. */
static pid_t find_holder(int proc_fd, pid_t pid)
{
	struct process p;
	struct text name;

	text_clear(&name);
	text_add_number(&name, pid);
	if (proc_fd < 0 || !process_look(proc_fd, text_string(&name), &p))
		return 0;
	return p.is_dead && p.tracer > 1 ? p.tracer : 0;
}

/* What a pidfd would tell: before 5.3 a death that a tracer holds is silent. */
static void look(struct children *c, int64_t now_ms)
{
	c->look_ms = now_ms + CHILD_LOOK_MS;
	for (size_t i = 0; i < CHILD_MAX; i++)
		if (c->table[i].pid > 0 && c->table[i].traced_ms == 0 &&
		    find_holder(c->proc_fd, c->table[i].pid) > 0)
			c->table[i].traced_ms = now_ms + CHILD_TRACED_MS;
}

static void due(void *ctx, int64_t now_ms)
{
	struct children *c = ctx;
	pid_t tracer;

	if (c->look_ms != 0 && c->look_ms <= now_ms)
		look(c, now_ms);
	for (size_t i = 0; i < CHILD_MAX; i++) {
		if (c->table[i].traced_ms == 0 ||
		    c->table[i].traced_ms > now_ms)
			continue;
		c->table[i].traced_ms = 0;
		tracer = find_holder(c->proc_fd, c->table[i].pid);
		if (tracer > 0)
			(void)kill(tracer, SIGKILL);
	}
}

/*
 * A child is dead, as its pidfd says, but reaping did not find it: a tracer holds it.
 * The tracer's end gives it to us. A debugger that only needs a moment has it.
 */
static void is_held(void *ctx)
{
	struct child *v = ctx;

	if (v->all->loop->has_more)
		return; /* it may only not have had its turn yet */
	loop_forget(v->all->loop, v->pidfd);
	v->traced_ms = io_now_ms() + CHILD_TRACED_MS;
}

static bool reap(void *ctx)
{
	return child_reap(ctx);
}

void child_init(struct children *c, struct loop *l, int proc_fd)
{
	c->loop = l;
	c->proc_fd = proc_fd;
	l->reap = reap;
	l->reap_ctx = c;
	loop_add_clock(l, (struct loop_clock){ next_deadline, due, c });
}

static void free_entry(struct child *v)
{
	loop_forget(v->all->loop, v->pidfd);
	if (v->pidfd >= 0)
		close(v->pidfd);
	v->pid = 0;
	v->pidfd = -1;
	v->traced_ms = 0;
}

/* clone3, into the control group CGROUP_FD unless that is negative. */
static pid_t by_clone3(int cgroup_fd, int *ret_pidfd)
{
	const struct clone3_args args = {
		.flags = FLAG_PIDFD | (cgroup_fd >= 0 ? FLAG_INTO_CGROUP : 0),
		.pidfd = (uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : pid;
}

/* Whether there is no other way to try after a fork that has given R. */
static bool is_decided(pid_t r)
{
	return r >= 0 || r == -EAGAIN || r == -ENOMEM;
}

/* _Fork in place of fork: there are no threads, whose locks would need it. */
static pid_t fork_by(struct children *c, int cgroup_fd, bool *ret_is_in_cgroup,
		     int *ret_pidfd)
{
	pid_t pid;

	*ret_pidfd = -1;
	if (!c->is_last_resort && cgroup_fd >= 0) {
		*ret_is_in_cgroup =
			true; /* said before: the child has a copy */
		pid = by_clone3(cgroup_fd, ret_pidfd);
		if (is_decided(pid))
			return pid;
	}
	/* Into the group by itself, then. */
	if (cgroup_fd >= 0)
		*ret_is_in_cgroup = false;
	if (!c->is_last_resort) {
		pid = by_clone3(-1, ret_pidfd);
		if (is_decided(pid))
			return pid;
		/* Another fault, no free descriptor say, is this time's alone. */
		c->is_last_resort = pid == -ENOSYS || pid == -EINVAL ||
				    pid == -E2BIG || pid == -EPERM;
	}
	/* The kernel has no clone3 (4.14). */
	*ret_pidfd = -1;
	pid = _Fork();
	return pid < 0 ? -errno : pid;
}

static void set_policy(int policy)
{
	const struct sched_param none = { 0 };

	(void)syscall(SYS_sched_setscheduler, 0, policy, &none);
}

void child_yield(struct children *c, bool yields)
{
	c->yields = yields;
	set_policy(yields ? SCHED_BATCH : SCHED_OTHER);
}

pid_t child_fork(struct children *c, int cgroup_fd, bool *ret_is_in_cgroup,
		 child_died_fn *died, void *ctx)
{
	struct child *v = c->table;
	int pidfd;
	pid_t pid;

	while (v < c->table + CHILD_MAX && v->pid != 0)
		v++;
	if (v == c->table + CHILD_MAX)
		return -EAGAIN;
	pid = fork_by(c, cgroup_fd, ret_is_in_cgroup, &pidfd);
	/* It is inherited: SCHED_RESET_ON_FORK resets other policies alone. */
	if (pid == 0 && c->yields)
		set_policy(SCHED_OTHER);
	if (pid <= 0)
		return pid;
	*v = (struct child){
		.pid = pid, .pidfd = pidfd, .died = died, .ctx = ctx, .all = c
	};
	c->is_alone = false;
	/* Where there is no room for it SIGCHLD has to do. */
	if (pidfd >= 0)
		(void)loop_watch(c->loop, pidfd, is_held, v);
	else if (c->look_ms == 0)
		c->look_ms = io_now_ms() + CHILD_LOOK_MS;
	return pid;
}

/*
 * One SIGCHLD may stand for many deaths: the signal does not queue. Drains
 * until the kernel has nothing more to report, or a batch is full: what dies
 * faster than it is reaped must not keep PID 1 from all else.
 */
bool child_reap(struct children *c)
{
	struct child v;
	int status;
	pid_t pid;

	for (int i = 0; i < REAP_BATCH; i++) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0) {
			c->is_alone = pid < 0 && errno == ECHILD;
			return false;
		}
		for (size_t n = 0; n < CHILD_MAX; n++) {
			if (c->table[n].pid != pid)
				continue;
			/* Free first: who is told may fork the next one. */
			v = c->table[n];
			free_entry(&c->table[n]);
			v.died(v.ctx, status);
			break;
		}
	}
	return true;
}

bool child_is_known(const struct children *c, pid_t pid)
{
	for (size_t i = 0; i < CHILD_MAX; i++)
		if (c->table[i].pid == pid)
			return true;
	return false;
}
