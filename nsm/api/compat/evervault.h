#ifndef NSM_API_COMPAT_EVERVAULT_H
#define NSM_API_COMPAT_EVERVAULT_H

#include "nsm/api/http/web.h"

/*
 * What Evervault's enclaves offer inside (crates/data-plane/src/crypto/api.rs), with its ways: nonce and challenge are the bytes
 * of the string itself, not decoded; challenge becomes user_data; without a nonce there are 256 random bytes; bad base64 is 500,
 * as is a path that there is not.
 */
extern const struct web_route evervault_routes[];

#endif
