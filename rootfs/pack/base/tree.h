#ifndef ROOTFS_PACK_BASE_TREE_H
#define ROOTFS_PACK_BASE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/base/spool.h"

struct fault;

/*
 * A file system to be, in memory but for its contents. Nothing is made on disk, and
 * so links lead nowhere but within it, and owners and devices take no privilege.
 */

enum {
	TREE_PATH_MAX = 4095, /* bytes; the kernel leaves out what is longer */
	TREE_PREFIX_MAX = 8,  /* of them, for a folder put above, and a slash */
	TREE_NAME_MAX = 255,
	TREE_CAPABILITY_MAX = 24,      /* linux/capability.h: vfs_ns_cap_data */
	TREE_NODES_MAX = 1 << 21,      /* names in one tree, */
	TREE_BYTES_MAX = 1 << 28,      /* and their bytes, links' targets too */
	TREE_LINKS_MAX = 255,	       /* followed for one path */
	TREE_LINK_STEPS_MAX = 1 << 26, /* behind links, for all paths */
};

/* What several names may share. */
struct tree_inode {
	uint32_t mode; /* as in stat(2), with the type */
	uint32_t uid, gid;
	uint32_t rdev_major, rdev_minor;
	int64_t mtime;
	uint32_t nlink;		/* names of it */
	uint32_t number;	/* for who writes it; 0: not written yet */
	uint32_t written;	/* names of it that were written */
	struct content content; /* of a regular file */
	char *target;		/* of a symbolic link, else NULL */
	/* security.capability, as it is on disk; 0 bytes: none. */
	uint8_t capability[TREE_CAPABILITY_MAX], capability_len;
};

struct tree_node {
	const char *name; /* without a slash; "" is the root */
	struct tree_node *parent;
	struct tree_inode *inode;
	struct tree_node **children; /* by name, as bytes */
	size_t count, room;
	unsigned layer; /* the one that put it there; from 1 */

	/* tree.c's own: */
	void *index;	   /* of the children: a tree of tsearch(3) */
	unsigned touched;  /* the last layer that put it or what is below */
	unsigned hidden;   /* the last that hid what was below */
	uint16_t path_len; /* bytes of its path */
	bool stale;	   /* children is not as index says */
};

struct tree;

/* An empty tree: a root folder, 0755, of root. NULL without memory. */
struct tree *tree_new(void);
void tree_free(struct tree *t);
struct tree_node *tree_root(struct tree *t);

/* The child of that name, or NULL. */
struct tree_node *tree_child(const struct tree_node *dir, const char *name);

/*
 * What PATH leads to from the root, following links within the tree as chroot(2)
 * does; FOLLOW_LAST: the last one too. NULL if there is nothing, or a loop.
 */
struct tree_node *tree_find(struct tree *t, const char *path, bool follow_last);

/* Who looks: MAY_ENTER says whether a folder lets them in. */
struct tree_access {
	bool (*may_enter)(const void *ctx, const struct tree_inode *dir);
	const void *ctx;
};

/* The same with all links followed. *RET_CLOSED: the folder that did not let them in, or
 * NULL. */
struct tree_node *tree_find_as(struct tree *t, const char *path,
			       const struct tree_access *as,
			       struct tree_node **ret_closed);

/*
 * Puts a node NAME below DIR, in place of what was there with all below it (but a
 * folder over a folder keeps what is in it, and takes the new attributes). INODE's
 * strings are copied. *RET may be NULL.
 */
int tree_put(struct tree *t, struct tree_node *dir, const char *name,
	     const struct tree_inode *inode, unsigned layer,
	     struct tree_node **ret, struct fault *reterr);

/* Another name for a node that is no folder. */
int tree_link(struct tree *t, struct tree_node *dir, const char *name,
	      struct tree_node *to, unsigned layer, struct fault *reterr);

/* Any node but the root, with all below it. */
void tree_remove(struct tree *t, struct tree_node *node);

/*
 * A whiteout in LAYER: removes NODE (ITSELF) and what is below it, but for what this
 * layer put there, before or behind the whiteout, and the folders above that.
 */
int tree_hide(struct tree *t, struct tree_node *node, bool itself,
	      unsigned layer, struct fault *reterr);

/*
 * Between these two a folder's children and count are not to be looked at: putting
 * them in order once, at the end, keeps a million changes from taking hours. The end
 * fails, too, if so many links were followed that some path was given up.
 */
void tree_begin(struct tree *t);
int tree_end(struct tree *t, struct fault *reterr);

/* The folder at PATH, which is made, with those above it, 0755 and root's, where there
 * is none; links within the tree are followed. */
int tree_make_dirs(struct tree *t, const char *path, unsigned layer,
		   struct tree_node **ret, struct fault *reterr);

/* The same for what LAYER has at PATH: what is no folder and of a layer below gives way. */
int tree_make_dirs_above(struct tree *t, const char *path, unsigned layer,
			 struct tree_node **ret, struct fault *reterr);

/* The path of NODE from the root, without a slash before, for the caller to free. NULL
 * without memory. */
char *tree_path(const struct tree_node *node);

/* "file", "folder", ...: what all output calls the file type of MODE. */
const char *tree_type_name(uint32_t mode);

#endif
