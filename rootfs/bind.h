#ifndef ROOTFS_BIND_H
#define ROOTFS_BIND_H

#include <sys/types.h>

/*
 * A file of the boot ramdisk for the application, without a copy: it is held
 * over the switch of the root, and mounted then. Its name must stay: what has
 * none any more the kernel does not mount.
 */

/*
 * Opens the regular file PATH and makes it root's, with mode 0555. Returns a
 * descriptor or -errno: -ELOOP for a link, -EINVAL for what is no file.
 */
int bind_take(const char *path);

/*
 * Mounts the file FD on PATH, an absolute one, read-only and without set-id and
 * devices. Makes the directories and the file PATH where they are missing, and
 * follows no symbolic link in them (-ELOOP): what an image has there cannot
 * lead the mount elsewhere. Needs /proc. Returns 0, or -errno with nothing
 * mounted.
 */
int bind_put(int fd, const char *path);

/*
 * Makes the absolute directory PATH, and those that it lies in, follows no
 * symbolic link in them, and gives PATH alone to root with MODE, whoever it
 * belonged to: a user who owns it could replace what is in it. The owner of the
 * directory above could replace PATH itself: take that first. What is in it
 * stays. Returns a descriptor (O_PATH), the caller's, or -errno: -ELOOP for a
 * link, -ENOTDIR for a file.
 */
int bind_own_folder(const char *path, mode_t mode);

#endif
