#ifndef VSOCK_RELAY_PLAN_FENCE_H
#define VSOCK_RELAY_PLAN_FENCE_H

#include <stddef.h>

#include "vsock/relay/plan/rules.h"

/* What an exit of the parent may dial: the options of its line. Pure. */

/* Points into the text of the options. */
struct fence {
	struct rules
		open; /* addresses that may be dialled though they are special */
	struct rules only; /* if it has any: nothing else may be dialled */
};

void fence_open(struct fence *f);

/*
 * Adds the options of LEN bytes at TEXT, which must stay, with blanks between them:
 * "allow=NETWORK", a rule that is an address and has no ports, or "only=RULE". Returns NULL, or
 * why one of them, *RETERR of *RETERR_LEN bytes, is none.
 */
const char *fence_add(struct fence *f, const char *text, size_t len,
		      const char **reterr, size_t *reterr_len);

#endif
