#ifndef NSM_API_ROUTES_VERIFY_ROUTE_H
#define NSM_API_ROUTES_VERIFY_ROUTE_H

#include "nsm/api/http/web.h"

/*
 * POST /v1/verify: is another enclave's document true, and as expected? Answers what nsm verify --json prints, with 200 or, where the document
 * is refused, 422: who only looks at the status is not deceived.
 */
extern const struct web_route verify_route[];

#endif
