#ifndef ROOTFS_PACK_IMAGE_SKOPEO_H
#define ROOTFS_PACK_IMAGE_SKOPEO_H

#include <stdbool.h>
#include <sys/types.h>

struct fault;
struct origin;

/* A folder that skopeo has copied an image to, which is gone when we are. */
struct skopeo {
	char *dir;
	int pipe;
	pid_t keeper;
};

/* Is it what skopeo's transport dir: writes, which is no layout? */
bool skopeo_is_dir(const struct origin *s);

/* Has skopeo copy SRC to a new folder, for skopeo_remove. */
int skopeo_copy(const char *src, const char *arch, struct skopeo *ret,
		struct fault *reterr);
void skopeo_remove(struct skopeo *s);

#endif
