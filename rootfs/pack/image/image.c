#include "rootfs/pack/image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/load.h"

enum { PATH_SHOWN = 400, NOTES_MAX = 100 };

/* --- what the parts share ----------------------------------------------------------- */

const char *load_go_arch(const char *arch)
{
	return strcmp(arch, "aarch64") == 0 ? "arm64" : "amd64";
}

bool load_is_arch(const char *said, const char *go_arch)
{
	static const struct {
		const char *other, *name;
	} others[] = {
		{ "x86_64", "amd64" },
		{ "x86-64", "amd64" },
		{ "aarch64", "arm64" },
		{ "arm64/v8", "arm64" },
	};

	if (!said)
		return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcasecmp(said, others[i].other) == 0)
			said = others[i].name;
	return strcasecmp(said, go_arch) == 0;
}

bool load_is_tag(const char *name, const char *tag)
{
	const size_t len = strlen(name), tag_len = strlen(tag);

	if (tag_len == 0 || tag_len > len ||
	    strcmp(name + len - tag_len, tag) != 0)
		return false;
	return tag_len == len || name[len - tag_len - 1] == '/' ||
	       name[len - tag_len - 1] == ':';
}

int load_check_size(const struct loader *l, uint64_t size, struct fault *reterr)
{
	if (size <= LOAD_FILE_MAX || l->options->large_files)
		return 0;
	return fault_refuse(reterr,
			    "%llu bytes: a ramdisk's files have less than "
			    "4 GiB; --squashfs carries larger ones",
			    (unsigned long long)size);
}

int load_note(struct loader *l, struct fault *reterr, const char *format, ...)
{
	struct fault clean;
	va_list args;
	char *text;
	int n;

	if (l->image->notes.count >= NOTES_MAX) {
		l->more_notes++;
		return 0;
	}
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return fault_system(reterr, ENOMEM, "notes");
	(void)fault_refuse(&clean, "%s", text);
	free(text);
	return strings_add(&l->image->notes, clean.text, reterr);
}

int load_at(struct fault *f, const char *path)
{
	const size_t len = strlen(path);

	if (len <= PATH_SHOWN)
		return fault_prefix(f, "%s", path);
	return fault_prefix(f, "%.*s... (%zu bytes)", PATH_SHOWN, path, len);
}

static uint32_t le32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

/*
 * linux/capability.h: vfs_cap_data. Version 3 names the root that it is for, a rootless
 * builder's; in an enclave there is one root, whose form is version 2.
 */
static int keep_capability(struct loader *l, const char *path,
			   const uint8_t *value, size_t len,
			   struct tree_inode *inode, struct fault *reterr)
{
	const uint32_t magic = len >= 4 ? le32(value) : 0;
	const uint32_t version = magic & VFS_CAP_REVISION_MASK;
	size_t kept = len;

	if (magic & VFS_CAP_FLAGS_MASK & ~(uint32_t)VFS_CAP_FLAGS_EFFECTIVE ||
	    !((version == VFS_CAP_REVISION_1 && len == XATTR_CAPS_SZ_1) ||
	      (version == VFS_CAP_REVISION_2 && len == XATTR_CAPS_SZ_2) ||
	      (version == VFS_CAP_REVISION_3 && len == XATTR_CAPS_SZ_3)))
		return fault_refuse(reterr,
				    "file capabilities that are none: %zu "
				    "bytes that begin with 0x%08x",
				    len, magic);
	if (version == VFS_CAP_REVISION_3) {
		const uint32_t root = le32(value + XATTR_CAPS_SZ_2);

		kept = XATTR_CAPS_SZ_2;
		if (root != 0 &&
		    load_note(l, reterr,
			      "%.*s: its file capabilities are for the root "
			      "that is user %u outside; they become root's",
			      PATH_SHOWN, path, root) < 0)
			return -1;
	}
	memcpy(inode->capability, value, kept);
	if (version == VFS_CAP_REVISION_3)
		inode->capability[3] = VFS_CAP_REVISION_2 >> 24;
	inode->capability_len = (uint8_t)kept;
	return 0;
}

int load_xattr(struct loader *l, const char *path, const char *name,
	       const void *value, size_t len, struct tree_inode *inode,
	       struct fault *reterr)
{
	const bool is_capability = strcmp(name, "security.capability") == 0;
	struct dropped *d = &l->dropped;
	size_t i;

	if (is_capability && !l->options->drop_capabilities) {
		if (l->options->keep_capabilities)
			return keep_capability(l, path, value, len, inode,
					       reterr);
		return fault_refuse(reterr,
				    "has file capabilities, which a ramdisk "
				    "cannot carry; --squashfs can, "
				    "--drop-capabilities takes it without "
				    "them");
	}
	/* Each by its path, within reason. */
	if (is_capability && l->image->notes.count < NOTES_MAX)
		return load_note(l, reterr,
				 "%.*s: its file capabilities are dropped",
				 PATH_SHOWN, path);
	for (i = 0; i < d->count; i++)
		if (strcmp(d->names[i], name) == 0)
			break;
	if (i == LOAD_DROPPED_MAX) {
		d->others++;
		return 0;
	}
	if (i == d->count) {
		d->names[i] = strdup(name);
		if (!d->names[i])
			return fault_system(reterr, ENOMEM, "names");
		d->count++;
	}
	d->counts[i]++;
	return 0;
}

static int note_dropped(struct loader *l, struct fault *reterr)
{
	const struct dropped *d = &l->dropped;
	char more[64];

	for (size_t i = 0; i < d->count; i++)
		if (load_note(l, reterr,
			      "the extended attribute %s of %zu file%s is "
			      "dropped: an image has none",
			      d->names[i], d->counts[i],
			      d->counts[i] == 1 ? "" : "s") < 0)
			return -1;
	if (d->others &&
	    load_note(l, reterr, "%zu more extended attributes are dropped",
		      d->others) < 0)
		return -1;
	if (l->more_notes == 0)
		return 0;
	(void)snprintf(more, sizeof(more), "%zu more notes are not shown",
		       l->more_notes);
	return strings_add(&l->image->notes, more, reterr);
}

/* --- layers ------------------------------------------------------------------------- */

static int check_size(const struct part *part, const struct content *c,
		      struct fault *reterr)
{
	if (part->size != UINT64_MAX && c->len != part->size)
		return fault_refuse(reterr, "%llu bytes, not %llu",
				    (unsigned long long)c->len,
				    (unsigned long long)part->size);
	return 0;
}

static int keep_digest(struct loader *l, const struct part *part,
		       const char *text, size_t len, struct fault *reterr)
{
	char digest[DIGEST_TEXT_MAX];

	if (!part->digest && digest_text(text, len, digest, reterr) < 0)
		return -1;
	l->image->config_digest = strdup(part->digest ? part->digest : digest);
	return l->image->config_digest ?
		       0 :
		       fault_system(reterr, ENOMEM, "a digest");
}

static int load_config(struct loader *l, const struct source *s,
		       const struct part *part, struct strings *ret_diff_ids,
		       struct fault *reterr)
{
	struct content c;
	char *text = NULL;
	int r;

	if (source_get(s, part->path, &c, reterr) < 0)
		return -1;
	r = check_size(part, &c, reterr);
	if (r < 0)
		(void)fault_prefix(reterr, "%s", part->path);
	else
		r = content_slurp(&c, JSON_TEXT_MAX, part->path, &text, reterr);
	source_done(s, &c);
	if (r < 0)
		return r;
	l->image->config = text;
	if (part->digest &&
	    digest_check_text(text, c.len, part->digest, reterr) < 0)
		return fault_prefix(reterr, "%s", part->path);
	if (keep_digest(l, part, text, c.len, reterr) < 0)
		return -1;
	r = settings_parse(l, text, c.len, ret_diff_ids, reterr);
	return r < 0 ? fault_prefix(reterr, "%s", part->path) : 0;
}

static int load_layer(struct loader *l, const struct source *s,
		      const struct part *part, const char *diff_id,
		      unsigned number, struct fault *reterr)
{
	struct layer layer = {
		.number = number,
		.digest = part->digest,
		.diff_id = diff_id,
	};
	int r;

	if (part->may_lack && !source_has(s, part->path))
		return fault_refuse(reterr,
				    "layer %u (%s) is not part of the image, "
				    "but to be fetched from elsewhere",
				    number, part->path);
	if (source_get(s, part->path, &layer.content, reterr) < 0)
		return fault_prefix(reterr, "layer %u", number);
	r = check_size(part, &layer.content, reterr);
	if (r == 0)
		r = layer_apply(l, &layer, l->image->tree, &l->image->spool,
				reterr);
	source_done(s, &layer.content);
	return r < 0 ? fault_prefix(reterr, "layer %u (%s)", number,
				    part->path) :
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

int load_parts(struct loader *l, const struct source *s,
	       const struct part *config, const struct part *layers,
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

/* --- which kind ----------------------------------------------------------------------- */

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
	struct source s;
	int r;

	if (kind == FOLDER)
		return dir_load(l, path, reterr);
	if (source_open_dir(path, &s, reterr) < 0)
		return -1;
	s.is_flat = kind == SKOPEO_DIR;
	s.output = l->options->output;
	if (kind == OCI_DIR)
		r = oci_load(l, &s, tag, reterr);
	else if (kind == SKOPEO_DIR)
		r = oci_load_flat(l, &s, tag, reterr);
	else
		r = docker_load(l, &s, tag, reterr);
	source_close(&s);
	return r;
}

/* As docker export writes it: one layer, in which no name has a meaning. */
static int load_rootfs(struct loader *l, const struct source *s,
		       struct fault *reterr)
{
	struct layer layer = {
		.content = s->archive,
		.number = 1,
		.is_rootfs = true,
	};

	if (source_has(s, "repositories") && !source_has(s, "etc"))
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
static bool is_oci(const struct source *s)
{
	const bool has_docker = source_has(s, "manifest.json");

	if (source_has(s, "oci-layout"))
		return !(has_docker && oci_is_empty(s));
	return source_has(s, "index.json") && source_has(s, "blobs") &&
	       !has_docker;
}

/* A folder may be a root file system, which can have any file at its top. */
static enum kind kind_of_folder(const struct source *s)
{
	if (skopeo_is_dir(s))
		return SKOPEO_DIR;
	if (is_oci(s))
		return OCI_DIR;
	return docker_is_saved(s) ? DOCKER_DIR : FOLDER;
}

static enum kind kind_of_archive(const struct source *s)
{
	if (is_oci(s))
		return OCI_ARCHIVE;
	return source_has(s, "manifest.json") ? DOCKER_ARCHIVE : ROOTFS_ARCHIVE;
}

static int load_archive(struct loader *l, const char *path, const char *tag,
			enum kind *kind, struct fault *reterr)
{
	struct source s;
	int r;

	if (source_open_archive(l, path, &s, reterr) < 0)
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
	source_close(&s);
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
	struct source s;
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
	if (source_open_dir(path, &s, reterr) < 0)
		return -1;
	*ret = kind_of_folder(&s);
	source_close(&s);
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
	int r = -1;

	*ret = (struct image){ .spool = SPOOL_NONE };
	if (parse_src(src, &from, reterr) < 0)
		goto out;
	tag = from.tag;
	l.digest = from.digest;
	l.is_named_rootfs = from.kind == ROOTFS_ARCHIVE;
	if (options->tag && tag && strcmp(options->tag, tag) != 0) {
		(void)fault_usage(reterr, "%s: another tag than %s", src,
				  options->tag);
		goto out;
	}
	if (l.digest && !has_parts(from.kind)) {
		(void)fault_usage(reterr, "%s: %s has no digest", src,
				  kind_words[from.kind]);
		goto out;
	}
	if (options->tag && (!has_parts(from.kind) || from.kind == BY_SKOPEO)) {
		(void)fault_usage(reterr,
				  "%s: %s has its tag in its name, if "
				  "any",
				  src, kind_words[from.kind]);
		goto out;
	}
	if (options->owner_is_given && from.kind != FOLDER) {
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

	switch (from.kind) {
	case OCI_ARCHIVE:
	case DOCKER_ARCHIVE:
	case ROOTFS_ARCHIVE:
	case ARCHIVE:
		r = load_archive(&l, from.path, tag, &from.kind, reterr);
		break;
	case OCI_DIR:
	case DOCKER_DIR:
	case SKOPEO_DIR:
	case FOLDER:
		r = load_folder(&l, from.path, tag, from.kind, reterr);
		break;
	case BY_SKOPEO:
		r = load_by_skopeo(&l, src, reterr);
		break;
	}
	if (r < 0)
		(void)fault_prefix(reterr, "%s, taken for %s", src,
				   kind_words[from.kind]);
	else
		r = note_dropped(&l, reterr);
	if (r == 0 && !has_parts(from.kind))
		r = keep_taken_for(ret, src, reterr);
out:
	for (size_t i = 0; i < l.dropped.count; i++)
		free(l.dropped.names[i]);
	strings_free(&l.volumes);
	free(from.path);
	return r;
}

struct image_file {
	int fd;
	struct stat st; /* before it was hashed */
};

int image_keep_file(struct image *image, int fd)
{
	struct image_file f, *more;

	if (image->file_count == IMAGE_FILES_MAX || fstat(fd, &f.st) < 0)
		return -1;
	more = reallocarray(image->files, image->file_count + 1, sizeof(*more));
	if (!more)
		return -1;
	image->files = more;
	f.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (f.fd < 0)
		return -1;
	image->files[image->file_count++] = f;
	return f.fd;
}

int image_check_files(const struct image *image, struct fault *reterr)
{
	for (size_t i = 0; i < image->file_count; i++)
		if (content_check_same(image->files[i].fd, &image->files[i].st,
				       "a layer", reterr) < 0)
			return -1;
	return 0;
}

static void close_files(struct image *image)
{
	for (size_t i = 0; i < image->file_count; i++)
		close(image->files[i].fd);
	free(image->files);
}

void image_free(struct image *image)
{
	tree_free(image->tree);
	spool_close(&image->spool);
	close_files(image);
	strings_free(&image->entrypoint);
	strings_free(&image->cmd);
	strings_free(&image->env);
	strings_free(&image->notes);
	free(image->user);
	free(image->workdir);
	free(image->stop_signal);
	free(image->name);
	free(image->taken_for);
	free(image->config);
	free(image->manifest_digest);
	free(image->config_digest);
	strings_free(&image->diff_ids);
	*image = (struct image){ .spool = SPOOL_NONE };
}
