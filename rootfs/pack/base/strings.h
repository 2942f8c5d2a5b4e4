#ifndef ROOTFS_PACK_BASE_STRINGS_H
#define ROOTFS_PACK_BASE_STRINGS_H

#include <stddef.h>

struct fault;

/* A list of strings, which it owns. */
struct strings {
	char **items;
	size_t count;
};

int strings_add(struct strings *s, const char *item, struct fault *reterr);
/* ENTRY, NAME=VALUE, takes the place of what has that name, or comes at the end. */
int strings_set_variable(struct strings *s, const char *entry,
			 struct fault *reterr);
/* Of several NAME=VALUE of a name the last stays, in the place of the first. */
int strings_merge_variables(struct strings *s, struct fault *reterr);
void strings_free(struct strings *s);

#endif
