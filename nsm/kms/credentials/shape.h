#ifndef NSM_KMS_CREDENTIALS_SHAPE_H
#define NSM_KMS_CREDENTIALS_SHAPE_H

#include <stddef.h>

#include "nsm/kms/kmsc.h"

/*
 * Credentials as others write them. Pure, but for a buffer on the heap, which is wiped.
 *
 * JSON: one object with AccessKeyId, SecretAccessKey, and Token or SessionToken, Expiration
 * if there are any. So answer the metadata service of EC2 and container endpoints, so print
 * `aws sts assume-role` (within a member Credentials) and `aws configure export-credentials`.
 * A Code other than Success is an error, whose Message is told.
 *
 * Lines: NAME=VALUE as a shell reads them, with export or without, quoted or not; those of
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_CREDENTIAL_EXPIRATION
 * count, others are skipped. Nothing is expanded: a $, a ` or a \ in these is an error.
 */

enum { SHAPE_TEXT_MAX = 32768 };

/*
 * Reads the LEN bytes at TEXT: JSON if they begin with a brace, else lines. -KMSC_E_CREDENTIALS,
 * and WORDS says why, without a byte of a secret; -ENOMEM.
 */
int shape_read(const char *text, size_t len, struct kmsc_credentials *ret,
	       char words[KMSC_WORDS_SIZE]);

/* The same for JSON alone: what IMDS and container endpoints answer. */
int shape_read_json(const char *text, size_t len, struct kmsc_credentials *ret,
		    char words[KMSC_WORDS_SIZE]);

#endif
