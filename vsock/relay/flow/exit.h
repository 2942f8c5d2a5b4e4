#ifndef VSOCK_RELAY_FLOW_EXIT_H
#define VSOCK_RELAY_FLOW_EXIT_H

#include <stddef.h>

#include "vsock/relay/plan/rules.h"

/* The parent's proxy: what enclaves ask for is looked up, checked and dialled here. */

/* The options of an exit, which point into their text. */
struct exit_options {
	struct rules
		open; /* addresses that may be dialled though they are special */
	struct rules only; /* if it has any: nothing else may be dialled */
};

void exit_open(struct exit_options *o);

/*
 * Adds one of them, of LEN bytes, which must stay: "allow=NETWORK", of rules that are addresses
 * without ports, or "only=RULE". Returns NULL, or why it is none.
 */
const char *exit_option(struct exit_options *o, const char *text, size_t len);

#endif
