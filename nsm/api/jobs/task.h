#ifndef NSM_API_JOBS_TASK_H
#define NSM_API_JOBS_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/api/base/loop.h"
#include "nsm/api/jobs/job.h"

/*
 * Jobs from the parent's side: queues, one for each kind and in it users by turns, forks, deadlines, what comes back. All that a
 * child sends is read within its bounds and believed no more than a client's bytes.
 */

enum task_kind {
	TASK_NSM,
	TASK_KMS,
	TASK_LOCAL,
	TASK_KEY, /* makes the recipient key: has the NSM beside TASK_NSM */
	TASK_CREDENTIALS, /* gets them: network or files */
	TASK_KINDS,
};

enum {
	TASK_MAX = 128, /* waiting and running, of all kinds */
	TASK_LEFT_MAX = 4,
	TASK_FILES_MAX = 256, /* descriptors that the process may have */
	TASK_GIFT_MAX = 16 << 10,
};

struct task_answer {
	int status; /* 500: the child died; 504: its time was over */
	const char *type, *lines;
	const uint8_t *body;
	size_t len;
	bool has_failed_opening; /* or it is unknown, since the child died by itself */
};

struct task;

typedef void task_done_fn(struct web *web, void *ctx,
			  const struct task_answer *a);

/* What is decided elsewhere. */
struct task_hooks {
	/* May one of KIND start? 0: yes; 1: not yet; otherwise it is answered with this status, *RET_CODE and *RET_WHY. */
	int (*gate)(enum task_kind kind, const char **ret_code,
		    const char **ret_why);
	/* In the child: wipes what it must not have, and says what it has; all other descriptors are then closed. */
	void (*prepare)(enum task_kind kind, struct job *j);
	/* In the child, then: gives up what it may do. */
	void (*enter)(enum task_kind kind, struct job *j);
	/* A child wants something: task_give answers it, now or later. */
	void (*wish)(struct task *t, enum job_wish wish, uint32_t about);
	/* One of KIND has ended. */
	void (*ended)(enum task_kind kind, const struct task_answer *a);
};

/* LIMITS: how many of each kind run at a time. */
void task_open(struct loop *loop, const struct spec *spec,
	       const struct task_hooks *hooks,
	       const unsigned limits[TASK_KINDS]);

/*
 * Has RUN called in a child with WEB and CTX, and DONE here, at the latest after TIMEOUT_MS. -EBUSY: there is no room; then DONE is not
 * called. DONE is never called within this call.
 */
int task_add(enum task_kind kind, struct web *web, job_run_fn *run, void *ctx,
	     int64_t timeout_ms, task_done_fn *done);

/* Starts what the gate now lets through. */
void task_start(void);

/* Gives the child of T what it wants: R, or LEN bytes. T is as the hook got it; one that has ended meanwhile is known by ID. */
void task_give(struct task *t, uint64_t id, int r, const void *data,
	       size_t len);
uint64_t task_id(const struct task *t);

/* Children have ended (SIGCHLD). */
void task_reap(void);

/* Kills all children. */
void task_close(void);

#endif
