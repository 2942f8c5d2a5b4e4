#ifndef ROOTFS_TREE_H
#define ROOTFS_TREE_H

#include <stdbool.h>

/*
 * Trees of files, by directory descriptors. These functions follow no symbolic
 * link and enter no other file system. TREE_DEPTH_MAX bounds the depth
 * (-ENAMETOOLONG).
 */

enum { TREE_DEPTH_MAX = 64 };

/*
 * Calls FN for every entry of the directory DIRFD except . and .., without a
 * heap. FN returns true if it removed the entry: the directory is then read
 * from the start again, until a pass removes nothing. The first failure is
 * stored in *FIRST_ERROR, as -errno, unless that is set already.
 */
typedef bool tree_entry_fn(void *ctx, int dirfd, const char *name,
			   int *first_error);
void tree_each(int dirfd, tree_entry_fn *fn, void *ctx, int *first_error);

/*
 * Removes everything in the directory DIRFD except the entries named in KEEP, a
 * list that ends in NULL (NULL: none). Goes on after a failure; returns 0 or
 * the first -errno.
 */
int tree_remove(int dirfd, const char *const *keep);

/*
 * Moves everything in the directory FROM into the directory TO, which may be on
 * another file system: type, owner, mode, time and content. An entry that
 * exists in TO stays. Hard links become separate files, sockets are dropped.
 * Goes on after a failure, leaving behind what could not be moved; returns 0 or
 * the first -errno.
 */
int tree_move(int from, int to);

#endif
