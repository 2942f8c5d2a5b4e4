#include "nsm/api/tables.h"

#include <stddef.h>

#include "nsm/api/routes/health_route.h"

const struct web_route *const tables[] = {
	health_route,
	NULL,
};
