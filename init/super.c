#include "init/super.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init/klog.h"
#include "init/log.h"
#include "init/report.h"
#include "vsock/io.h"

enum {
	REAP_BATCH = 256,
	SIGNAL_BATCH = 8,
	MESSAGE_BATCH = 64,
};

static const int forwarded[] = {
	SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH,
};

static const int faults[] = {
	SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS,
};

void super_block_signals(void)
{
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

void super_init(struct super *s, const struct config *c)
{
	s->signal_fd = s->notify_fd = -1;
	s->count = c->service_count;
	s->end = c->end;
	for (size_t i = 0; i < s->count; i++) {
		const struct config_service *from = &c->services[i];
		struct super_service *to = &s->services[i];

		memcpy(to->name, from->name, strlen(from->name));
		to->after = from->after;
		to->stop_signal = from->stop_signal;
		to->stop_is_set = from->stop_timeout_ms.is_set;
		to->stop_ms = to->stop_is_set ? from->stop_timeout_ms.value :
			      i == 0	      ? SUPER_GRACE_MS :
						SUPER_STOP_MS;
		to->restart = from->restart;
		to->delay_ms = from->restart_delay_ms;
		to->delay_max_ms = from->restart_delay_max_ms;
		to->limit = from->restart_limit;
		to->notifies = from->ready == CONFIG_READY_NOTIFY;
		to->ready_ms = from->ready_timeout_ms;
		to->watchdog_ms = from->watchdog_ms;
	}
}

uint32_t super_delay(uint32_t delay_ms, uint32_t max_ms, uint32_t times)
{
	for (; times > 0 && delay_ms < max_ms; times--)
		delay_ms = delay_ms > max_ms / 2 ? max_ms : 2 * delay_ms;
	return delay_ms < max_ms ? delay_ms : max_ms;
}

/* --- one service --- */

static bool is_alive(const struct super_service *v)
{
	return v->state == SUPER_STARTING || v->state == SUPER_RUNNING ||
	       v->state == SUPER_STOPPING;
}

static void add_status(struct super_service *v, struct text *t)
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

static void say(const struct super_service *v, struct text *t)
{
	log_line("supervise", v->name, text_string(t));
}

/* The boot cannot go on. */
static void fail_boot(struct super *s, struct super_service *v, struct text *t)
{
	add_status(v, t);
	s->boot_failed = true;
	s->fail(s->ctx, v->name, text_string(t));
}

static void tell_group(const struct super_service *v, int sig)
{
	/* In a container its leader may have gone to another one, and is told alone. */
	if (v->pid > 0 && kill(-v->pid, sig) < 0)
		(void)kill(v->pid, sig);
}

static int stop_signal(const struct super_service *v)
{
	return v->stop_signal > 0 ? v->stop_signal : SIGTERM;
}

/* Sends SIG, and KILL when it has not ended in time. */
static void stop(struct super_service *v, int sig)
{
	v->state = SUPER_STOPPING;
	v->deadline_ms = io_now_ms() + v->stop_ms;
	tell_group(v, sig);
}

static bool is_failure(const struct super_service *v)
{
	int sig;

	if (v->failed)
		return true;
	if (WIFEXITED(v->status))
		return WEXITSTATUS(v->status) != 0;
	sig = WTERMSIG(v->status);
	return !v->says_stopping || (sig != SIGTERM && sig != v->stop_signal);
}

static void wait_to_start(struct super_service *v, int64_t now, struct text *t)
{
	uint32_t ms = super_delay(v->delay_ms, v->delay_max_ms, v->times);

	v->times++;
	v->state = SUPER_BACKOFF;
	v->deadline_ms = now + ms;
	/* What it left would be in the way of the next one. */
	if (v->group > 0)
		(void)kill(-v->group, SIGKILL);
	v->group = 0; /* later on the number may be somebody else's */
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

/* V does not run, for the reason T: what comes of it. */
static void after_end(struct super *s, struct super_service *v, struct text *t)
{
	bool again = v->restart == CONFIG_RESTART_ALWAYS ||
		     (v->restart == CONFIG_RESTART_ON_FAILURE && is_failure(v));
	bool is_main = v == &s->services[0];
	int64_t now;

	v->pid = 0;
	v->state = SUPER_ENDED;
	v->deadline_ms = 0;
	if (!s->is_ending && again && !v->is_told) {
		now = io_now_ms();
		if (v->ran_ms != 0 && now - v->ran_ms > v->delay_max_ms)
			v->times = 0;
		if (v->limit == 0 || v->times < v->limit) {
			wait_to_start(v, now, t);
			say(v, t);
			return;
		}
		text_add(t, ", not started again");
		is_main = false; /* for once that is news */
	}
	if (!is_main)
		say(v, t);
	if (s->first_end == s->count)
		s->first_end = (size_t)(v - s->services);
}

static void ended(struct super *s, struct super_service *v, int status)
{
	bool oom = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
		   v->state != SUPER_STOPPING &&
		   (s->count > 1 || v->restart != CONFIG_RESTART_NEVER) &&
		   klog_was_oom(s->proc_fd, v->pid);
	struct text t;

	v->status = status;
	text_clear(&t);
	if (!v->was_ready && !s->is_through && !s->is_ending) {
		text_add(&t, "ended before it was ready, ");
		report_status(status, oom, &t);
		v->pid = 0;
		v->state = SUPER_ENDED;
		fail_boot(s, v, &t);
		return;
	}
	report_status(status, oom, &t);
	after_end(s, v, &t);
}

static void watch(struct super_service *v)
{
	v->deadline_ms = 0;
	if (v->watchdog_now_ms > 0 && !v->says_stopping)
		v->deadline_ms = io_now_ms() + v->watchdog_now_ms;
}

static void is_ready(struct super_service *v)
{
	v->state = SUPER_RUNNING;
	v->was_ready = true;
	v->ran_ms = io_now_ms();
	watch(v);
	log_debug("supervise", v->name, "ready");
}

static void start(struct super *s, struct super_service *v)
{
	pid_t pid = s->start(s->ctx, (size_t)(v - s->services));
	struct text t;

	v->deadline_ms = 0;
	v->ran_ms = 0;
	v->watchdog_now_ms = v->watchdog_ms;
	v->failed = v->says_stopping = false;
	v->text[0] = '\0';
	if (pid < 0 && !v->was_ready && !s->is_through) {
		s->boot_failed = true;
		v->state = SUPER_ENDED;
		return;
	}
	if (pid < 0) {
		text_clear(&t);
		text_add(&t, "could not be started");
		v->failed = true;
		v->status = 127 << 8;
		after_end(s, v, &t);
		return;
	}
	v->pid = v->group = pid;
	v->state = v->notifies ? SUPER_STARTING : SUPER_RUNNING;
	if (v->notifies)
		v->deadline_ms = io_now_ms() + v->ready_ms;
	else
		is_ready(v);
}

/* Ends V for the reason T. */
static void abort_service(struct super_service *v, struct text *t)
{
	add_status(v, t);
	say(v, t);
	v->failed = true;
	stop(v, SIGABRT);
}

static void watchdog_expired(struct super_service *v)
{
	struct text t;

	text_clear(&t);
	text_add(&t, "no sign of life for ");
	add_ms(v->watchdog_now_ms, &t);
	abort_service(v, &t);
}

static void watchdog_triggered(struct super_service *v)
{
	struct text t;

	text_clear(&t);
	text_add(&t, "it wants to be ended, by WATCHDOG=trigger");
	abort_service(v, &t);
}

static void not_ready(struct super *s, struct super_service *v)
{
	struct text t;

	text_clear(&t);
	text_add(&t, "not ready within ");
	add_ms(v->ready_ms, &t);
	if (!s->is_through && !v->was_ready) {
		v->deadline_ms = 0;
		fail_boot(s, v, &t);
		return;
	}
	add_status(v, &t);
	say(v, &t);
	v->failed = true;
	stop(v, stop_signal(v));
}

/* Its deadline has come. */
static void expired(struct super *s, struct super_service *v)
{
	switch (v->state) {
	case SUPER_STARTING:
		not_ready(s, v);
		break;
	case SUPER_RUNNING:
		watchdog_expired(v);
		break;
	case SUPER_STOPPING:
		tell_group(v, SIGKILL);
		v->deadline_ms = 0;
		break;
	case SUPER_BACKOFF:
		start(s, v);
		break;
	case SUPER_WAITING:
	case SUPER_ENDED:
		v->deadline_ms = 0;
		break;
	}
}

/* --- all of them --- */

static bool may_start(const struct super *s, const struct super_service *v)
{
	for (size_t i = 0; i < s->count; i++)
		if (v->after >> i & 1 && !s->services[i].was_ready)
			return false;
	return v->state == SUPER_WAITING;
}

/* Does what is due. */
static void act(struct super *s)
{
	int64_t now = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct super_service *v = &s->services[i];

		if (v->deadline_ms != 0 && now == 0)
			now = io_now_ms();
		if (v->deadline_ms != 0 && v->deadline_ms <= now)
			expired(s, v);
	}
	/* One that is ready by exec may be who another waits for. */
	for (size_t i = 0; i < s->count && !s->is_ending; i++)
		if (!s->boot_failed && may_start(s, &s->services[i])) {
			start(s, &s->services[i]);
			i = (size_t)-1;
		}
}

/* In ms, or -1: there is nothing to wait for. */
static int next_timeout(const struct super *s)
{
	int64_t first = 0, left;

	for (size_t i = 0; i < s->count; i++) {
		int64_t at = s->services[i].deadline_ms;

		if (at != 0 && (first == 0 || at < first))
			first = at;
	}
	if (first == 0)
		return -1;
	left = first - io_now_ms();
	return left < 0 ? 0 : left > CONFIG_MS_MAX ? CONFIG_MS_MAX : (int)left;
}

enum reaped {
	REAPED_ALL,  /* nobody else is dead */
	REAPED_SOME, /* there may be more */
	REAPED_LAST, /* there is no child left, dead or alive */
};

static void reaped(struct super *s, pid_t pid, int status)
{
	/* Its number may be a service's later on. */
	if (pid == s->helper && !s->helper_gone) {
		s->helper_gone = true;
		s->helper_status = status;
		return;
	}
	for (size_t i = 0; i < s->count; i++)
		if (s->services[i].pid == pid)
			ended(s, &s->services[i], status);
}

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
		reaped(s, pid, status);
	}
	return REAPED_SOME;
}

/* --- what comes from outside --- */

static void heard_signals(const struct super *s, sigset_t *ret)
{
	if (s->hears_all) {
		(void)sigfillset(ret);
		for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
			(void)sigdelset(ret, faults[i]);
		(void)sigdelset(ret, SIGTTIN);
		(void)sigdelset(ret, SIGTTOU);
		return;
	}
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGCHLD);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		(void)sigaddset(ret, forwarded[i]);
}

static void take_signal(struct super *s, int sig)
{
	struct super_service *app = &s->services[0];

	if (sig <= 0 || sig == SIGCHLD)
		return;
	/* Who asks it to end does not want another one, nor a first one. */
	app->is_told |= sig == SIGTERM;
	if (sig == SIGTERM && app->state == SUPER_WAITING)
		app->status = SIGTERM; /* as if it had got it */
	if (sig == SIGTERM &&
	    (app->state == SUPER_BACKOFF || app->state == SUPER_WAITING)) {
		app->state = SUPER_ENDED;
		app->deadline_ms = 0;
	}
	if (app->pid <= 0)
		return;
	/* One that is being stopped has its deadline: more of them move it not. */
	if (sig == SIGTERM && app->stop_is_set && app->state != SUPER_STOPPING)
		stop(app, stop_signal(app));
	else
		tell_group(app, sig == SIGTERM ? stop_signal(app) : sig);
}

static void take_signals(struct super *s)
{
	struct signalfd_siginfo infos[SIGNAL_BATCH];
	ssize_t n = read(s->signal_fd, infos, sizeof(infos));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(infos[0]); i++)
		take_signal(s, (int)infos[i].ssi_signo);
}

/* A service is who it is, and whoever is in its session. */
static struct super_service *find_sender(struct super *s, pid_t pid)
{
	pid_t session = pid > 0 ? getsid(pid) : -1;
	pid_t group = pid > 0 ? getpgid(pid) : -1; /* in a container */

	for (size_t i = 0; i < s->count; i++) {
		struct super_service *v = &s->services[i];

		if (v->notifies && is_alive(v) &&
		    (v->pid == pid || v->pid == session || v->pid == group))
			return v;
	}
	return NULL;
}

static void take_status(struct super_service *v, const struct notify *n)
{
	size_t len = n->status_len < NOTIFY_STATUS_MAX ? n->status_len :
							 NOTIFY_STATUS_MAX;

	memcpy(v->text, n->status, len);
	v->text[len] = '\0';
	log_debug("supervise", v->name, v->text);
}

static uint32_t to_ms(uint64_t usec)
{
	return usec / 1000 > CONFIG_MS_MAX ? CONFIG_MS_MAX :
	       usec > 0 && usec < 1000	   ? 1 :
					     (uint32_t)(usec / 1000);
}

static void take_notify(struct super_service *v, const struct notify *n)
{
	int64_t later;

	if (n->status)
		take_status(v, n);
	v->says_stopping |= n->stopping;
	if (n->has_watchdog_usec)
		v->watchdog_now_ms = to_ms(n->watchdog_usec);
	if (n->has_extend_usec &&
	    (v->state == SUPER_STARTING || v->state == SUPER_STOPPING)) {
		later = io_now_ms() + to_ms(n->extend_usec);
		if (v->deadline_ms != 0 && later > v->deadline_ms)
			v->deadline_ms = later;
	}
	if (n->ready && v->state == SUPER_STARTING)
		is_ready(v);
	else if ((n->watchdog || n->has_watchdog_usec || n->stopping) &&
		 v->state == SUPER_RUNNING)
		watch(v);
	if (n->watchdog_trigger && v->state == SUPER_RUNNING)
		watchdog_triggered(v);
}

static void ignore_message(struct super *s, pid_t pid)
{
	struct text t;

	/* Once: who is not heard may go on for ever. */
	if (s->has_ignored)
		return;
	s->has_ignored = true;
	text_clear(&t);
	text_add(&t, "a message of process ");
	text_add_number(&t, pid);
	text_add(&t, ", which is of no service that tells, is ignored");
	log_line("supervise", "NOTIFY_SOCKET", text_string(&t));
}

static void take_messages(struct super *s)
{
	char buf[NOTIFY_MESSAGE_MAX];
	struct super_service *v;
	struct notify n;
	ssize_t len;
	pid_t pid;

	for (int i = 0; i < MESSAGE_BATCH; i++) {
		len = notify_receive(s->notify_fd, buf, &pid);
		if (len < 0)
			return;
		v = find_sender(s, pid);
		if (!v) {
			ignore_message(s, pid);
			continue;
		}
		notify_parse(buf, (size_t)len, &n);
		take_notify(v, &n);
	}
}

/* Waits for what may happen; TIMEOUT_MS -1: for ever. */
static void wait_event(struct super *s, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = s->signal_fd, .events = POLLIN },
		{ .fd = s->notify_fd, .events = POLLIN },
	};
	struct timespec t = { .tv_sec = timeout_ms / 1000,
			      .tv_nsec = timeout_ms % 1000 * 1000000 };
	sigset_t set;

	if (s->signal_fd < 0) {
		heard_signals(s, &set);
		take_signal(s, timeout_ms < 0 ? sigwaitinfo(&set, NULL) :
						sigtimedwait(&set, NULL, &t));
		return;
	}
	if (poll(fds, 2, timeout_ms) <= 0)
		return;
	/* Before the deaths: who says that it is ready may be gone at once. */
	if (fds[1].revents)
		take_messages(s);
	if (fds[0].revents)
		take_signals(s);
}

/* --- the loop --- */

static int listen_for_messages(struct super *s)
{
	bool needed = false;
	sigset_t set;

	for (size_t i = 0; i < s->count; i++)
		needed |= s->services[i].notifies;
	if (!needed)
		return 0;
	s->notify_fd = notify_open(&s->notify_variable);
	if (s->notify_fd < 0)
		return s->notify_fd;
	heard_signals(s, &set);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? -errno : 0;
}

static bool all_were_ready(const struct super *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!s->services[i].was_ready)
			return false;
	return true;
}

static bool is_over(const struct super *s)
{
	const struct super_service *app = &s->services[0];
	size_t gone = 0;

	if (app->is_told && app->state == SUPER_ENDED)
		return true;
	for (size_t i = 0; i < s->count; i++)
		gone += s->services[i].state == SUPER_ENDED;
	switch (s->end) {
	case CONFIG_END_ANY:
		return gone > 0;
	case CONFIG_END_ALL:
		return gone == s->count;
	case CONFIG_END_MAIN:
		break;
	}
	return app->state == SUPER_ENDED;
}

/* The end before all were ready is none that was asked for. */
static void ended_early(struct super *s)
{
	struct super_service *v = &s->services[super_who(s) - s->services];
	struct text t;

	text_clear(&t);
	text_add(&t, "ended before all were ready, ");
	report_status(v->status, false, &t);
	fail_boot(s, v, &t);
}

int super_start(struct super *s)
{
	enum reaped reaped = REAPED_ALL;
	int r = listen_for_messages(s);

	if (r < 0)
		return r;
	s->first_end = s->count;
	act(s);
	while (!s->boot_failed && !all_were_ready(s)) {
		if (is_over(s)) {
			ended_early(s);
			break;
		}
		wait_event(s, reaped == REAPED_SOME ? 0 : next_timeout(s));
		reaped = reap(s);
		act(s);
	}
	s->is_through = true;
	s->is_ending = s->boot_failed;
	return s->boot_failed ? -1 : 0;
}

bool super_is_final(const struct super *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->services[i].restart != CONFIG_RESTART_NEVER)
			return false;
	return true;
}

void super_run(struct super *s)
{
	bool more;

	for (;;) {
		more = reap(s) == REAPED_SOME;
		if (!is_over(s))
			act(s);
		/* A start that fails may be the last, and no death tells of it. */
		if (is_over(s))
			return;
		wait_event(s, more ? 0 : next_timeout(s));
	}
}

const struct super_service *super_who(const struct super *s)
{
	return &s->services[s->end == CONFIG_END_ANY &&
					    s->first_end < s->count ?
				    s->first_end :
				    0];
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

/* Whether somebody that runs came after service I. */
static bool is_needed(const struct super *s, size_t i)
{
	for (size_t n = 0; n < s->count; n++)
		if (is_alive(&s->services[n]) && s->services[n].after >> i & 1)
			return true;
	return false;
}

/* Tells those to stop whom nobody needs; how many run. */
static size_t stop_some(struct super *s)
{
	size_t alive = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct super_service *v = &s->services[i];

		if (!is_alive(v))
			continue;
		alive++;
		if (v->state != SUPER_STOPPING && !is_needed(s, i))
			stop(v, stop_signal(v));
	}
	return alive;
}

/* In the order that they need one another. Each is killed when its time is over. */
static void stop_services(struct super *s)
{
	int64_t longest = 0;
	bool more = false;
	int timeout;

	for (size_t i = 0; i < s->count; i++) {
		struct super_service *v = &s->services[i];

		if (!is_alive(v)) {
			v->state = SUPER_ENDED;
			v->deadline_ms = 0;
		}
		longest += v->stop_ms + SUPER_KILL_MS;
	}
	longest += io_now_ms();
	while (stop_some(s) > 0 && io_now_ms() < longest) {
		timeout = more ? 0 : next_timeout(s);
		wait_event(s, timeout < 0 ? SUPER_KILL_MS : timeout);
		more = reap(s) == REAPED_SOME;
		act(s);
	}
}

void super_stop(struct super *s)
{
	s->is_ending = true;
	stop_services(s);
}

void super_end(struct super *s, int helper_ms)
{
	int64_t helper_deadline = io_now_ms() + helper_ms;

	super_stop(s);
	for (size_t i = 0; i < s->count; i++)
		if (s->services[i].group > 0 && s->services[i].stop_signal > 0)
			(void)kill(-s->services[i].group,
				   s->services[i].stop_signal);
	/* The helper has TERM blocked, as PID 1 has. */
	(void)kill(-1, SIGTERM);
	if (reap_until(s, io_now_ms() + SUPER_GRACE_MS, false))
		return;
	(void)reap_until(s, helper_deadline, true);
	(void)kill(-1, SIGKILL);
	(void)reap_until(s, io_now_ms() + SUPER_KILL_MS, false);
}
