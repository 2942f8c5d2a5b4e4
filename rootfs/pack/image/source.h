#ifndef ROOTFS_PACK_IMAGE_SOURCE_H
#define ROOTFS_PACK_IMAGE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "rootfs/pack/base/spool.h"

struct fault;
struct loader;
struct output;
struct tree;

/* Where the files of an image's layout are. */

struct source {
	int dirfd;    /* -1: in TREE */
	bool is_flat; /* blobs lie at the top, as skopeo's dir: has them */
	struct tree
		*tree; /* of an archive, whose contents are in it or in SPOOL */
	struct spool spool;
	struct content archive;
	const struct output *output; /* which no file of it may be, or NULL */
};

#define SOURCE_NONE       \
	((struct source){ \
		.dirfd = -1, .spool = SPOOL_NONE, .archive = { .fd = -1 } })

int source_open_dir(const char *path, struct source *ret, struct fault *reterr);
int source_open_archive(struct loader *l, const char *path, struct source *ret,
			struct fault *reterr);
void source_close(struct source *s);

bool source_has(const struct source *s, const char *path);

/* A regular file of it, to be given to source_done. */
int source_get(const struct source *s, const char *path, struct content *ret,
	       struct fault *reterr);
void source_done(const struct source *s, const struct content *c);

/* A whole small file with a NUL behind, for the caller to free. */
int source_slurp(const struct source *s, const char *path, size_t max,
		 char **ret, size_t *ret_len, struct fault *reterr);

#endif
