#ifndef ROOTFS_PACK_IMAGE_SETTINGS_H
#define ROOTFS_PACK_IMAGE_SETTINGS_H

#include <stddef.h>

struct fault;
struct loader;
struct strings;

/* An image configuration: takes the fields, and notes those that are ignored. The text
 * stays the caller's. *RET_DIFF_IDS gets the layers' digests. */
int settings_parse(struct loader *l, const char *text, size_t len,
		   struct strings *ret_diff_ids, struct fault *reterr);

#endif
