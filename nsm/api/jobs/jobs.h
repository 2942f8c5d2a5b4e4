#ifndef NSM_API_JOBS_JOBS_H
#define NSM_API_JOBS_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/api/http/web.h"
#include "nsm/api/spec/spec.h"

/*
 * Calls that block, made in children. A job is a function that runs in a child of its own, a fork of this process: it sees all that
 * its W or CTX points to, and nothing that it changes comes back but the answer that it writes. Calls of the NSM are made one at a
 * time, those of KMS in up to kms-workers children. At its deadline a job is answered 504 and its child killed; one that hangs in the NSM
 * is left behind, another takes over.
 */

enum {
	JOBS_QUEUE_MAX =
		64, /* of each kind, waiting; one more is answered 503 */
	JOBS_LEFT_MAX =
		4, /* hanging in the NSM; then all calls of it are answered 503 */
};

enum job_kind {
	JOB_NSM, /* has the NSM, no network */
	JOB_KMS, /* has a kmsc_client, network, no NSM; waits until there is a recipient key and credentials */
	JOB_LOCAL, /* has neither: what takes long, as verifying */
};

struct kmsc_client;

/* What a job has, in the child. */
struct job {
	struct web *web; /* the request; NULL: the job is not of a request */
	void *ctx;
	int nsm; /* JOB_NSM: descriptor; else -1 */
	struct kmsc_client
		*client; /* JOB_KMS: ready for kmsc_call; else NULL */
	const struct spec *spec;
	/* Set by the job. 0: JOB_KMS: the opening of KMS's message failed, so that the recipient key is renewed */
	bool has_failed_opening;
	bool has_refused_credentials; /* JOB_KMS: these are fetched again before the next one */
};

/*
 * Runs in the child, once, and answers by one of the job_answer... functions; without an answer it is 500. It need not free or wipe:
 * the child ends.
 */
typedef void job_run_fn(struct job *j);

/* In the child: as web_answer, web_answer_with, web_error, web_error_nsm. Only the first counts. */
void job_answer(struct job *j, int status, const char *type, const void *body,
		size_t len);
void job_answer_with(struct job *j, int status, const char *type,
		     const char *lines, const void *body, size_t len);
void job_error(struct job *j, int status, const char *code, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));
void job_error_nsm(struct job *j, int r);

/*
 * Has RUN called in a child for W, which is answered with what RUN answers: at the latest after the configuration's time for KIND.
 * CTX must stay until then; W->own is the place for it. Answers W itself (429, 503) if there is no room.
 */
void jobs_serve(struct web *w, enum job_kind kind, job_run_fn *run, void *ctx);

/*
 * The same with a completion, which gets the answer and answers W itself. STATUS is 504 after the deadline, 500 if the
 * child died, 503 if there is no room; BODY is valid during the call.
 */
typedef void job_done_fn(struct web *w, void *ctx, int status, const char *type,
			 const char *lines, const uint8_t *body, size_t len);
void jobs_serve_then(struct web *w, enum job_kind kind, job_run_fn *run,
		     void *ctx, job_done_fn *done);

/* The configuration. */
const struct spec *jobs_spec(void);

#endif
