#ifndef VSOCK_RELAY_MONITOR_FOLLOW_OPTIONS_H
#define VSOCK_RELAY_MONITOR_FOLLOW_OPTIONS_H

#include "nsm/opts.h"
#include "vsock/relay/monitor/follow.h"

/* The options of who follows an enclave; which of them a command takes its table says. */
enum follow_option {
	FOLLOW_LOG_PORT = 'l',
	FOLLOW_STATUS_PORT = 's',
	FOLLOW_REPORT_PORT = 'r',
	FOLLOW_FURTHER = 'f',
	FOLLOW_WAIT = 'w',
	FOLLOW_LOST = 'x',
	FOLLOW_JSON = 'j',
	FOLLOW_TAKE_LOG = 't',
};

/* Reads the command line to *F, which has the defaults, and does it. Returns the exit code. */
int follow_options_run(struct opts *o, struct follow_options *f);

#endif
