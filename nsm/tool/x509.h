#ifndef NSM_TOOL_X509_H
#define NSM_TOOL_X509_H

#include <stdbool.h>

#include "nsm/nsmc.h"

enum { X509_TIME_CAP = 24 };

/* What people look for in a certificate; none of it is verified. */
struct x509 {
	struct nsmc_bytes name; /* the subject's common name; may be absent */
	char from[X509_TIME_CAP], to[X509_TIME_CAP]; /* RFC 3339 */
};

/* Reads a certificate up to its subject. Pure. */
bool x509_read(struct nsmc_bytes der, struct x509 *ret);

#endif
