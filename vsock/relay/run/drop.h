#ifndef VSOCK_RELAY_RUN_DROP_H
#define VSOCK_RELAY_RUN_DROP_H

#include "vsock/relay/plan/plan.h"

/*
 * Gives away for good what relay needs for binding alone. Inside: it becomes user and group
 * INSIDE_USER without other groups, and has no capabilities, nor gets any by exec. On both
 * sides: no new privileges, no core, and no process of the same user may read its memory.
 * Returns 0 or -errno.
 */
int drop_privileges(enum plan_side side);

#endif
