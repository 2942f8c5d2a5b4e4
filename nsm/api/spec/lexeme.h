#ifndef NSM_API_SPEC_LEXEME_H
#define NSM_API_SPEC_LEXEME_H

#include <stdint.h>

/* The words of a line, as enclave-init.conf(5) has them. Pure. */

/*
 * Takes the next word of the text at *AT, which ends with a NUL: up to a blank, or between double quotes, in which \\, \", \n,
 * \t, \r and \xHH are escapes. The word is written over its own text, with a NUL. *RET is NULL if there is none. Returns
 * NULL, or what is wrong.
 */
const char *lexeme_next(char **at, char **ret);

/* Reads the decimal number, of up to MAX, that TEXT is: NULL, or what it must be. */
const char *lexeme_number(const char *text, uint64_t max, uint64_t *ret);

/* The same for a mode of a file, up to 0777 in octal. */
const char *lexeme_mode(const char *text, unsigned *ret);

/* The same for a time: seconds, or with a unit: ms, s, m, h; at most 24 h. */
const char *lexeme_time(const char *text, int64_t *ret_ms);

#endif
