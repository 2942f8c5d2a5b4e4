#ifndef ROOTFS_PACK_IMAGE_LAYER_H
#define ROOTFS_PACK_IMAGE_LAYER_H

#include <stdbool.h>

#include "rootfs/pack/base/spool.h"

struct fault;
struct loader;
struct tree;

struct layer {
	struct content content; /* tar, plain or by gzip or zstd */
	const char *digest;	/* of these bytes, or NULL */
	const char *diff_id;	/* the digest of the tar, or NULL */
	unsigned number;	/* from 1 */
	bool is_rootfs;		/* no layer, but all there is: no whiteouts */
	bool is_archive; /* no layer: no whiteouts, attributes do not matter */
};

/*
 * Applies it to TREE. Contents stay where they lie in a plain tar, whose descriptor IMAGE
 * then keeps, and else go to SPOOL. Each byte is read once, and hashed once for each
 * digest.
 */
int layer_apply(struct loader *l, const struct layer *layer, struct tree *tree,
		struct spool *spool, struct fault *reterr);

#endif
