/* What the wrappers of the init with mistakes ask: mutant.c has the mistakes. */
#ifndef CONFORMANCE_MUTANT_H
#define CONFORMANCE_MUTANT_H

#include <stdbool.h>

/* The real function, and the one in its place. */
#define WRAP(name) typeof(name) __real_##name, __wrap_##name

/* Whether a line of the mistakes is NAME, or NAME and a blank and WORD. */
bool mutant_is(const char *name, const char *word);

/* What follows NAME and a blank in the first such line, or NULL. */
const char *mutant_word(const char *name);

/* In the child that is about to become the application: wrap_pid1.c. */
void mutant_inherits(void);

/* The same of the line WHICH such lines behind the first. */
const char *mutant_word_of(const char *name, unsigned which);

/*
 * Whether a mistake takes the place of this CALL, whose arguments FORMAT shows:
 * then its RESULT, and errno. If not, FLAGS, unless it is NULL, may have been
 * changed by one.
 */
__attribute__((format(printf, 4, 5))) bool mutant_takes(const char *call,
							long *result,
							unsigned *flags,
							const char *format,
							...);

#endif
