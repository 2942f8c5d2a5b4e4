#ifndef ROOTFS_PACK_IMAGE_ORIGIN_H
#define ROOTFS_PACK_IMAGE_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "rootfs/pack/base/spool.h"

struct fault;
struct loader;
struct output;
struct tree;

/* Where the files of an image's layout are. */

struct origin {
	int dirfd;    /* -1: in TREE */
	bool is_flat; /* blobs lie at the top, as skopeo's dir: has them */
	struct tree
		*tree; /* of an archive, whose contents are in it or in SPOOL */
	struct spool spool;
	struct content archive;
	const struct output *output; /* which no file of it may be, or NULL */
};

#define ORIGIN_NONE       \
	((struct origin){ \
		.dirfd = -1, .spool = SPOOL_NONE, .archive = { .fd = -1 } })

int origin_open_dir(const char *path, struct origin *ret, struct fault *reterr);
int origin_open_archive(struct loader *l, const char *path, struct origin *ret,
			struct fault *reterr);
void origin_close(struct origin *s);

bool origin_has(const struct origin *s, const char *path);

/* A regular file of it, to be given to origin_done. */
int origin_get(const struct origin *s, const char *path, struct content *ret,
	       struct fault *reterr);
void origin_done(const struct origin *s, const struct content *c);

/* A whole small file with a NUL behind, for the caller to free. */
int origin_slurp(const struct origin *s, const char *path, size_t max,
		 char **ret, size_t *ret_len, struct fault *reterr);

#endif
