#ifndef ROOTFS_PACK_BASE_CLEANUP_H
#define ROOTFS_PACK_BASE_CLEANUP_H

/*
 * Names that are removed when INT, TERM, HUP or QUIT ends the program, the last first.
 * A signal that was ignored at the start, as nohup has it, stays ignored.
 */

enum { CLEANUP_MAX = 64 };

/*
 * FLAGS are unlinkat's. NAME and DIRFD stay the caller's, valid until cleanup_drop.
 * Returns what to drop, or -1 where there is no room.
 */
int cleanup_add(int dirfd, const char *name, int flags);

/* Nothing for -1. */
void cleanup_drop(int slot);

#endif
