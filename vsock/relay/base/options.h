#ifndef VSOCK_RELAY_BASE_OPTIONS_H
#define VSOCK_RELAY_BASE_OPTIONS_H

#include <stdint.h>

#include "nsm/opts.h"
#include "vsock/relay/base/target.h"

/*
 * Values of the command line. They return 0, or TOOL_USAGE after they have printed what
 * is wrong with the option or argument that opts_next has just read.
 */

/* The ports of docs/link.md. */
enum {
	OPTIONS_STATUS_PORT = 17000,
	OPTIONS_LOG_PORT = 17001,
	OPTIONS_CONTROL_PORT = 17003,
	OPTIONS_REPORT_PORT = 9001,
};

int options_port(const struct opts *o, uint32_t *ret);
int options_time(const struct opts *o, int64_t *ret_ms);

/* A number from 1 to MOST. */
int options_number(const struct opts *o, uint32_t most, uint32_t *ret);

/* The target, which comes once: RET->text is NULL before that. */
int options_target(const struct opts *o, struct target *ret);

/* Refuses a command line without one. */
int options_need_target(const struct opts *o, const struct target *a);

#endif
