#ifndef NSM_TOOL_TOOL_H
#define NSM_TOOL_TOOL_H

#include <stdbool.h>

/*
 * What the parts of the tool nsm share, and what the tool kms has of it. Functions that
 * return an int return 0, or the exit code after they have printed why.
 */

/* Interfaces: nsm(1) and kms(1) have them. kms has more. */
enum tool_exit {
	TOOL_DONE = 0,
	TOOL_REFUSED = 1, /* not genuine, not as asked for, does not decrypt */
	TOOL_USAGE = 2,
	TOOL_NO_NSM = 3,
	TOOL_NSM = 4,  /* the NSM refused or failed */
	TOOL_FILE = 5, /* a file, or the system, failed */
};

struct opts;
struct opt;
struct tool;

struct command {
	const char *name; /* "random", "pcr get" */
	const char *does; /* one line for the list */
	const char *help; /* one screen */
	const struct opt *opts;
	int (*run)(struct tool *t, struct opts *o);
};

/* One call of the tool. */
struct tool {
	const char *program;	       /* "nsm" */
	const struct command *command; /* NULL: none yet */
	const char *group;	       /* "pcr", if no more is known; or NULL */
	bool stdin_taken;
};

/*
 * Prints "PROGRAM: COMMAND: OBJECT: ..." on stderr, in one line without control
 * characters; OBJECT may be NULL or empty. Returns CODE.
 */
__attribute__((format(printf, 4, 5))) int tool_fail(const struct tool *t,
						    int code,
						    const char *object,
						    const char *format, ...);

/* The same for a misuse, with where to read more. Returns TOOL_USAGE. */
__attribute__((format(printf, 3, 4))) int tool_usage(const struct tool *t,
						     const char *object,
						     const char *format, ...);

/*
 * Reports that the file PATH ("-": STANDARD) failed with ERROR, an errno.
 * Returns TOOL_FILE.
 */
int tool_fail_file(const struct tool *t, const char *path, const char *standard,
		   int error);

/*
 * Reports what a request to the NSM about OBJECT returned: TOOL_NO_NSM or
 * TOOL_NSM.
 */
int tool_fail_nsm(const struct tool *t, const char *object, int r);

/*
 * Reports what reading or checking a document, message or key returned, and
 * adds MORE. Returns TOOL_REFUSED, or TOOL_FILE if it is an errno: then the
 * system failed.
 */
int tool_fail_refused(const struct tool *t, const char *object, int r,
		      const char *more);

/* Opens the NSM as *RET, which the caller closes. */
int tool_open(const struct tool *t, int *ret);

/*
 * For the start of a program: a file opened later must not become stdin, stdout or
 * stderr if these were closed. They stay unusable, so that reading and writing fail
 * as they should; and a reader that closes a pipe, or a limit on the size of files, is an
 * error of write, like others.
 */
void tool_guard(void);

/* From now on no other process of this user reads the memory, and no core has it. */
void tool_refuse_dumps(void);

#endif
