#ifndef NSM_KMS_CALL_COURSE_H
#define NSM_KMS_CALL_COURSE_H

#include "nsm/kms/call/attested.h"
#include "nsm/kms/call/client.h"
#include "nsm/kms/call/request.h"
#include "nsm/kms/kmsc.h"
#include "nsm/kms/wire/http.h"
#include "nsm/kms/wire/operations.h"

/* What a call goes through, whatever its operation: from credentials to an answer of KMS's. */

enum { COURSE_REQUEST_ID = 0, COURSE_ERROR_TYPE = 1, COURSE_WANTED = 2 };

struct course;

/*
 * Writes the body of the request, anew for each document, to c->body. Returns 0 or what
 * the call ends with, and its words in c->error.
 */
typedef int course_write_fn(struct course *c);

/* On the heap, for its size. The caller sets what stands first, and the rest is zero. */
struct course {
	struct kmsc_client *client;
	struct kmsc_error *error;
	const char *target;
	const char *key_arn; /* as the request has it, or NULL */
	course_write_fn *write;
	const void *ctx; /* of WRITE */
	bool wants_recipient;
	/* Forwarded: errors of KMS's are an answer, and what may have been done is not repeated. */
	bool is_forwarded;

	int64_t deadline_ms;
	struct request_place place;
	struct kmsc_credentials credentials;
	struct attested attested;
	bool has_refreshed, has_reset; /* credentials, the clock */
	size_t body_len;
	struct http_wanted wanted[COURSE_WANTED];
	struct http_answer answer;
	char body[OPERATIONS_BODY_MAX];
	char head[HTTP_HEAD_MAX];
	char answer_body[HTTP_BODY_MAX];
};

/* Makes one; NULL: no memory. */
struct course *course_new(struct kmsc_client *client, struct kmsc_error *error);

/*
 * Runs it to an answer, which is in c->answer: of status 200, or any if it is forwarded.
 * Returns 0, or what failed, with all of it in c->error.
 */
int course_run(struct course *c);

/* Wipes and frees it. NULL is fine. */
void course_free(struct course *c);

#endif
