#ifndef ROOTFS_PACK_IMAGE_LOAD_H
#define ROOTFS_PACK_IMAGE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rootfs/pack/base/spool.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/image.h"

struct fault;
struct tree;
struct tree_inode;

/* What the parts of image.c share. */

enum {
	LOAD_LAYERS_MAX = 1024,
	LOAD_ENTRIES_MAX = 1 << 23, /* of all layers */
	LOAD_DROPPED_MAX = 32,	    /* names of extended attributes told of */
};

/* newc has 32 bits for a file's size. */
#define LOAD_FILE_MAX ((uint64_t)UINT32_MAX)

/* How often something was left out, to be told once. */
struct dropped {
	char *names[LOAD_DROPPED_MAX];
	size_t counts[LOAD_DROPPED_MAX];
	size_t count, others;
};

/* An image being loaded. */
struct loader {
	const struct image_options *options;
	struct image *image;
	struct strings volumes; /* folders that the configuration names */
	const char *digest;	/* that the image has to have, or NULL */
	bool is_named_rootfs;	/* by its user, "rootfs:" */
	struct dropped dropped;
	uint64_t packed, bytes; /* of all layers as they are, and unpacked */
	size_t entries;
	size_t more_notes; /* than an image may have */
};

/* Refuses a file of SIZE bytes that the image cannot carry. */
int load_check_size(const struct loader *l, uint64_t size,
		    struct fault *reterr);

/* What images call ARCH: "amd64", "arm64". */
const char *load_go_arch(const char *arch);

/* Is what an image SAID, or NULL, that architecture, by whatever name? */
bool load_is_arch(const char *said, const char *go_arch);

/* Is TAG what image NAME (docker.io/library/debian:12) is called: all of it, or from a
 * slash on, or what is behind the colon? */
bool load_is_tag(const char *name, const char *tag);

/* A note for the user, with control characters as \xHH; behind the first hundred they are
 * counted only. */
int load_note(struct loader *l, struct fault *reterr, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts PATH, cut where it would leave no room for the words, before a fault's words. */
int load_at(struct fault *f, const char *path);

/*
 * PATH has the extended attribute NAME. File capabilities go to INODE, where the image
 * can carry them. Others are counted, or, where they change what the file may do, refused
 * unless the user wants them dropped.
 */
int load_xattr(struct loader *l, const char *path, const char *name,
	       const void *value, size_t len, struct tree_inode *inode,
	       struct fault *reterr);

/* --- layer.c ------------------------------------------------------------------- */

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

/* A file of an image's layout, and what is known of it. */
struct part {
	const char *path;
	const char *digest; /* NULL: not known */
	uint64_t size;	    /* UINT64_MAX: not known */
	bool may_lack;	    /* others have it, and the image not always */
};

struct source;

/* The configuration, and the layers from the lowest on. */
int load_parts(struct loader *l, const struct source *s,
	       const struct part *config, const struct part *layers,
	       size_t count, struct fault *reterr);

/* --- where files of an image's layout are ---------------------------------------- */

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

/* --- oci.c, docker.c, dir.c, skopeo.c, settings.c ------------------------------------ */

/* Does index.json name nothing? False as well where it cannot be read. */
bool oci_is_empty(const struct source *s);

/* The one image for options->arch that has TAG (NULL: the only one). */
int oci_load(struct loader *l, const struct source *s, const char *tag,
	     struct fault *reterr);

/* The same of what skopeo writes to dir:. S is flat. */
int oci_load_flat(struct loader *l, const struct source *s, const char *tag,
		  struct fault *reterr);

/* Does manifest.json name an image, as docker save's does? Others have files of that name. */
bool docker_is_saved(const struct source *s);

/* The same of manifest.json, as docker save writes it. */
int docker_load(struct loader *l, const struct source *s, const char *tag,
		struct fault *reterr);

int dir_load(struct loader *l, const char *path, struct fault *reterr);

/* A folder that skopeo has copied an image to, which is gone when we are. */
struct skopeo {
	char *dir;
	int pipe;
	pid_t keeper;
};

/* Is it what skopeo's transport dir: writes, which is no layout? */
bool skopeo_is_dir(const struct source *s);

/* Has skopeo copy SRC to a new folder, for skopeo_remove. */
int skopeo_copy(const char *src, const char *arch, struct skopeo *ret,
		struct fault *reterr);
void skopeo_remove(struct skopeo *s);

/* An image configuration: takes the fields, and notes those that are ignored. The text
 * stays the caller's. *RET_DIFF_IDS gets the layers' digests. */
int settings_parse(struct loader *l, const char *text, size_t len,
		   struct strings *ret_diff_ids, struct fault *reterr);

/* An image manifest: its parts, as paths of an OCI layout. */
struct manifest {
	struct part config, *layers;
	struct strings digests; /* which the parts have */
	size_t count;
};

/* *RET is to be given to manifest_free, also after a failure. */
int manifest_parse(const char *text, size_t len, struct manifest *ret,
		   struct fault *reterr);
void manifest_free(struct manifest *m);

#endif
