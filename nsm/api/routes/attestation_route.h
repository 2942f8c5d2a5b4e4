#ifndef NSM_API_ROUTES_ATTESTATION_ROUTE_H
#define NSM_API_ROUTES_ATTESTATION_ROUTE_H

#include "nsm/api/http/web.h"

/*
 * POST /v1/attestation {user_data?, nonce?, public_key?}: the NSM's document, as bytes unless JSON is asked for by Accept. The body is JSON
 * (base64; public_key also PEM) or, with Content-Type: application/cbor, a map of byte strings.
 */
extern const struct web_route attestation_route[];

#endif
