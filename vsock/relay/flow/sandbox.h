#ifndef VSOCK_RELAY_FLOW_SANDBOX_H
#define VSOCK_RELAY_FLOW_SANDBOX_H

#include "vsock/relay/plan/plan.h"

/* What processes of relay may do. */

/*
 * Inside: user and group INSIDE_USER, no other groups, no capabilities, now or by exec. On
 * both sides: no new privileges; no core, and no process of the same user may read its memory.
 * Returns 0 or -errno.
 */
int sandbox_drop(enum plan_side side);

/* What a process needs beyond reading, writing, dialling and accepting. */
enum sandbox_needs {
	SANDBOX_CHILDREN = 1, /* forks, waits, kills */
	SANDBOX_DATAGRAMS = 2,
	SANDBOX_FILES = 4, /* opens files, for reading */
	SANDBOX_TUN = 8,   /* reads and writes a device that is open */
};

/*
 * From here on the process makes no system call but those of flow/ and of NEEDS; another
 * kills it. It can be called again with less. Returns 0 or -errno.
 */
int sandbox_enter(unsigned needs);

#endif
