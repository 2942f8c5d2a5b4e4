#ifndef NSM_API_COMPAT_ENCLAVER_H
#define NSM_API_COMPAT_ENCLAVER_H

#include "nsm/api/http/web.h"

/*
 * Enclaver's API (enclaver/src/api.rs): POST /v1/attestation with nonce and user_data in base64 and public_key in PEM. Its
 * KMS proxy, POST /, is routes/aws's.
 */
extern const struct web_route enclaver_routes[];

#endif
