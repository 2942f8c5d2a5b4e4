#include "rootfs/pack/image/blobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/image.h"
#include "rootfs/pack/image/layer.h"
#include "rootfs/pack/image/load.h"
#include "rootfs/pack/image/origin.h"
#include "rootfs/pack/image/settings.h"

static int check_size(const struct blob *blob, const struct content *c,
		      struct fault *reterr)
{
	if (blob->size != UINT64_MAX && c->len != blob->size)
		return fault_refuse(reterr, "%llu bytes, not %llu",
				    (unsigned long long)c->len,
				    (unsigned long long)blob->size);
	return 0;
}

static int keep_digest(struct loader *l, const struct blob *blob,
		       const char *text, size_t len, struct fault *reterr)
{
	char digest[DIGEST_TEXT_MAX];

	if (!blob->digest && digest_text(text, len, digest, reterr) < 0)
		return -1;
	l->image->config_digest = strdup(blob->digest ? blob->digest : digest);
	return l->image->config_digest ?
		       0 :
		       fault_system(reterr, ENOMEM, "a digest");
}

static int load_config(struct loader *l, const struct origin *s,
		       const struct blob *blob, struct strings *ret_diff_ids,
		       struct fault *reterr)
{
	struct content c;
	char *text = NULL;
	int r;

	if (origin_get(s, blob->path, &c, reterr) < 0)
		return -1;
	r = check_size(blob, &c, reterr);
	if (r < 0)
		(void)fault_prefix(reterr, "%s", blob->path);
	else
		r = content_slurp(&c, JSON_TEXT_MAX, blob->path, &text, reterr);
	origin_done(s, &c);
	if (r < 0)
		return r;
	l->image->config = text;
	if (blob->digest &&
	    digest_check_text(text, c.len, blob->digest, reterr) < 0)
		return fault_prefix(reterr, "%s", blob->path);
	if (keep_digest(l, blob, text, c.len, reterr) < 0)
		return -1;
	r = settings_parse(l, text, c.len, ret_diff_ids, reterr);
	return r < 0 ? fault_prefix(reterr, "%s", blob->path) : 0;
}

static int load_layer(struct loader *l, const struct origin *s,
		      const struct blob *blob, const char *diff_id,
		      unsigned number, struct fault *reterr)
{
	struct layer layer = {
		.number = number,
		.digest = blob->digest,
		.diff_id = diff_id,
	};
	int r;

	if (blob->may_lack && !origin_has(s, blob->path))
		return fault_refuse(reterr,
				    "layer %u (%s) is not part of the image, "
				    "but to be fetched from elsewhere",
				    number, blob->path);
	if (origin_get(s, blob->path, &layer.content, reterr) < 0)
		return fault_prefix(reterr, "layer %u", number);
	r = check_size(blob, &layer.content, reterr);
	if (r == 0)
		r = layer_apply(l, &layer, l->image->tree, &l->image->spool,
				reterr);
	origin_done(s, &layer.content);
	return r < 0 ? fault_prefix(reterr, "layer %u (%s)", number,
				    blob->path) :
		       0;
}

/* As containers have them: there, though no layer has them. */
static int make_each_volume(struct loader *l, struct fault *reterr)
{
	struct tree *tree = l->image->tree;
	const char *path;
	bool is_there;

	for (size_t i = 0; i < l->volumes.count; i++) {
		path = l->volumes.items[i];
		is_there = tree_find(tree, path, true) != NULL;
		if (tree_make_dirs(tree, path, 1, NULL, reterr) < 0) {
			(void)load_at(reterr, path);
			return fault_prefix(reterr, "VOLUME");
		}
		if (load_note(l, reterr,
			      "VOLUME %s is a folder of the image%s: an "
			      "enclave has no disk, and what is written is in "
			      "its memory",
			      path, is_there ? "" : ", made for it") < 0)
			return -1;
	}
	return 0;
}

/* Folders are put in order once: a configuration may have 400,000. */
static int make_volumes(struct loader *l, struct fault *reterr)
{
	struct fault ignored;

	tree_begin(l->image->tree);
	if (make_each_volume(l, reterr) == 0)
		return tree_end(l->image->tree, reterr);
	(void)tree_end(l->image->tree, &ignored);
	return -1;
}

int blobs_load(struct loader *l, const struct origin *s,
	       const struct blob *config, const struct blob *layers,
	       size_t count, struct fault *reterr)
{
	struct strings *diff_ids = &l->image->diff_ids;
	int r;

	r = load_config(l, s, config, diff_ids, reterr);
	if (r == 0 && count != diff_ids->count)
		r = fault_refuse(reterr,
				 "%zu layers, but the configuration has %zu "
				 "diff_ids",
				 count, diff_ids->count);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = load_layer(l, s, &layers[i], diff_ids->items[i],
			       (unsigned)i + 1, reterr);
	if (r == 0)
		r = make_volumes(l, reterr);
	return r;
}
