#ifndef NSM_API_ROUTES_KMS_H
#define NSM_API_ROUTES_KMS_H

#include "nsm/api/http/web.h"

/* POST /v1/kms/OPERATION: the five operations of KMS that are attested, in plain JSON, with keys by their names. */
extern const struct web_route kms_routes[];

#endif
