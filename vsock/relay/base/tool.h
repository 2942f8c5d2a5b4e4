#ifndef VSOCK_RELAY_BASE_TOOL_H
#define VSOCK_RELAY_BASE_TOOL_H

#include <stdbool.h>

/*
 * What the commands of relay share: what a call is, and how it reports. Functions that
 * return an int return 0, or the exit code after they have printed why.
 */

/* Interfaces: enclave-relay(1) has them. */
enum tool_exit {
	TOOL_DONE = 0,
	TOOL_REFUSED = 1,
	TOOL_USAGE = 2,
	TOOL_FILE = 5,	   /* the system failed */
	TOOL_LOST = 124,   /* no answer, or not any more */
	TOOL_FATAL = 125,  /* the enclave's boot failed */
	TOOL_SIGNAL = 128, /* and the number of the signal */
};

struct opts;
struct opt;
struct print;
struct tool;

struct command {
	const char *name;
	const char *does; /* one line for the list */
	const char *help; /* one screen */
	const struct opt *opts;
	int (*run)(struct tool *t, struct opts *o);
};

/* One call of the program. */
struct tool {
	const struct command *command; /* NULL: none yet */
	struct print *out;	       /* stdout */
	bool never_waits; /* a line that a non-blocking stderr does not take is lost */
};

/*
 * Prints "relay: COMMAND: OBJECT: ..." on stderr, in one line without control
 * characters, after what waits for stdout; OBJECT may be NULL or empty. Returns CODE.
 */
__attribute__((format(printf, 4, 5))) int tool_fail(const struct tool *t,
						    int code,
						    const char *object,
						    const char *format, ...);

/* The same for what is no failure. */
__attribute__((format(printf, 3, 4))) void tool_remark(const struct tool *t,
						       const char *object,
						       const char *format, ...);

/* The same for a misuse, with where to read more. Returns TOOL_USAGE. */
__attribute__((format(printf, 3, 4))) int tool_usage(const struct tool *t,
						     const char *object,
						     const char *format, ...);

/* Whoever reads stderr puts the program's name before each line: it is left out from now on. */
void tool_is_named(void);

/* Writes what waits for stdout. Returns CODE, or TOOL_FILE if that failed. */
int tool_end(const struct tool *t, int code);

#endif
