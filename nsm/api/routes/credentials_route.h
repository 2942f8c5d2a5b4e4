#ifndef NSM_API_ROUTES_CREDENTIALS_ROUTE_H
#define NSM_API_ROUTES_CREDENTIALS_ROUTE_H

#include "nsm/api/http/web.h"

/*
 * GET /v1/credentials: the credentials as AWS's SDKs read them from AWS_CONTAINER_CREDENTIALS_FULL_URI. Only for those whom a rule
 * allows it.
 */
extern const struct web_route credentials_route[];

#endif
