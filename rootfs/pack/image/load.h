#ifndef ROOTFS_PACK_IMAGE_LOAD_H
#define ROOTFS_PACK_IMAGE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/image/image.h"

struct fault;
struct tree_inode;

/* What the ways to load an image share. */

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

/* Notes what was left out, and how many notes are not shown. */
int load_note_dropped(struct loader *l, struct fault *reterr);

/* The number in the four bytes at AT, little-endian. */
uint32_t load_le32(const uint8_t *at);

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

#endif
