#ifndef ROOTFS_PACK_RAMDISK_SQUASHFS_H
#define ROOTFS_PACK_RAMDISK_SQUASHFS_H

#include <stdbool.h>
#include <stdint.h>

struct fault;
struct spool;
struct tree;

/*
 * A tree as a squashfs, by tar2sqfs (squashfs-tools-ng). The same bytes come out with the
 * same tar2sqfs, on whatever machine.
 */
struct squashfs_options {
	const char *compressor; /* of squashfs_compressors; NULL: no squashfs */
	bool keep_times;
	uint32_t mtime;
};

/* The first is what is taken if nothing is said; NULL ends it. */
extern const char *const squashfs_compressors[];

enum { SQUASHFS_VERSION_MAX = 64 };

/* "1.2.0", of the tar2sqfs that is installed; a fault of the system if there is none. */
int squashfs_version(char ret[SQUASHFS_VERSION_MAX], struct fault *reterr);

/* Writes T to the empty SPOOL. The nodes' numbers must be 0, and are used. */
int squashfs_write(struct tree *t, const struct squashfs_options *o,
		   struct spool *spool, struct fault *reterr);

#endif
