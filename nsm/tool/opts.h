#ifndef NSM_TOOL_OPTS_H
#define NSM_TOOL_OPTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A command line, word by word: options anywhere, "--opt=value" and "--opt
 * value", "--" ends them, "-" is an argument.
 */

struct tool;

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
	OPT_ARGUMENT = 1, /* no option; the value is it */
	OPT_BAD = 2,	  /* not right, and said */
};

struct opts {
	struct tool *tool;
	const struct opt *table;
	char **next; /* ends with NULL */
	bool only_arguments;
	uint32_t seen;
	const char *name;  /* of the option that came last */
	const char *value; /* of it, or the argument */
};

/* The next option's id, or OPT_... */
int opts_next(struct opts *o);

/*
 * Whether --help or -h is among the options to come. A word that an option takes
 * as its value is none, nor is any after an option that is not in the table: what
 * is wrong must not look as if it were done.
 */
bool opts_want_help(const struct opts *o);

bool opts_is_help(const char *word);

/* An argument where none or no more belong. Returns TOOL_USAGE. */
int opts_too_many(const struct opts *o);

/* Which of two words A is nearer to than a typing error: for "did you mean". */
unsigned opts_distance(const char *a, const char *b);

enum { OPTS_NEAR = 3 }; /* distances below are near */

#endif
