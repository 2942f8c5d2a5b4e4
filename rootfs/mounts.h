#ifndef ROOTFS_MOUNTS_H
#define ROOTFS_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the failure of a mount means for the boot. */
enum mount_policy {
	MOUNT_STOP,	/* the application cannot live without it */
	MOUNT_WARN,	/* it can: warn and go on */
	MOUNT_OPTIONAL, /* the kernel may lack this file system */
};

struct mount_row {
	const char *target, *type, *data;
	unsigned long flags; /* MS_..., mount(2) */
	/*
	 * If this path exists although the mount failed, something else has set
	 * the target up, and the failure is no reason to stop.
	 */
	const char *proof;
	/*
	 * Percentage of the spare memory that it may take; all rows together
	 * less than 100; 0: it takes none.
	 */
	uint8_t percent;
	bool carry; /* move what the image has there into the mount */
	bool keep;  /* and keep the image's owner and mode for it */
	enum mount_policy policy;
};

/* The file systems of a booted enclave, in order, relative to the root. */
extern const struct mount_row mounts_table[];
extern const size_t mounts_count;

/*
 * How many bytes of memory file systems may share: the free memory, minus what
 * the root may still take if that has a bound of its own (squash.h). 0 if it is
 * not known.
 */
uint64_t mounts_spare(void);

enum { MOUNTS_DATA_MAX = 128 };

/*
 * Writes OPTIONS of a tmpfs, 32 bytes at most, to BUF, with bounds for its
 * BYTES and its number of files: an empty file takes about 1 KiB of the
 * kernel's memory that BYTES does not count. Returns BUF.
 */
const char *mounts_bounded(const char *options, uint64_t bytes,
			   char buf[MOUNTS_DATA_MAX]);

/*
 * Mounts one row, making the mount point if it is missing. If a file system of
 * that type is mounted there already (-EBUSY of mount(2)), that is success.
 * Returns 0 or -errno. If the mount is there, and only some of the image's
 * files or attributes could not be carried over, it returns -errno with
 * *RET_MOUNTED true.
 */
int mounts_mount(const struct mount_row *row, bool *ret_mounted);

/*
 * Mount /dev and /proc in the boot ramdisk, before there is a root: they are
 * needed for a console and for the kernel command line. Return 0 or -errno.
 */
int mounts_early_dev(void);
int mounts_early_proc(void);

#endif
