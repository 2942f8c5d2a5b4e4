#ifndef NSM_KMS_CALL_REQUEST_H
#define NSM_KMS_CALL_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "nsm/kms/call/client.h"
#include "nsm/kms/kmsc.h"

/* Requests: where they go, what must be right about them, their signed heads. */

enum { REQUEST_AUTHORITY_SIZE = KMSC_HOST_MAX + 8 };

/* Where a request goes. */
struct request_place {
	char region[KMSC_REGION_MAX + 1];
	char host[KMSC_HOST_MAX + 1];		/* of the certificate */
	char authority[REQUEST_AUTHORITY_SIZE]; /* of Host */
};

/*
 * Finds it by what is set at CLIENT and by KEY_ARN, a key's full ARN or any other text, or NULL.
 * Returns 0, -KMSC_E_REGION or -KMSC_E_KEY_REGION, with the words in *E.
 */
int request_place(const struct kmsc_client *client, const char *key_arn,
		  struct request_place *ret, struct kmsc_error *e);

/*
 * Checks the key of R: a full ARN, unless R says otherwise, or none for GenerateRandom. Returns 0,
 * -KMSC_E_KEY_ARN, -KMSC_E_KEY_MISSING or -KMSC_E_REQUEST, with the words in *E.
 */
int request_check_key(const struct kmsc_request *r, struct kmsc_error *e);

struct request_signed {
	const struct request_place *place;
	const char *target; /* of X-Amz-Target */
	const char *user_agent;
	const struct kmsc_credentials *credentials;
	int64_t now_s;
	const void *body;
	size_t len;
};

/*
 * Writes the head of a request, signed, to BUF of CAP bytes, its length to *RET_LEN. The
 * caller wipes it. -KMSC_E_CREDENTIALS: it cannot be signed with these; -ERANGE: no time.
 */
int request_head(const struct request_signed *r, char *buf, size_t cap,
		 size_t *ret_len);

#endif
