#ifndef ROOTFS_PACK_EIF_METADATA_H
#define ROOTFS_PACK_EIF_METADATA_H

#include <cjson/cJSON.h>
#include <stdint.h>

struct fault;

enum {
	METADATA_MAX = 1 << 20,	       /* bytes of the section */
	METADATA_CUSTOM_MAX = 1 << 16, /* bytes of the user's own */
};

struct metadata {
	const char *name, *version; /* of the image; NULL: "enclave", "1" */
	const char *kernel_version;
	const char *tool_version;
	int64_t time;		  /* seconds since 1970: when it was built */
	const char *image_name;	  /* NULL or the container image's */
	const char *image_config; /* NULL or its configuration, JSON */
	const char *custom;	  /* NULL or JSON of the user's */
	const char *custom_path;  /* names it in faults */
	const cJSON *
		inputs; /* what it was made of, or NULL: our own, nitro-cli reads over it */
};

/*
 * The metadata section, as aws-nitro-enclaves-image-format's EifIdentityInfo: JSON
 * in one line and always in the same order. *RET is the caller's to free.
 */
int metadata_make(const struct metadata *m, char **ret, struct fault *reterr);

#endif
