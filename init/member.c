#include "init/member.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/cull.h"
#include "init/exec.h"
#include "init/klog.h"
#include "init/loop.h"
#include "init/news.h"
#include "init/supervise.h"
#include "vsock/io.h"

enum {
	MESSAGE_BATCH = 64,	 /* of one socket in one turn */
	COURIER_AGAIN_MS = 1000, /* after a courier that could not be forked */
	/* After one that was: whoever sends descriptors in a loop shall not make PID 1
	 * fork in a loop. */
	COURIER_PAUSE_MS = 20,
};

static size_t index_of(const struct member *m)
{
	return (size_t)(m - m->all->members);
}

static void send_signal(const struct member *m, int sig)
{
	if (m->pid <= 0)
		return;
	/* In a container its leader may have gone to another group. */
	if (m->service.config.kill_mode == CONFIG_KILL_GROUP &&
	    kill(-m->pid, sig) == 0)
		return;
	(void)kill(m->pid, sig);
}

/*
 * A number is free again once its process and its group are gone. A group that is there
 * without its leader is still the old one: only the process of that number makes another.
 */
pid_t member_group(const struct member *m)
{
	if (m->pid > 0)
		return m->pid;
	return m->last > 0 && kill(m->last, 0) < 0 && errno == ESRCH ? m->last :
								       0;
}

/* Whether another service has the same user, and may have left something that works. */
static bool shares_user(const struct member *m)
{
	const struct supervise *s = m->all;

	for (size_t i = 0; i < s->count; i++)
		if (&s->members[i] != m && s->members[i].uid == m->uid &&
		    s->members[i].last > 0)
			return true;
	return false;
}

static void kill_rest(const struct member *m)
{
	pid_t group = member_group(m);

	if (m->cgroup.fds[0] >= 0) {
		(void)cgroup_kill(&m->cgroup, 0);
		return;
	}
	if (group > 0)
		(void)kill(-group, SIGKILL);
	cull_leftovers(m->all->proc_fd, m->all->children, group, m->uid,
		       m->uid != 0 && !shares_user(m));
}

static void take_report(struct member *m);
static void take_messages(void *ctx);

static void report_ready(void *ctx)
{
	take_report(ctx);
}

static bool kernel_killed(struct supervise *s, pid_t pid)
{
	unsigned long kills = klog_oom_kills(s->proc_fd);
	bool is_more = kills > s->oom_kills;

	s->oom_kills = kills;
	return is_more && klog_was_oom(pid);
}

static void died(void *ctx, int status)
{
	struct member *m = ctx;
	struct service_action a = { 0 };
	bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	pid_t pid = m->pid;

	m->pid = 0; /* what it has said can send it no signal any more */
	/* What it said before counts, though nobody has read it yet. */
	if (m->report_fd >= 0)
		take_report(m);
	if (m->socket.fd >= 0)
		take_messages(m);
	m->was_oom = is_killed && m->service.state != SERVICE_STOPPING &&
		     kernel_killed(m->all, pid);
	if (m->report_fd >= 0) { /* another process has the other end */
		loop_forget(m->all->loop, m->report_fd);
		close(m->report_fd);
		m->report_fd = -1;
	}
	if (!m->service.has_started && !m->is_explained)
		m->all->failed(m->all->ctx, index_of(m), NULL, status);
	m->is_explained |= !m->service.has_started;
	service_died(&m->service, status, !m->service.has_started, io_now_ms(),
		     &a);
	member_act(m, &a);
}

static int fork_it(struct member *m)
{
	struct supervise *s = m->all;
	bool is_in_cgroup = false;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	(void)syscall(SYS_fcntl, fds[0], F_SETFL, O_NONBLOCK);
	pid = child_fork(s->children,
			 m->cgroup.version == 2 ? m->cgroup.fds[0] : -1,
			 &is_in_cgroup, died, m);
	if (pid == 0) {
		log_in_child();
		s->start(s->ctx, index_of(m), fds[1], is_in_cgroup);
		_exit(126);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return (int)pid;
	}
	m->pid = m->last = pid;
	m->report_fd = fds[0];
	(void)loop_watch(s->loop, fds[0], report_ready, m);
	return 0;
}

static void act_but_start(struct member *m, const struct service_action *a)
{
	if (a->news != SERVICE_AGAIN)
		news_tell(m, a);
	if (a->signals >> (SIGKILL - 1) & 1 && !m->service.has_started)
		m->is_explained = true; /* by us */
	for (int sig = 1; sig <= SERVICE_SIGNALS; sig++)
		if (a->signals >> (sig - 1) & 1)
			send_signal(m, sig);
	if (a->kill_all)
		kill_rest(m);
	if (a->news == SERVICE_AGAIN)
		news_tell(m, a);
}

_Static_assert((int)LOG_LINE_MAX <= (int)EXEC_REASON_MAX, "a text is a reason");

static void start(struct member *m)
{
	struct supervise *s = m->all;
	struct exec_report report = { .kind = EXEC_FAILED };
	struct text t;
	struct service_action a = { 0 };
	const bool is_again = m->last > 0;
	int r;

	m->is_about = m->is_explained = false;
	m->program[0] = '\0';
	helper_kill(&m->courier); /* it would hold what the last one has sent */
	s->has_run = true;
	if (m->last > 0 && m->service.config.kill_mode != CONFIG_KILL_PROCESS) {
		/* What was not dead yet at its end, or has forked since. */
		kill_rest(m);
		(void)cgroup_renew(&m->cgroup);
	}
	r = fork_it(m);
	m->restarts += is_again;
	if (r == 0)
		return;
	report.error = r;
	text_clear(&t);
	text_add(&t, "fork: ");
	text_add(&t, strerror(-r));
	memcpy(report.reason, t.buf, t.len); /* the rest of it is zero */
	m->is_explained = true;
	s->failed(s->ctx, index_of(m), &report, 0);
	/* This asks for no other start: those that fail would follow without a pause. */
	service_died(&m->service, 0, true, io_now_ms(), &a);
	act_but_start(m, &a);
}

void member_act(struct member *m, const struct service_action *a)
{
	act_but_start(m, a);
	if (a->start)
		start(m);
	if (m->all->changed)
		m->all->changed(m->all->ctx);
}

/* --- what they report --- */

static void runs(struct member *m)
{
	struct service_action a = { 0 };

	m->all->runs(m->all->ctx, index_of(m));
	service_runs(&m->service, io_now_ms(), &a);
	member_act(m, &a);
}

static void take_one(struct member *m, struct exec_report *r)
{
	r->object[sizeof(r->object) - 1] = '\0';
	r->reason[sizeof(r->reason) - 1] = '\0';
	switch (r->kind) {
	case EXEC_ABOUT:
		m->is_about = true;
		memcpy(m->program, r->object, sizeof(m->program));
		break;
	case EXEC_WARNED:
		log_line("spawn", r->object, r->reason);
		break;
	case EXEC_FAILED:
		m->is_explained = true;
		m->all->failed(m->all->ctx, index_of(m), r, 0);
		break;
	default:
		break;
	}
}

static void take_report(struct member *m)
{
	struct exec_report r;
	ssize_t n;

	while ((n = read(m->report_fd, &r, sizeof(r))) == (ssize_t)sizeof(r))
		take_one(m, &r);
	if (n < 0)
		return; /* the end is not there yet */
	loop_forget(m->all->loop, m->report_fd);
	close(m->report_fd);
	m->report_fd = -1;
	/* The pipe closes on exec, or with the process, whose death comes next. */
	if (m->is_about && !m->is_explained)
		runs(m);
}

static void take_message(struct member *m, const char *text, size_t len)
{
	struct service_action a = { 0 };
	struct notify n;

	/* The program that has sent it has been executed: hear of that first. */
	if (m->service.state == SERVICE_EXECUTING && m->report_fd >= 0)
		take_report(m);
	notify_parse(text, len, &n);
	service_heard(&m->service, &n, io_now_ms(), &a);
	if (n.status)
		log_debug("supervise", m->service.config.name, m->service.text);
	member_act(m, &a);
}

static bool take_one_carried(struct member *m)
{
	char buf[NOTIFY_MESSAGE_MAX];
	ssize_t n = notify_receive_carried(m->courier.channel, buf);

	if (n == 0) /* its end; its death comes, too */
		loop_forget(m->all->loop, m->courier.channel);
	if (n <= 0)
		return false;
	take_message(m, buf, (size_t)n);
	return true;
}

static void take_carried(void *ctx)
{
	for (int i = 0; i < MESSAGE_BATCH; i++)
		if (!take_one_carried(ctx))
			return;
}

void member_watch_socket(struct member *m)
{
	(void)loop_watch(m->all->loop, m->socket.fd, take_messages, m);
}

/* All that it has handed on is there; the next one may have to wait a little. */
static void courier_gone(void *ctx, struct helper *h)
{
	struct member *m = ctx;

	while (take_one_carried(m))
		;
	loop_forget(m->all->loop, h->channel);
	m->courier_again_ms = io_now_ms() + COURIER_PAUSE_MS;
}

/* The next message brings descriptors, which another process has to let go of. */
static void start_courier(struct member *m)
{
	struct helper_job job = { .socket = &m->socket };
	int r;

	loop_forget(m->all->loop, m->socket.fd);
	m->courier_again_ms = 0;
	r = helper_start(&m->courier, HELPER_COURIER, &job, m->all->children,
			 courier_gone, m);
	if (r == 0)
		(void)loop_watch(m->all->loop, m->courier.channel, take_carried,
				 m);
	else
		m->courier_again_ms = io_now_ms() + COURIER_AGAIN_MS;
}

static void take_messages(void *ctx)
{
	struct member *m = ctx;
	char buf[NOTIFY_MESSAGE_MAX];
	ssize_t n;

	if (m->courier.pid != 0) {
		take_carried(m);
		return;
	}
	for (int i = 0; i < MESSAGE_BATCH; i++) {
		n = notify_receive(&m->socket, buf);
		if (n == -EMSGSIZE) {
			if (m->courier_again_ms == 0)
				start_courier(m);
			return;
		}
		if (n < 0)
			return;
		if (n > 0)
			take_message(m, buf, (size_t)n);
	}
}

void member_signal(struct member *m, int sig)
{
	struct service_action a = { 0 };

	/* It may be its program already, and who sends the signal may have seen it. */
	if (m->service.state == SERVICE_EXECUTING && m->report_fd >= 0)
		take_report(m);
	service_signal(&m->service, sig, io_now_ms(), &a);
	member_act(m, &a);
}

void member_halt(struct member *m)
{
	struct service_action a = { 0 };

	service_halt(&m->service, io_now_ms(), &a);
	member_act(m, &a);
}

void member_again(struct member *m)
{
	struct service_action a = { 0 };

	service_again(&m->service, io_now_ms(), &a);
	member_act(m, &a);
}

void member_due(struct member *m, int64_t now_ms)
{
	struct service_action a = { 0 };

	/* First: what was sent meanwhile may move its deadline. */
	if (m->courier_again_ms != 0 && m->courier_again_ms <= now_ms) {
		m->courier_again_ms = 0;
		member_watch_socket(m);
		take_messages(m);
	}
	service_due(&m->service, now_ms, &a);
	member_act(m, &a);
}
