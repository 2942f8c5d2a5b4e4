#ifndef NSM_API_COMPAT_PAPER_H
#define NSM_API_COMPAT_PAPER_H

#include <stddef.h>
#include <stdint.h>

#include "nsm/api/jobs/jobs.h"
#include "nsm/kms/wire/json.h"
#include "nsm/nsmc.h"

/* What dialects share: an attestation document by the fields that a program gave, and answers in plain text. In a child, but for paper_tell. */

enum { PAPER_FIELD_MAX = 4096 /* of one field; all of a request are less */ };

struct paper {
	struct nsmc_bytes user_data, nonce, public_key;
	uint8_t space[3][PAPER_FIELD_MAX]; /* for what they view */
};

/* The JSON object that J's body is, in memory that stays; or NULL, and J was answered 400. */
const struct json *paper_object(struct job *j);

/*
 * Gets a document over P's fields into memory that stays: 0, the NSM's error, or -EACCES: the user data are the runtime's, and J was
 * answered 403, after which no other answer counts.
 */
int paper_attest(struct job *j, const struct paper *p, struct nsmc_bytes *ret);

/* Answers with words as text/plain. */
void paper_say(struct job *j, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same in the service itself, where no child is needed. */
void paper_tell(struct web *w, int status, const char *words);

/* Hex of either case, nothing else in between, to TO of CAP bytes: 0, -EINVAL, or -ENOSPC. */
int paper_hex(const char *text, uint8_t *to, size_t cap, size_t *ret_len);

/*
 * Reads the one block of LEN characters of PEM (RFC 7468, any label) to TO, which holds LEN bytes. -EINVAL: there is none, or
 * more than that.
 */
int paper_pem(const char *text, size_t len, uint8_t *to, size_t *ret_len);

/* Base64 with its padding or without, as old decoders take it; else as base64_read. TO holds LEN bytes. */
int paper_base64(const char *text, size_t len, uint8_t *to, size_t *ret_len);

#endif
