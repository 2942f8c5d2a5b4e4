#ifndef NSM_API_JOBS_CUSTODY_H
#define NSM_API_JOBS_CUSTODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/api/jobs/job.h"
#include "nsm/api/jobs/task.h"

/*
 * What the process keeps for calls of KMS: the recipient key, and credentials. Both are got in children. The key opens answers that
 * came inside our own TLS and nothing else; it is renewed after each opening that failed, since its messages are not authenticated, and after
 * recipient-key-max. A call that has begun ends with the key that it has.
 */

struct kmsc_credentials;

/*
 * Makes the client of KMS that SPEC describes, without asking anybody. NSM is its descriptor. Returns 0, or -errno with *RETERR.
 */
int custody_open(struct loop *loop, const struct spec *spec, int nsm,
		 struct spec_fault *reterr);

/* READY is called once, when there is a key, or at once without a region. */
void custody_begin(void (*ready)(void));

/* Those that are there, of which there may be none: NULL. */
const struct kmsc_credentials *custody_credentials(void);

/* For struct task_hooks. */
int custody_gate(enum task_kind kind, const char **ret_code,
		 const char **ret_why);
void custody_prepare(enum task_kind kind, struct job *j);
void custody_enter(enum task_kind kind, struct job *j);
void custody_wish(struct task *t, enum job_wish wish, uint32_t about);
void custody_ended(enum task_kind kind, const struct task_answer *a);

#endif
