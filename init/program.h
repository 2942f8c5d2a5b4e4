#ifndef INIT_PROGRAM_H
#define INIT_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

#include "init/spec/executable.h"

struct text;

/*
 * A program as it was found, before anything runs, with all that explains why exec
 * of it fails: once a user's rights and a filter of system calls are taken, there
 * is no way to look.
 */
struct program {
	enum executable_kind kind;
	int machine; /* of an ELF file: EM_..., 0 if it has none */
	int missing; /* -errno of its interpreter, or of that one's; or 0 */
	bool misses_loader; /* it is the interpreter's own that is missing */
	char path[PATH_MAX];
	/* Where something is MISSING; a scratch otherwise. */
	char interpreter[PATH_MAX], loader[PATH_MAX];
};

/*
 * Finds NAME as execvp(3) does: a name with a slash as it stands, another one
 * in the directories of SEARCH (an empty one is the working directory). Fills
 * in RET and returns 0; or -ENOENT, -EACCES for what is there but is no
 * executable file, or what else the file system says.
 */
int program_find(const char *name, const char *search, struct program *ret);

/*
 * Fills in all of P but its path, which is there. A file that cannot be read is
 * EXECUTABLE_OTHER.
 */
void program_look(struct program *p);

/*
 * Why exec of P failed with -R, in words to WHY: a missing interpreter of a
 * script or of an ELF file is named, and so is the architecture of one that is
 * not for this machine. Pure.
 */
void program_explain(const struct program *p, int r, struct text *why);

#endif
