#ifndef ROOTFS_SQUASH_H
#define ROOTFS_SQUASH_H

/*
 * An image that stays compressed in memory: a squashfs file of the boot
 * ramdisk, mounted read-only, with a tmpfs over it that takes what is written.
 */

/* Where squash_mount failed. */
enum squash_stage {
	SQUASH_FILE,	/* not a squashfs, or truncated */
	SQUASH_CONTROL, /* /dev/loop-control */
	SQUASH_LOOP,	/* the loop device that it gave */
	SQUASH_LOWER,	/* the squashfs */
	SQUASH_UPPER,	/* the tmpfs over it */
	SQUASH_OVERLAY, /* both together */
	SQUASH_STAGES,
};

struct squash_fault {
	enum squash_stage stage;
	/* The name of the file's compressor; "" if it is not known. */
	char compressor[8];
};

/*
 * Mounts the file PATH on the directory DIR, which is made; set-id programs and
 * devices in it work. Its layers appear nowhere else, and the file may be
 * unlinked. Needs /dev. Returns 0, or -errno and the FAULT: -ENOENT at
 * SQUASH_FILE if there is no such file, -ENODATA there if the file is shorter
 * than its header says, -EBADMSG if it is not a squashfs.
 */
int squash_mount(const char *path, const char *dir,
		 struct squash_fault *reterr_fault);

/* What is wrong at a stage, without the errno. */
const char *squash_stage_text(enum squash_stage stage);

#endif
