#ifndef ROOTFS_PACK_COMMANDS_H
#define ROOTFS_PACK_COMMANDS_H

#include <getopt.h>
#include <stdbool.h>

struct fault;

/* The commands of mkeif. Each returns the exit code. */

enum command_exit {
	EXIT_DONE = 0,
	EXIT_REFUSED =
		1, /* malformed, or not as it should be; diff: PCRs differ */
	EXIT_USAGE = 2,
	EXIT_FILE = 5, /* a file, or the system, failed */
};

struct command {
	const char *name; /* ARGV[0], too */
	const char *does; /* one line for the list */
	const char *help; /* one screen */
	int (*run)(const struct command *c, int argc, char **argv);
};

extern const struct command command_build, command_describe, command_diff,
	command_extract, command_pcr, command_set_init, command_sign;

/*
 * The next option of ARGV by getopt_long(3) with OPTIONS, whose `val` are from 1 on
 * below '?'... or above; -1: no more, and optind is the first argument. '?': wrong, and
 * said.
 */
int command_option(const struct command *c, int argc, char **argv,
		   const struct option *options);

/* Exactly COUNT arguments from optind on, called WHAT. Else it is said, and false. */
bool command_arguments(const struct command *c, int argc, char **argv,
		       int count, const char *what);

/* Says "mkeif: COMMAND: WORDS" on stderr in one line. Returns the exit code for it. */
int command_fail(const struct command *c, const struct fault *fault);

/* The same for a misuse; returns EXIT_USAGE. */
int command_usage(const struct command *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for what is worth knowing, but no failure. */
void command_note(const struct command *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Flushes stdout: CODE, or EXIT_FILE where it could not be written, which is said. */
int command_end(const struct command *c, int code);

#endif
