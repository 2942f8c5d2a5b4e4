#ifndef VSOCK_RELAY_PLAN_CONFLICT_H
#define VSOCK_RELAY_PLAN_CONFLICT_H

#include "vsock/relay/plan/plan.h"

/* What lines do to each other. Pure. */

/*
 * Returns 0; or -EINVAL with *RETERR if two lines listen at one place, or what one line dials
 * comes back to it.
 */
int conflict_find(const struct plan *p, struct plan_fault *reterr);

/* A vsock port of the enclave on which PID 1 listens. */
struct conflict_port {
	uint32_t port;
	const char *by; /* its key, "log-port" */
};

/* The same for a line and one of the COUNT ports. */
int conflict_taken(const struct plan *p, const struct conflict_port *taken,
		   size_t count, struct plan_fault *reterr);

#endif
