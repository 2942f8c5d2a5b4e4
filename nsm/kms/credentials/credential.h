#ifndef NSM_KMS_CREDENTIALS_CREDENTIAL_H
#define NSM_KMS_CREDENTIALS_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/kms/kmsc.h"

/*
 * One set of AWS credentials: what signs a request. Pure. Its bytes are secret but for
 * the id and the end; whoever has one wipes it.
 */

enum {
	/* What credential_write writes at most, with the NUL. */
	CREDENTIAL_JSON_CAP =
		2 * (KMSC_ACCESS_KEY_ID_MAX + KMSC_SECRET_ACCESS_KEY_MAX +
		     KMSC_SESSION_TOKEN_MAX) +
		256,
};

/*
 * Copies the parts, each of LEN characters; a token of length 0 is none. All are
 * printable ASCII without spaces, since they become header lines of HTTP, and an id has
 * no '/' or ',' either, since it stands between these in one. Returns NULL, or what is
 * wrong ("the access key id is empty"), and then *RET is zeros. None of the words has
 * a part in it.
 */
const char *credential_set(struct kmsc_credentials *ret, const char *id,
			   size_t id_len, const char *secret, size_t secret_len,
			   const char *token, size_t token_len,
			   int64_t expires_s);

/* True if both sign alike: the same id, secret and token. */
bool credential_is_same(const struct kmsc_credentials *a,
			const struct kmsc_credentials *b);

/* How long ones without an end are said to last. */
enum { CREDENTIAL_LASTS_S = 3600 };

/*
 * Writes C as AWS's SDKs read it from a container's credential endpoint:
 * {"AccessKeyId":...,"SecretAccessKey":...,"Token":...,"Expiration":"2026-01-02T03:04:05Z"}.
 * SDKs want all four: Token is empty if there is none, and for ones without an end the
 * Expiration is an hour after NOW_S, seconds since 1970, after which they ask again. Returns
 * the length; BUF has a NUL after it.
 */
size_t credential_write(const struct kmsc_credentials *c, int64_t now_s,
			char buf[CREDENTIAL_JSON_CAP]);

void credential_wipe(struct kmsc_credentials *c);

#endif
