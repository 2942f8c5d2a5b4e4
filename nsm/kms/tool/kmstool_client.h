#ifndef NSM_KMS_TOOL_KMSTOOL_CLIENT_H
#define NSM_KMS_TOOL_KMSTOOL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "nsm/kms/kmsc.h"

/* The client of KMS as AWS's tools set it up. */

struct kmstool_client_options {
	const char *region;
	const char *endpoint; /* NULL: the region's */
	const char *connect;  /* NULL: vsock, by the two below */
	const char *ca;	      /* path of a file; NULL: Amazon's */
	uint32_t cid, proxy_port;
};

/*
 * Makes one with the NSM, of which *RET_NSM is the descriptor, the caller's. Returns 0; or
 * -1 and the reason in WORDS, and there is nothing to free.
 */
int kmstool_client_new(const struct kmstool_client_options *o,
		       struct kmsc_client **ret, int *ret_nsm,
		       char words[KMSC_WORDS_SIZE]);

/* True if the environment names credentials, or where they are. */
bool kmstool_client_has_environment(void);

#endif
