#ifndef ROOTFS_PACK_RAMDISK_UNPACK_H
#define ROOTFS_PACK_RAMDISK_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/ramdisk/listing.h"

struct fault;

/*
 * What the kernel makes of the ramdisks of an image: the rules of init/initramfs.c
 * (Linux 6.12; where 4.14 does otherwise a warning says so) over a tree in memory. All
 * ramdisks are unpacked into one root, in which the kernel has put /dev, /dev/console and /root.
 */

enum {
	UNPACK_LINKS_MAX = 40, /* followed for one path: the kernel's limit */
	UNPACK_NAME_MAX = 255, /* bytes of a path's component */
	UNPACK_WARNINGS_MAX =
		1 << 16,	    /* of one ramdisk; the others are counted */
	UNPACK_STEPS_MAX = 1 << 28, /* bytes behind links, for all paths */
};

/* A name that a ramdisk put there or changed, as it is once that ramdisk is unpacked. */
struct unpacked_file {
	char *path; /* from the root, without a slash before; the root is "." */
	char *target; /* of a symbolic link, else NULL */
	uint32_t mode, uid, gid, mtime, rdev_major, rdev_minor;
	uint32_t nlink; /* as stat(2) has it */
	uint64_t size;	/* of a regular file */
	uint8_t hash[EIF_HASH];
	/* The ramdisk, from 0, and the member of it that has the content of a regular
	 * file, or made what is none. */
	uint32_t ramdisk;
	size_t member;
	size_t link; /* hard links: 1 + the index of the first; 0: it is none */
};

struct unpacked {
	struct unpacked_file *files; /* in the ramdisk's order */
	size_t count;
	char **warnings; /* "PATH: ...", in the ramdisk's order */
	size_t warning_count;
	size_t more_warnings; /* that are not kept */
};

struct unpack;

/* NULL without memory. */
struct unpack *unpack_new(void);
void unpack_free(struct unpack *u);

/*
 * Unpacks the next ramdisk. Also after a failure *RET is for unpack_free_files(); U is then
 * for unpack_free() alone.
 */
int unpack_ramdisk(struct unpack *u, const struct listing *l,
		   struct unpacked *ret, struct fault *reterr);

/* Counts a ramdisk that cannot be read. */
void unpack_skip(struct unpack *u);
void unpack_free_files(struct unpacked *r);

/* The file at PATH, without a slash before, or NULL. */
const struct unpacked_file *unpack_find(const struct unpacked *r,
					const char *path);

#endif
