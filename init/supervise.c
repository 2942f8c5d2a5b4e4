#include "init/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/cull.h"
#include "init/exec.h"
#include "init/klog.h"
#include "init/loop.h"
#include "init/report.h"
#include "vsock/io.h"

enum {
	MESSAGE_BATCH = 64,    /* of one socket in one turn */
	RELAY_AGAIN_MS = 1000, /* after a relay that could not be forked */
	/* After one that was: whoever sends descriptors in a loop shall not make PID 1
	 * fork in a loop. */
	RELAY_PAUSE_MS = 20,
};

/* --- words --- */

static void add_status(const struct service *v, struct text *t)
{
	if (v->text[0] == '\0')
		return;
	text_add(t, ", its last status: ");
	text_add(t, v->text);
}

static void add_ms(uint32_t ms, struct text *t)
{
	text_add_number(t, ms % 1000 ? ms : ms / 1000);
	text_add(t, ms % 1000 ? " ms" : " s");
}

static void say(const struct service *v, struct text *t)
{
	log_line("supervise", v->name, text_string(t));
}

/* The boot cannot go on. */
static void fail_boot(struct supervise *s, const struct service *v,
		      struct text *t)
{
	add_status(v, t);
	s->boot_failed = true;
	s->stop(s->ctx, v->name, text_string(t));
}

static void add_end(const struct member *m, struct text *t)
{
	if (WIFEXITED(m->service.status) && !m->service.has_started)
		text_add(t, "could not be started");
	else
		report_status(m->service.status, m->was_oom, t);
}

static void add_again(const struct service *v, uint32_t ms, struct text *t)
{
	text_add(t, ", started again in ");
	add_ms(ms, t);
	text_add(t, " (");
	text_add_number(t, v->times);
	if (v->limit > 0) {
		text_add(t, " of ");
		text_add_number(t, v->limit);
	}
	text_add(t, ")");
}

/* What is wrong with it, and not with the boot. */
static void complain(struct service *v, struct text *t)
{
	add_status(v, t);
	say(v, t);
}

static void not_in_time(struct supervise *s, struct service *v,
			const struct service_action *a, struct text *t)
{
	add_ms(a->ms, t);
	if (a->fails_boot)
		fail_boot(s, v, t);
	else
		complain(v, t);
}

/* The application's end is told by the last line. */
static void has_ended(struct supervise *s, struct member *m, bool is_news,
		      struct text *t)
{
	if (m != s->members || is_news)
		say(&m->service, t);
	if (s->first_end == s->count)
		s->first_end = (size_t)(m - s->members);
}

static void ended_unready(struct supervise *s, struct member *m)
{
	struct text t;

	s->boot_failed = true;
	if (m->is_explained)
		return;
	text_clear(&t);
	text_add(&t, "ended before it was ready, ");
	report_status(m->service.status, m->was_oom, &t);
	fail_boot(s, &m->service, &t);
}

static void tell(struct supervise *s, struct member *m,
		 const struct service_action *a)
{
	struct service *v = &m->service;
	struct text t;

	text_clear(&t);
	switch (a->news) {
	case SERVICE_NO_NEWS:
		break;
	case SERVICE_IS_READY:
		log_debug("supervise", v->name, "ready");
		break;
	case SERVICE_HELD:
		text_add(&t, "its program was not executed within ");
		add_ms(a->ms, &t);
		m->is_explained = true;
		if (a->fails_boot)
			fail_boot(s, v, &t);
		else
			complain(v, &t);
		break;
	case SERVICE_NOT_READY:
		text_add(&t, "not ready within ");
		not_in_time(s, v, a, &t);
		break;
	case SERVICE_SILENT:
		text_add(&t, "no sign of life for ");
		not_in_time(s, v, a, &t);
		break;
	case SERVICE_WANTS_ABORT:
		text_add(&t, "it wants to be ended, by WATCHDOG=trigger");
		complain(v, &t);
		break;
	case SERVICE_HAS_ENDED:
		add_end(m, &t);
		has_ended(s, m, false, &t);
		break;
	case SERVICE_GIVEN_UP:
		add_end(m, &t);
		text_add(&t, ", not started again");
		has_ended(s, m, true, &t);
		break;
	case SERVICE_AGAIN:
		add_end(m, &t);
		add_again(v, a->ms, &t);
		say(v, &t);
		break;
	case SERVICE_ENDED_UNREADY:
		ended_unready(s, m);
		break;
	}
}

/* --- processes --- */

static void send_signal(const struct member *m, int sig)
{
	if (m->pid <= 0)
		return;
	/* In a container its leader may have gone to another group. */
	if (m->service.kill_mode == CONFIG_KILL_GROUP &&
	    kill(-m->pid, sig) == 0)
		return;
	(void)kill(m->pid, sig);
}

/*
 * A number is free again once its process and its group are gone. A group that is there
 * without its leader is still the old one: only the process of that number makes another.
 */
pid_t supervise_group(const struct member *m)
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
	pid_t group = supervise_group(m);

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

static void do_action(struct member *m, const struct service_action *a);

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
		m->all->failed(m->all->ctx, (size_t)(m - m->all->members), NULL,
			       status);
	m->is_explained |= !m->service.has_started;
	service_died(&m->service, status, !m->service.has_started, io_now_ms(),
		     &a);
	do_action(m, &a);
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
		s->start(s->ctx, (size_t)(m - s->members), fds[1],
			 is_in_cgroup);
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

static void start(struct member *m)
{
	struct supervise *s = m->all;
	struct exec_report report = { .kind = EXEC_FAILED, .reason = "fork: " };
	struct service_action a = { 0 };
	int r;

	m->is_about = m->is_explained = false;
	m->program[0] = '\0';
	helper_kill(&m->relay); /* it would hold what the last one has sent */
	s->has_run = true;
	if (m->last > 0 && m->service.kill_mode != CONFIG_KILL_PROCESS) {
		/* What was not dead yet at its end, or has forked since. */
		kill_rest(m);
		(void)cgroup_renew(&m->cgroup);
	}
	r = fork_it(m);
	if (r == 0)
		return;
	report.error = r;
	(void)strncat(report.reason, strerror(-r),
		      sizeof(report.reason) - sizeof("fork: "));
	m->is_explained = true;
	s->failed(s->ctx, (size_t)(m - s->members), &report, 0);
	service_died(&m->service, 0, true, io_now_ms(), &a);
	do_action(m, &a);
}

static void do_action(struct member *m, const struct service_action *a)
{
	if (a->news != SERVICE_AGAIN)
		tell(m->all, m, a);
	if (a->signals >> (SIGKILL - 1) & 1 && !m->service.has_started)
		m->is_explained = true; /* by us */
	for (int sig = 1; sig <= SERVICE_SIGNALS; sig++)
		if (a->signals >> (sig - 1) & 1)
			send_signal(m, sig);
	if (a->kill_all)
		kill_rest(m);
	if (a->news == SERVICE_AGAIN)
		tell(m->all, m, a);
	if (a->start)
		start(m);
}

/* --- what they report --- */

static void hand_on(struct member *m, int sig)
{
	struct service_action a = { 0 };

	service_signal(&m->service, sig, io_now_ms(), &a);
	do_action(m, &a);
}

static void runs(struct member *m)
{
	struct service_action a = { 0 };

	m->all->runs(m->all->ctx, (size_t)(m - m->all->members));
	service_runs(&m->service, io_now_ms(), &a);
	do_action(m, &a);
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
		m->all->failed(m->all->ctx, (size_t)(m - m->all->members), r,
			       0);
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
		log_debug("supervise", m->service.name, m->service.text);
	do_action(m, &a);
}

static bool take_one_relayed(struct member *m)
{
	char buf[NOTIFY_MESSAGE_MAX];
	ssize_t n = notify_receive_relayed(m->relay.channel, buf);

	if (n == 0) /* its end; its death comes, too */
		loop_forget(m->all->loop, m->relay.channel);
	if (n <= 0)
		return false;
	take_message(m, buf, (size_t)n);
	return true;
}

static void take_relayed(void *ctx)
{
	for (int i = 0; i < MESSAGE_BATCH; i++)
		if (!take_one_relayed(ctx))
			return;
}

static void watch_socket(struct member *m)
{
	(void)loop_watch(m->all->loop, m->socket.fd, take_messages, m);
}

/* All that it has handed on is there; the next one may have to wait a little. */
static void relay_gone(void *ctx, struct helper *h)
{
	struct member *m = ctx;

	while (take_one_relayed(m))
		;
	loop_forget(m->all->loop, h->channel);
	m->relay_again_ms = io_now_ms() + RELAY_PAUSE_MS;
}

/* The next message brings descriptors, which another process has to let go of. */
static void start_relay(struct member *m)
{
	struct helper_job job = { .socket = &m->socket };
	int r;

	loop_forget(m->all->loop, m->socket.fd);
	m->relay_again_ms = 0;
	r = helper_start(&m->relay, HELPER_RELAY, &job, m->all->children,
			 relay_gone, m);
	if (r == 0)
		(void)loop_watch(m->all->loop, m->relay.channel, take_relayed,
				 m);
	else
		m->relay_again_ms = io_now_ms() + RELAY_AGAIN_MS;
}

static void take_messages(void *ctx)
{
	struct member *m = ctx;
	char buf[NOTIFY_MESSAGE_MAX];
	ssize_t n;

	if (m->relay.pid != 0) {
		take_relayed(m);
		return;
	}
	for (int i = 0; i < MESSAGE_BATCH; i++) {
		n = notify_receive(&m->socket, buf);
		if (n == -EMSGSIZE) {
			if (m->relay_again_ms == 0)
				start_relay(m);
			return;
		}
		if (n < 0)
			return;
		if (n > 0)
			take_message(m, buf, (size_t)n);
	}
}

/* --- all of them --- */

static bool may_start(const struct supervise *s, const struct service *v)
{
	for (size_t i = 0; i < s->count; i++)
		if (v->after >> i & 1 && !s->members[i].service.was_ready)
			return false;
	return v->state == SERVICE_WAITING;
}

static void start_some(struct supervise *s, int64_t now)
{
	for (size_t i = 0; i < s->count; i++) {
		struct service_action a = { 0 };
		struct member *m = &s->members[i];

		if (s->is_ending || s->boot_failed ||
		    !may_start(s, &m->service))
			continue;
		service_start(&m->service, now, &a);
		do_action(m, &a);
	}
}

static int64_t sooner(int64_t a, int64_t b)
{
	return b != 0 && (a == 0 || b < a) ? b : a;
}

static int64_t next_deadline(const void *ctx)
{
	const struct supervise *s = ctx;
	int64_t first = 0;

	for (size_t i = 0; i < s->count; i++) {
		first = sooner(first, s->members[i].service.deadline_ms);
		first = sooner(first, s->members[i].relay_again_ms);
	}
	return first;
}

static void due(void *ctx, int64_t now_ms)
{
	struct supervise *s = ctx;

	for (size_t i = 0; i < s->count; i++) {
		struct service_action a = { 0 };
		struct member *m = &s->members[i];

		service_due(&m->service, now_ms, &a);
		do_action(m, &a);
		if (m->relay_again_ms != 0 && m->relay_again_ms <= now_ms) {
			m->relay_again_ms = 0;
			watch_socket(m);
			take_messages(m);
		}
	}
	start_some(s, now_ms);
}

static void take_signal(void *ctx, int sig)
{
	struct supervise *s = ctx;
	struct member *app = &s->members[0];

	if (s->count == 0)
		return;
	/* It may be its program already, and who sends the signal may have seen it. */
	if (app->service.state == SERVICE_EXECUTING && app->report_fd >= 0)
		take_report(app);
	hand_on(app, sig);
}

void supervise_init(struct supervise *s, const struct config *c, struct loop *l,
		    struct children *children, int proc_fd)
{
	/* One by one: the places of services that there are not stay untouched. */
	s->loop = l;
	s->children = children;
	s->proc_fd = proc_fd;
	/* One alone ends with the enclave, and PID 1 has nothing to wake up for. */
	children->looks = c->service_count > 1;
	s->count = s->first_end = c->service_count;
	s->end = c->end;
	s->is_ending = true; /* until supervise_start */
	for (size_t i = 0; i < s->count; i++) {
		struct member *m = &s->members[i];

		service_init(&m->service, &c->services[i], i);
		m->all = s;
		m->report_fd = m->socket.fd = m->relay.channel = -1;
		cgroup_none(&m->cgroup);
	}
	l->take_signal = take_signal;
	l->signal_ctx = s;
	loop_add_clock(l, (struct loop_clock){ next_deadline, due, s });
}

int supervise_prepare(struct supervise *s, size_t i, const struct config *c,
		      int cgroup_version, const char **reterr_key)
{
	const struct config_service *from = &c->services[i];
	struct member *m = &s->members[i];
	const struct cgroup_limits limits = {
		.memory_max = from->memory_max,
		.pids_max = from->pids_max,
		.cpu_weight = from->cpu_weight,
	};
	bool is_limited = limits.memory_max != 0 || limits.pids_max != 0 ||
			  limits.cpu_weight != 0;
	int r;

	/* What is never started again leaves nothing in the way of anybody. */
	if (is_limited || from->restart != CONFIG_RESTART_NEVER) {
		r = cgroup_make(cgroup_version, from->name, &limits, &m->cgroup,
				reterr_key);
		if (r < 0 && is_limited)
			return r;
		if (r < 0)
			log_line("spawn", *reterr_key, strerror(-r));
	}
	if (!m->service.notifies)
		return 0;
	*reterr_key = "NOTIFY_SOCKET";
	r = notify_open(m->uid, m->has_user, &m->socket);
	if (r == 0)
		watch_socket(m);
	return r;
}

static bool all_were_ready(const struct supervise *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!s->members[i].service.was_ready)
			return false;
	return true;
}

static bool is_over(void *ctx)
{
	const struct supervise *s = ctx;
	const struct service *app = &s->members[0].service;
	size_t gone = 0;

	if (app->is_told && app->state == SERVICE_ENDED)
		return true;
	for (size_t i = 0; i < s->count; i++)
		gone += s->members[i].service.state == SERVICE_ENDED;
	switch (s->end) {
	case CONFIG_END_ANY:
		return gone > 0;
	case CONFIG_END_ALL:
		return gone == s->count;
	case CONFIG_END_MAIN:
		break;
	}
	return app->state == SERVICE_ENDED;
}

/* The end before all were ready is none that was asked for. */
static void ended_early(struct supervise *s)
{
	const struct service *v = &supervise_who(s)->service;
	struct text t;

	text_clear(&t);
	text_add(&t, "ended before all were ready, ");
	report_status(v->status, false, &t);
	fail_boot(s, v, &t);
}

static bool is_decided(void *ctx)
{
	struct supervise *s = ctx;

	return s->boot_failed || all_were_ready(s) || is_over(s);
}

int supervise_start(struct supervise *s)
{
	s->is_ending = false;
	start_some(s, io_now_ms());
	(void)loop_until(s->loop, is_decided, s, -1);
	if (!s->boot_failed && !all_were_ready(s))
		ended_early(s);
	s->is_through = true;
	s->is_ending = s->boot_failed;
	for (size_t i = 0; i < s->count; i++)
		s->members[i].service.in_boot = false;
	return s->boot_failed ? -1 : 0;
}

bool supervise_is_final(const struct supervise *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->members[i].service.restart != CONFIG_RESTART_NEVER)
			return false;
	return true;
}

void supervise_run(struct supervise *s)
{
	(void)loop_until(s->loop, is_over, s, -1);
}

const struct member *supervise_who(const struct supervise *s)
{
	return &s->members[s->end == CONFIG_END_ANY && s->first_end < s->count ?
				   s->first_end :
				   0];
}

/* --- the end --- */

/* Whether a service that runs came after the number I. */
static bool is_needed(const struct supervise *s, size_t i)
{
	for (size_t n = 0; n < s->count; n++)
		if (service_is_alive(&s->members[n].service) &&
		    s->members[n].service.after >> i & 1)
			return true;
	return false;
}

/* Asks those to end that no other needs; whether all are gone. */
static bool stop_some(void *ctx)
{
	struct supervise *s = ctx;
	bool are_gone = true;

	for (size_t i = 0; i < s->count; i++) {
		struct service_action a = { 0 };
		struct member *m = &s->members[i];

		if (!service_is_alive(&m->service))
			continue;
		are_gone = false;
		if (is_needed(s, i))
			continue;
		service_stop(&m->service, io_now_ms(), &a);
		do_action(m, &a);
	}
	return are_gone;
}

void supervise_stop(struct supervise *s)
{
	int64_t longest = io_now_ms();

	s->is_ending = true;
	for (size_t i = 0; i < s->count; i++) {
		service_end(&s->members[i].service);
		longest += s->members[i].service.stop_ms + SUPERVISE_KILL_MS;
	}
	(void)loop_until(s->loop, stop_some, s, longest);
}
