#ifndef NSM_API_ROUTES_HEALTH_ROUTE_H
#define NSM_API_ROUTES_HEALTH_ROUTE_H

#include "nsm/api/http/web.h"

/* GET /v1/health: 200, as long as the process answers at all. It asks neither the NSM nor KMS. */
extern const struct web_route health_route[];

#endif
