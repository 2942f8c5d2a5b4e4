#ifndef NSM_KMS_CREDENTIALS_FETCH_H
#define NSM_KMS_CREDENTIALS_FETCH_H

#include <stdint.h>

#include "nsm/kms/credentials/source.h"
#include "nsm/kms/kmsc.h"

/*
 * Fetches credentials once from where they are. It blocks: a service calls it in a child.
 */

enum {
	FETCH_TRIES = 3, /* of IMDS and endpoints */
	FETCH_TIMEOUT_MS =
		2000, /* of each try, as SDKs have 1 s and a relay is between */
};

/*
 * Fetches them from S until DEADLINE_MS on io_now_ms' clock. A file is read anew each time; a
 * descriptor has what it has once, and is read to its end; SOURCE_SETCLIENT waits for somebody
 * who sends them. Returns 0 and *RET, which the caller wipes; -KMSC_E_NO_CREDENTIALS:
 * there are none, -KMSC_E_CREDENTIALS: they are not usable, -KMSC_E_CONNECT,
 * -KMSC_E_TIMEOUT and their kin, -errno. Then WORDS says why, in printable ASCII
 * without a byte of a secret, and names the source.
 */
int fetch_credentials(const struct source *s, int64_t deadline_ms,
		      struct kmsc_credentials *ret,
		      char words[KMSC_WORDS_SIZE]);

#endif
