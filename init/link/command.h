#ifndef INIT_LINK_COMMAND_H
#define INIT_LINK_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "init/link/shared.h"

/*
 * The line that somebody writes to control: docs/link.md. Pure.
 */

enum { COMMAND_MAX = 64 }; /* bytes, the newline not counted */

enum command_kind {
	COMMAND_REFUSED, /* for REASON */
	COMMAND_ORDER,	 /* MESSAGE is for PID 1 */
	COMMAND_STATUS,	 /* answered by the state */
	COMMAND_LOG,	 /* answered by the last lines of SERVICE */
};

struct command {
	enum command_kind kind;
	struct link_message message;
	size_t service;
	const char *reason;
};

/*
 * What the LEN bytes at LINE ask for, without their newline: by the parent, which may do
 * what CONFIG says, or, IS_LOCAL, by root in the enclave. The services are those of STATE.
 */
void command_parse(const char *line, size_t len, bool is_local,
		   const struct config_link *config,
		   const struct link_state *state, struct command *ret);

#endif
