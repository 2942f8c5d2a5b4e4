#ifndef ROOTFS_NUMBER_H
#define ROOTFS_NUMBER_H

#include <stdint.h>

enum { NUMBER_SIZE = 21 }; /* bytes of the longest number, with its NUL */

/*
 * Writes N in decimal to TO, which must have room. Returns the end, a NUL.
 * Pure.
 */
char *number_put(char *to, uint64_t n);

#endif
