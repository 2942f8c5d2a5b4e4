#include "nsm/api/jobs/task.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CHILDREN_MAX = 64, /* that were not reaped yet */
	TURNS_MAX = 256,   /* users of each kind that are remembered */
	FIRST_ROOM = 4096,
};

enum task_state { TASK_FREE, TASK_WAITING, TASK_RUNNING };

struct task {
	enum task_state state;
	enum task_kind kind;
	uint64_t id; /* also the order in which they came */
	struct web *web;
	void *ctx;
	job_run_fn *run;
	task_done_fn *done;
	struct timer timer;
	struct watch watch;
	pid_t pid;
	uint8_t *in; /* from the child, one frame at a time */
	size_t in_len, in_cap;
};

/* Until it is reaped. */
struct child {
	pid_t pid;
	bool is_overdue; /* killed at its deadline, with the NSM open */
};

/* When a user's job of a kind was started last. */
struct task_turn {
	uint64_t at; /* 0: free */
	enum task_kind kind;
	bool is_own; /* no user's: of the service */
	bool is_known;
	uid_t uid;
};

static struct {
	struct loop *loop;
	const struct spec *spec;
	const struct task_hooks *hooks;
	unsigned limits[TASK_KINDS];
	uint64_t next_id;
	struct timer kick;
	struct task at[TASK_MAX];
	struct child child[CHILDREN_MAX];
	uint64_t turns;
	struct task_turn turn[TURNS_MAX];
} tasks;

/* --- the end of one --- */

/* PID 0: a free place. */
static struct child *find_child(pid_t pid)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (tasks.child[i].pid == pid)
			return &tasks.child[i];
	return NULL;
}

static void end_child(struct task *t, bool is_overdue)
{
	struct child *c = find_child(t->pid);

	if (t->state != TASK_RUNNING)
		return;
	loop_remove(tasks.loop, &t->watch);
	close(t->watch.fd);
	/* The number of one that was reaped may be another process's. */
	if (!c)
		return;
	(void)kill(c->pid, SIGKILL);
	c->is_overdue = is_overdue;
}

/* A is valid until its buffer is wiped, here. */
static void end(struct task *t, const struct task_answer *a)
{
	struct task old = *t;

	loop_untimer(tasks.loop, &t->timer);
	end_child(t, a->status == 504 &&
			     (t->kind == TASK_NSM || t->kind == TASK_KEY));
	t->state = TASK_FREE;
	t->in = NULL;
	tasks.hooks->ended(old.kind, a);
	old.done(old.web, old.ctx, a);
	if (old.in)
		explicit_bzero(old.in, old.in_cap);
	free(old.in);
	task_start();
}

static void end_with(struct task *t, int status, const char *code,
		     const char *message)
{
	char body[WEB_ERROR_MAX];
	struct task_answer a = {
		.status = status,
		.type = "application/json",
		.lines = "",
		.body = (const uint8_t *)body,
		.len = web_error_body(body, code, message),
		/* At its deadline it was still waiting for KMS, or had just got its answer: nothing is known of an opening then. */
		.has_failed_opening = t->state == TASK_RUNNING && status != 504,
	};

	end(t, &a);
}

static void on_due(struct timer *timer)
{
	struct task *t = LOOP_OWNER(timer, struct task, timer);

	end_with(t, 504, "timeout",
		 t->kind == TASK_NSM || t->kind == TASK_KEY ?
			 "the NSM did not answer in time" :
		 t->kind == TASK_KMS ? "KMS did not answer in time" :
				       "it was not done in time");
}

/* --- what a child sends --- */

static bool is_sane(const struct job_frame *f)
{
	return f->type_len <= JOB_TYPE_MAX && f->lines_len <= WEB_MORE_MAX &&
	       f->body_len <= WEB_ANSWER_MAX &&
	       (f->wish != JOB_ANSWERS ||
		(f->status >= 200 && f->status < 600));
}

static bool is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((text[i] < ' ' || text[i] > '~') && text[i] != '\r' &&
		    text[i] != '\n')
			return false;
	return true;
}

static void take_answer(struct task *t, const struct job_frame *f)
{
	const char *texts = (const char *)t->in + sizeof(*f);
	char type[JOB_TYPE_MAX + 1], lines[WEB_MORE_MAX + 1];
	struct task_answer a = {
		.status = f->status,
		.type = type,
		.lines = lines,
		.body = t->in + sizeof(*f) + f->type_len + f->lines_len,
		.len = f->body_len,
		.has_failed_opening = f->has_failed_opening,
	};

	if (!is_printable(texts, f->type_len + f->lines_len)) {
		end_with(t, 500, "job_failed", "its answer makes no sense");
		return;
	}
	memcpy(type, texts, f->type_len);
	type[f->type_len] = '\0';
	memcpy(lines, texts + f->type_len, f->lines_len);
	lines[f->lines_len] = '\0';
	end(t, &a);
}

/* Returns how many bytes of the frame are still to come; 0: it is whole. */
static size_t missing(const struct task *t, struct job_frame *ret)
{
	size_t whole;

	if (t->in_len < sizeof(*ret))
		return sizeof(*ret) - t->in_len;
	memcpy(ret, t->in, sizeof(*ret));
	if (!is_sane(ret))
		return 0;
	whole = sizeof(*ret) + ret->type_len + ret->lines_len + ret->body_len;
	return whole > t->in_len ? whole - t->in_len : 0;
}

static bool make_room(struct task *t, size_t more)
{
	size_t cap = t->in_cap ? t->in_cap : FIRST_ROOM;
	uint8_t *in;

	while (cap < t->in_len + more)
		cap *= 2;
	if (cap == t->in_cap)
		return true;
	in = malloc(cap);
	if (!in)
		return false;
	if (t->in) {
		memcpy(in, t->in, t->in_len);
		explicit_bzero(t->in, t->in_cap);
		free(t->in);
	}
	t->in = in;
	t->in_cap = cap;
	return true;
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct task *t = LOOP_OWNER(w, struct task, watch);
	struct job_frame f;
	size_t more = missing(t, &f);
	ssize_t n;

	(void)events;
	if (!make_room(t, more)) {
		end_with(t, 503, "no_memory", "there is no memory");
		return;
	}
	n = recv(w->fd, t->in + t->in_len, more, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_with(t, 500, "job_died",
			 "the process that was to do it has ended");
		return;
	}
	t->in_len += (size_t)n;
	if (missing(t, &f) > 0)
		return;
	if (!is_sane(&f)) {
		end_with(t, 500, "job_failed", "its answer makes no sense");
	} else if (f.wish == JOB_ANSWERS) {
		take_answer(t, &f);
	} else {
		t->in_len = 0;
		tasks.hooks->wish(t, (enum job_wish)f.wish, f.about);
	}
}

void task_give(struct task *t, uint64_t id, int r, const void *data, size_t len)
{
	struct job_gift g = { .error = r, .len = r ? 0 : (uint32_t)len };
	uint8_t whole[sizeof(g) + TASK_GIFT_MAX];

	if (t->state != TASK_RUNNING || t->id != id)
		return;
	if (len > TASK_GIFT_MAX)
		g = (struct job_gift){ .error = -EMSGSIZE };
	memcpy(whole, &g, sizeof(g));
	if (g.len)
		memcpy(whole + sizeof(g), data, g.len);
	/* It waits for this alone, and the socket has room; one that does not read it has its deadline. */
	(void)send(t->watch.fd, whole, sizeof(g) + g.len,
		   MSG_NOSIGNAL | MSG_DONTWAIT);
	explicit_bzero(whole, sizeof(whole));
}

uint64_t task_id(const struct task *t)
{
	return t->id;
}

/* --- starting --- */

static void close_all_but(int out, int nsm)
{
	for (int fd = STDERR_FILENO + 1; fd < TASK_FILES_MAX; fd++)
		if (fd != out && fd != nsm)
			(void)close(fd);
}

__attribute__((noreturn)) static void be_child(const struct task *t, int out,
					       pid_t parent)
{
	struct job j = { .web = t->web,
			 .ctx = t->ctx,
			 .nsm = -1,
			 .spec = tasks.spec,
			 .out = out };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (getppid() != parent)
		_exit(1);
	tasks.hooks->prepare(t->kind, &j);
	close_all_but(out, j.nsm);
	tasks.hooks->enter(t->kind, &j);
	t->run(&j);
	if (!j.is_answered)
		job_error(&j, 500, "job_failed", "it gave no answer");
	_exit(0);
}

static int fork_child(struct task *t)
{
	struct child *c = find_child(0);
	pid_t parent = getpid(), pid;
	int ends[2], r;

	if (!c)
		return -EAGAIN;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		be_child(t, ends[1], parent);
	r = pid < 0 ? -errno : 0;
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	*c = (struct child){ .pid = pid };
	t->pid = pid;
	t->watch = (struct watch){ .ready = on_ready, .fd = ends[0] };
	t->state = TASK_RUNNING;
	t->in_len = 0;
	return loop_add(tasks.loop, &t->watch, EPOLLIN);
}

static unsigned count(enum task_kind kind, enum task_state state)
{
	unsigned n = 0;

	for (size_t i = 0; i < TASK_MAX; i++)
		n += tasks.at[i].kind == kind && tasks.at[i].state == state;
	return n;
}

static unsigned count_overdue(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < CHILDREN_MAX; i++)
		n += tasks.child[i].pid != 0 && tasks.child[i].is_overdue;
	return n;
}

/* --- turns: who has asked for many waits for his own, and others for one of his at most --- */

static struct task_turn whose(const struct task *t)
{
	struct task_turn w = { .kind = t->kind, .is_own = !t->web };

	if (t->web && t->web->peer.is_known) {
		w.is_known = true;
		w.uid = t->web->peer.uid;
	}
	return w;
}

static struct task_turn *find_turn(const struct task_turn *w)
{
	for (size_t i = 0; i < TURNS_MAX; i++) {
		struct task_turn *t = &tasks.turn[i];

		if (t->at && t->kind == w->kind && t->is_own == w->is_own &&
		    t->is_known == w->is_known && t->uid == w->uid)
			return t;
	}
	return NULL;
}

/* 0: it had none. */
static uint64_t last_turn(const struct task *t)
{
	const struct task_turn w = whose(t), *turn = find_turn(&w);

	return turn ? turn->at : 0;
}

static void note_turn(const struct task *t)
{
	struct task_turn w = whose(t), *turn = find_turn(&w);

	/* Else that of whoever has waited for nothing for the longest time. */
	for (size_t i = 0; !turn && i < TURNS_MAX; i++)
		if (tasks.turn[i].at == 0)
			turn = &tasks.turn[i];
	if (!turn) {
		turn = tasks.turn;
		for (size_t i = 1; i < TURNS_MAX; i++)
			if (tasks.turn[i].at < turn->at)
				turn = &tasks.turn[i];
	}
	*turn = w;
	turn->at = ++tasks.turns;
}

/* Of those that wait the oldest one of the user whose last turn was the longest ago. */
static struct task *find_first(enum task_kind kind)
{
	struct task *first = NULL;
	uint64_t turn, first_turn = 0;

	for (size_t i = 0; i < TASK_MAX; i++) {
		struct task *t = &tasks.at[i];

		if (t->state != TASK_WAITING || t->kind != kind)
			continue;
		turn = last_turn(t);
		if (first && (turn > first_turn ||
			      (turn == first_turn && t->id > first->id)))
			continue;
		first = t;
		first_turn = turn;
	}
	return first;
}

/* Returns whether there may be another one. */
static bool start_one(enum task_kind kind)
{
	struct task *t = find_first(kind);
	const char *code = NULL, *why = NULL;
	int status;

	if (!t || count(kind, TASK_RUNNING) >= tasks.limits[kind])
		return false;
	status = tasks.hooks->gate(kind, &code, &why);
	if (status == 0 && (kind == TASK_NSM || kind == TASK_KEY) &&
	    count_overdue() >= TASK_LEFT_MAX) {
		status = 503;
		code = "nsm_hangs";
		why = "calls of the NSM hang, and no further one is made";
	}
	if (status == 1)
		return false;
	note_turn(t);
	if (status != 0)
		end_with(t, status, code, why);
	else if (fork_child(t) < 0)
		end_with(t, 503, "no_process", "no process can be started");
	return true;
}

static void start_all(void)
{
	for (unsigned kind = 0; kind < TASK_KINDS; kind++)
		while (start_one((enum task_kind)kind))
			;
}

static void on_kick(struct timer *timer)
{
	(void)timer;
	start_all();
}

void task_start(void)
{
	loop_timer(tasks.loop, &tasks.kick, loop_now_ms(tasks.loop));
}

int task_add(enum task_kind kind, struct web *web, job_run_fn *run, void *ctx,
	     int64_t timeout_ms, task_done_fn *done)
{
	struct task *t = tasks.at;

	while (t < tasks.at + TASK_MAX && t->state != TASK_FREE)
		t++;
	if (t == tasks.at + TASK_MAX)
		return -EBUSY;
	*t = (struct task){ .state = TASK_WAITING,
			    .kind = kind,
			    .id = ++tasks.next_id,
			    .web = web,
			    .ctx = ctx,
			    .run = run,
			    .done = done,
			    .timer.due = on_due };
	loop_timer(tasks.loop, &t->timer, loop_now_ms(tasks.loop) + timeout_ms);
	task_start();
	return 0;
}

void task_open(struct loop *loop, const struct spec *spec,
	       const struct task_hooks *hooks,
	       const unsigned limits[TASK_KINDS])
{
	tasks.loop = loop;
	tasks.spec = spec;
	tasks.hooks = hooks;
	tasks.kick.due = on_kick;
	memcpy(tasks.limits, limits, sizeof(tasks.limits));
}

/* --- the end of all --- */

void task_reap(void)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (tasks.child[i].pid &&
		    waitpid(tasks.child[i].pid, NULL, WNOHANG) != 0)
			tasks.child[i].pid = 0;
	task_start();
}

void task_close(void)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (tasks.child[i].pid)
			(void)kill(tasks.child[i].pid, SIGKILL);
}
