#ifndef ROOTFS_PACK_IMAGE_CHECK_H
#define ROOTFS_PACK_IMAGE_CHECK_H

#include <stdint.h>

#include "rootfs/pack/eif/eif.h"

struct app;
struct config_service;
struct fault;
struct image;
struct user;

/*
 * Whether what shall run is there, rather than to find out in the enclave, for the
 * application and each service: users and groups, by the image's own /etc/passwd and
 * /etc/group; the program, for ARCH if it is ELF, with its interpreter or loader, and whether
 * the user may get to them and run them; files that are read at the start; the working
 * directory, which is made in IMAGE where there is none, and which the user may enter.
 */
int check_image(struct image *image, const struct app *app, enum eif_arch arch,
		struct fault *reterr);

/*
 * Who the service S runs as, to *RET: its groups as well; and, if GROUP is not NULL, the number of that, to *RET_GID.
 */
int check_resolve(const struct image *image, const struct config_service *s,
		  const char *group, struct user *ret, uint32_t *ret_gid,
		  struct fault *reterr);

#endif
