#ifndef NSM_KMS_TOOL_RESULT_H
#define NSM_KMS_TOOL_RESULT_H

#include "nsm/tool/out.h"

struct kmsc_answer;
struct kmsc_error;
struct settings;
struct tool;

/* Where an answer, or the reason why there is none, is written. */

struct result {
	struct out secret, ciphertext, public; /* PATH "": stdout */
};

/*
 * Opens what SET names, before KMS is called: a secret that cannot be written must not be asked
 * for. Returns 0 or an exit code. Ended by result_write or result_abort.
 */
int result_open(const struct tool *t, const struct settings *set,
		struct result *ret);

/* Writes ANSWER. Returns 0, or an exit code after printing why: then no file has a secret. */
int result_write(const struct tool *t, const struct settings *set,
		 const struct kmsc_answer *answer, struct result *r);

/* Removes what result_open made; after result_write it does nothing. */
void result_abort(struct result *r);

/* Prints why there is no answer, on stderr, and with --json as an object. Returns the exit code. */
int result_refuse(const struct tool *t, const struct settings *set,
		  const struct kmsc_error *error);

#endif
