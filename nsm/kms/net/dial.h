#ifndef NSM_KMS_NET_DIAL_H
#define NSM_KMS_NET_DIAL_H

#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/plan/address.h"

/*
 * Connects to an address: vsock (without a CID: the parent's), tcp with an address or a
 * name, unix. Names are looked up by the C library, which may take longer than any
 * deadline; an enclave that has no servers for names uses addresses.
 */

enum {
	DIAL_TIMEOUT_MS = 3000, /* for one attempt, of which vsock makes one */
	DIAL_WORDS_SIZE = 512,
};

/*
 * Connects to A until DEADLINE_MS on io_now_ms' clock, at most DIAL_TIMEOUT_MS for each
 * address that a name has. Returns a descriptor, non-blocking and close-on-exec, the
 * caller's; or -errno, -EHOSTUNREACH for a name without an address, -EINVAL for a
 * kind that cannot be dialled. Then RETERR_WORDS says what was tried and what may be the
 * reason.
 */
int dial_connect(const struct address *a, int64_t deadline_ms,
		 char reterr_words[DIAL_WORDS_SIZE]);

#endif
