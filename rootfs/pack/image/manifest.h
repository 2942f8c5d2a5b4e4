#ifndef ROOTFS_PACK_IMAGE_MANIFEST_H
#define ROOTFS_PACK_IMAGE_MANIFEST_H

#include <stddef.h>

#include "rootfs/pack/base/strings.h"
#include "rootfs/pack/image/blobs.h"

struct fault;

/* An image manifest: its blobs, as paths of an OCI layout. */
struct manifest {
	struct blob config, *layers;
	struct strings digests; /* which the blobs have */
	size_t count;
};

/* *RET is to be given to manifest_free, also after a failure. */
int manifest_parse(const char *text, size_t len, struct manifest *ret,
		   struct fault *reterr);
void manifest_free(struct manifest *m);

#endif
