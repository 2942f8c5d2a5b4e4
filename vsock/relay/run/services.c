#include "vsock/relay/flow/lookup.h"
#include "vsock/relay/flow/resolve.h"
#include "vsock/relay/flow/service.h"

/* Each part adds its row here, and nowhere else. */

static const struct service *const inside[] = {
	&forward_service, &egress_service, &dns_service, &tap_service, NULL,
};

static const struct service *const parent[] = {
	&lookup_service, &resolve_service, &forward_service,
	&exit_service,	 &answer_service,  NULL,
};

const struct service *const *services_of(enum plan_side side)
{
	return side == PLAN_INSIDE ? inside : parent;
}
