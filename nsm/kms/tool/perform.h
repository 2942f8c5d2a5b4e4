#ifndef NSM_KMS_TOOL_PERFORM_H
#define NSM_KMS_TOOL_PERFORM_H

struct settings;
struct tool;

/*
 * The end of each command. If R, an exit code, is 0: checks SET, makes the call that it asks for, and
 * writes the answer. Frees what SET has in any case. Returns the exit code.
 */
int perform_end(struct tool *t, struct settings *set, int r);

#endif
