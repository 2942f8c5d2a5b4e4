#ifndef ROOTFS_PACK_BASE_CONTENT_H
#define ROOTFS_PACK_BASE_CONTENT_H

#include <stddef.h>
#include <stdint.h>

struct fault;
struct stat;

/* Bytes of an open file, which somebody else closes. */
struct content {
	int fd;
	uint64_t offset, len;
};

/* Reads LEN bytes of C from its byte AT on, all of which must be there. */
int content_read(const struct content *c, uint64_t at, void *buf, size_t len,
		 struct fault *reterr);

/*
 * The whole file PATH (at most MAX bytes, or it is refused) with a NUL behind, for the
 * caller to free.
 */
int content_slurp_path(const char *path, size_t max, char **ret,
		       size_t *ret_len, struct fault *reterr);

/* The same for a content, which WHAT names in the fault. */
int content_slurp(const struct content *c, size_t max, const char *what,
		  char **ret, struct fault *reterr);

/* A regular file, opened to be read, as a content whose fd is the caller's. */
int content_open(const char *path, struct content *ret, struct fault *reterr);

/*
 * Refuses the file of FD, NAME, which is read more than once, where it is not what WAS
 * says: of another size, or written to since.
 */
int content_check_same(int fd, const struct stat *was, const char *name,
		       struct fault *reterr);

/* The same as content_open, where PATH may be a pipe, of which it is a copy, or "-", standard input. */
int content_open_stream(const char *path, struct content *ret,
			struct fault *reterr);

#endif
