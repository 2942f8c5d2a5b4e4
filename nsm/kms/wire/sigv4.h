#ifndef NSM_KMS_WIRE_SIGV4_H
#define NSM_KMS_WIRE_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "nsm/kms/wire/http.h"

/*
 * AWS Signature Version 4 ("Signature Version 4 for API requests", AWS General Reference) in
 * the header Authorization. Pure. The client of KMS signs POST / alone; requests with other
 * paths are signed, too, unless AWS would first rewrite the path or sort a query: those are
 * refused.
 */

enum {
	SIGV4_HASH = 32,
	SIGV4_HEX = 64,
	SIGV4_CANONICAL_MAX =
		2 * HTTP_HEAD_MAX, /* bytes of a canonical request */
	SIGV4_SCOPE_SIZE = 128,	   /* with the NUL */
	SIGV4_TO_SIGN_SIZE = 256,
	SIGV4_FIELDS_MAX = 64,
	SIGV4_AUTHORIZATION_SIZE = 2048,
};

/* What is signed. All of FIELDS are. */
struct sigv4_request {
	const char *method;
	/* Begins with '/'; letters, digits and "-._~/", no "//", no "." or ".." between '/'. */
	const char *path;
	/* Host, and all that is sent and to be signed; X-Amz-Date, and X-Amz-Security-Token if
	   there is a token. Content-Length and Connection, which http_request_head adds, are not
	   signed. */
	const struct http_field *fields;
	size_t count;
	const void *body;
	size_t body_len;
};

struct sigv4_key {
	const char *access_key_id;
	const char *secret_access_key;
	const char *region;
	const char *service; /* "kms" */
};

/*
 * Writes the value of Authorization with a NUL. The time is X-Amz-Date's. -EINVAL: fields that
 * http_is_field refuses, no or a malformed X-Amz-Date, no Host, a path as above, an id, region
 * or service with what a scope cannot have; -ENOSPC: too many, too long. What was derived of
 * the secret is wiped.
 */
int sigv4_sign(const struct sigv4_request *request, const struct sigv4_key *key,
	       char ret[SIGV4_AUTHORIZATION_SIZE]);

/* --- the steps of it --- */

/* Writes the canonical request, without a NUL; the same errors. */
int sigv4_canonical(const struct sigv4_request *request,
		    char ret[SIGV4_CANONICAL_MAX], size_t *ret_len);

/* Writes "20260102/eu-west-1/kms/aws4_request"; DATE is X-Amz-Date's value. -EINVAL. */
int sigv4_scope(const char *date, const struct sigv4_key *key,
		char ret[SIGV4_SCOPE_SIZE]);

/* Writes the text that is signed, its NUL included; HASH is the canonical request's. */
int sigv4_to_sign(const char *date, const struct sigv4_key *key,
		  const uint8_t hash[SIGV4_HASH], char ret[SIGV4_TO_SIGN_SIZE]);

/* Derives the signing key, which the caller wipes; RET[0] to RET[3] are its steps. */
int sigv4_derive(const char *date, const struct sigv4_key *key,
		 uint8_t ret[4][SIGV4_HASH]);

/* SHA-256 as hex of lower case, with a NUL: x-amz-content-sha256. */
void sigv4_hash_hex(const void *data, size_t len, char ret[SIGV4_HEX + 1]);

#endif
