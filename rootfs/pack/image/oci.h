#ifndef ROOTFS_PACK_IMAGE_OCI_H
#define ROOTFS_PACK_IMAGE_OCI_H

#include <stdbool.h>

struct fault;
struct loader;
struct origin;

/* Does index.json name nothing? False as well where it cannot be read. */
bool oci_is_empty(const struct origin *s);

/* The one image for options->arch that has TAG (NULL: the only one). */
int oci_load(struct loader *l, const struct origin *s, const char *tag,
	     struct fault *reterr);

/* The same of what skopeo writes to dir:. S is flat. */
int oci_load_flat(struct loader *l, const struct origin *s, const char *tag,
		  struct fault *reterr);

#endif
