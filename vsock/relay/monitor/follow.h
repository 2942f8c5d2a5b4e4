#ifndef VSOCK_RELAY_MONITOR_FOLLOW_H
#define VSOCK_RELAY_MONITOR_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "vsock/relay/base/target.h"
#include "vsock/relay/monitor/show.h"

/* Follows an enclave to its end: its log, its status and its report. */

struct follow_options {
	struct target address;
	struct show show;
	uint32_t log_port, status_port, report_port;
	bool has_status, has_report;
	bool is_log_taken;     /* the enclave connects: log = connect */
	bool is_until_current; /* no further than what is in the log now */
	int64_t wait_ms;       /* for the first connection; -1: without end */
	int64_t lost_ms;       /* without any connection, once there was one */
};

/*
 * Prints what comes, and returns the exit code: of the enclave's end; with HAS_STATUS
 * false TOOL_DONE for it.
 */
int follow_run(const struct follow_options *o);

#endif
