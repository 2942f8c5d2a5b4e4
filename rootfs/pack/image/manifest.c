#include "rootfs/pack/image/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/image/descriptor.h"
#include "rootfs/pack/image/load.h"

/* image-spec: manifest.md. */

static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
	/* Of no specification; some write them. */
	"application/vnd.oci.image.layer.v1.tar+xz",
	"application/vnd.oci.image.layer.v1.tar+bzip2",
	"application/vnd.docker.image.rootfs.diff.tar.xz",
	"application/vnd.docker.image.rootfs.diff.tar.bzip2",
	NULL,
};
/* Not to be pushed to a registry, and often not in the image. */
static const char *const foreign_types[] = {
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.foreign.diff.tar",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.zstd",
	NULL,
};

/* M keeps a copy of the digest, and the path. */
static int take_blob(struct manifest *m, const struct descriptor *d,
		     struct blob *ret, struct fault *reterr)
{
	char path[DESCRIPTOR_PATH_ROOM];

	descriptor_path(d->digest, path);
	if (strings_add(&m->digests, d->digest, reterr) < 0 ||
	    strings_add(&m->digests, path, reterr) < 0)
		return -1;
	*ret = (struct blob){
		.digest = m->digests.items[m->digests.count - 2],
		.path = m->digests.items[m->digests.count - 1],
		.size = d->size,
	};
	return 0;
}

static int take_layer(struct manifest *m, const cJSON *json,
		      struct fault *reterr)
{
	struct descriptor d;
	bool is_foreign;

	if (descriptor_take(json, &d, reterr) < 0)
		return -1;
	if (strstr(d.type, "+encrypted"))
		return fault_refuse(reterr, "is encrypted: %s", d.type);
	is_foreign = descriptor_is_one_of(d.type, foreign_types);
	if (!is_foreign && !descriptor_is_one_of(d.type, layer_types))
		return fault_refuse(reterr, "is of an unknown type: %s",
				    d.type);
	if (take_blob(m, &d, &m->layers[m->count], reterr) < 0)
		return -1;
	m->layers[m->count].may_lack = is_foreign;
	return 0;
}

/* No layers are an empty list, null, as Go's programs write it, or not said. */
int manifest_parse(const char *text, size_t len, struct manifest *ret,
		   struct fault *reterr)
{
	const cJSON *config, *layers, *layer;
	struct descriptor d;
	cJSON *json = NULL;
	int r = -1, count;

	*ret = (struct manifest){ 0 };
	if (json_parse(text, len, &json, reterr) < 0 ||
	    descriptor_check_schema(json, descriptor_manifests, reterr) < 0 ||
	    json_object(json, "config", &config, reterr) < 0 ||
	    json_array(json, "layers", &layers, reterr) < 0)
		goto out;
	if (!config) {
		(void)fault_refuse(reterr, "no \"config\"");
		goto out;
	}
	if (descriptor_take(config, &d, reterr) < 0) {
		(void)fault_prefix(reterr, "config");
		goto out;
	}
	if (!descriptor_is_one_of(d.type, descriptor_configs)) {
		(void)fault_refuse(reterr,
				   "no container image: its configuration is "
				   "of type %s",
				   d.type);
		goto out;
	}
	if (take_blob(ret, &d, &ret->config, reterr) < 0)
		goto out;
	count = cJSON_GetArraySize(layers);
	if (count > LOAD_LAYERS_MAX) {
		(void)fault_refuse(reterr, "more than %d layers",
				   LOAD_LAYERS_MAX);
		goto out;
	}
	ret->layers = calloc((size_t)count + 1, sizeof(*ret->layers));
	if (!ret->layers) {
		(void)fault_system(reterr, ENOMEM, "layers");
		goto out;
	}
	cJSON_ArrayForEach(layer, layers)
	{
		if (take_layer(ret, layer, reterr) < 0) {
			(void)fault_prefix(reterr, "layer %zu", ret->count + 1);
			goto out;
		}
		ret->count++;
	}
	r = 0;
out:
	cJSON_Delete(json);
	return r;
}

void manifest_free(struct manifest *m)
{
	free(m->layers);
	strings_free(&m->digests);
	*m = (struct manifest){ 0 };
}
