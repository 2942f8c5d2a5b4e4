#ifndef NSM_API_TABLES_H
#define NSM_API_TABLES_H

#include "nsm/api/http/web.h"

/* All routes: the tables of routes/ and compat/, NULL after the last. */
extern const struct web_route *const tables_all[];

#endif
