#ifndef ROOTFS_PACK_RAMDISK_UNPACK_TREE_H
#define ROOTFS_PACK_RAMDISK_UNPACK_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/ramdisk/unpack.h"

/*
 * The tree that members are unpacked into, and paths in it, as fs/namei.c walks
 * them: for unpack.c alone.
 */

struct inode {
	uint32_t mode, uid, gid, mtime, rdev_major, rdev_minor;
	uint32_t nlink; /* names of it; of a folder, folders in it and 2 */
	uint64_t size;
	uint8_t hash[EIF_HASH];
	char *target;
	uint64_t number;  /* no other inode's */
	uint32_t ramdisk; /* of the content, or what made it */
	size_t member;
	uint32_t touched; /* 1 + the last ramdisk that changed it */
	size_t toucher;	  /* its member */
	size_t listed;	  /* 1 + the index of its first name in a result */
};

/* A name. The root has none. */
struct node {
	struct node *parent, *next; /* of those with the same hash */
	struct inode *inode;
	size_t children;  /* of a folder */
	uint32_t touched; /* 1 + the last ramdisk that put it there */
	size_t order;	  /* its first member that did */
	uint64_t serial;
	uint32_t len, sum;
	char name[];
};

/* A name that later members of the same inode become hard links of. */
struct link {
	uint32_t ino, major, minor, mode;
	uint64_t number; /* of the inode that its members made, */
	uint32_t ramdisk;
	size_t member; /* and the last of them */
	char name[];
};

struct unpack {
	struct node *root;
	struct node **heads;
	size_t heads_count, nodes;
	uint64_t numbers, steps;
	void *links;	  /* a tree of tsearch(3) */
	uint32_t ramdisk; /* which is being unpacked, from 0 */

	/* Of the member that is being unpacked. */
	const struct member *m;
	size_t index;
	bool is_indirect; /* its path went through a link, or ".." */
	const char *why;  /* it cannot be put there */
	bool no_memory, is_too_much;
	const char *stops; /* why the kernel unpacks no more */
	struct unpacked *ret;
};

/* The last component of a path. */
struct last {
	struct node *dir;
	const char *name;
	size_t len;   /* 0: there is none, the path leads to DIR */
	bool slashes; /* there are some behind it */
	unsigned links;
};

/* Returns the name NAME in the directory PARENT, or NULL. */
struct node *unpack_child(const struct unpack *u, const struct node *parent,
			  const char *name, size_t len);

bool unpack_is_dir(const struct node *n);

/* Frees it; accepts NULL. */
void unpack_free_inode(struct inode *in);

/*
 * Makes one for the member at work, in the directory DIR or NULL, whose group it
 * may take. NULL without memory.
 */
struct inode *unpack_new_inode(struct unpack *u, const struct node *dir);

/* The member at work put N there or changed it. */
void unpack_touch_node(struct unpack *u, struct node *n);

/*
 * Gives IN one more name, NAME in DIR. NULL without memory; IN is then
 * unchanged.
 */
struct node *unpack_add_name(struct unpack *u, struct node *dir,
			     const char *name, size_t len, struct inode *in);

/* Removes the name N, and its inode with the last one. */
void unpack_remove_name(struct unpack *u, struct node *n);

/* Is it no name of its own: nothing, "." or ".."? */
bool unpack_is_dots(const struct last *l);

/* Follows a link to TARGET; false, with u->why: too many. */
bool unpack_follow(struct unpack *u, struct last *l, const char *target);

/*
 * Walks PATH from L->dir to its last component. False, with u->why: it leads
 * nowhere.
 */
bool unpack_walk(struct unpack *u, const char *path, struct last *l);

/* Returns what PATH leads to, or NULL. */
struct node *unpack_look(struct unpack *u, const char *path, bool follow_last);

/*
 * Finds where a new name PATH would be, of a directory if IS_FOLDER. False, with
 * u->why: nowhere.
 */
bool unpack_look_for_room(struct unpack *u, const char *path, bool is_folder,
			  struct last *l);

#endif
