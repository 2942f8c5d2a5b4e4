#ifndef ROOTFS_PACK_BASE_SPOOL_H
#define ROOTFS_PACK_BASE_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/base/content.h"

struct fault;

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

#endif
