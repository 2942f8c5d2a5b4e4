#ifndef ROOTFS_PACK_IMAGE_IMAGE_H
#define ROOTFS_PACK_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "rootfs/pack/base/spool.h"
#include "rootfs/pack/base/strings.h"

struct fault;
struct image_file;
struct output;
struct tree;

enum { IMAGE_FILES_MAX = 256 }; /* that stay open */

/* What to do with what a ramdisk cannot carry, and where to look. */
struct image_options {
	const char *arch;   /* "x86_64" or "aarch64": which of an index */
	bool arch_is_given; /* by the user, who may know better than the image */
	const char *tag;    /* which of an index, or NULL */
	bool drop_capabilities;
	bool keep_owner;     /* of a folder's files, which else become root's */
	bool owner_is_given; /* either of that, by the user */
	/* What a squashfs carries, and a ramdisk does not: */
	bool keep_capabilities;
	bool large_files;	     /* of 4 GiB and more */
	const struct output *output; /* what is made of it, or NULL */
};

/*
 * An image as its maker left it: OCI image configuration (opencontainers/image-spec,
 * config.md) and file system.
 */
struct image {
	struct tree *tree;
	struct spool spool; /* the contents of the tree, but for those in: */
	struct image_file *files;
	size_t file_count;
	struct strings entrypoint, cmd, env;
	char *user, *workdir, *stop_signal; /* NULL: not said */
	char *name; /* the tag or name of the source, or NULL */
	char *config; /* the configuration as it stands, JSON; NULL for a plain directory */
	/* Of the image's manifest, NULL where it has none, and of its configuration. */
	char *manifest_digest, *config_digest;
	struct strings diff_ids; /* digests of its layers, unpacked */
	struct strings notes;	 /* what was left out or is odd, a line each */
	/* A root file system, which has no settings: "NAME, taken for ..."; else NULL. */
	char *taken_for;
};

/*
 * Loads SRC: an OCI layout (directory or tar archive), a docker save archive, or a
 * plain directory; "docker://..." and other transports by way of skopeo. Every digest is
 * checked. *RET is the caller's, to be given to image_free.
 */
int image_load(const char *src, const struct image_options *options,
	       struct image *ret, struct fault *reterr);
void image_free(struct image *image);

/*
 * A descriptor of the file that FD is, open until image_free: contents of the tree may
 * lie in it. -1 where there are enough.
 */
int image_keep_file(struct image *image, int fd);

/* Refuses an image that one of these files has changed below. */
int image_check_files(const struct image *image, struct fault *reterr);

#endif
