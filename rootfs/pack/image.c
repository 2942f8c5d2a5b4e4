#include "rootfs/pack/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/fault.h"
#include "rootfs/pack/json.h"
#include "rootfs/pack/load.h"
#include "rootfs/pack/tree.h"

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
static int make_volumes(struct loader *l, struct fault *reterr)
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
	DOCKER_DIR,
	DOCKER_ARCHIVE,
	ARCHIVE,
	FOLDER,
	BY_SKOPEO,
};

static const struct {
	const char *prefix;
	enum kind kind;
} transports[] = {
	{ "oci:", OCI_DIR },
	{ "oci-archive:", OCI_ARCHIVE },
	{ "docker-archive:", DOCKER_ARCHIVE },
	{ "docker://", BY_SKOPEO },
	{ "docker-daemon:", BY_SKOPEO },
	{ "containers-storage:", BY_SKOPEO },
	{ "dir:", BY_SKOPEO },
	{ "ostree:", BY_SKOPEO },
	{ "sif:", BY_SKOPEO },
};

/* What SRC is taken for: said with each fault. */
static const char *const kind_words[] = {
	[OCI_DIR] = "an OCI layout",
	[OCI_ARCHIVE] = "an OCI archive",
	[DOCKER_DIR] = "an unpacked docker save archive",
	[DOCKER_ARCHIVE] = "a docker save archive",
	[ARCHIVE] = "an archive",
	[FOLDER] = "a plain folder",
	[BY_SKOPEO] = "an image that skopeo copies",
};

/*
 * Which of the two S is. Since Docker 25 an archive is both, and of 25.0.0 to 25.0.2 the
 * index may be empty though there is an image.
 */
static bool is_oci(const struct source *s)
{
	return source_has(s, "oci-layout") &&
	       !(source_has(s, "manifest.json") && oci_is_empty(s));
}

static int load_dir(struct loader *l, const char *path, const char *tag,
		    enum kind kind, struct fault *reterr)
{
	struct source s;
	int r;

	if (source_open_dir(path, &s, reterr) < 0)
		return -1;
	r = kind == DOCKER_DIR ? docker_load(l, &s, tag, reterr) :
				 oci_load(l, &s, tag, reterr);
	source_close(&s);
	return r;
}

static int refuse_archive(const struct source *s, struct fault *reterr)
{
	if (source_has(s, "repositories"))
		return fault_refuse(reterr,
				    "no manifest.json in it: saved by a Docker "
				    "before 1.10; docker load and docker save "
				    "of a later one mend that");
	return fault_refuse(reterr,
			    "neither oci-layout nor manifest.json in it; a "
			    "root file system, as docker export writes it, is "
			    "to be unpacked, and its folder is SRC");
}

static int load_archive(struct loader *l, const char *path, const char *tag,
			enum kind *kind, struct fault *reterr)
{
	struct source s;
	int r;

	if (source_open_archive(l, path, &s, reterr) < 0)
		return -1;
	if (*kind == ARCHIVE && is_oci(&s))
		*kind = OCI_ARCHIVE;
	else if (*kind == ARCHIVE && source_has(&s, "manifest.json"))
		*kind = DOCKER_ARCHIVE;
	if (*kind == OCI_ARCHIVE)
		r = oci_load(l, &s, tag, reterr);
	else if (*kind == DOCKER_ARCHIVE)
		r = docker_load(l, &s, tag, reterr);
	else
		r = refuse_archive(&s, reterr);
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
	r = load_dir(l, copy.dir, NULL, OCI_DIR, reterr);
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

/*
 * A folder may be a root file system, which can have any file at its top: a manifest.json
 * is docker save's only as docker_is_saved() has it.
 */
static int kind_of_folder(const char *path, enum kind *ret,
			  struct fault *reterr)
{
	struct source s;
	int r = 0;

	if (source_open_dir(path, &s, reterr) < 0)
		return -1;
	if (skopeo_is_dir(&s))
		r = fault_refuse(reterr,
				 "%s: a folder of skopeo's own: dir:%s is its "
				 "name",
				 path, path);
	else if (is_oci(&s))
		*ret = OCI_DIR;
	else if (docker_is_saved(&s))
		*ret = DOCKER_DIR;
	else
		*ret = source_has(&s, "oci-layout") ||
				       source_has(&s, "index.json") ?
			       OCI_DIR :
			       FOLDER;
	source_close(&s);
	return r;
}

static int kind_of_path(const char *path, enum kind *ret, struct fault *reterr)
{
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOENT && !strstr(path, "://"))
		return fault_system(reterr, ENOENT,
				    "%s (one in a registry is "
				    "docker://%s)",
				    path, path);
	if (stat(path, &st) < 0)
		return fault_system(reterr, errno, "%s", path);
	*ret = ARCHIVE;
	return S_ISDIR(st.st_mode) ? kind_of_folder(path, ret, reterr) : 0;
}

/* SRC as its kind, path and tag; *RET_COPY is for the caller to free. */
static int parse_src(const char *src, enum kind *ret, char **ret_copy,
		     const char **ret_tag, struct fault *reterr)
{
	const size_t count = sizeof(transports) / sizeof(transports[0]);
	const char *path = src;
	char *colon;
	size_t i;

	*ret_tag = NULL;
	for (i = 0; i < count; i++) {
		size_t len = strlen(transports[i].prefix);

		if (strncmp(src, transports[i].prefix, len) != 0)
			continue;
		*ret = transports[i].kind;
		if (*ret != BY_SKOPEO)
			path = src + len;
		break;
	}
	if (i == count && kind_of_path(src, ret, reterr) < 0)
		return -1;
	*ret_copy = strdup(path);
	if (!*ret_copy)
		return fault_system(reterr, ENOMEM, "%s", src);
	/* As skopeo: the tag is behind the first colon. */
	if (path != src) {
		colon = strchr(*ret_copy, ':');
		if (colon) {
			*colon = '\0';
			*ret_tag = colon[1] ? colon + 1 : NULL;
		}
	}
	return 0;
}

int image_load(const char *src, const struct image_options *options,
	       struct image *ret, struct fault *reterr)
{
	struct loader l = { .options = options, .image = ret };
	const char *tag = NULL;
	enum kind kind = ARCHIVE;
	char *path = NULL;
	int r = -1;

	*ret = (struct image){ .spool = SPOOL_NONE };
	if (parse_src(src, &kind, &path, &tag, reterr) < 0)
		goto out;
	if (options->tag && tag && strcmp(options->tag, tag) != 0) {
		(void)fault_usage(reterr, "%s: another tag than %s", src,
				  options->tag);
		goto out;
	}
	if (options->tag && (kind == FOLDER || kind == BY_SKOPEO)) {
		(void)fault_usage(reterr,
				  "%s: %s has its tag in its name, if "
				  "any",
				  src, kind_words[kind]);
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
	case OCI_DIR:
	case DOCKER_DIR:
		r = load_dir(&l, path, tag, kind, reterr);
		break;
	case OCI_ARCHIVE:
	case DOCKER_ARCHIVE:
	case ARCHIVE:
		r = load_archive(&l, path, tag, &kind, reterr);
		break;
	case FOLDER:
		r = dir_load(&l, path, reterr);
		break;
	case BY_SKOPEO:
		r = load_by_skopeo(&l, src, reterr);
		break;
	}
	if (r < 0)
		(void)fault_prefix(reterr, "%s, taken for %s", src,
				   kind_words[kind]);
	else
		r = note_dropped(&l, reterr);
out:
	for (size_t i = 0; i < l.dropped.count; i++)
		free(l.dropped.names[i]);
	strings_free(&l.volumes);
	free(path);
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

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

int image_check_files(const struct image *image, struct fault *reterr)
{
	struct stat st;

	for (size_t i = 0; i < image->file_count; i++) {
		const struct stat *was = &image->files[i].st;

		if (fstat(image->files[i].fd, &st) < 0)
			return fault_system(reterr, errno, "a layer");
		/* To be linked or unlinked changes the other time, too. */
		if (st.st_size != was->st_size ||
		    !is_same_time(&st.st_mtim, &was->st_mtim) ||
		    (st.st_nlink == was->st_nlink &&
		     !is_same_time(&st.st_ctim, &was->st_ctim)))
			return fault_refuse(reterr,
					    "a layer changed while it was "
					    "read");
	}
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
	free(image->config);
	free(image->manifest_digest);
	free(image->config_digest);
	strings_free(&image->diff_ids);
	*image = (struct image){ .spool = SPOOL_NONE };
}
