#ifndef NSM_KMS_WIRE_OPERATIONS_H
#define NSM_KMS_WIRE_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/kms/kmsc.h"
#include "nsm/kms/wire/json.h"

/*
 * The operations of KMS as tables, by botocore's model (kms, 2014-11-01, service-2.json), and
 * what reads and writes their JSON by these. Pure; memory is the caller's.
 *
 * There are two dialects: AWS's, and that of the local API, where "CiphertextBlob" is
 * "ciphertext" and "KeyId" is "key_id".
 */

enum operations_dialect {
	OPERATIONS_AWS,
	OPERATIONS_LOWER,
};

enum operations_type {
	OPERATIONS_TEXT,
	OPERATIONS_BYTES, /* base64; limits are of the bytes */
	OPERATIONS_NUMBER,
	OPERATIONS_BOOL,
	OPERATIONS_CONTEXT, /* an object of texts */
	OPERATIONS_TEXTS,   /* an array of texts; limits are of each */
	OPERATIONS_OTHER,   /* not looked into */
};

enum {
	OPERATIONS_REQUIRED = 1,
	OPERATIONS_SECRET = 2,	   /* never to be logged, to be wiped */
	OPERATIONS_KEY = 4,	   /* names a key */
	OPERATIONS_CLEAR = 8,	   /* what a Recipient gets encrypted instead */
	OPERATIONS_RECIPIENT = 16, /* Recipient, or what was encrypted for it */
	OPERATIONS_FOREIGN = 32,   /* struct kmsc_request cannot carry it */
};

struct operations_member {
	const char *name;  /* AWS's */
	const char *lower; /* the local API's */
	enum operations_type type;
	unsigned flags;
	uint32_t min, max; /* bytes, characters, or a number; 0 and 0: any */
	size_t offset; /* in struct kmsc_request or kmsc_answer, if it has it */
};

#define OPERATIONS_NOWHERE SIZE_MAX

struct operations_row {
	const char *name;   /* "GenerateDataKey" */
	const char *target; /* "TrentService.GenerateDataKey" */
	const char
		*path; /* "generate-data-key", the tool's and the local API's */
	bool is_attested; /* it takes a Recipient; else it is forwarded as it is */
	enum kmsc_operation operation; /* if it is */
	const struct operations_member *request, *answer;
	size_t request_count, answer_count;
};

/* All of them, those with Recipient first. */
extern const struct operations_row operations[];
extern const size_t operations_count;

/* NULL: none. */
const struct operations_row *operations_by_name(const char *name);
const struct operations_row *operations_by_target(const char *target);
const struct operations_row *operations_by_path(const char *path);
const struct operations_row *operations_of(enum kmsc_operation operation);

enum {
	OPERATIONS_BODY_MAX = 65536, /* bytes of a request or answer */
};

/*
 * Memory for what is read of a text of LEN bytes: the JSON and all that views show. It must be
 * aligned as malloc's.
 */
static inline size_t operations_room(size_t len)
{
	return json_room(len) + len + 8192;
}

/* What is wrong with a request or an answer, in words for people. */
struct operations_fault {
	const char *member; /* of the dialect, or ""; static */
	const char *what;   /* e.g. "is missing"; static */
	char unknown
		[64]; /* if a member has no such name: printable ASCII of it */
};

/* --- for the client --- */

/*
 * Checks what a request has against the limits of its operation, and that it has what the
 * operation needs and nothing that belongs to others. Keys are not checked. -KMSC_E_REQUEST.
 */
int operations_check(const struct kmsc_request *request,
		     struct operations_fault *reterr);

/*
 * Checks it, and writes AWS's JSON for it to BUF, with a Recipient unless DOCUMENT is absent.
 * -KMSC_E_REQUEST; -ENOSPC.
 */
int operations_write_request(const struct kmsc_request *request,
			     struct nsmc_bytes document, char *buf, size_t cap,
			     size_t *ret_len, struct operations_fault *reterr);

/* An answer as KMS sent it. */
struct operations_answer {
	/* Views into the memory of the call. ANSWER.plaintext is what came in the clear: it must be
	   absent if the request had a Recipient. */
	struct kmsc_answer answer;
	struct nsmc_bytes for_recipient; /* CiphertextForRecipient */
};

/*
 * Reads the answer of status 200 to OPERATION: LEN bytes at TEXT, into ROOM of CAP bytes
 * (operations_room), which the caller wipes. Members that are empty, as those which are null,
 * are absent. -KMSC_E_ANSWER and *RETERR: not JSON, or a member is of another type, or beyond
 * its limits; -ENOSPC: the room is too small.
 */
int operations_read_answer(enum kmsc_operation operation, const char *text,
			   size_t len, void *room, size_t cap,
			   struct operations_answer *ret,
			   struct operations_fault *reterr);

/* --- for the local API --- */

/* A request as a program sent it. */
struct operations_request {
	struct kmsc_request request; /* key_arn: as it was named; views */
	bool has_recipient;	     /* the program sent one of its own */
};

/*
 * Reads a request of either dialect to an operation that is attested, into ROOM as above. Refused
 * are unknown members (who misspells EncryptionContext must not get a key without), those that
 * struct kmsc_request cannot carry, and what operations_check refuses. An empty text is as {}.
 * -KMSC_E_REQUEST and *RETERR; -ENOSPC.
 */
int operations_read_request(const struct operations_row *row,
			    enum operations_dialect dialect, const char *text,
			    size_t len, void *room, size_t cap,
			    struct operations_request *ret,
			    struct operations_fault *reterr);

/*
 * Writes the answer to such a request, with the plaintext where KMS puts it for who has no
 * Recipient. -ENOSPC. BUF then has secrets.
 */
int operations_write_answer(const struct operations_row *row,
			    enum operations_dialect dialect,
			    const struct kmsc_answer *answer, char *buf,
			    size_t cap, size_t *ret_len);

/*
 * Checks the members of a request that is forwarded, which was read to VALUE: all are known, of
 * their types, within their limits, and none that is required is missing. -KMSC_E_REQUEST.
 */
int operations_check_forward(const struct operations_row *row,
			     const struct json *value,
			     struct operations_fault *reterr);

/* A member that is to be another one. */
struct operations_patch {
	const char *member; /* by AWS's name */
	const char *
		text; /* stands for its value: the ARN of a key that was named */
	/* Or these are added to a context, instead of pairs with their names. With neither the
	   member is left away. */
	const struct kmsc_pair *context;
	size_t context_count;
};

/*
 * Writes such a request, which operations_check_forward took, in AWS's dialect, with the PATCHES.
 * -ENOSPC; -KMSC_E_REQUEST: a text of a patch is not UTF-8.
 */
int operations_write_forward(const struct operations_row *row,
			     const struct json *value,
			     const struct operations_patch *patches,
			     size_t patches_count, char *buf, size_t cap,
			     size_t *ret_len);

#endif
