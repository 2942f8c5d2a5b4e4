#ifndef ROOTFS_PACK_BASE_SPOOL_H
#define ROOTFS_PACK_BASE_SPOOL_H

#include <stddef.h>
#include <stdint.h>

struct fault;
struct stat;

/* Bytes of an open file, which somebody else closes. */
struct content {
	int fd;
	uint64_t offset, len;
};

/*
 * Where contents wait to be written in another order than they were read: a file
 * without a name, in TMPDIR or else /var/tmp, which grows at its end and is gone
 * with the process.
 */
struct spool {
	int fd; /* -1: none yet */
	uint64_t len;
};

#define SPOOL_NONE ((struct spool){ .fd = -1 })

/* TMPDIR, or else /var/tmp. */
const char *spool_dir(void);

int spool_open(struct spool *s, struct fault *reterr);
void spool_close(struct spool *s);

/* Adds LEN bytes of DATA at the end; zeros take no room. */
int spool_append(struct spool *s, const void *data, size_t len,
		 struct fault *reterr);

/* Lengthens it by LEN zeros, which take no room. */
int spool_append_zeros(struct spool *s, uint64_t len, struct fault *reterr);

/* Bytes that may come of what is compressed, or has holes. */
#define SPOOL_UNPACKED_MAX (64ULL << 30)

/*
 * Refuses a bomb: UNPACKED bytes out of PACKED ones that are more than anybody needs, or
 * more than 1 GiB and 4096 times as many.
 */
int spool_check_unpacked(uint64_t packed, uint64_t unpacked,
			 struct fault *reterr);

/* What was appended since the spool was FROM bytes long. */
struct content spool_content(const struct spool *s, uint64_t from);

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
