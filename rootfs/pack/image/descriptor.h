#ifndef ROOTFS_PACK_IMAGE_DESCRIPTOR_H
#define ROOTFS_PACK_IMAGE_DESCRIPTOR_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "rootfs/pack/image/digest.h"

struct fault;

/* What an index or a manifest says of a blob: image-spec's descriptor.md. */

enum { DESCRIPTOR_PATH_ROOM = DIGEST_TEXT_MAX + 8 };

struct descriptor {
	const char *type, *digest; /* of the JSON; the digest is a valid one */
	uint64_t size;
};

/* Media types of each kind, OCI's and Docker's, with NULL at the end. */
extern const char *const descriptor_indexes[],
	*const descriptor_manifests[], *const descriptor_configs[];

/* Is TYPE one of TYPES? */
bool descriptor_is_one_of(const char *type, const char *const *types);

int descriptor_take(const cJSON *json, struct descriptor *ret,
		    struct fault *reterr);

/* Where in a layout the blob of DIGEST is. */
void descriptor_path(const char *digest, char ret[DESCRIPTOR_PATH_ROOM]);

/* Refuses a document that is of none of TYPES, or of another schema. */
int descriptor_check_schema(const cJSON *json, const char *const *types,
			    struct fault *reterr);

#endif
