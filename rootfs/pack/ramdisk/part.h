#ifndef ROOTFS_PACK_RAMDISK_PART_H
#define ROOTFS_PACK_RAMDISK_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "rootfs/pack/base/content.h"

struct fault;

enum { PART_FILES_MAX = 64 /* of a list */ };

/* A file that an option named. */
struct part {
	const char *option;	/* that names it, or NULL */
	const char *path;	/* NULL: none */
	struct content content; /* fd -1: not open */
	struct stat st;		/* before it was read */
	bool is_spooled;	/* that fd is not its own */
};

struct part_list {
	struct part items[PART_FILES_MAX];
	size_t count;
};

#define PART_NONE ((struct part){ .content = { .fd = -1 } })

/* Adds PATH, which OPTION named, to LIST. */
int part_add(struct part_list *list, const char *path, const char *option,
	     struct fault *reterr);
int part_open(struct part *part, struct fault *reterr);
/* The same of another PATH than the part's. */
int part_open_path(struct part *part, const char *path, struct fault *reterr);
void part_close(struct part *part);
/* Refuses a file that was written to since: it is hashed once, and read again. */
int part_check_same(const struct part *part, struct fault *reterr);
int part_list_check_same(const struct part_list *list, struct fault *reterr);
void part_list_close(struct part_list *list);

#endif
