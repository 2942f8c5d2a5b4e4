#ifndef NSM_API_JOBS_JOBS_H
#define NSM_API_JOBS_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/api/base/loop.h"
#include "nsm/api/http/web.h"
#include "nsm/api/jobs/job.h"
#include "nsm/api/spec/conf.h"

/*
 * Calls that block, made in children. A job is a function that runs in a child of its own, a fork of this process: it sees all that
 * its W or CTX points to, and nothing that it changes comes back but the answer that it writes. Calls of the NSM are made one at a
 * time, those of KMS in up to kms-workers children. At its deadline a job is answered 504 and its child killed; one that hangs in the NSM
 * is left behind, another takes over.
 */

enum job_kind {
	JOB_NSM, /* has the NSM, no network */
	JOB_KMS, /* has a kmsc_client, network, no NSM; waits until there is a recipient key and credentials */
	JOB_LOCAL, /* has neither: what takes long, as verifying */
};

/*
 * Has RUN called in a child for W, which is answered with what RUN answers: at the latest after the configuration's time for KIND. CTX
 * stays the caller's; NULL is usual, since the job has W and reads its body itself, so that only a child parses it. Answers W itself
 * (503) if there is no room.
 */
void jobs_serve(struct web *w, enum job_kind kind, job_run_fn *run, void *ctx);

/*
 * The same with a completion, which gets the answer, frees CTX and answers W. The status is 504 after the deadline, 500 if the
 * child died, 503 if there is no room, which may be known before this returns.
 */
struct task_answer;
typedef void job_done_fn(struct web *w, void *ctx, const struct task_answer *a);
void jobs_serve_then(struct web *w, enum job_kind kind, job_run_fn *run,
		     void *ctx, job_done_fn *done);

enum {
	JOBS_FILES_MAX = 256
}; /* descriptors that the process may have, all of which a child closes */

/* The configuration. */
const struct spec *jobs_spec(void);

/* The credentials that are kept; NULL: there are none now. Only for the process of the connections. */
struct kmsc_credentials;
const struct kmsc_credentials *jobs_credentials(void);

/*
 * Before all others: opens the NSM. READY is called once, when it has answered and, with a region, there is a recipient key.
 * Returns 0, or -errno with *RETERR.
 */
int jobs_open(struct loop *loop, const struct spec *spec, void (*ready)(void),
	      struct spec_fault *reterr);

/* Children have ended (SIGCHLD). */
void jobs_reap(void);

/* Kills all children. */
void jobs_close(void);

#endif
