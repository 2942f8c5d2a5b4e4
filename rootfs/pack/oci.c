#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/digest.h"
#include "rootfs/pack/fault.h"
#include "rootfs/pack/json.h"
#include "rootfs/pack/load.h"

/* OCI layouts: image-spec's image-layout.md, image-index.md, manifest.md. */

enum {
	INDEX_DEPTH_MAX = 4,
	DESCRIPTORS_MAX = 4096, /* of all indexes */
	TAGS_SHOWN = 20,
	PATH_ROOM = DIGEST_TEXT_MAX + 8,
};

#define TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define TYPE_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define TYPE_DOCKER "application/vnd.docker.distribution.manifest.v2+json"
#define NOTE_TAG "org.opencontainers.image.ref.name"
#define NOTE_NAME "io.containerd.image.name"
#define NOTE_ABOUT "vnd.docker.reference.type" /* no image, but about one */

static const char *const index_types[] = { TYPE_INDEX, TYPE_LIST, NULL };
static const char *const manifest_types[] = { TYPE_MANIFEST, TYPE_DOCKER,
					      NULL };
static const char *const config_types[] = {
	"application/vnd.oci.image.config.v1+json",
	"application/vnd.docker.container.image.v1+json",
	NULL,
};
static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
	NULL,
};

static bool is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(text, *list) == 0)
			return true;
	return false;
}

static void blob_path(const char *digest, char ret[PATH_ROOM])
{
	(void)snprintf(ret, PATH_ROOM, "blobs/%s", digest);
	*strchr(ret, ':') = '/';
}

/* --- descriptors ------------------------------------------------------------------ */

struct descriptor {
	const char *type, *digest; /* of the JSON; the digest is a valid one */
	uint64_t size;
};

static int take_descriptor(const cJSON *json, struct descriptor *ret,
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

static int check_schema(const cJSON *json, const char *const *types,
			struct fault *reterr)
{
	const char *type;
	uint64_t version;

	if (json_string(json, "mediaType", &type, reterr) < 0 ||
	    json_size(json, "schemaVersion", &version, reterr) < 0)
		return -1;
	if (version != 2)
		return fault_refuse(reterr, "schemaVersion is not 2");
	if (type && !is_one_of(type, types))
		return fault_refuse(reterr, "mediaType is %s", type);
	return 0;
}

/* --- manifests --------------------------------------------------------------------- */

/* M keeps a copy of the digest, and the path. */
static int take_part(struct manifest *m, const struct descriptor *d,
		     struct part *ret, struct fault *reterr)
{
	char path[PATH_ROOM];

	blob_path(d->digest, path);
	if (strings_add(&m->digests, d->digest, reterr) < 0 ||
	    strings_add(&m->digests, path, reterr) < 0)
		return -1;
	*ret = (struct part){
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

	if (take_descriptor(json, &d, reterr) < 0)
		return -1;
	if (strstr(d.type, "+encrypted"))
		return fault_refuse(reterr, "is encrypted: %s", d.type);
	if (strstr(d.type, ".nondistributable.") || strstr(d.type, ".foreign."))
		return fault_refuse(reterr, "is not part of the image: %s",
				    d.type);
	if (!is_one_of(d.type, layer_types))
		return fault_refuse(reterr, "is of an unknown type: %s",
				    d.type);
	return take_part(m, &d, &m->layers[m->count], reterr);
}

int manifest_parse(const char *text, size_t len, struct manifest *ret,
		   struct fault *reterr)
{
	const cJSON *config, *layers, *layer;
	struct descriptor d;
	cJSON *json = NULL;
	int r = -1, count;

	*ret = (struct manifest){ 0 };
	if (json_parse(text, len, &json, reterr) < 0 ||
	    check_schema(json, manifest_types, reterr) < 0 ||
	    json_object(json, "config", &config, reterr) < 0 ||
	    json_array(json, "layers", &layers, reterr) < 0)
		goto out;
	if (!config || !layers) {
		(void)fault_refuse(reterr, "no \"%s\"",
				   config ? "layers" : "config");
		goto out;
	}
	if (take_descriptor(config, &d, reterr) < 0) {
		(void)fault_prefix(reterr, "config");
		goto out;
	}
	if (!is_one_of(d.type, config_types)) {
		(void)fault_refuse(reterr,
				   "no container image: its configuration is "
				   "of type %s",
				   d.type);
		goto out;
	}
	if (take_part(ret, &d, &ret->config, reterr) < 0)
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

/* --- indexes ---------------------------------------------------------------------- */

/* The search for the image. */
struct search {
	struct loader *l;
	const struct source *s;
	const char *tag; /* wanted, or NULL */
	size_t descriptors;
	struct strings tags, platforms; /* met, to be told */

	/* What was found: the same thing twice is one. */
	char digest[DIGEST_TEXT_MAX];
	uint64_t size;
	bool found, baseline, several;
	char *name;
};

static int note_once(struct strings *s, const char *text, struct fault *reterr)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i], text) == 0)
			return 0;
	return s->count < TAGS_SHOWN ? strings_add(s, text, reterr) : 0;
}

static const char *join(const struct strings *s, char *buf, size_t room)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < s->count && n < room; i++)
		n += (size_t)snprintf(buf + n, room - n, "%s%s", i ? ", " : "",
				      s->items[i]);
	return s->count ? buf : "none";
}

/* Any processor of the kind runs it. */
static bool is_baseline(const char *arch, const char *variant)
{
	return !variant || *variant == '\0' ||
	       strcmp(variant, strcmp(arch, "arm64") == 0 ? "v8" : "v1") == 0;
}

static int consider(struct search *f, const struct descriptor *d,
		    const char *tag, const char *name, const cJSON *platform,
		    struct fault *reterr)
{
	const char *wanted = load_go_arch(f->l->options->arch);
	const char *arch = NULL, *os = NULL, *variant = NULL;
	char words[200];
	bool baseline;

	if (platform &&
	    (json_string(platform, "architecture", &arch, reterr) < 0 ||
	     json_string(platform, "os", &os, reterr) < 0 ||
	     json_string(platform, "variant", &variant, reterr) < 0))
		return fault_prefix(reterr, "platform");
	/* BuildKit's attestations */
	if (arch && os && strcmp(arch, "unknown") == 0 &&
	    strcmp(os, "unknown") == 0)
		return 0;
	if (tag && note_once(&f->tags, tag, reterr) < 0)
		return -1;
	if (f->tag && !(tag && strcmp(f->tag, tag) == 0) &&
	    !(name && load_is_tag(name, f->tag)))
		return 0;
	if (arch || os) {
		(void)snprintf(words, sizeof(words), "%s/%s%s%s", os ? os : "?",
			       arch ? arch : "?",
			       variant && *variant ? "/" : "",
			       variant ? variant : "");
		if (note_once(&f->platforms, words, reterr) < 0)
			return -1;
	}
	if ((os && strcmp(os, "linux") != 0) ||
	    (arch && strcmp(arch, wanted) != 0))
		return 0;

	baseline = is_baseline(wanted, variant);
	if (f->found && strcmp(f->digest, d->digest) == 0) {
		f->baseline |= baseline;
		return 0;
	}
	if (f->found && f->baseline != baseline) {
		if (f->baseline)
			return 0;
	} else if (f->found) {
		f->several = true;
		return 0;
	}
	f->several = false;
	f->found = true;
	f->baseline = baseline;
	f->size = d->size;
	(void)snprintf(f->digest, sizeof(f->digest), "%s", d->digest);
	free(f->name);
	f->name = NULL;
	if (name || tag) {
		f->name = strdup(name ? name : tag);
		if (!f->name)
			return fault_system(reterr, ENOMEM, "a name");
	}
	return 0;
}

static int search_index(struct search *f, const char *path,
			const struct descriptor *of, const char *tag,
			const char *name, unsigned depth, struct fault *reterr);

static int search_entry(struct search *f, const cJSON *json, const char *tag,
			const char *name, unsigned depth, struct fault *reterr)
{
	const cJSON *annotations, *platform;
	const char *own = NULL, *own_name = NULL, *about = NULL;
	struct descriptor d;
	char path[PATH_ROOM];

	if (++f->descriptors > DESCRIPTORS_MAX)
		return fault_refuse(reterr, "more than %d manifests",
				    DESCRIPTORS_MAX);
	if (take_descriptor(json, &d, reterr) < 0 ||
	    json_object(json, "annotations", &annotations, reterr) < 0 ||
	    json_object(json, "platform", &platform, reterr) < 0)
		return -1;
	if (annotations &&
	    (json_string(annotations, NOTE_TAG, &own, reterr) < 0 ||
	     json_string(annotations, NOTE_NAME, &own_name, reterr) < 0 ||
	     json_string(annotations, NOTE_ABOUT, &about, reterr) < 0))
		return fault_prefix(reterr, "annotations");
	/* An index within one is not another tag, but the same. */
	if (!own)
		own = tag;
	if (!own_name)
		own_name = name;
	if (about)
		return 0;
	if (is_one_of(d.type, manifest_types))
		return consider(f, &d, own, own_name, platform, reterr);
	if (!is_one_of(d.type, index_types))
		return note_once(&f->platforms, d.type, reterr);
	blob_path(d.digest, path);
	return search_index(f, path, &d, own, own_name, depth + 1, reterr);
}

/* A blob with a NUL behind, checked, for the caller to free. */
static int read_blob(const struct source *s, const char *path,
		     const struct descriptor *d, char **ret, size_t *ret_len,
		     struct fault *reterr)
{
	struct content c;
	int r = 0;

	if (source_get(s, path, &c, reterr) < 0)
		return -1;
	if (d && c.len != d->size)
		r = fault_refuse(reterr, "%s: %llu bytes, not %llu", path,
				 (unsigned long long)c.len,
				 (unsigned long long)d->size);
	if (r == 0)
		r = content_slurp(&c, JSON_TEXT_MAX, path, ret, reterr);
	*ret_len = c.len;
	source_done(s, &c);
	if (r < 0 || !d)
		return r;
	r = digest_check_text(*ret, *ret_len, d->digest, reterr);
	if (r < 0) {
		free(*ret);
		*ret = NULL;
		return fault_prefix(reterr, "%s", path);
	}
	return 0;
}

static int search_index(struct search *f, const char *path,
			const struct descriptor *of, const char *tag,
			const char *name, unsigned depth, struct fault *reterr)
{
	const cJSON *manifests, *entry;
	cJSON *json = NULL;
	char *text = NULL;
	size_t len;
	int r = -1;

	if (depth > INDEX_DEPTH_MAX)
		return fault_refuse(reterr, "%s: indexes more than %d deep",
				    path, INDEX_DEPTH_MAX);
	if (read_blob(f->s, path, of, &text, &len, reterr) < 0)
		return -1;
	if (json_parse(text, len, &json, reterr) < 0 ||
	    check_schema(json, index_types, reterr) < 0 ||
	    json_array(json, "manifests", &manifests, reterr) < 0)
		goto out;
	r = 0;
	cJSON_ArrayForEach(entry, manifests)
	{
		r = search_entry(f, entry, tag, name, depth, reterr);
		if (r < 0)
			goto out;
	}
out:
	/* One that lies deeper has named its path. */
	if (r < 0 && strncmp(reterr->text, "blobs/", 6) != 0)
		(void)fault_prefix(reterr, "%s", path);
	cJSON_Delete(json);
	free(text);
	return r;
}

static int check_layout(const struct source *s, struct fault *reterr)
{
	const char *version;
	cJSON *json = NULL;
	char *text;
	size_t len;
	int r = -1;

	if (source_slurp(s, "oci-layout", JSON_TEXT_MAX, &text, &len, reterr) <
	    0)
		return -1;
	if (json_parse(text, len, &json, reterr) == 0 &&
	    json_string(json, "imageLayoutVersion", &version, reterr) == 0)
		r = version && strncmp(version, "1.", 2) == 0 ?
			    0 :
			    fault_refuse(reterr,
					 "imageLayoutVersion is %s, not 1.x",
					 version ? version : "not said");
	cJSON_Delete(json);
	free(text);
	return r < 0 ? fault_prefix(reterr, "oci-layout") : 0;
}

/* Why there is no image, or not one. */
static int refuse_choice(const struct search *f, struct fault *reterr)
{
	char tags[1000], platforms[600];

	(void)join(&f->tags, tags, sizeof(tags));
	(void)join(&f->platforms, platforms, sizeof(platforms));
	if (f->several)
		return fault_refuse(reterr,
				    "several images for linux/%s, of which one "
				    "is to be named by its tag: %s",
				    load_go_arch(f->l->options->arch),
				    f->tags.count ? tags : "they have none");
	if (f->tag && f->platforms.count == 0)
		return fault_refuse(reterr, "no image has the tag %s: %s",
				    f->tag,
				    f->tags.count ? tags : "there are none");
	return fault_refuse(reterr, "no image for linux/%s: %s",
			    load_go_arch(f->l->options->arch),
			    f->platforms.count ? platforms : "there is none");
}

int oci_load(struct loader *l, const struct source *s, const char *tag,
	     struct fault *reterr)
{
	struct search f = { .l = l, .s = s, .tag = tag };
	struct manifest m = { 0 };
	struct descriptor d;
	char path[PATH_ROOM], *text = NULL;
	size_t len;
	int r = -1;

	if (check_layout(s, reterr) < 0 ||
	    search_index(&f, "index.json", NULL, NULL, NULL, 0, reterr) < 0)
		goto out;
	if (!f.found || f.several) {
		(void)refuse_choice(&f, reterr);
		goto out;
	}
	d = (struct descriptor){ .digest = f.digest, .size = f.size };
	blob_path(f.digest, path);
	if (read_blob(s, path, &d, &text, &len, reterr) < 0)
		goto out;
	if (manifest_parse(text, len, &m, reterr) < 0) {
		(void)fault_prefix(reterr, "%s", path);
		goto out;
	}
	r = load_parts(l, s, &m.config, m.layers, m.count, reterr);
	if (r == 0) {
		l->image->name = f.name;
		f.name = NULL;
	}
out:
	free(f.name);
	strings_free(&f.tags);
	strings_free(&f.platforms);
	manifest_free(&m);
	free(text);
	return r;
}
