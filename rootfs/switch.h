#ifndef ROOTFS_SWITCH_H
#define ROOTFS_SWITCH_H

#include <stdbool.h>

/*
 * Whether the boot ramdisk may have run out of room while it was unpacked: it
 * is all but full, or of a kind that does not tell.
 */
bool switch_ramdisk_is_full(void);

/*
 * Whether the boot ramdisk has no inode left, for want of which the kernel
 * leaves files out without a word.
 */
bool switch_ramdisk_lacks_inodes(void);

/*
 * Makes the directory DIR of the boot ramdisk ("/rootfs") the root of this
 * process and its children, and gives the memory of all else in the ramdisk but
 * KEEP (NULL: nothing) back. The mount is really moved over the old root, so that no chroot leads
 * out again (pivot_root(2) refuses an initramfs). What was mounted for the boot
 * on /dev and /proc is taken off.
 *
 * Returns 0, or -errno with nothing lost that a message would need.
 */
int switch_root(const char *dir, const char *keep);

#endif
