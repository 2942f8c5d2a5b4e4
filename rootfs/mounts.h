#ifndef ROOTFS_MOUNTS_H
#define ROOTFS_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a mount that fails means for the boot. */
enum mount_policy {
	MOUNT_STOP,	/* the application cannot live without it */
	MOUNT_WARN,	/* it can: say so and go on */
	MOUNT_OPTIONAL, /* a kernel without this file system is no fault */
};

struct mount_row {
	const char *target, *type, *data;
	unsigned long flags; /* MS_..., mount(2) */
	/*
	 * Where this path is there although the mount failed, somebody else has
	 * set the target up, and the failure is no reason to stop.
	 */
	const char *proof;
	/* How much of the spare memory it may take, less than 100 with all the
	 * others; 0: it takes none. */
	uint8_t percent;
	bool carry; /* what the image has there moves into the new mount */
	bool keep;  /* and the directory's own owner and mode are the image's */
	enum mount_policy policy;
};

/* The file systems of a booted enclave, in order, relative to the root. */
extern const struct mount_row mounts_table[];
extern const size_t mounts_count;

/*
 * The bytes of memory that file systems may share: what is free, without what the
 * root may still take, where that has a bound of its own (squash.h). 0 if it is
 * not known.
 */
uint64_t mounts_spare(void);

enum { MOUNTS_DATA_MAX = 128 };

/*
 * OPTIONS of a tmpfs, 32 bytes at the most, with bounds for its BYTES and its
 * files, as an empty one takes about 1 KiB of the kernel that BYTES does not
 * count. Returns BUF.
 */
const char *mounts_bounded(const char *options, uint64_t bytes,
			   char buf[MOUNTS_DATA_MAX]);

/*
 * Mounts one row, making the mount point if it is missing. Something of that
 * type mounted there already (-EBUSY of mount(2)) is success. Returns 0 or
 * -errno; if the mount is there and only what the image had could not all be
 * carried over or kept, -errno with *RET_MOUNTED true.
 */
int mounts_mount(const struct mount_row *row, bool *ret_mounted);

/*
 * /dev and /proc of the boot ramdisk, before there is a root: needed to have a
 * console and to read the kernel command line. Return 0 or -errno.
 */
int mounts_early_dev(void);
int mounts_early_proc(void);

#endif
