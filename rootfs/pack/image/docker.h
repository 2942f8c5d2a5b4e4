#ifndef ROOTFS_PACK_IMAGE_DOCKER_H
#define ROOTFS_PACK_IMAGE_DOCKER_H

#include <stdbool.h>

struct fault;
struct loader;
struct origin;

/* Does manifest.json name an image, as docker save's does? Others have files of that name. */
bool docker_is_saved(const struct origin *s);

/* Loads from manifest.json, as docker save writes it, the one image that has TAG (NULL: the
 * only one). */
int docker_load(struct loader *l, const struct origin *s, const char *tag,
		struct fault *reterr);

#endif
