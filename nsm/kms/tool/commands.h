#ifndef NSM_KMS_TOOL_COMMANDS_H
#define NSM_KMS_TOOL_COMMANDS_H

#include "nsm/tool/tool.h"

/* All commands, by file; main.c has their table. */

/* decrypt.c */
extern const struct command decrypt_command;
/* generate.c */
extern const struct command generate_data_key_command, generate_pair_command,
	generate_random_command;
/* derive.c */
extern const struct command derive_command;

/* Exit codes that nsm does not have: interfaces, kms(1) has them. */
enum commands_exit {
	COMMANDS_UNREACHED = 6,	  /* no connection, no TLS, or KMS failed */
	COMMANDS_CREDENTIALS = 7, /* none, malformed, or refused by KMS */
};

#endif
