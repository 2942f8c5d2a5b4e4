#ifndef ROOTFS_PACK_COMMAND_DIFF_H
#define ROOTFS_PACK_COMMAND_DIFF_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "rootfs/pack/ramdisk/listing.h"
#include "rootfs/pack/ramdisk/unpack.h"

struct emit;
struct fault;

/* A ramdisk, as it lies in the image and as the kernel leaves it. */
struct diff_ramdisk {
	struct listing listing;
	struct unpacked unpacked;
};

/*
 * Reports what differs between two ramdisks: their files, or else what of the archives
 * does (unless SAME_BYTES); and warnings of one side alone. As members of an object if E, else
 * as text on stdout.
 */
int diff_ramdisk(struct emit *e, const struct diff_ramdisk *a,
		 const struct diff_ramdisk *b, bool same_bytes,
		 struct fault *reterr);

/* Reports the warnings of A and of B; either may be NULL. */
int diff_warnings(struct emit *e, const struct unpacked *a,
		  const struct unpacked *b, struct fault *reterr);

/*
 * Does the kernel leave the same of a ramdisk of the same bytes? *RET_FOREIGN is set where the
 * content of a file is another ramdisk's.
 */
bool diff_is_same(const struct unpacked *a, const struct unpacked *b,
		  unsigned ramdisk, bool *ret_foreign);

/*
 * Reports what differs between two JSON values, either may be NULL, and sorts them for that:
 * as elements of an array if E, else as text. *RET is how many it is. False without memory.
 */
bool diff_json(struct emit *e, cJSON *a, cJSON *b, size_t *ret);

#endif
