#ifndef NSM_API_ROUTES_DESCRIBE_ROUTE_H
#define NSM_API_ROUTES_DESCRIBE_ROUTE_H

#include "nsm/api/http/web.h"

/* GET /v1/describe: what the NSM says of itself, as nsm describe --json has it. */
extern const struct web_route describe_route[];

#endif
