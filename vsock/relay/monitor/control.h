#ifndef VSOCK_RELAY_MONITOR_CONTROL_H
#define VSOCK_RELAY_MONITOR_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "vsock/relay/base/target.h"

/* The control port of an enclave: a command, and an answer. */

enum {
	CONTROL_ANSWER_MAX = 256,
	CONTROL_ANSWER_MS = 10000,
	CONTROL_PROBE_MS = 300,
};

/*
 * Sends COMMAND, without its newline, to PORT at A, and again until UNTIL_MS if it does
 * not arrive: to repeat it must change nothing. Returns 0 and the answer's line; or -errno:
 * -ECONNRESET if there was none.
 */
int control_ask(const struct target *a, uint32_t port, const char *command,
		int64_t until_ms, char ret[CONTROL_ANSWER_MAX]);

/*
 * True if the port takes a connection and keeps it for a while; that takes
 * CONTROL_PROBE_MS.
 */
bool control_is_there(const struct target *a, uint32_t port);

#endif
