#ifndef ROOTFS_FILE_H
#define ROOTFS_FILE_H

#include <stddef.h>

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

/* Gives the memory back; FILE may be all zero, and is afterwards. */
void file_free(struct file *file);

#endif
