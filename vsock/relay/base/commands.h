#ifndef VSOCK_RELAY_BASE_COMMANDS_H
#define VSOCK_RELAY_BASE_COMMANDS_H

#include "vsock/relay/base/tool.h"

/* All commands of relay, by file; main.c has their table. */
extern const struct command watch_command, log_command, status_command,
	stop_command, listen_command, forward_command, run_command, dns_command,
	egress_command, proxy_command, inside_command;

#endif
