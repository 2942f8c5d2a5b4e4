#ifndef INIT_PROGRAM_H
#define INIT_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct text;

enum program_kind {
	PROGRAM_OTHER, /* neither ELF nor text */
	PROGRAM_ELF,
	PROGRAM_SCRIPT, /* #! */
	PROGRAM_TEXT,	/* what a shell would take for its own */
};

/* Who runs a text without #!, as execvp(3) has it. */
#define PROGRAM_SHELL "/bin/sh"

/*
 * A program as it was found, before anything runs, with all that explains why exec
 * of it fails: once a user's rights and a filter of system calls are taken, there
 * is no way to look.
 */
struct program {
	enum program_kind kind;
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
 * PROGRAM_OTHER.
 */
void program_look(struct program *p);

/* What the first LEN bytes of a file say it is (256 are looked at). Pure. */
enum program_kind program_kind_of(const char *head, size_t len);

/*
 * Why exec of P failed with -R, in words to WHY: a missing interpreter of a
 * script or of an ELF file is named, and so is the architecture of one that is
 * not for this machine. Pure.
 */
void program_explain(const struct program *p, int r, struct text *why);

#endif
