/*
 * In kms_wiped, around free: whether memory that is given back still has one of the secrets of
 * $KMS_SECRETS, which are lines. Each one that is found is named on stderr by its number.
 */

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/nsmc.h"

void __real_free(void *p);
void __wrap_free(void *p);

static void look(const char *block, size_t size)
{
	const char *at = getenv("KMS_SECRETS"), *end;

	for (int n = 1; at && *at; n++) {
		end = strchr(at, '\n');
		if (!end)
			end = at + strlen(at);
		if (end > at && memmem(block, size, at, (size_t)(end - at)))
			fprintf(stderr,
				"secret %d in %zu bytes that are freed\n", n,
				size);
		at = *end ? end + 1 : end;
	}
}

void __wrap_free(void *p)
{
	if (p)
		look(p, malloc_usable_size(p));
	__real_free(p);
}
