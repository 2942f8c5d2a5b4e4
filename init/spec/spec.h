#ifndef INIT_SPEC_SPEC_H
#define INIT_SPEC_SPEC_H

#include <stddef.h>

#include "init/spec/codes.h"

/*
 * From the bytes of /cmd and /env to what shall run. Pure: no file, no
 * allocation, the text is cut up in place. The form is nitro-cli's (and
 * monzo/aws-nitro-util's): an item a line, no escaping, the last newline may be
 * missing, an inner blank line of /cmd is an empty argument.
 */

enum {
	SPEC_FILE_MAX = 1 << 20,    /* bytes of either file */
	SPEC_ENTRIES_MAX = 1 << 16, /* lines of either file */
	SPEC_VARIABLES_MAX = 4096,  /* of a file of variables */
};

/* Negative returns beside those of errno, each with its text. */
/* clang-format off */
#define SPEC_ERRORS(ERROR) \
	ERROR(SPEC_E_EMPTY, "empty: it names no program") \
	ERROR(SPEC_E_NO_PROGRAM, \
	      "the first line is empty: it names no program") \
	ERROR(SPEC_E_NUL, "a NUL byte") \
	ERROR(SPEC_E_TOO_MANY, "more than 65536 lines") /* SPEC_ENTRIES_MAX */ \
	ERROR(SPEC_E_VARIABLE, "not NAME=VALUE") \
	ERROR(SPEC_E_VARIABLES, "more than 4096 variables") /* SPEC_VARIABLES_MAX */
/* clang-format on */

enum spec_error { SPEC_E_BEFORE = 5999, SPEC_ERRORS(CODES_CODE) };

/* The text for one of these. */
const char *spec_error_text(int r);

/* How many lines TEXT of LEN bytes has; an empty one after the last newline is
 * none. */
size_t spec_count_lines(const char *text, size_t len);

/*
 * Cuts TEXT of LEN bytes, with room for one byte more, into arguments: their
 * addresses to ARGV, which has room for spec_count_lines() + 1, with NULL at the
 * end. Returns 0 and their number, or -SPEC_E_...; -SPEC_E_NUL and -SPEC_E_TOO_MANY
 * set *RETERR_LINE, counted from 1.
 */
int spec_parse_cmd(char *text, size_t len, char **argv, size_t *ret_count,
		   size_t *reterr_line);

/* Called for each line of /env that is not NAME=VALUE, counted from 1. */
typedef void spec_skip_fn(void *ctx, size_t line, const char *text);

/*
 * Cuts TEXT into environment entries in the same way; ENVP has room for
 * spec_count_lines() + 1. A line without a name and `=`, or with a NUL byte, is
 * told to SKIPPED and left out. A name given twice is passed on twice, as AWS's
 * init does. Returns 0 or -SPEC_E_TOO_MANY.
 */
int spec_parse_env(char *text, size_t len, char **envp, size_t *ret_count,
		   spec_skip_fn *skipped, void *ctx);

/*
 * Takes out of the COUNT entries of ENVP, which has a slot more, those with the
 * name that ENTRY has, NAME=VALUE, and puts it at their end. Returns how many
 * there are now.
 */
size_t spec_setenv(char **envp, size_t count, char *entry);

/*
 * Cuts TEXT of LEN bytes, with room for one byte more, into entries as
 * `docker run --env-file` does: blanks before a line and blank lines do not count,
 * # begins a comment, the rest is NAME=VALUE as it stands. Adds them to the COUNT
 * entries of ENVP, as spec_setenv does; it has room for spec_count_lines() more.
 * Returns 0 and how many there are, or -SPEC_E_..., and the line.
 */
int spec_parse_env_file(char *text, size_t len, char **envp, size_t *count,
			size_t *reterr_line);

/*
 * The value of NAME among the COUNT entries of ENVP, the first as for getenv(3),
 * or NULL.
 */
const char *spec_getenv(char *const *envp, size_t count, const char *name);

#endif
