#ifndef INIT_SPEC_EXECUTABLE_H
#define INIT_SPEC_EXECUTABLE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is executed: where a program is looked for, what its first bytes say it is, and
 * which file has to run it. As execvp(3) and the kernel (fs/binfmt_script.c, binfmt_elf.c)
 * have it. Pure: how a file is looked at and read is the caller's.
 */

/* The directories that are searched where no PATH is set. */
#define EXECUTABLE_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Runs a text without #!, as execvp(3) does. */
#define EXECUTABLE_SHELL "/bin/sh"

enum {
	EXECUTABLE_HEAD_MAX = 256,  /* bytes that the kernel looks at */
	EXECUTABLE_SCRIPTS_MAX = 5, /* each the interpreter of the one before */
};

enum executable_kind {
	EXECUTABLE_OTHER, /* neither ELF nor text */
	EXECUTABLE_ELF,
	EXECUTABLE_SCRIPT, /* #! and an interpreter */
	EXECUTABLE_TEXT,   /* what a shell would take for its own */
};

/* Returns 0 if the file PATH may be executed; or -errno. */
typedef int executable_check_fn(void *ctx, const char *path);

/*
 * Finds NAME: one with a slash as it stands, another one in the directories of SEARCH
 * (an empty one is the working directory). Returns 0 and the path, which CHECK takes; or
 * -EACCES if CHECK refused one so, else -ENOENT; for a name with a slash what CHECK says,
 * or -ENAMETOOLONG.
 */
int executable_find(const char *name, const char *search,
		    executable_check_fn *check, void *ctx, char ret[PATH_MAX]);

/* What the first LEN bytes of a file say it is. */
enum executable_kind executable_kind_of(const char *head, size_t len);

/*
 * The interpreter that a script with these first bytes names. False if it names none: the
 * kernel takes it for no script then.
 */
bool executable_interpreter(const char *head, size_t len,
			    char ret[EXECUTABLE_HEAD_MAX]);

/* The machine, EM_..., that an ELF file with these first bytes is for, or EM_NONE. */
int executable_machine(const char *head, size_t len);

/* Reads LEN bytes of a file from its byte AT on; false if they are not all there. */
typedef bool executable_read_fn(void *ctx, void *data, size_t len, uint64_t at);

/*
 * The loader (PT_INTERP) that an ELF file of 64 bits asks for. Returns 1, or 0 if it is
 * static; or why the kernel does not execute it: -ENOEXEC, its headers are damaged,
 * -ENODATA, they are beyond its end, -EINVAL, what should name a loader does not.
 */
int executable_loader(executable_read_fn *read, void *ctx, char ret[PATH_MAX]);

#endif
