#include "vsock/relay/run/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vsock/io.h"
#include "vsock/relay/base/value.h"
#include "vsock/relay/flow/listener.h"
#include "vsock/relay/flow/loop.h"
#include "vsock/relay/flow/notice.h"
#include "vsock/relay/flow/pool.h"
#include "vsock/relay/flow/pump.h"
#include "vsock/relay/flow/sandbox.h"
#include "vsock/relay/flow/tally.h"
#include "vsock/relay/run/drop.h"

enum {
	WORKERS_USUAL = 4, /* where the plan names no number */
	SINGLES_MAX = TALLY_WORKERS - PLAN_WORKERS_MAX,
	DELAY_MS = 100, /* before the first new start */
	DELAY_MAX_MS = 5000,
	DRAIN_LOOK_MS = 20,
	DRAIN_LOOKS = 45, /* less than INSIDE_END_MS together */
	DRAIN_QUIET_LOOKS = 10,
	STEADY_MS = 10000,  /* who ran for longer begins with DELAY_MS again */
	MARGIN = 64,	    /* connections above the limit: workers race */
	TIMERS_EACH = 3,    /* of a connection, at most */
	TIMERS_MORE = 4096, /* of listeners and services */
	FILES_EACH = 2,
	FILES_MORE = 1024,
	BACKLOG = 4096,
};

/* A process that is kept running. */
struct post {
	const struct service *single; /* NULL: a worker */
	pid_t pid;		      /* 0: not now */
	int64_t since_ms, again_ms;
	int64_t delay_ms;
};

static struct post posts[TALLY_WORKERS];
static unsigned count;
static const struct plan *plan;
static int kept = -1; /* see worker_keep */
/* By which a process says how it has started; closed after that. */
static int told[2] = { -1, -1 };

/* --- a worker ---------------------------------------------------------------------- */

static int start_services(const struct post *p, const struct service_work *w,
			  unsigned *ret_needs, struct service_fault *reterr)
{
	const struct service *const *s = services_of(plan->side);
	int r = 0;

	for (; r == 0 && *s; s++) {
		if (p->single ? *s != p->single :
				(*s)->is_single || !(*s)->is_wanted(plan))
			continue;
		*ret_needs |= (*s)->needs;
		r = (*s)->start(w);
		if (r < 0)
			(void)service_fail(reterr, 0, (*s)->name, -r);
	}
	return r;
}

static int open_work(struct loop *loop, struct pool *pool, struct pumps *pumps)
{
	uint32_t max = plan->max + MARGIN;
	int r = loop_open(loop, max * TIMERS_EACH + TIMERS_MORE);

	if (r == 0)
		r = pool_open(pool, plan->memory);
	if (r == 0)
		r = pump_open(pumps, loop, pool, max);
	return r;
}

static bool is_local(const struct address *a)
{
	return a->kind == ADDRESS_UNIX || a->kind == ADDRESS_DIR ||
	       a->kind == ADDRESS_MUX;
}

static bool has_local(const struct plan *p)
{
	bool found = is_local(&p->egress.target) || is_local(&p->dns.target) ||
		     is_local(&p->tap.target);

	for (size_t i = 0; !found && i < p->routes; i++)
		found = is_local(&p->route[i].listen) ||
			is_local(&p->route[i].target);
	for (size_t i = 0; !found && i < p->exits.count; i++)
		found = is_local(&p->exits.at[i].listen);
	for (size_t i = 0; !found && i < p->resolvers.count; i++)
		found = is_local(&p->resolvers.at[i].listen);
	return found;
}

/* Ends with the first process, and at no signal before. */
static bool is_orphan(pid_t first)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return getppid() != first;
}

static void run_worker(const struct post *p)
{
	static struct loop loop;
	static struct pool pool;
	static struct pumps pumps;
	static struct service_work work;
	struct service_fault fault = { 0 };
	unsigned needs = 0;
	int r;

	tally_join((unsigned)(p - posts));
	if (p->single)
		(void)prctl(PR_SET_NAME, p->single->name, 0, 0, 0);
	r = open_work(&loop, &pool, &pumps);
	work = (struct service_work){ .plan = plan,
				      .loop = &loop,
				      .pumps = &pumps,
				      .number = (unsigned)(p - posts) };
	if (r == 0 && has_local(plan))
		loop_guard(&loop);
	if (r == 0)
		r = start_services(p, &work, &needs, &fault);
	if (r == 0)
		r = sandbox_enter(needs);
	if (r < 0 && !fault.error)
		(void)service_fail(&fault, 0, "a worker", -r);
	if (told[1] >= 0) {
		if (write(told[1], &fault, sizeof(fault)) != sizeof(fault))
			r = -EPIPE;
		close(told[1]);
	} else if (r < 0) {
		notice(fault.object, "%s", strerror(-r));
	}
	if (r == 0)
		r = loop_run(&loop);
	_exit(r < 0);
}

/* --- the first process ------------------------------------------------------------- */

void worker_keep(int fd)
{
	kept = fd;
}

static int start(struct post *p)
{
	pid_t first = getpid();

	p->since_ms = io_now_ms();
	p->pid = fork();
	if (p->pid > 0)
		return 0;
	if (p->pid < 0) {
		p->pid = 0;
		return -errno;
	}
	if (told[0] >= 0)
		close(told[0]);
	if (kept >= 0)
		close(kept);
	if (!is_orphan(first))
		run_worker(p);
	_exit(1);
}

/* Gives what was killed or has ended a new start, later. */
static void note_death(struct post *p, int status)
{
	int64_t now = io_now_ms();

	p->pid = 0;
	tally_forget((unsigned)(p - posts));
	if (p->delay_ms == 0 || now - p->since_ms > STEADY_MS)
		p->delay_ms = DELAY_MS;
	else if (p->delay_ms < DELAY_MAX_MS)
		p->delay_ms = p->delay_ms * 2 < DELAY_MAX_MS ? p->delay_ms * 2 :
							       DELAY_MAX_MS;
	p->again_ms = now + p->delay_ms;
	notice(p->single ? p->single->name : "a worker",
	       "%s %d; its connections are lost, and it starts again in %d ms",
	       WIFSIGNALED(status) ? "killed by signal" : "exited with code",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	       (int)p->delay_ms);
}

/* One SIGCHLD may stand for many deaths. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < count; i++)
			if (posts[i].pid == pid)
				note_death(&posts[i], status);
}

/* Starts those whose time has come. Returns the time until the next, or -1. */
static int64_t start_due(void)
{
	int64_t next = -1, now = io_now_ms(), left;

	for (unsigned i = 0; i < count; i++) {
		struct post *p = &posts[i];

		if (p->pid)
			continue;
		if (p->again_ms <= now && start(p) < 0)
			p->again_ms = now + p->delay_ms;
		left = p->again_ms - now;
		if (!p->pid && (next < 0 || left < next))
			next = left;
	}
	return next;
}

static void kill_all(void)
{
	int r;

	/* Those that cannot be killed end with this process. */
	for (unsigned i = 0; i < count; i++)
		if (posts[i].pid && kill(posts[i].pid, SIGKILL) < 0)
			posts[i].pid = 0;
	for (unsigned i = 0; i < count; i++) {
		if (!posts[i].pid)
			continue;
		do
			r = waitpid(posts[i].pid, NULL, 0);
		while (r < 0 && errno == EINTR);
	}
}

/*
 * At an enclave's end, when its services have ended: what they have written is on its way.
 * Workers go on until nothing moves, or all connections have ended; PID 1 waits for
 * INSIDE_END_MS.
 */
static void drain(const sigset_t *signals)
{
	const struct timespec pause = { .tv_nsec = DRAIN_LOOK_MS * 1000000 };
	uint64_t before = tally_moved(), now;
	int looks = 0, quiet = 0;

	for (; looks < DRAIN_LOOKS && quiet < DRAIN_QUIET_LOOKS &&
	       tally_sum(TALLY_ALL, TALLY_NOW) > 0;
	     looks++) {
		(void)sigtimedwait(signals, NULL, &pause);
		now = tally_moved();
		quiet = now == before ? quiet + 1 : 0;
		before = now;
	}
}

static int supervise(const sigset_t *signals)
{
	int64_t left;
	struct timespec t;
	int signal_;

	for (;;) {
		left = start_due();
		t = (struct timespec){ .tv_sec = (time_t)(left / 1000),
				       .tv_nsec = left % 1000 * 1000000 };
		signal_ = left < 0 ? sigwaitinfo(signals, NULL) :
				     sigtimedwait(signals, NULL, &t);
		if (signal_ == SIGCHLD)
			reap();
		else if (signal_ == SIGUSR1)
			listener_report_all();
		else if (signal_ > 0)
			return signal_;
	}
}

/* How all have started: the first failure, if there is one. */
static int hear(struct service_fault *reterr)
{
	struct service_fault f;
	ssize_t n;

	close(told[1]);
	for (unsigned i = 0; i < count; i++) {
		do
			n = read(told[0], &f, sizeof(f));
		while (n < 0 && errno == EINTR);
		if (n != (ssize_t)sizeof(f))
			return service_fail(reterr, 0, "a worker", ECHILD);
		f.reason = NULL; /* a pointer of another process */
		if (f.error) {
			*reterr = f;
			return -f.error;
		}
	}
	close(told[0]);
	told[0] = told[1] = -1;
	return 0;
}

static int start_all(struct service_fault *reterr)
{
	int r = 0;

	if (pipe2(told, O_CLOEXEC) < 0)
		return service_fail(reterr, 0, "pipe", errno);
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = start(&posts[i]);
	if (r < 0)
		return service_fail(reterr, 0, "fork", -r);
	return hear(reterr);
}

static int give_up_privileges(struct service_fault *reterr)
{
	const struct service *const *s = services_of(plan->side);
	unsigned needs = SANDBOX_CHILDREN;
	int r = drop_privileges(plan->side);

	if (r < 0)
		return service_fail(reterr, 0, "privileges", -r);
	for (; *s; s++)
		if ((*s)->is_wanted(plan))
			needs |= (*s)->needs;
	r = sandbox_enter(needs);
	return r < 0 ? service_fail(reterr, 0, "seccomp", -r) : 0;
}

int worker_run(void (*ready)(void *ctx), void *ctx,
	       struct service_fault *reterr)
{
	sigset_t signals;
	int r;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGCHLD);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigaddset(&signals, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* of stderr */
	r = give_up_privileges(reterr);
	if (r == 0)
		r = start_all(reterr);
	if (r == 0) {
		if (ready)
			ready(ctx);
		r = supervise(&signals);
		if (r == SIGTERM && plan->side == PLAN_INSIDE)
			drain(&signals);
	}
	kill_all();
	listener_close_all();
	return r;
}

/* --- binding ----------------------------------------------------------------------- */

static unsigned processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) < 0 ?
		       1 :
		       (unsigned)CPU_COUNT(&set);
}

/* As many descriptors as the connections need, if they are to be had. */
static void raise_files(uint32_t max)
{
	rlim_t wanted = (rlim_t)max * FILES_EACH + FILES_MORE;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= wanted)
		return;
	l.rlim_cur = wanted;
	if (l.rlim_max < wanted)
		l.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &l) == 0 ||
	    getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

/*
 * Before 5.4 the kernel cuts a listener's queue to 128, beyond which vsock resets. A
 * configuration that has more keeps it.
 */
static void raise_backlog(void)
{
	static const char path[] = "/proc/sys/net/core/somaxconn",
			  wanted[] = "4096";
	char text[16] = "";
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint64_t n;

	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0)
		text[strcspn(text, "\n")] = '\0';
	if (value_number(text, BACKLOG - 1, &n))
		(void)!pwrite(fd, wanted, sizeof(wanted) - 1, 0);
	close(fd);
}

static void set_places(void)
{
	const struct service *const *s = services_of(plan->side);
	unsigned usual = processors();
	bool has_workers = false;

	if (usual > WORKERS_USUAL)
		usual = WORKERS_USUAL;
	count = 0;
	for (; *s; s++)
		has_workers |= !(*s)->is_single && (*s)->is_wanted(plan);
	if (has_workers)
		count = plan->workers ? plan->workers : usual;
	for (s = services_of(plan->side); *s; s++)
		if ((*s)->is_single && (*s)->is_wanted(plan) &&
		    count < TALLY_WORKERS)
			posts[count++].single = *s;
}

int worker_bind(const struct plan *p, struct service_fault *reterr)
{
	const struct service *const *s = services_of(p->side);
	int r = 0;

	plan = p;
	set_places();
	tally_limit(count, p->max);
	raise_files(p->max);
	if (p->side == PLAN_INSIDE)
		listener_set_inside();
	/* Not where a test runs it. */
	if (p->side == PLAN_INSIDE && getppid() == 1)
		raise_backlog();
	for (; r == 0 && *s; s++)
		if ((*s)->is_wanted(p))
			r = (*s)->bind(p, reterr);
	if (r < 0)
		listener_close_all();
	return r;
}
