#ifndef TESTS_UNIT_MEMORY_H
#define TESTS_UNIT_MEMORY_H

/*
 * Memory that runs out, for one test program: its calloc is the library's and
 * mbedTLS's, which allocate by nothing else.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Allocations that succeed before one fails; negative: for ever. */
static int allocations = -1;

void *calloc(size_t n, size_t size)
{
	size_t len;
	void *p;

	if (__builtin_mul_overflow(n, size, &len))
		return NULL;
	if (allocations >= 0 && allocations-- == 0)
		return NULL;
	p = malloc(len ? len : 1);
	if (p)
		explicit_bzero(p, len); /* memset would make it calloc */
	return p;
}

#endif
