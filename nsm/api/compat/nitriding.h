#ifndef NSM_API_COMPAT_NITRIDING_H
#define NSM_API_COMPAT_NITRIDING_H

#include "nsm/api/http/web.h"

/*
 * What nitriding offers the application of an enclave (nitriding-daemon, handlers.go): GET /enclave/ready, which is 200 once
 * and then 410, and POST /enclave/hash, which takes the SHA-256 of a key in base64. What nitriding offers to the outside, GET
 * /enclave/attestation?nonce=, is here, too: a document over that hash.
 */
extern const struct web_route nitriding_routes[];

#endif
