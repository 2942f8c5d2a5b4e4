#ifndef NSM_KMS_WIRE_VERDICT_H
#define NSM_KMS_WIRE_VERDICT_H

#include <stddef.h>

#include "nsm/kms/kmsc.h"

/*
 * What an error of KMS means and what is to be done about it, by AWS's JSON protocol 1.1 and the
 * codes that botocore repeats (retries/standard.py). Pure.
 */

enum verdict_action {
	VERDICT_STOP,	     /* the same would happen again */
	VERDICT_RETRY,	     /* it passes: soon */
	VERDICT_THROTTLE,    /* it passes: later */
	VERDICT_CREDENTIALS, /* once more with other credentials */
	VERDICT_CLOCK,	     /* once more with the time read anew */
};

struct verdict {
	enum verdict_action action;
	int code; /* KMSC_E_..., positive; what to report if it stays so */
	char aws_code[KMSC_AWS_CODE_SIZE]; /* "" if there was none */
	char message[KMSC_MESSAGE_SIZE];   /* printable ASCII, cut; or "" */
};

enum { VERDICT_ROOM = 4 * 65536 + 98304 }; /* bytes: for any body */

/*
 * Judges an answer of STATUS, not 200. TYPE is x-amzn-ErrorType's value, or NULL. The LEN bytes at
 * BODY may be anything; they are read into ROOM of CAP bytes (json_room(LEN), else it is as if they
 * were no JSON). Never fails: without a code that is known the status decides.
 */
void verdict_read(unsigned status, const char *type, const char *body,
		  size_t len, void *room, size_t cap, struct verdict *ret);

#endif
