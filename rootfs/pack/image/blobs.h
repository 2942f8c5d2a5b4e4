#ifndef ROOTFS_PACK_IMAGE_BLOBS_H
#define ROOTFS_PACK_IMAGE_BLOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault;
struct loader;
struct origin;

/* A file of an image's layout, and what is known of it. */
struct blob {
	const char *path;
	const char *digest; /* NULL: not known */
	uint64_t size;	    /* UINT64_MAX: not known */
	bool may_lack;	    /* others have it, and the image not always */
};

/* Loads an image of blobs: its configuration, and the layers from the lowest on. */
int blobs_load(struct loader *l, const struct origin *s,
	       const struct blob *config, const struct blob *layers,
	       size_t count, struct fault *reterr);

#endif
