#ifndef NSM_TOOL_OUT_FILE_H
#define NSM_TOOL_OUT_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "nsm/tool/out.h"

struct tool;

/*
 * Writes to the file PATH, with MODE before umask, through a temporary file
 * beside it; to stdout if PATH is NULL or "-"; directly if PATH is not a
 * regular file (/dev/full). A dangling link is an error. EXCLUSIVE: nothing of
 * that name may exist, no device or pipe either. Returns 0, or TOOL_FILE after
 * printing why. Must be ended by out_commit or out_abort.
 */
int out_open(const struct tool *t, struct out *o, const char *path, mode_t mode,
	     bool exclusive);

/*
 * Everything is written and on the disk, and the file has its name: 0; or
 * TOOL_FILE after printing why, and there is no file. A pipe that nothing reads
 * any more is not reported. Wipes the buffer.
 */
int out_commit(const struct tool *t, struct out *o);

/* Removes the file. Does nothing after out_commit. Wipes the buffer. */
void out_abort(struct out *o);

/*
 * From now on HUP, INT, QUIT and TERM, if they would end the program, first
 * remove the files that have no name yet.
 */
void out_clean_on_signals(void);

#endif
