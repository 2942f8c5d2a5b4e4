#ifndef NSM_KMS_TOOL_PERFORM_H
#define NSM_KMS_TOOL_PERFORM_H

struct settings;
struct tool;

/*
 * Makes the call that SET, which was checked, asks for, and writes its answer. Returns the exit
 * code.
 */
int perform_call(struct tool *t, const struct settings *set);

#endif
