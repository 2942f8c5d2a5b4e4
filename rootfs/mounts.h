#ifndef ROOTFS_MOUNTS_H
#define ROOTFS_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

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
	bool carry; /* what the image has there moves into the new mount */
	bool keep;  /* and the directory's own owner and mode are the image's */
	enum mount_policy policy;
};

/* The file systems of a booted enclave, in order, relative to the root. */
extern const struct mount_row mounts_table[];
extern const size_t mounts_count;

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
