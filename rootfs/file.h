#ifndef ROOTFS_FILE_H
#define ROOTFS_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * A file read whole into memory of its own pages: what was read is given
 * back to the kernel, not to a heap.
 */
struct file {
	char *data; /* NUL after the last byte; writable */
	size_t len;
	size_t mapped;
};

/* An empty file with room for MAX bytes; what is not written costs nothing. */
int file_alloc(size_t max, struct file *ret);

/*
 * Reads the regular file NAME (of the kernel's file systems too) below DIRFD,
 * MAX bytes at the most. Returns 0 and the file, the caller's to free with
 * file_free, or -errno: -EFBIG if it is longer, -EISDIR, -EINVAL if it is
 * neither file nor directory.
 */
int file_read(int dirfd, const char *name, size_t max, struct file *ret);

/* The same of the open file FD. */
int file_read_fd(int fd, size_t max, struct file *ret);

/*
 * Opens the regular file PATH, relative to the directory DIRFD and below it, for
 * reading: no symbolic link is followed and no .. taken, in the middle or at the
 * end. Returns a descriptor or -errno: -ELOOP for a link, -EISDIR, -EINVAL for
 * what is neither file nor directory or a path with ..; slashes before PATH do
 * not count.
 */
int file_open_below(int dirfd, const char *path);

/*
 * Opens the regular file PATH for reading as a process would whose root is the
 * directory DIRFD: links are followed, 40 at the most (-ELOOP), and whatever they
 * say, nothing outside is touched. The tree must not change meanwhile. Returns a
 * descriptor or -errno: -EISDIR, -EINVAL for what is neither file nor directory,
 * -ENOLINK where PATH is a link, but leads to nothing.
 */
int file_open_in_root(int dirfd, const char *path);

/*
 * The same, but only user 0's links are followed (-ELOOP): what a user may put in
 * the place of a directory or a file leads root nowhere. The tree may change.
 */
int file_open_trusted(int dirfd, const char *path);

/*
 * Gives the file PATH that owner and group, where they are not -1, and that mode,
 * where it is not -1. Returns 0 or -errno: -ELOOP if it is a symbolic link.
 */
int file_set_access(const char *path, uid_t owner, gid_t group, int mode);

/* Gives the memory back; FILE may be all zero, and is afterwards. */
void file_free(struct file *file);

#endif
