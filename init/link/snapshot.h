#ifndef INIT_LINK_SNAPSHOT_H
#define INIT_LINK_SNAPSHOT_H

#include <stdbool.h>

#include "init/link/shared.h"

struct supervise;

/*
 * The state of the enclave as status and report tell it. Each fills in all of RET but what
 * a helper knows better: the time and the log's numbers.
 */

/* It runs, and HAS_BEGUN: all services have been ready. */
void snapshot_running(const struct supervise *s, bool has_begun,
		      struct link_state *ret);

/* It ends, as the service ended whose end it was. */
void snapshot_ended(const struct supervise *s, struct link_state *ret);

/* The boot has stopped in STEP, because of ERROR. */
void snapshot_fatal(const struct supervise *s, unsigned step, const char *error,
		    struct link_state *ret);

#endif
