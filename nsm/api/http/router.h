#ifndef NSM_API_HTTP_ROUTER_H
#define NSM_API_HTTP_ROUTER_H

#include <stddef.h>

#include "nsm/api/http/web.h"

/* Which route a request is for. Pure. */

enum { ROUTER_ALLOW = 64 };

/*
 * Finds it in TABLES, of which NULL is the last, by dialect, path and method. NULL: none; *RETERR_STATUS is 404, or 405 and
 * RETERR_ALLOW the line "Allow: ...\r\n".
 */
const struct web_route *router_find(const struct web_route *const *tables,
				    const struct web *w, int *reterr_status,
				    char reterr_allow[ROUTER_ALLOW]);

#endif
