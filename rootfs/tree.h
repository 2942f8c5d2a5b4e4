#ifndef ROOTFS_TREE_H
#define ROOTFS_TREE_H

#include <stdbool.h>

/*
 * Trees of files by directory descriptor. No symbolic link is followed and no
 * other file system entered. Depth is bounded by TREE_DEPTH_MAX (-ENAMETOOLONG).
 */

enum { TREE_DEPTH_MAX = 64 };

/*
 * Calls FN for every entry of the directory DIRFD, but . and .., without a heap.
 * FN returns whether it removed the entry: the directory is then read from the
 * start again, until a pass removes nothing. The first failure becomes
 * *FIRST_ERROR, as -errno, unless that is set already.
 */
typedef bool tree_entry_fn(void *ctx, int dirfd, const char *name,
			   int *first_error);
void tree_each(int dirfd, tree_entry_fn *fn, void *ctx, int *first_error);

/*
 * Removes what is in the directory DIRFD, but for the entries KEEP of it, a list
 * that NULL ends (NULL: none). Goes on after a failure; returns 0 or the first -errno.
 */
int tree_remove(int dirfd, const char *const *keep);

/*
 * Moves what is in the directory FROM into the directory TO, which may be of
 * another file system: type, owner, mode, time and content. What is there
 * already stays. Hard links become files of their own, sockets are dropped.
 * Goes on after a failure, with what could not be moved left behind; returns 0
 * or the first -errno.
 */
int tree_move(int from, int to);

#endif
