#ifndef ROOTFS_PACK_IMAGE_PLACE_H
#define ROOTFS_PACK_IMAGE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

struct config;
struct image;
struct user;

/*
 * What a directory is when the first service starts: of the image, of a line tmpfs, or of a file system that init always mounts.
 */

enum place_state {
	PLACE_UNKNOWN, /* init, a link or a mount decides */
	PLACE_MISSING, /* also what is no directory */
	PLACE_READ_ONLY,
	PLACE_THERE,
};

struct place_dir {
	enum place_state state;
	uint32_t uid, gid, mode; /* of what is there */
};

/* DIR is absolute. A service that starts earlier may change all of it. */
struct place_dir place_of(const struct image *image, const struct config *c,
			  const char *dir);

/* True if U, who is not root, may make files in P, which is there. */
bool place_is_open(const struct place_dir *p, const struct user *u);

#endif
