#ifndef ROOTFS_BIND_H
#define ROOTFS_BIND_H

#include <sys/types.h>

/*
 * Gives the application a file of the boot ramdisk without a copy: the file is
 * held open while the root is switched, and mounted afterwards. Its name must
 * stay, since the kernel does not mount a file that has no name any more.
 */

/*
 * Opens the regular file PATH and makes it root's, with mode 0555. Returns a
 * descriptor or -errno: -ELOOP for a link, -EINVAL if it is not a regular file.
 */
int bind_take(const char *path);

/*
 * Mounts the file FD on PATH, an absolute path, read-only and without set-id
 * and devices. Makes missing directories and the file PATH, and follows no
 * symbolic link among them (-ELOOP), so that nothing in the image can lead the
 * mount elsewhere. Needs /proc. Returns 0, or -errno with nothing mounted.
 */
int bind_put(int fd, const char *path);

/*
 * Makes the directory PATH, an absolute path, and those that it lies in, and
 * follows no symbolic link among them. Then makes PATH itself root's with MODE,
 * whoever owned it: a user who owned it could replace what is in it. The owner
 * of the directory above could replace PATH: call this for that directory
 * first. The content of PATH stays. Returns a descriptor (O_PATH), the
 * caller's, or -errno: -ELOOP for a link, -ENOTDIR for a file.
 */
int bind_own_folder(const char *path, mode_t mode);

#endif
