#ifndef ROOTFS_PACK_BASE_PROGRESS_H
#define ROOTFS_PACK_BASE_PROGRESS_H

#include <stdint.h>

/*
 * What takes long is said on standard error, in one line that is written over and goes
 * again: only where that is a terminal, without --quiet, and from the second on that it takes more
 * than one.
 */

/* WHAT, a word that stays, has TOTAL bytes to go through; 0: nobody knows how many. */
void progress_begin(const char *what, uint64_t total);
void progress_add(uint64_t bytes);

/* No line from now on. */
void progress_hide(void);

/* The line goes, so that another can be written. */
void progress_clear(void);

/* The same at a time in milliseconds, from any beginning. */
void progress_begin_at(const char *what, uint64_t total, uint64_t now_ms);
void progress_add_at(uint64_t bytes, uint64_t now_ms);

#endif
