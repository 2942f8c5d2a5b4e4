#ifndef VSOCK_RELAY_PLAN_WORDS_H
#define VSOCK_RELAY_PLAN_WORDS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Sentences without stdio. Each call appends to the string in BUF, which has room for CAP
 * bytes and always ends with a NUL; what has no room is cut off. Pure.
 */

void words_add(char *buf, size_t cap, const char *text);

/* Text of a user: what is no printable character of ASCII becomes a question mark. */
void words_add_bytes(char *buf, size_t cap, const char *text, size_t len);

void words_add_number(char *buf, size_t cap, uint64_t n);

/* The three parts of most sentences, of which any may be NULL. Begins with an empty BUF. */
void words_set(char *buf, size_t cap, const char *before, const char *quoted,
	       size_t quoted_len, const char *after);

#endif
