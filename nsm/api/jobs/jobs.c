#include "nsm/api/jobs/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "nsm/api/jobs/custody.h"
#include "nsm/api/jobs/task.h"
#include "nsm/nsmc.h"

_Static_assert((int)JOBS_FILES_MAX == (int)TASK_FILES_MAX, "one number");

enum { MORE_MS = 1000, LOCALS = 2, FIRST_MS = 180 * 1000 };

static struct {
	const struct spec *spec;
	struct loop *loop;
	int nsm;
	void (*ready)(void);
} jobs;

static int64_t time_of(enum job_kind kind)
{
	/* The client has its own time, and says more about it. */
	return kind == JOB_KMS ? jobs.spec->kms_timeout_ms + MORE_MS :
				 jobs.spec->nsm_timeout_ms;
}

static enum task_kind task_of(enum job_kind kind)
{
	return kind == JOB_NSM ? TASK_NSM :
	       kind == JOB_KMS ? TASK_KMS :
				 TASK_LOCAL;
}

static void answer(struct web *w, void *ctx, const struct task_answer *a)
{
	(void)ctx;
	web_answer_with(w, a->status, a->type, a->lines, a->body, a->len);
}

void jobs_serve(struct web *w, enum job_kind kind, job_run_fn *run, void *ctx)
{
	if (task_add(task_of(kind), w, run, ctx, time_of(kind), answer) < 0)
		web_refuse(w, 503, "busy", "too many calls are waiting");
}

void jobs_serve_then(struct web *w, enum job_kind kind, job_run_fn *run,
		     void *ctx, job_done_fn *done)
{
	if (task_add(task_of(kind), w, run, ctx, time_of(kind), done) < 0) {
		char body[WEB_ERROR_MAX];
		struct task_answer a = {
			.status = 503,
			.type = "application/json",
			.lines = "",
			.body = (const uint8_t *)body,
			.len = web_error_body(body, "busy",
					      "too many calls are waiting"),
		};

		done(w, ctx, &a);
	}
}

const struct spec *jobs_spec(void)
{
	return jobs.spec;
}

/* --- the beginning: one call of the NSM shows that it answers --- */

static void describe(struct job *j)
{
	struct nsmc_description d;
	int r = nsmc_describe(j->nsm, &d);

	if (r < 0)
		job_error_nsm(j, r);
	else
		job_answer(j, 200, "text/plain", "", 0);
}

static struct timer again;

static void ask_first(struct timer *t);

static void got_first(struct web *web, void *ctx, const struct task_answer *a)
{
	(void)web;
	(void)ctx;
	if (a->status == 200) {
		custody_begin(jobs.ready);
		return;
	}
	(void)fprintf(stderr, "enclave-api: the NSM does not answer: %.*s",
		      (int)a->len, (const char *)a->body);
	again.due = ask_first;
	loop_timer(jobs.loop, &again, loop_now_ms(jobs.loop) + 1000);
}

static void ask_first(struct timer *t)
{
	(void)t;
	(void)task_add(TASK_NSM, NULL, describe, NULL, FIRST_MS, got_first);
}

static void say_closed(struct spec_fault *f)
{
	const char *why = nsmc_error_text(jobs.nsm);

	if (jobs.nsm == -EACCES)
		(void)snprintf(
			f->words, sizeof(f->words),
			"/dev/nsm: %s: nsm-group in enclave-init.conf must be a group of this user, %u",
			why, (unsigned)geteuid());
	else
		(void)snprintf(f->words, sizeof(f->words), "/dev/nsm: %s", why);
}

int jobs_open(struct loop *loop, const struct spec *spec, void (*ready)(void),
	      struct spec_fault *reterr)
{
	static const struct task_hooks hooks = {
		.gate = custody_gate,
		.prepare = custody_prepare,
		.enter = custody_enter,
		.wish = custody_wish,
		.ended = custody_ended,
	};
	const unsigned limits[TASK_KINDS] = {
		[TASK_NSM] = 1,		[TASK_KMS] = spec->kms_workers,
		[TASK_LOCAL] = LOCALS,	[TASK_KEY] = 1,
		[TASK_CREDENTIALS] = 1,
	};

	int r;

	jobs.spec = spec;
	jobs.loop = loop;
	jobs.ready = ready;
	jobs.nsm = nsmc_open();
	if (jobs.nsm < 0) {
		say_closed(reterr);
		return jobs.nsm;
	}
	task_open(loop, spec, &hooks, limits);
	r = custody_open(loop, spec, jobs.nsm, reterr);
	if (r < 0)
		return r;
	ask_first(NULL);
	return 0;
}

const struct kmsc_credentials *jobs_credentials(void)
{
	return custody_credentials();
}

void jobs_reap(void)
{
	task_reap();
}

void jobs_close(void)
{
	task_close();
}
