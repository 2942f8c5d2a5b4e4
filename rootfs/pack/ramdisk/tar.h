#ifndef ROOTFS_PACK_RAMDISK_TAR_H
#define ROOTFS_PACK_RAMDISK_TAR_H

#include <stdbool.h>
#include <stdint.h>

#include "rootfs/pack/ramdisk/cpio.h"

/*
 * Writes a tree for another program to read: tar, "pax" (POSIX.1-2017, pax), with owners,
 * modes, devices, hard links and file capabilities. Its names are in the order of their
 * bytes, and it depends on nothing but the tree.
 */
struct tar_writer {
	cpio_sink *sink;
	void *ctx;
	bool keep_times;
	uint32_t mtime; /* of all, unless the times are kept */
	/* The writer's own: the first name of each inode that has several. */
	struct tree_node **first;
	uint32_t count, room;
};

/*
 * Writes all of T, its root as "./", and the end. The nodes' numbers must be 0, and are
 * used.
 */
int tar_write_tree(struct tar_writer *w, struct tree *t, struct fault *reterr);

#endif
