#ifndef ROOTFS_PACK_COMMAND_COMMAND_H
#define ROOTFS_PACK_COMMAND_COMMAND_H

#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdbool.h>

struct fault;

/* The commands of mkeif. Each returns the exit code. */

enum command_exit {
	EXIT_DONE = 0,
	EXIT_REFUSED =
		1, /* malformed, or not as it should be; diff has its own codes */
	EXIT_USAGE = 2,
	EXIT_FILE = 5, /* a file, a program or the system failed: try again */
};

/* An option of another tool that has no place here, and what to do instead. */
/* For the name of another option, and for the short one that mkeif has not. */
#define COMMAND_HINT(name) "no such option; did you mean --" name "?"
#define COMMAND_HINT_OUTPUT                 \
	{                                   \
		"o", COMMAND_HINT("output") \
	}

struct command_hint {
	const char *option, *words;
};

struct command {
	const char *name;      /* ARGV[0], or the next one is */
	const char *nitro_cli; /* what nitro-cli calls it; NULL: it has none */
	const char *does;      /* one line for the list */
	const char *help;      /* one screen */
	const struct option *options;	  /* ends with zeros */
	const struct command_hint *hints; /* NULL, or ends with zeros */
	int (*run)(const struct command *c, int argc, char **argv);
};

extern const struct command build_command, describe_command, diff_command,
	extract_command, pcr_command, policy_command, set_init_command,
	sign_command;

/* The `val` of an option whose value is an argument of the command: --eif-path. */
enum { COMMAND_ARGUMENT = 1 << 16 };

/* The `flag` of an option that may be given several times. */
extern int command_repeats;
#define COMMAND_REPEATS (&command_repeats)

enum { COMMAND_OPTIONS_MAX = 64 }; /* of one command, under all their names */

/*
 * The next option of ARGV, one of C's, by its exact name, with its value in optarg; one
 * with a value is refused a second time, by whichever of its names, unless it repeats. Or
 * -1: no more, and optind is the first argument. Options may stand behind arguments, and
 * what stands behind "--" is an argument, whatever the environment says. '?': wrong, and
 * said. --quiet, which all commands have, is dealt with here. OPTIONS are C's.
 */
int command_option(const struct command *c, int argc, char **argv,
		   const struct option *options);

/* Is one of these options --help? */
bool command_wants_help(const struct command *c, int argc, char **argv);

/* Was C called by nitro-cli's name for it? */
bool command_is_nitro_cli(const struct command *c, char **argv);

/* The name among NAMES (COUNT of them, by NAME_OF) that WORD is nearest to, or NULL. */
const char *command_nearest(const char *word,
			    const char *(*name_of)(const void *list, size_t i),
			    const void *list, size_t count);

/* Exactly COUNT arguments from optind on, called WHAT. Else it is said, and false. */
bool command_arguments(const struct command *c, int argc, char **argv,
		       int count, const char *what);

/* Says "mkeif: COMMAND: WORDS" on stderr in one line. Returns the exit code for it. */
int command_fail(const struct command *c, const struct fault *fault);

/* The same for a misuse; returns EXIT_USAGE. */
int command_usage(const struct command *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for what is worth knowing, but no failure: nothing with --quiet. */
void command_note(const struct command *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Prints JSON, which is freed, as nitro-cli does its own: two blanks a level, and a
 * newline at the end. Returns EXIT_DONE, or for NULL, no memory, what command_fail does.
 */
int command_print_json(const struct command *c, cJSON *json);

/* Flushes stdout: CODE, or EXIT_FILE where it could not be written, which is said. */
int command_end(const struct command *c, int code);

#endif
