#ifndef NSM_TOOL_COMMANDS_H
#define NSM_TOOL_COMMANDS_H

#include "nsm/tool/tool.h"

/* All of the tool's commands, by file; main.c has their table. */

/* device.c */
extern const struct command device_describe_command, device_random_command,
	device_attest_command;
/* pcr.c */
extern const struct command pcr_list_command, pcr_get_command,
	pcr_extend_command, pcr_lock_command, pcr_predict_command;
/* verify.c, show.c */
extern const struct command verify_command, show_command;
/* recipient.c */
extern const struct command recipient_new_command, recipient_attest_command,
	recipient_open_command;

#endif
