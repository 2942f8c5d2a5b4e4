#ifndef ROOTFS_PACK_IMAGE_DIR_H
#define ROOTFS_PACK_IMAGE_DIR_H

struct fault;
struct loader;

/* Loads the files of the folder PATH, without any settings. */
int dir_load(struct loader *l, const char *path, struct fault *reterr);

#endif
