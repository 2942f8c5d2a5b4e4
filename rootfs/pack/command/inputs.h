#ifndef ROOTFS_PACK_COMMAND_INPUTS_H
#define ROOTFS_PACK_COMMAND_INPUTS_H

#include <cjson/cJSON.h>

struct fault;
struct image;
struct part_list;
struct parts;

/*
 * What an image is made of, by digests and without a path, so that it is the same wherever
 * that is done: for --json, and for the metadata, where nitro-cli does not look.
 * The files are those that P and RAMDISKS have open; IMAGE is NULL, or the one that was
 * loaded. *RET is the caller's, to be deleted.
 */
int inputs_make(const struct parts *p, const struct image *image,
		const struct part_list *ramdisks, cJSON **ret,
		struct fault *reterr);

#endif
