#ifndef NSM_API_ROUTES_ASK_H
#define NSM_API_ROUTES_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/api/routes/keys.h"
#include "nsm/api/spec/conf.h"
#include "nsm/kms/kmsc.h"
#include "nsm/kms/wire/operations.h"

/* What a program asks of KMS: its JSON, read, with the configuration's keys and contexts in it. Pure but for the heap. */

enum {
	ASK_KEYS_MAX = 2, /* that one request names: ReEncrypt */
	ASK_WORDS = 256,
};

struct ask {
	const struct operations_row *row;
	/* An attested operation: ready for kmsc_call. Views into ROOM and the configuration. */
	struct kmsc_request request;
	struct keys_context context[ASK_KEYS_MAX]; /* of each key */
	/* Another one: ready for kmsc_forward. */
	char *body;
	size_t body_cap, body_len;
	/*
	 * The keys that it names. None: GenerateRandom; or Decrypt, and then the answer's key must be one that the caller may use.
	 */
	const struct spec_key *key[ASK_KEYS_MAX];
	size_t keys;
	void *room;
	size_t room_size;
};

enum ask_why {
	ASK_NO_MEMORY,
	ASK_NOT_JSON,
	ASK_MEMBER,    /* missing, unknown, or of no use */
	ASK_RECIPIENT, /* a Recipient is made here, and not taken */
	ASK_NO_KEY,    /* not configured */
	ASK_WHICH_KEY, /* several could be meant */
	ASK_NOT_YOURS, /* configured, but not for this caller */
	ASK_CONTEXT,   /* against what the configuration pins */
};

/* Why it is refused. WORDS are for people: printable ASCII, and nothing of what may be a secret. */
struct ask_fault {
	enum ask_why why;
	char words[ASK_WORDS];
};

/* May the caller, CTX, use KEY? */
typedef bool ask_may_fn(const void *ctx, const struct spec_key *key);

/*
 * Reads the request of LEN bytes at TEXT for the operation ROW. Returns 0 and *RET, which ask_free wipes and frees; -EINVAL and
 * *RETERR. TEXT and S must outlive *RET.
 */
int ask_read(const struct spec *s, const struct operations_row *row,
	     enum operations_dialect dialect, const char *text, size_t len,
	     ask_may_fn *may, const void *ctx, struct ask **ret,
	     struct ask_fault *reterr);

/* NULL is fine. */
void ask_free(struct ask *a);

/* True: an answer of KMS's to A may be passed on, whose key has the ARN KEY_ARN, or is not named: NULL. */
bool ask_is_answer_key(const struct spec *s, const struct ask *a,
		       const char *key_arn, ask_may_fn *may, const void *ctx);

#endif
