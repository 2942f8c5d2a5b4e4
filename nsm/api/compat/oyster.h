#ifndef NSM_API_COMPAT_OYSTER_H
#define NSM_API_COMPAT_OYSTER_H

#include "nsm/api/http/web.h"

/*
 * Marlin Oyster's attestation server for applications (oyster-monorepo, attestation/server-custom): GET /attestation/raw and
 * /attestation/hex, with public_key, user_data and nonce as hex in the query.
 */
extern const struct web_route oyster_routes[];

#endif
