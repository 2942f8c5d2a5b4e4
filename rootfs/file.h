#ifndef ROOTFS_FILE_H
#define ROOTFS_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * A whole file in memory. A long file has pages of its own, so that they go back to the
 * kernel and not to a heap. Short files, as /cmd and /env mostly are, share a few pages
 * of the program while there is room: a page for each would cost more than its reading.
 */
struct file {
	char *data; /* NUL after the last byte; writable; aligned as a pointer */
	size_t len;
	size_t mapped; /* 0: it shares pages */
};

/* An empty file with room for MAX bytes, all zero; pages never written cost nothing. */
int file_alloc(size_t max, struct file *ret);

/*
 * Reads the regular file NAME (a file of the kernel's file systems, too) below
 * DIRFD, MAX bytes at most. Returns 0 and the file, which the caller frees with
 * file_free, or -errno: -EFBIG if it is longer, -EISDIR, -EINVAL if it is
 * neither file nor directory.
 */
int file_read(int dirfd, const char *name, size_t max, struct file *ret);

/* The same for the open file FD. */
int file_read_fd(int fd, size_t max, struct file *ret);

/*
 * Reads the first bytes of FD into BUF, SIZE at most, by one read(2), and closes FD, which
 * may be what open(2) has just returned: if it failed, so does this. Returns their number
 * or -errno.
 */
ssize_t file_read_start(int fd, void *buf, size_t size);

/* Writes TEXT to FD by one write(2), and closes FD, as above. Returns 0 or -errno. */
int file_put_text(int fd, const char *text);

/*
 * Opens the regular file PATH for reading, relative to the directory DIRFD and
 * below it: follows no symbolic link and takes no .., in the middle or at the
 * end. Slashes before PATH do not count. Returns a descriptor or -errno: -ELOOP
 * for a link, -EISDIR, -EINVAL for a path with .. and for anything that is
 * neither file nor directory.
 */
int file_open_below(int dirfd, const char *path);

/*
 * Opens the regular file PATH for reading as a process would whose root is the
 * directory DIRFD: follows links, 40 at most (-ELOOP), and never leaves the
 * directory, whatever they contain. The tree must not change meanwhile. Returns
 * a descriptor or -errno: -EISDIR, -EINVAL for anything that is neither file
 * nor directory, -ENOLINK if PATH is a link that leads to nothing.
 */
int file_open_in_root(int dirfd, const char *path);

/*
 * The same, but follows only links that belong to user 0 (-ELOOP): whatever a
 * user puts in place of a directory or a file leads root nowhere. The tree may
 * change meanwhile.
 */
int file_open_trusted(int dirfd, const char *path);

/*
 * Sets owner, group and mode of the file PATH; -1 leaves one unchanged. Returns
 * 0 or -errno: -ELOOP if it is a symbolic link.
 */
int file_set_access(const char *path, uid_t owner, gid_t group, int mode);

/* Gives the memory back. FILE may be all zero, and is so afterwards. */
void file_free(struct file *file);

#endif
