#include "rootfs/pack/image/descriptor.h"

#include <stdio.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"

#define TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define TYPE_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define TYPE_DOCKER "application/vnd.docker.distribution.manifest.v2+json"

const char *const descriptor_indexes[] = { TYPE_INDEX, TYPE_LIST, NULL };
const char *const descriptor_manifests[] = { TYPE_MANIFEST, TYPE_DOCKER, NULL };
const char *const descriptor_configs[] = {
	"application/vnd.oci.image.config.v1+json",
	"application/vnd.docker.container.image.v1+json",
	NULL,
};

bool descriptor_is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(text, *list) == 0)
			return true;
	return false;
}

void descriptor_path(const char *digest, char ret[DESCRIPTOR_PATH_ROOM])
{
	(void)snprintf(ret, DESCRIPTOR_PATH_ROOM, "blobs/%s", digest);
	*strchr(ret, ':') = '/';
}

int descriptor_take(const cJSON *json, struct descriptor *ret,
		    struct fault *reterr)
{
	if (json_string(json, "mediaType", &ret->type, reterr) < 0 ||
	    json_string(json, "digest", &ret->digest, reterr) < 0 ||
	    json_size(json, "size", &ret->size, reterr) < 0)
		return -1;
	if (!ret->type)
		return fault_refuse(reterr, "no \"mediaType\"");
	if (!ret->digest)
		return fault_refuse(reterr, "no \"digest\"");
	if (!digest_is_valid(ret->digest))
		return fault_refuse(reterr,
				    "not a digest by sha256 or sha512: %s",
				    ret->digest);
	return 0;
}

int descriptor_check_schema(const cJSON *json, const char *const *types,
			    struct fault *reterr)
{
	const char *type;
	uint64_t version;

	if (json_string(json, "mediaType", &type, reterr) < 0 ||
	    json_size(json, "schemaVersion", &version, reterr) < 0)
		return -1;
	if (version == 1)
		return fault_refuse(reterr,
				    "schemaVersion is 1, Docker's until 1.10: "
				    "skopeo copy to oci: makes it 2");
	if (version != 2)
		return fault_refuse(reterr, "schemaVersion is not 2");
	if (type && !descriptor_is_one_of(type, types))
		return fault_refuse(reterr, "mediaType is %s", type);
	return 0;
}
