#ifndef INIT_RANDOM_H
#define INIT_RANDOM_H

#include <stddef.h>

enum { RANDOM_DIGITS_MAX = 64 };

/*
 * Writes DIGITS random digits, an even number up to RANDOM_DIGITS_MAX, in hexadecimal, and a
 * NUL to RET. Does not wait: returns 0, or -EAGAIN with RET as it was while the kernel
 * has no random numbers.
 */
int random_hex(char *ret, size_t digits);

#endif
