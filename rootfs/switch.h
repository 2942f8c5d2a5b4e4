#ifndef ROOTFS_SWITCH_H
#define ROOTFS_SWITCH_H

#include <stdbool.h>

/*
 * True if the boot ramdisk may have run out of room while it was unpacked: it
 * is nearly full, or of a kind that does not report its size.
 */
bool switch_ramdisk_is_full(void);

/*
 * True if the boot ramdisk has no inode left; the kernel then leaves files out
 * without a message.
 */
bool switch_ramdisk_lacks_inodes(void);

/*
 * True if the directory DIR may be the last that was unpacked of the boot ramdisk,
 * and cut short: FILE is missing, or came before it. The numbers of inodes, which
 * grow, tell the order.
 */
bool switch_ramdisk_ends_with(const char *dir, const char *file);

/*
 * Makes the directory DIR of the boot ramdisk ("/rootfs") the root of this
 * process and its children, and frees the memory of everything else in the
 * ramdisk except KEEP (NULL: nothing is kept). The mount is moved over the old
 * root, so that no chroot leads out again (pivot_root(2) refuses an initramfs).
 * The boot's mounts on /dev and /proc are removed.
 *
 * Returns 0, or -errno; then everything is still there that a message needs.
 */
int switch_root(const char *dir, const char *keep);

#endif
