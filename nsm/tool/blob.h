#ifndef NSM_TOOL_BLOB_H
#define NSM_TOOL_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "nsm/nsmc.h"

/* Bytes on the heap, which may be secret. */
struct blob {
	uint8_t *data; /* not NULL once it is set, even for no bytes */
	size_t len;
};

/* Wipes and frees; accepts an empty one. */
void blob_free(struct blob *b);

struct nsmc_bytes blob_view(const struct blob *b);

#endif
