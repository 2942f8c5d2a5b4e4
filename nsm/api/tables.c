#include "nsm/api/tables.h"

#include <stddef.h>

#include "nsm/api/routes/attestation_route.h"
#include "nsm/api/routes/credentials_route.h"
#include "nsm/api/routes/describe_route.h"
#include "nsm/api/routes/health_route.h"
#include "nsm/api/routes/pcrs_route.h"
#include "nsm/api/routes/random_route.h"
#include "nsm/api/routes/ready_route.h"
#include "nsm/api/routes/verify_route.h"

const struct web_route *const tables_all[] = {
	health_route,	   describe_route, random_route,
	attestation_route, pcrs_route,	   verify_route,
	credentials_route, ready_route,	   NULL,
};
