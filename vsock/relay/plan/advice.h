#ifndef VSOCK_RELAY_PLAN_ADVICE_H
#define VSOCK_RELAY_PLAN_ADVICE_H

#include "vsock/relay/plan/plan.h"

/* What works and is hardly meant. Pure. */

typedef void advice_fn(void *ctx, const struct plan_fault *f);

/*
 * Calls GIVE for each such line of P. MEMORY is the machine's in bytes, of which connections
 * may take a quarter; 0: it is not known.
 */
void advice_give(const struct plan *p, uint64_t memory, advice_fn *give,
		 void *ctx);

#endif
