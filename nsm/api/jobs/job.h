#ifndef NSM_API_JOBS_JOB_H
#define NSM_API_JOBS_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/api/http/web.h"
#include "nsm/api/spec/conf.h"
#include "nsm/nsmc.h"

/* A job's own side, in its child: what it has, and how it answers. */

struct kmsc_client;

struct job {
	struct web *web; /* the request; NULL: the job is not of a request */
	void *ctx;
	int nsm; /* JOB_NSM: descriptor; else -1 */
	struct kmsc_client *
		client; /* JOB_KMS: ready for kmsc_call and kmsc_forward; else NULL */
	const struct spec *spec;
	/*
	 * For a job of JOB_KMS to set. HAS_FAILED_OPENING: KMSC_STEP_OPEN was where kmsc_call failed; the recipient key is then
	 * renewed. So it is if the child dies before its deadline.
	 */
	bool has_failed_opening;
	int out; /* to the parent */
	bool is_answered;
};

/*
 * Runs in the child, once, and answers by one of the job_answer... functions; without an answer it is 500. It need not free or wipe:
 * the child ends.
 */
typedef void job_run_fn(struct job *j);

/* As web_answer, web_answer_with, web_error and web_error_nsm. Only the first counts. */
void job_answer(struct job *j, int status, const char *type, const void *body,
		size_t len);
void job_answer_with(struct job *j, int status, const char *type,
		     const char *lines, const void *body, size_t len);
void job_error(struct job *j, int status, const char *code, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));
void job_error_nsm(struct job *j, int r);

/*
 * True if a program may have USER_DATA attested: what begins with "enclave-init/" is for the runtime's own statements. Of every route that
 * attests, by whatever name.
 */
bool job_may_attest(struct nsmc_bytes user_data);

/* --- what the parent and the child say to each other --- */

enum job_wish {
	JOB_ANSWERS,
	JOB_WANTS_DOCUMENT,    /* over the kept recipient key */
	JOB_WANTS_CREDENTIALS, /* others than it has: these were refused */
};

/* From the child; TYPE, LINES and BODY follow, each as long as it says. */
struct job_frame {
	uint32_t wish;
	uint32_t has_failed_opening;
	uint32_t
		about; /* of a wish: which recipient key it has, which credentials were refused */
	int32_t status;
	uint32_t type_len, lines_len, body_len;
};

enum { JOB_TYPE_MAX = 128 };

/* To the child, to what it wants: an error, or LEN bytes that follow. */
struct job_gift {
	int32_t error;
	uint32_t len;
};

/*
 * Asks the parent, and waits. The bytes go to BUF of CAP, their number to *RET_LEN. Returns 0, what the parent answers, or -errno.
 */
int job_ask(struct job *j, enum job_wish wish, uint32_t about, void *buf,
	    size_t cap, size_t *ret_len);

#endif
