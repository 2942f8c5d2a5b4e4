#include "rootfs/pack/image/docker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/image/blobs.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/load.h"
#include "rootfs/pack/image/origin.h"

/*
 * What docker save writes: manifest.json, an array of images, each with paths in the
 * archive of a configuration and of layers, which may be links to one another.
 */

enum { WORDS = 1000 };

static bool has_tag(const struct strings *tags, const char *wanted)
{
	for (size_t i = 0; i < tags->count; i++)
		if (load_is_tag(tags->items[i], wanted))
			return true;
	return false;
}

/* The configuration's name is its digest: HEX.json, or blobs/sha256/HEX. */
static void digest_of_name(const char *path, char ret[DIGEST_TEXT_MAX])
{
	const char *base = strrchr(path, '/');
	size_t len;

	base = base ? base + 1 : path;
	len = strcspn(base, ".");
	ret[0] = '\0';
	if (len == 64)
		(void)snprintf(ret, DIGEST_TEXT_MAX, "sha256:%.64s", base);
	if (!digest_is_valid(ret))
		ret[0] = '\0';
}

/* Is ENTRY asked for? */
static int is_asked_for(const cJSON *entry, const struct strings *tags,
			const char *tag, const char *digest, bool *ret,
			struct fault *reterr)
{
	char own[DIGEST_TEXT_MAX] = "";
	const char *config;

	if (json_string(entry, "Config", &config, reterr) < 0)
		return -1;
	if (config)
		digest_of_name(config, own);
	*ret = (!tag || has_tag(tags, tag)) &&
	       (!digest || strcmp(own, digest) == 0);
	return 0;
}

/* The image that has TAG, or the only one; *RET_NAME is its first tag, a copy. */
static int choose(const cJSON *json, const char *tag, const char *digest,
		  const cJSON **ret, char **ret_name, struct fault *reterr)
{
	struct strings all = { 0 }, tags = { 0 };
	const cJSON *entry, *found = NULL;
	char words[WORDS] = "";
	bool several = false, is_wanted;
	int r = -1;

	if (!cJSON_IsArray(json))
		return fault_refuse(reterr, "no array");
	cJSON_ArrayForEach(entry, json)
	{
		strings_free(&tags);
		if (json_strings(entry, "RepoTags", &tags, reterr) < 0 ||
		    json_strings(entry, "RepoTags", &all, reterr) < 0)
			goto out;
		if (is_asked_for(entry, &tags, tag, digest, &is_wanted,
				 reterr) < 0)
			goto out;
		if (!is_wanted)
			continue;
		several |= found != NULL;
		found = entry;
		free(*ret_name);
		*ret_name = tags.count ? strdup(tags.items[0]) : NULL;
	}
	if (found && !several) {
		*ret = found;
		r = 0;
		goto out;
	}
	for (size_t i = 0, at = 0; i < all.count && at < sizeof(words); i++)
		at += (size_t)snprintf(words + at, sizeof(words) - at, "%s%s",
				       i ? ", " : "", all.items[i]);
	if (several)
		(void)fault_refuse(reterr,
				   "several images, of which one is to be "
				   "named by its tag: %s",
				   all.count ? words : "they have none");
	else if (digest)
		(void)fault_refuse(reterr,
				   "no image%s%s has a configuration with the "
				   "digest %s",
				   tag ? " of the tag " : "", tag ? tag : "",
				   digest);
	else if (tag)
		(void)fault_refuse(reterr, "no image has the tag %s: %s", tag,
				   all.count ? words : "there are none");
	else
		(void)fault_refuse(reterr, "no image");
out:
	strings_free(&all);
	strings_free(&tags);
	return r;
}

bool docker_is_saved(const struct origin *s)
{
	const cJSON *layers = NULL, *first;
	const char *config = NULL;
	struct fault ignored;
	cJSON *json = NULL;
	char *text = NULL;
	size_t len;
	bool is = false;

	if (origin_has(s, "manifest.json") &&
	    origin_slurp(s, "manifest.json", JSON_TEXT_MAX, &text, &len,
			 &ignored) == 0 &&
	    json_parse(text, len, &json, &ignored) == 0 &&
	    cJSON_IsArray(json)) {
		first = json->child;
		is = cJSON_IsObject(first) &&
		     json_string(first, "Config", &config, &ignored) == 0 &&
		     json_array(first, "Layers", &layers, &ignored) == 0 &&
		     config && layers;
	}
	cJSON_Delete(json);
	free(text);
	return is;
}

int docker_load(struct loader *l, const struct origin *s, const char *tag,
		struct fault *reterr)
{
	struct blob config = { .size = UINT64_MAX }, *parts = NULL;
	struct strings layers = { 0 };
	char *text = NULL, *name = NULL, digest[DIGEST_TEXT_MAX];
	const cJSON *entry = NULL;
	cJSON *json = NULL;
	size_t len;
	int r = -1;

	if (origin_slurp(s, "manifest.json", JSON_TEXT_MAX, &text, &len,
			 reterr) < 0)
		return -1;
	if (json_parse(text, len, &json, reterr) < 0 ||
	    choose(json, tag, l->digest, &entry, &name, reterr) < 0 ||
	    json_string(entry, "Config", &config.path, reterr) < 0 ||
	    json_strings(entry, "Layers", &layers, reterr) < 0)
		goto bad;
	if (!config.path) {
		(void)fault_refuse(reterr, "no \"Config\"");
		goto bad;
	}
	if (layers.count > LOAD_LAYERS_MAX) {
		(void)fault_refuse(reterr, "more than %d layers",
				   LOAD_LAYERS_MAX);
		goto bad;
	}
	digest_of_name(config.path, digest);
	config.digest = *digest ? digest : NULL;
	parts = calloc(layers.count + 1, sizeof(*parts));
	if (!parts) {
		(void)fault_system(reterr, ENOMEM, "layers");
		goto bad;
	}
	for (size_t i = 0; i < layers.count; i++)
		parts[i] = (struct blob){ .path = layers.items[i],
					  .size = UINT64_MAX };
	r = blobs_load(l, s, &config, parts, layers.count, reterr);
	if (r == 0) {
		l->image->name = name;
		name = NULL;
	}
	goto out;
bad:
	(void)fault_prefix(reterr, "manifest.json");
out:
	free(name);
	free(parts);
	strings_free(&layers);
	cJSON_Delete(json);
	free(text);
	return r;
}
