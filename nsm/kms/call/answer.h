#ifndef NSM_KMS_CALL_ANSWER_H
#define NSM_KMS_CALL_ANSWER_H

#include <stddef.h>

#include "nsm/kms/kmsc.h"

/*
 * Takes the answer of status 200 to REQUEST: LEN bytes at BODY, which the caller wipes. It
 * must have nothing in the clear, be of the key that the request named by its ARN, and have a
 * message for RECIPIENT, which opens it. Returns 0 and *RET, for kmsc_answer_free; -KMSC_E_ANSWER,
 * -KMSC_E_PLAINTEXT, -KMSC_E_NO_RECIPIENT, -KMSC_E_ANSWER_KEY, -NSMC_E_..., -ENOMEM, with the
 * words in *E.
 */
int answer_take(const struct kmsc_request *request,
		struct nsmc_recipient *recipient, const char *body, size_t len,
		struct kmsc_answer **ret, struct kmsc_error *e);

/* Sets what is not in the body. REQUEST_ID is cut. */
void answer_complete(struct kmsc_answer *answer, const char *request_id,
		     int attempts, int64_t time_ms);

#endif
