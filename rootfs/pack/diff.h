#ifndef ROOTFS_PACK_DIFF_H
#define ROOTFS_PACK_DIFF_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "rootfs/pack/archive.h"

struct fault;

/*
 * Prints what differs between two ramdisks, which are not the same bytes: their files, or else
 * what of the archives does.
 */
int diff_listings(const struct listing *a, const struct listing *b,
		  struct fault *reterr);

/*
 * Prints what differs between two JSON values, either may be NULL, and sorts them for that.
 * *RET is how many it is. False without memory.
 */
bool diff_json(cJSON *a, cJSON *b, size_t *ret);

#endif
