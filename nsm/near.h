#ifndef NSM_NEAR_H
#define NSM_NEAR_H

#include <stddef.h>

/* How far a word is from a name that may have been meant by it. Pure; no part of libnsmc. */

enum {
	NEAR_NAME_MAX = 32, /* characters of a name */
	NEAR_SLIPS = 3,	    /* fewer are a slip, and more another word */
};

/* Levenshtein's distance, for words of a command line; NEAR_SLIPS for a longer NAME. */
unsigned near_slips(const char *word, const char *name);

/*
 * For keys of a configuration: how many characters of NAME are not in WORD, and twice how many of WORD are not in NAME, since who
 * writes another key mostly leaves something out. Case does not count, nor what of either is longer than any key.
 */
size_t near_key(const char *word, const char *name);

#endif
