#include "nsm/api/tables.h"

#include <stddef.h>

#include "nsm/api/compat/coco.h"
#include "nsm/api/compat/enclaver.h"
#include "nsm/api/compat/evervault.h"
#include "nsm/api/compat/nitriding.h"
#include "nsm/api/compat/oyster.h"
#include "nsm/api/routes/attestation_route.h"
#include "nsm/api/routes/aws.h"
#include "nsm/api/routes/credentials_route.h"
#include "nsm/api/routes/describe_route.h"
#include "nsm/api/routes/health_route.h"
#include "nsm/api/routes/kms.h"
#include "nsm/api/routes/pcrs_route.h"
#include "nsm/api/routes/random_route.h"
#include "nsm/api/routes/ready_route.h"
#include "nsm/api/routes/verify_route.h"

const struct web_route *const tables_all[] = {
	health_route,  describe_route, random_route,	  attestation_route,
	pcrs_route,    verify_route,   credentials_route, ready_route,
	kms_routes,    aws_routes,     enclaver_routes,	  evervault_routes,
	oyster_routes, coco_routes,    nitriding_routes,  NULL,
};
