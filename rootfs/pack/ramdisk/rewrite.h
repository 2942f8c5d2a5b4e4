#ifndef ROOTFS_PACK_RAMDISK_REWRITE_H
#define ROOTFS_PACK_RAMDISK_REWRITE_H

#include <stdint.h>

#include "rootfs/pack/base/spool.h"
#include "rootfs/pack/ramdisk/listing.h"
#include "rootfs/pack/ramdisk/unpack.h"

struct fault;

/*
 * Files for a ramdisk that is there. It stays as it is, byte for byte: a file that it has
 * gets another content and mode, one that it lacks comes in front of the last trailer, and
 * an archive that was padded to 512 bytes is again.
 */

enum {
	REWRITE_FILES_MAX = 65,
	REWRITE_MEMBERS_MAX = 1 << 12, /* new ones, with their folders */
};

struct rewrite_file {
	const char *path; /* in the ramdisk, without a slash before */
	uint32_t mode;	  /* 0755 */
	struct content content;
};

struct rewrite;

/*
 * Reads and checks: after this the kernel finds each of FILES at its path, and all else as
 * before. FILES and their contents are the caller's, until rewrite_free(*RET). U is new, and
 * gets the new ramdisk: for those behind it, as STATE.
 */
int rewrite_open(const struct content *ramdisk,
		 const struct rewrite_file *files, size_t count,
		 struct unpack *u, struct listing_state *state,
		 struct rewrite **ret, struct fault *reterr);

/* How a part that changes is compressed: NULL, or "gzip", "xz", ... */
const char *rewrite_compression(const struct rewrite *r);

/* The other names of the I-th file, hard links that get its content, too: "a, b"; NULL: none. */
const char *rewrite_others(const struct rewrite *r, size_t i);

typedef int rewrite_sink(void *ctx, const void *data, size_t len,
			 struct fault *reterr);

int rewrite_write(struct rewrite *r, rewrite_sink *sink, void *ctx,
		  struct fault *reterr);
void rewrite_free(struct rewrite *r);

#endif
