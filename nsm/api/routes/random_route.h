#ifndef NSM_API_ROUTES_RANDOM_ROUTE_H
#define NSM_API_ROUTES_RANDOM_ROUTE_H

#include "nsm/api/http/web.h"

/* GET /v1/random?bytes=N: N random bytes of the NSM, 1 to 65536, as bytes or {"random": HEX}. */
extern const struct web_route random_route[];

#endif
