#ifndef ROOTFS_PACK_RAMDISK_GZIP_H
#define ROOTFS_PACK_RAMDISK_GZIP_H

#include "rootfs/pack/ramdisk/cpio.h"

/*
 * A sink that compresses for another one: gzip (RFC 1952) without name and time, level
 * 9. The same bytes come out with the same zlib only, hence the pinned one.
 */
struct gzip;

int gzip_open(cpio_sink *sink, void *ctx, struct gzip **ret,
	      struct fault *reterr);
int gzip_write(void *gzip, const void *data, size_t len, struct fault *reterr);

/* Writes the rest, and zeros up to a multiple of four bytes. */
int gzip_end(struct gzip *gzip, struct fault *reterr);
void gzip_free(struct gzip *gzip);

/* "1.3.1" */
const char *gzip_zlib_version(void);

#endif
