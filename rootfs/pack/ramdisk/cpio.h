#ifndef ROOTFS_PACK_RAMDISK_CPIO_H
#define ROOTFS_PACK_RAMDISK_CPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault;
struct tree;

/*
 * Writes the form of cpio that Linux unpacks, "newc" (Documentation/driver-api/early-userspace/
 * buffer-format.rst), so that it depends on nothing but what is in it: names in the
 * order of their bytes, inodes counted from 1, no device, the data of a file with
 * several names at the last of them.
 */

enum {
	CPIO_NAME_MAX = 4095, /* bytes: the kernel leaves out what is longer */
	CPIO_ALIGN = 512,     /* what an archive is padded to */
};

#define CPIO_FILE_MAX UINT32_MAX /* bytes of a file: eight hex digits */

typedef int cpio_sink(void *ctx, const void *data, size_t len,
		      struct fault *reterr);

struct cpio_writer {
	cpio_sink *sink;
	void *ctx;
	bool keep_times;
	uint32_t mtime; /* of all, unless the times are kept */
	/* The writer's own. */
	uint64_t len;
	uint32_t inodes;
};

/*
 * Writes all of T but its root; below the folder PREFIX, unless that is "", which
 * then stands for T's root. The nodes' numbers must be 0, and are used.
 */
int cpio_write_tree(struct cpio_writer *w, struct tree *t, const char *prefix,
		    struct fault *reterr);

/* Writes the end of the archive. */
int cpio_write_end(struct cpio_writer *w, struct fault *reterr);

#endif
