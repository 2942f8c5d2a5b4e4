#ifndef ROOTFS_PACK_ARCHIVE_H
#define ROOTFS_PACK_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/eif.h"

struct fault;

/*
 * What is in a ramdisk, read as the kernel's init/initramfs.c unpacks it: newc
 * archives back to back with zeros between, plain or compressed by what libarchive
 * can undo. Names and hashes are in memory, nothing is written. Where the kernel would stop,
 * or leave something out, the ramdisk is refused.
 */

enum {
	LISTING_PATH_MAX = 4095, /* bytes of a path, and of a link's target */
	LISTING_MEMBERS_MAX = 1 << 21, /* in one ramdisk, */
	LISTING_BYTES_MAX = 1 << 28,   /* and their names and targets */
};

struct member {
	char *path;   /* without "./", and slashes twice, before or behind */
	char *target; /* of a symbolic link, else NULL */
	/* As the header has them; of hard links, as the last one has them. */
	uint32_t mode, uid, gid, mtime;
	uint64_t size;		/* of a regular file */
	uint8_t hash[EIF_HASH]; /* of its content */
	struct content content; /* where that was kept, if it was */
	uint32_t ino, nlink, dev_major, dev_minor, rdev_major, rdev_minor;
	uint32_t archive; /* which in the ramdisk, from 0 */
	uint32_t link;	  /* hard links have the same; 0: it is none */
};

struct listing {
	struct member *members; /* in the ramdisk's order */
	size_t count, room;
	size_t bytes; /* of names and targets */
	uint32_t archives;
	const char *compression; /* "none", "gzip", ..., "mixed" */
	uint64_t unpacked;	 /* bytes, without compression */
};

/*
 * Also after a failure LISTING is for listing_free(). KEEP, if not NULL, gets the
 * contents.
 */
int listing_read(const struct content *c, struct spool *keep,
		 struct listing *ret, struct fault *reterr);

/* The same for a section of an image, which the fault names. */
int listing_read_section(const struct eif *eif, size_t index,
			 struct spool *keep, struct listing *ret,
			 struct fault *reterr);
void listing_free(struct listing *l);

#endif
