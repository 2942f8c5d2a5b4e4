#include "rootfs/pack/image/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/dir.h"
#include "rootfs/pack/image/docker.h"
#include "rootfs/pack/image/layer.h"
#include "rootfs/pack/image/load.h"
#include "rootfs/pack/image/oci.h"
#include "rootfs/pack/image/origin.h"
#include "rootfs/pack/image/skopeo.h"

enum kind {
	OCI_DIR,
	OCI_ARCHIVE,
	DOCKER_DIR, /* a docker save archive, unpacked */
	DOCKER_ARCHIVE,
	SKOPEO_DIR,
	ARCHIVE, /* yet to be looked at */
	FOLDER,
	ROOTFS_ARCHIVE,
	BY_SKOPEO,
};

static const struct {
	const char *prefix;
	enum kind of_folder, of_file;
	bool has_tag; /* behind a colon */
} transports[] = {
	{ "oci:", OCI_DIR, OCI_DIR, true },
	{ "oci-archive:", OCI_DIR, OCI_ARCHIVE, true },
	{ "docker-archive:", DOCKER_DIR, DOCKER_ARCHIVE, true },
	{ "dir:", SKOPEO_DIR, SKOPEO_DIR, false },
	{ "rootfs:", FOLDER, ROOTFS_ARCHIVE, false },
	{ "docker://", BY_SKOPEO, BY_SKOPEO, false },
	{ "docker-daemon:", BY_SKOPEO, BY_SKOPEO, false },
	{ "containers-storage:", BY_SKOPEO, BY_SKOPEO, false },
	{ "ostree:", BY_SKOPEO, BY_SKOPEO, false },
	{ "sif:", BY_SKOPEO, BY_SKOPEO, false },
};

/* What SRC is taken for: said with each fault. */
static const char *const kind_words[] = {
	[OCI_DIR] = "an OCI layout",
	[OCI_ARCHIVE] = "an OCI archive",
	[DOCKER_DIR] = "a docker save archive, unpacked",
	[DOCKER_ARCHIVE] = "a docker save archive",
	[SKOPEO_DIR] = "a folder of skopeo's dir:",
	[ARCHIVE] = "an archive",
	[FOLDER] = "a plain folder",
	[ROOTFS_ARCHIVE] = "an archive of a root file system",
	[BY_SKOPEO] = "an image that skopeo copies",
};

static bool has_parts(enum kind kind)
{
	return kind != FOLDER && kind != ROOTFS_ARCHIVE;
}

static int load_folder(struct loader *l, const char *path, const char *tag,
		       enum kind kind, struct fault *reterr)
{
	struct origin s;
	int r;

	if (kind == FOLDER)
		return dir_load(l, path, reterr);
	if (origin_open_dir(path, &s, reterr) < 0)
		return -1;
	s.is_flat = kind == SKOPEO_DIR;
	s.output = l->options->output;
	if (kind == OCI_DIR)
		r = oci_load(l, &s, tag, reterr);
	else if (kind == SKOPEO_DIR)
		r = oci_load_flat(l, &s, tag, reterr);
	else
		r = docker_load(l, &s, tag, reterr);
	origin_close(&s);
	return r;
}

/* As docker export writes it: one layer, in which no name has a meaning. */
static int load_rootfs(struct loader *l, const struct origin *s,
		       struct fault *reterr)
{
	struct layer layer = {
		.content = s->archive,
		.number = 1,
		.is_rootfs = true,
	};

	if (origin_has(s, "repositories") && !origin_has(s, "etc"))
		return fault_refuse(reterr,
				    "no manifest.json in it: saved by a Docker "
				    "before 1.10; docker load and docker save "
				    "of a later one mend that");
	if (!l->is_named_rootfs &&
	    load_note(l, reterr,
		      "an archive without an image is taken for a root file "
		      "system, as docker export writes it: without Entrypoint, "
		      "Cmd, Env, User") < 0)
		return -1;
	return layer_apply(l, &layer, l->image->tree, &l->image->spool, reterr);
}

/* Since Docker 25 an archive is both, and of 25.0.0 to 25.0.2 the index may be empty though
 * there is an image. */
static bool is_oci(const struct origin *s)
{
	const bool has_docker = origin_has(s, "manifest.json");

	if (origin_has(s, "oci-layout"))
		return !(has_docker && oci_is_empty(s));
	return origin_has(s, "index.json") && origin_has(s, "blobs") &&
	       !has_docker;
}

/* A folder may be a root file system, which can have any file at its top. */
static enum kind kind_of_folder(const struct origin *s)
{
	if (skopeo_is_dir(s))
		return SKOPEO_DIR;
	if (is_oci(s))
		return OCI_DIR;
	return docker_is_saved(s) ? DOCKER_DIR : FOLDER;
}

static enum kind kind_of_archive(const struct origin *s)
{
	if (is_oci(s))
		return OCI_ARCHIVE;
	return origin_has(s, "manifest.json") ? DOCKER_ARCHIVE : ROOTFS_ARCHIVE;
}

static int load_archive(struct loader *l, const char *path, const char *tag,
			enum kind *kind, struct fault *reterr)
{
	struct origin s;
	int r;

	if (origin_open_archive(l, path, &s, reterr) < 0)
		return -1;
	if (*kind == ARCHIVE)
		*kind = kind_of_archive(&s);
	if (*kind == OCI_ARCHIVE)
		r = oci_load(l, &s, tag, reterr);
	else if (*kind == DOCKER_ARCHIVE)
		r = docker_load(l, &s, tag, reterr);
	else if (tag || l->digest)
		r = fault_refuse(reterr, "it has no tag and no digest");
	else
		r = load_rootfs(l, &s, reterr);
	origin_close(&s);
	return r;
}

static int load_by_skopeo(struct loader *l, const char *src,
			  struct fault *reterr)
{
	struct skopeo copy;
	int r;

	if (skopeo_copy(src, l->options->arch, &copy, reterr) < 0)
		return -1;
	r = load_folder(l, copy.dir, NULL, OCI_DIR, reterr);
	skopeo_remove(&copy);
	if (r == 0 && !l->image->name) {
		const char *name = strchr(src, ':') + 1;

		l->image->name =
			strdup(strncmp(name, "//", 2) == 0 ? name + 2 : name);
		if (!l->image->name)
			r = fault_system(reterr, ENOMEM, "a name");
	}
	return r;
}

/* No file has the name PATH: it may be one of an image. */
static int refuse_name(const char *path, struct fault *reterr)
{
	const char *slash = strrchr(path, '/');
	const bool has_tag = strpbrk(slash ? slash : path, ":@");

	if (*path == '/' || *path == '.')
		return fault_system(reterr, ENOENT, "--image: %s", path);
	return fault_failed(reterr,
			    "--image: %s: %s (in a registry: docker://%s; in "
			    "the local Docker: docker-daemon:%s%s; podman's or "
			    "buildah's: containers-storage:localhost/%s)",
			    path, strerror(ENOENT), path, path,
			    has_tag ? "" : ":latest", path);
}

static int kind_of_path(const char *path, enum kind *ret, struct fault *reterr)
{
	struct origin s;
	struct stat st;

	if (*path == '\0')
		return fault_usage(reterr, "--image: no name of a file, "
					   "folder or image");
	*ret = ARCHIVE;
	if (strcmp(path, "-") == 0)
		return 0;
	if (stat(path, &st) < 0 && errno == ENOENT && !strstr(path, "://"))
		return refuse_name(path, reterr);
	if (stat(path, &st) < 0)
		return fault_system(reterr, errno, "--image: %s", path);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (origin_open_dir(path, &s, reterr) < 0)
		return -1;
	*ret = kind_of_folder(&s);
	origin_close(&s);
	return 0;
}

/* SRC, taken apart. */
struct src {
	enum kind kind;
	char *path;	    /* of which this is the memory */
	const char *tag;    /* or NULL */
	const char *digest; /* or NULL */
};

/* "@sha256:..." at the end of a path that is not there with it. */
static void cut_digest(struct src *src)
{
	char *at = strrchr(src->path, '@');
	struct stat st;

	if (!at || !digest_is_valid(at + 1) || stat(src->path, &st) == 0)
		return;
	*at = '\0';
	src->digest = at + 1;
}

static int parse_src(const char *text, struct src *ret, struct fault *reterr)
{
	const size_t count = sizeof(transports) / sizeof(transports[0]);
	struct stat st;
	size_t i, len;
	char *colon;

	for (i = 0; i < count; i++) {
		len = strlen(transports[i].prefix);
		if (strncmp(text, transports[i].prefix, len) == 0)
			break;
	}
	/* skopeo looks at all of it itself. */
	if (i == count || transports[i].of_file == BY_SKOPEO)
		len = 0;
	ret->path = strdup(text + len);
	if (!ret->path)
		return fault_system(reterr, ENOMEM, "%s", text);
	if (i < count && transports[i].of_file == BY_SKOPEO) {
		ret->kind = BY_SKOPEO;
		return 0;
	}
	cut_digest(ret);
	if (i == count)
		return kind_of_path(ret->path, &ret->kind, reterr);
	/* As skopeo: the tag is behind the first colon. */
	colon = transports[i].has_tag ? strchr(ret->path, ':') : NULL;
	if (colon) {
		*colon = '\0';
		ret->tag = colon[1] ? colon + 1 : NULL;
	}
	if (*ret->path == '\0')
		return fault_usage(reterr, "--image: %s: no path behind it",
				   text);
	ret->kind = stat(ret->path, &st) == 0 && S_ISDIR(st.st_mode) ?
			    transports[i].of_folder :
			    transports[i].of_file;
	return 0;
}

/* A root file system has no settings: what SRC was taken for, should they be missed. */
static int keep_taken_for(struct image *image, const char *src,
			  struct fault *reterr)
{
	if (asprintf(&image->taken_for,
		     "%s, taken for a root file system (a folder, docker "
		     "export),",
		     src) >= 0)
		return 0;
	image->taken_for = NULL;
	return fault_system(reterr, ENOMEM, "%s", src);
}

int image_load(const char *src, const struct image_options *options,
	       struct image *ret, struct fault *reterr)
{
	struct loader l = { .options = options, .image = ret };
	struct src from = { .kind = ARCHIVE };
	const char *tag;
	enum kind kind;
	int r = -1;

	*ret = (struct image){ .spool = SPOOL_NONE };
	if (parse_src(src, &from, reterr) < 0)
		goto out;
	tag = from.tag;
	kind = from.kind;
	l.digest = from.digest;
	l.is_named_rootfs = kind == ROOTFS_ARCHIVE;
	if (options->tag && tag && strcmp(options->tag, tag) != 0) {
		(void)fault_usage(reterr, "%s: another tag than %s", src,
				  options->tag);
		goto out;
	}
	if (l.digest && !has_parts(kind)) {
		(void)fault_usage(reterr, "%s: %s has no digest", src,
				  kind_words[kind]);
		goto out;
	}
	if (options->tag && (!has_parts(kind) || kind == BY_SKOPEO)) {
		(void)fault_usage(reterr,
				  "%s: %s has its tag in its name, if "
				  "any",
				  src, kind_words[kind]);
		goto out;
	}
	if (options->owner_is_given && kind != FOLDER) {
		(void)fault_usage(reterr,
				  "--owner is for a folder's files: those of "
				  "layers and archives keep their own");
		goto out;
	}
	if (!tag)
		tag = options->tag;
	ret->tree = tree_new();
	if (!ret->tree) {
		(void)fault_system(reterr, ENOMEM, "names");
		goto out;
	}
	if (spool_open(&ret->spool, reterr) < 0)
		goto out;

	switch (kind) {
	case OCI_ARCHIVE:
	case DOCKER_ARCHIVE:
	case ROOTFS_ARCHIVE:
	case ARCHIVE:
		r = load_archive(&l, from.path, tag, &kind, reterr);
		break;
	case OCI_DIR:
	case DOCKER_DIR:
	case SKOPEO_DIR:
	case FOLDER:
		r = load_folder(&l, from.path, tag, kind, reterr);
		break;
	case BY_SKOPEO:
		r = load_by_skopeo(&l, src, reterr);
		break;
	}
	if (r < 0)
		(void)fault_prefix(reterr, "%s, taken for %s", src,
				   kind_words[kind]);
	else
		r = load_note_dropped(&l, reterr);
	if (r == 0 && !has_parts(kind))
		r = keep_taken_for(ret, src, reterr);
out:
	for (size_t i = 0; i < l.dropped.count; i++)
		free(l.dropped.names[i]);
	strings_free(&l.volumes);
	free(from.path);
	return r;
}
