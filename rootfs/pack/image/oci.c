#include "rootfs/pack/image/oci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/image/blobs.h"
#include "rootfs/pack/image/descriptor.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/load.h"
#include "rootfs/pack/image/manifest.h"
#include "rootfs/pack/image/origin.h"

/* OCI layouts: image-spec's image-layout.md, image-index.md, manifest.md. */

enum {
	INDEX_DEPTH_MAX = 4,
	DESCRIPTORS_MAX = 4096, /* of all indexes */
	INDEXES_BYTES_MAX = 16
			    << 20, /* of them and the manifests that are read */
	TAGS_SHOWN = 20,
};

#define NOTE_TAG "org.opencontainers.image.ref.name"
#define NOTE_NAME "io.containerd.image.name"
#define NOTE_ABOUT "vnd.docker.reference.type" /* no image, but about one */

/* A manifest that the index names: it may be the image. */
struct candidate {
	char digest[DIGEST_TEXT_MAX];
	uint64_t size;
	char *name;	   /* its tag, or NULL */
	bool is_baseline;  /* any processor of the architecture runs it */
	bool is_for_other; /* architecture */
	bool is_pinned;	   /* it, or what it lies in, has the digest demanded */
};

/* The search for the image. */
struct oci_search {
	struct loader *l;
	const struct origin *s;
	const char *tag; /* wanted, or NULL */
	size_t descriptors;
	uint64_t bytes;			/* of JSON that was read */
	struct strings tags, platforms; /* met, to be told */
	struct strings digests;		/* that are not the one demanded, too */
	struct strings indexes;		/* digests of those that were read */
	struct candidate *candidates;	/* each digest once */
	size_t count;
	bool is_other_digest; /* there are some, but none is the one demanded */
};

/* What an index is to what lies in it. */
struct above {
	const char *tag, *name; /* or NULL */
	bool is_pinned;		/* it has the digest that is demanded */
	unsigned depth;
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

/* A blob with a NUL behind, checked, for the caller to free. */
static int read_blob(struct oci_search *f, const char *path,
		     const struct descriptor *d, char **ret, size_t *ret_len,
		     struct fault *reterr)
{
	const struct origin *s = f->s;
	struct content c;
	int r = 0;

	if (origin_get(s, path, &c, reterr) < 0)
		return -1;
	f->bytes += c.len;
	if (c.len <= JSON_TEXT_MAX && f->bytes > INDEXES_BYTES_MAX) {
		origin_done(s, &c);
		return fault_refuse(reterr,
				    "indexes and manifests of more than %d "
				    "bytes",
				    INDEXES_BYTES_MAX);
	}
	if (d && c.len != d->size)
		r = fault_refuse(reterr, "%s: %llu bytes, not %llu", path,
				 (unsigned long long)c.len,
				 (unsigned long long)d->size);
	if (r == 0)
		r = content_slurp(&c, JSON_TEXT_MAX, path, ret, reterr);
	*ret_len = c.len;
	origin_done(s, &c);
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

/* Any processor of the kind runs it. */
static bool is_baseline(const char *arch, const char *variant)
{
	return !variant || *variant == '\0' ||
	       strcasecmp(variant, strcmp(arch, "arm64") == 0 ? "v8" : "v1") ==
		       0;
}

static int keep(struct oci_search *f, const struct descriptor *d,
		const char *name, bool is_base, bool is_for_other,
		bool is_pinned, struct fault *reterr)
{
	struct candidate *bigger;
	struct candidate c = { .size = d->size,
			       .is_baseline = is_base,
			       .is_for_other = is_for_other,
			       .is_pinned = is_pinned };

	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(f->candidates[i].digest, d->digest) != 0)
			continue;
		f->candidates[i].is_baseline |= is_base;
		f->candidates[i].is_for_other &= is_for_other;
		f->candidates[i].is_pinned |= is_pinned;
		return 0;
	}
	bigger = reallocarray(f->candidates, f->count + 1, sizeof(*bigger));
	if (!bigger)
		return fault_system(reterr, ENOMEM, "manifests");
	f->candidates = bigger;
	if (name) {
		c.name = strdup(name);
		if (!c.name)
			return fault_system(reterr, ENOMEM, "a name");
	}
	(void)snprintf(c.digest, sizeof(c.digest), "%s", d->digest);
	f->candidates[f->count++] = c;
	return 0;
}

/* A manifest that has the tag. */
static int consider(struct oci_search *f, const struct descriptor *d,
		    const char *name, const cJSON *platform, bool is_pinned,
		    struct fault *reterr)
{
	const char *wanted = load_go_arch(f->l->options->arch);
	const char *arch = NULL, *os = NULL, *variant = NULL;
	char words[200];

	if (platform &&
	    (json_string(platform, "architecture", &arch, reterr) < 0 ||
	     json_string(platform, "os", &os, reterr) < 0 ||
	     json_string(platform, "variant", &variant, reterr) < 0))
		return fault_prefix(reterr, "platform");
	/* BuildKit's attestations */
	if (arch && os && strcmp(arch, "unknown") == 0 &&
	    strcmp(os, "unknown") == 0)
		return 0;
	if (arch || os) {
		(void)snprintf(words, sizeof(words), "%s/%s%s%s", os ? os : "?",
			       arch ? arch : "?",
			       variant && *variant ? "/" : "",
			       variant ? variant : "");
		if (note_once(&f->platforms, words, reterr) < 0)
			return -1;
	}
	if (os && *os && strcasecmp(os, "linux") != 0)
		return 0;
	return keep(f, d, name, is_baseline(wanted, variant),
		    arch && *arch && !load_is_arch(arch, wanted), is_pinned,
		    reterr);
}

static bool is_wanted(const struct oci_search *f, const char *tag,
		      const char *name)
{
	return !f->tag || (tag && strcmp(f->tag, tag) == 0) ||
	       (name && load_is_tag(name, f->tag));
}

static int search_index(struct oci_search *f, const char *path,
			const struct descriptor *of, const struct above *above,
			struct fault *reterr);

static int search_below(struct oci_search *f, const struct descriptor *d,
			const struct above *here, struct fault *reterr)
{
	char path[DESCRIPTOR_PATH_ROOM], key[DIGEST_TEXT_MAX + 1];

	/* Once is enough, or a small layout could take hours. */
	(void)snprintf(key, sizeof(key), "%s%s", here->is_pinned ? "=" : "",
		       d->digest);
	for (size_t i = 0; i < f->indexes.count; i++)
		if (strcmp(f->indexes.items[i], key) == 0)
			return 0;
	if (strings_add(&f->indexes, key, reterr) < 0)
		return -1;
	descriptor_path(d->digest, path);
	return search_index(f, path, d, here, reterr);
}

static int search_entry(struct oci_search *f, const cJSON *json,
			const struct above *above, struct fault *reterr)
{
	const cJSON *annotations, *platform;
	const char *tag = NULL, *name = NULL, *about = NULL, *type;
	const char *digest = f->l->digest;
	struct above here = { .depth = above->depth + 1 };
	struct descriptor d;
	bool is_index;

	if (++f->descriptors > DESCRIPTORS_MAX)
		return fault_refuse(reterr, "more than %d manifests",
				    DESCRIPTORS_MAX);
	if (json_string(json, "mediaType", &type, reterr) < 0 ||
	    json_object(json, "annotations", &annotations, reterr) < 0)
		return -1;
	if (annotations &&
	    (json_entry(annotations, NOTE_TAG, &tag, reterr) < 0 ||
	     json_entry(annotations, NOTE_NAME, &name, reterr) < 0 ||
	     json_entry(annotations, NOTE_ABOUT, &about, reterr) < 0))
		return fault_prefix(reterr, "annotations");
	/* An index within one is not another tag, but the same. */
	here.tag = tag ? tag : above->tag;
	here.name = name ? name : above->name;
	is_index = type && descriptor_is_one_of(type, descriptor_indexes);
	if (here.tag && note_once(&f->tags, here.tag, reterr) < 0)
		return -1;
	/* What is not asked for may be as it likes. Below an index without a tag there
	 * may be some. */
	if (about || (!is_wanted(f, here.tag, here.name) &&
		      (!is_index || here.tag || here.name)))
		return 0;

	if (descriptor_take(json, &d, reterr) < 0 ||
	    json_object(json, "platform", &platform, reterr) < 0)
		return -1;
	here.is_pinned = above->is_pinned ||
			 (digest && strcmp(digest, d.digest) == 0);
	if (is_index)
		return search_below(f, &d, &here, reterr);
	if (!descriptor_is_one_of(d.type, descriptor_manifests))
		return note_once(&f->platforms, d.type, reterr);
	if (digest && !here.is_pinned &&
	    note_once(&f->digests, d.digest, reterr) < 0)
		return -1;
	return consider(f, &d, here.name ? here.name : here.tag, platform,
			here.is_pinned, reterr);
}

static int search_index(struct oci_search *f, const char *path,
			const struct descriptor *of, const struct above *above,
			struct fault *reterr)
{
	const cJSON *manifests, *entry;
	cJSON *json = NULL;
	char *text = NULL;
	size_t len;
	int r = -1;

	if (above->depth > INDEX_DEPTH_MAX)
		return fault_refuse(reterr, "%s: indexes more than %d deep",
				    path, INDEX_DEPTH_MAX);
	if (read_blob(f, path, of, &text, &len, reterr) < 0)
		return -1;
	if (json_parse(text, len, &json, reterr) < 0 ||
	    descriptor_check_schema(json, descriptor_indexes, reterr) < 0 ||
	    json_array(json, "manifests", &manifests, reterr) < 0)
		goto out;
	r = 0;
	cJSON_ArrayForEach(entry, manifests)
	{
		r = search_entry(f, entry, above, reterr);
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

static int check_layout(const struct origin *s, struct fault *reterr)
{
	const char *version;
	cJSON *json = NULL;
	char *text;
	size_t len;
	int r = -1;

	if (origin_slurp(s, "oci-layout", JSON_TEXT_MAX, &text, &len, reterr) <
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

/* --- which of them ------------------------------------------------------------------ */

/* Does the manifest say that it is no image, but a signature, a list of parts, ...? What
 * cannot be read is not said to be one. */
static bool is_artifact(struct oci_search *f, const struct candidate *c)
{
	const struct descriptor d = { .digest = c->digest, .size = c->size };
	const cJSON *config, *layers, *layer;
	char path[DESCRIPTOR_PATH_ROOM], *text = NULL;
	const char *type = NULL;
	struct fault ignored;
	cJSON *json = NULL;
	bool is = false;
	size_t len;

	descriptor_path(c->digest, path);
	if (read_blob(f, path, &d, &text, &len, &ignored) < 0)
		return false;
	if (json_parse(text, len, &json, &ignored) < 0 ||
	    json_string(json, "artifactType", &type, &ignored) < 0)
		goto out;
	is = type && *type;
	if (json_object(json, "config", &config, &ignored) < 0 || !config ||
	    json_string(config, "mediaType", &type, &ignored) < 0)
		goto out;
	is |= type && !descriptor_is_one_of(type, descriptor_configs);
	if (json_array(json, "layers", &layers, &ignored) < 0)
		goto out;
	/* cosign's have the configuration of an image. */
	cJSON_ArrayForEach(layer, layers)
	{
		if (json_string(layer, "mediaType", &type, &ignored) == 0)
			is |= type && strstr(type, ".layer.") == NULL &&
			      strstr(type, ".diff.tar") == NULL;
	}
out:
	cJSON_Delete(json);
	free(text);
	return is;
}

static void drop(struct oci_search *f, size_t i)
{
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each name below COUNT is of one element */
	free(f->candidates[i].name);
	f->candidates[i] = f->candidates[--f->count];
}

/* Leaves those that are IS in one respect, if there are any. */
static void narrow(struct oci_search *f, bool (*is)(const struct candidate *))
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += is(&f->candidates[i]);
	for (size_t i = f->count; n > 0 && i-- > 0;)
		if (!is(&f->candidates[i]))
			drop(f, i);
}

static bool is_for_this(const struct candidate *c)
{
	return !c->is_for_other;
}

static bool is_for_any(const struct candidate *c)
{
	return c->is_baseline;
}

static bool is_pinned(const struct candidate *c)
{
	return c->is_pinned;
}

/* Is the digest demanded that of its configuration, which docker calls the image's ID? */
static bool has_config(struct oci_search *f, const struct candidate *c)
{
	const struct descriptor d = { .digest = c->digest, .size = c->size };
	char path[DESCRIPTOR_PATH_ROOM], *text = NULL;
	struct manifest m = { 0 };
	struct fault ignored;
	bool has = false;
	size_t len;

	descriptor_path(c->digest, path);
	if (read_blob(f, path, &d, &text, &len, &ignored) < 0)
		return false;
	if (manifest_parse(text, len, &m, &ignored) == 0)
		has = strcmp(m.config.digest, f->l->digest) == 0;
	manifest_free(&m);
	free(text);
	return has;
}

static void demand_digest(struct oci_search *f)
{
	narrow(f, is_pinned);
	for (size_t i = f->count; i-- > 0;)
		if (!f->candidates[i].is_pinned &&
		    !has_config(f, &f->candidates[i]))
			drop(f, i);
}

/* Leaves those that may be the image. */
static void choose(struct oci_search *f)
{
	const bool had_some = f->count > 0;

	if (f->l->digest)
		demand_digest(f);
	f->is_other_digest = had_some && f->count == 0;
	narrow(f, is_for_this);
	/* What is for another architecture can be the one that is meant, if it is the only
	 * one and the user says so. */
	if (f->count > 0 && f->candidates[0].is_for_other &&
	    !(f->platforms.count == 1 && f->count == 1 &&
	      f->l->options->arch_is_given))
		while (f->count > 0)
			drop(f, f->count - 1);
	for (size_t i = f->count; f->count > 1 && i-- > 0;)
		if (is_artifact(f, &f->candidates[i]))
			drop(f, i);
	narrow(f, is_for_any);
}

static int refuse_tag(const struct oci_search *f, struct fault *reterr)
{
	return fault_refuse(reterr, "no image there has a tag; leave %s%s out",
			    f->l->options->tag ? "--tag " : ":", f->tag);
}

/* Why there is no image, or not one. */
static int refuse_choice(const struct oci_search *f, struct fault *reterr)
{
	char tags[1000], platforms[600];

	(void)join(&f->tags, tags, sizeof(tags));
	(void)join(&f->platforms, platforms, sizeof(platforms));
	if (f->count > 1)
		return fault_refuse(reterr,
				    "several images for linux/%s, of which one "
				    "is to be named by its tag: %s",
				    load_go_arch(f->l->options->arch),
				    f->tags.count ? tags : "they have none");
	if (f->is_other_digest)
		return fault_refuse(reterr, "nothing has the digest %s: %s",
				    f->l->digest,
				    f->digests.count ? join(&f->digests, tags,
							    sizeof(tags)) :
						       "there is no image");
	if (f->tag && f->platforms.count == 0 && f->tags.count == 0)
		return refuse_tag(f, reterr);
	if (f->tag && f->platforms.count == 0)
		return fault_refuse(reterr, "no image has the tag %s: %s",
				    f->tag, tags);
	return fault_refuse(reterr, "no image for linux/%s: %s",
			    load_go_arch(f->l->options->arch),
			    f->platforms.count ? platforms : "there is none");
}

bool oci_is_empty(const struct origin *s)
{
	const cJSON *manifests = NULL;
	struct fault ignored;
	bool is_empty = false;
	cJSON *json = NULL;
	char *text = NULL;
	size_t len;

	if (origin_slurp(s, "index.json", JSON_TEXT_MAX, &text, &len,
			 &ignored) == 0 &&
	    json_parse(text, len, &json, &ignored) == 0 &&
	    json_array(json, "manifests", &manifests, &ignored) == 0)
		is_empty = cJSON_GetArraySize(manifests) == 0;
	cJSON_Delete(json);
	free(text);
	return is_empty;
}

static int load_manifest(struct oci_search *f, const char *path,
			 const char *text, size_t len, struct candidate *c,
			 struct fault *reterr)
{
	struct image *image = f->l->image;
	struct manifest m = { 0 };
	int r = -1;

	if (manifest_parse(text, len, &m, reterr) < 0) {
		(void)fault_prefix(reterr, "%s", path);
		goto out;
	}
	image->manifest_digest = strdup(c->digest);
	if (!image->manifest_digest) {
		(void)fault_system(reterr, ENOMEM, "a digest");
		goto out;
	}
	r = blobs_load(f->l, f->s, &m.config, m.layers, m.count, reterr);
	if (r == 0) {
		image->name = c->name;
		c->name = NULL;
	}
out:
	manifest_free(&m);
	return r;
}

static int load_candidate(struct oci_search *f, struct candidate *c,
			  struct fault *reterr)
{
	const struct descriptor d = { .digest = c->digest, .size = c->size };
	char path[DESCRIPTOR_PATH_ROOM], *text = NULL;
	size_t len;
	int r;

	descriptor_path(c->digest, path);
	if (read_blob(f, path, &d, &text, &len, reterr) < 0)
		return -1;
	r = load_manifest(f, path, text, len, c, reterr);
	free(text);
	return r;
}

static int load_chosen(struct oci_search *f, struct fault *reterr)
{
	choose(f);
	return f->count == 1 ? load_candidate(f, &f->candidates[0], reterr) :
			       refuse_choice(f, reterr);
}

static void free_search(struct oci_search *f)
{
	while (f->count > 0)
		drop(f, f->count - 1);
	free(f->candidates);
	strings_free(&f->tags);
	strings_free(&f->platforms);
	strings_free(&f->digests);
	strings_free(&f->indexes);
}

int oci_load(struct loader *l, const struct origin *s, const char *tag,
	     struct fault *reterr)
{
	struct oci_search f = { .l = l, .s = s, .tag = tag };
	const struct above top = { .depth = 0 };
	int r = -1;

	if (check_layout(s, reterr) == 0 &&
	    search_index(&f, "index.json", NULL, &top, reterr) == 0)
		r = load_chosen(&f, reterr);
	free_search(&f);
	return r;
}

/* manifest.json is the manifest, or, of `skopeo copy --all`, an index. */
int oci_load_flat(struct loader *l, const struct origin *s, const char *tag,
		  struct fault *reterr)
{
	static const char path[] = "manifest.json";
	struct oci_search f = { .l = l, .s = s, .tag = tag };
	struct above top = { .depth = 0 };
	struct candidate c = { .name = NULL };
	const cJSON *manifests;
	cJSON *json = NULL;
	char *text = NULL;
	size_t len;
	int r = -1;

	if (tag)
		return fault_refuse(reterr, "it has no tag");
	if (read_blob(&f, path, NULL, &text, &len, reterr) < 0 ||
	    digest_text(text, len, c.digest, reterr) < 0)
		goto out;
	if (json_parse(text, len, &json, reterr) < 0 ||
	    json_array(json, "manifests", &manifests, reterr) < 0) {
		(void)fault_prefix(reterr, "%s", path);
		goto out;
	}
	top.is_pinned = l->digest && strcmp(l->digest, c.digest) == 0;
	if (manifests)
		r = search_index(&f, path, NULL, &top, reterr) < 0 ?
			    -1 :
			    load_chosen(&f, reterr);
	else if (l->digest && !top.is_pinned)
		r = fault_refuse(reterr, "nothing has the digest %s: %s",
				 l->digest, c.digest);
	else
		r = load_manifest(&f, path, text, len, &c, reterr);
out:
	cJSON_Delete(json);
	free(text);
	free_search(&f);
	return r;
}
