#ifndef NSM_API_ROUTES_PCRS_ROUTE_H
#define NSM_API_ROUTES_PCRS_ROUTE_H

#include "nsm/api/http/web.h"

/*
 * GET /v1/pcrs, GET /v1/pcrs/N; POST /v1/pcrs/N/extend, POST /v1/pcrs/N/lock, POST /v1/pcrs/lock: as nsm pcr --json has it.
 */
extern const struct web_route pcrs_route[];

#endif
