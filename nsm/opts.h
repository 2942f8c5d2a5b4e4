#ifndef NSM_OPTS_H
#define NSM_OPTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Reads a command line word by word: options anywhere, "--opt=value" and "--opt
 * value", "--" ends them, "-" is an argument. It is part of programs with commands, nsm
 * and relay, and no part of libnsmc.
 */

struct tool; /* the program's own */

enum opt_kind {
	OPT_FLAG,
	OPT_VALUE,
	OPT_MANY, /* a value, and may come again */
};

/* A command's options; one without a name ends them, at most 32. */
struct opt {
	const char *name; /* "--nonce" */
	enum opt_kind kind;
	char id;
};

enum {
	OPT_END = 0,
	OPT_ARGUMENT = 1, /* not an option; the value is the argument */
	OPT_BAD = 2,	  /* an error, which was printed */
};

struct opts {
	struct tool *tool;
	/* Reports a misuse of OBJECT, which may be NULL; returns an exit code. */
	__attribute__((format(printf, 3,
			      4))) int (*usage)(const struct tool *tool,
						const char *object,
						const char *format, ...);
	const struct opt *table;
	char **next; /* ends with NULL */
	bool only_arguments;
	uint32_t seen;
	const char *name;  /* the name of the last option */
	const char *value; /* its value, or the argument */
};

/* Returns the next option's id, or OPT_... */
int opts_next(struct opts *o);

/*
 * True if --help or -h is among the options to come. A word that is the value
 * of an option does not count, nor does any word after an option that is not in
 * the table: a wrong command line must not look as if it had worked.
 */
bool opts_want_help(const struct opts *o);

bool opts_is_help(const char *word);

/* Reports an argument where none, or no more, may be. Returns the exit code. */
int opts_too_many(const struct opts *o);

#endif
