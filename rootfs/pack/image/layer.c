#include "rootfs/pack/image/layer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/progress.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/load.h"

/*
 * Layers: image-spec's layer.md. tar is libarchive's to read, and what it only warns
 * of is refused: it then goes on with less than there was.
 */

enum {
	END_MARK = 2 * 512,
	CHUNK = 1 << 18,
	/* Linux' device numbers */
	MAJOR_MAX = (1 << 12) - 1,
	MINOR_MAX = (1 << 20) - 1,
};

#define WHITEOUT ".wh."
#define WHITEOUT_AUFS ".wh..wh." /* what aufs keeps for itself, but for: */
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/* The bytes of a layer on their way to the tar reader. */
struct stream {
	struct loader *l;
	struct content in;
	uint64_t at;
	uint8_t *buf;
	uint64_t len; /* of the bytes in BUF, which are those before AT */
	struct archive *unpack; /* NULL: they are plain */
	bool ended;		/* nothing more comes out of that */
	struct digest *packed;	/* of what goes in, or NULL */
	struct digest *digest;	/* of what comes out, or NULL */
	uint64_t out;		/* bytes that came out, */
	uint64_t nonzero_end;	/* and those to the last that is not zero */
	int keep;		/* where contents may stay, or -1 */
	struct fault *reterr;
	bool failed; /* *reterr says why */
};

static la_ssize_t fail(struct stream *s)
{
	s->failed = true;
	return -1;
}

static la_ssize_t read_plain(struct stream *s, const void **ret)
{
	uint64_t len = s->in.len - s->at;

	if (len > CHUNK)
		len = CHUNK;
	if (content_read(&s->in, s->at, s->buf, len, s->reterr) < 0)
		return fail(s);
	s->at += len;
	s->len = len;
	progress_add(len);
	if (s->packed)
		digest_add(s->packed, s->buf, len);
	*ret = s->buf;
	return (la_ssize_t)len;
}

static la_ssize_t read_packed(struct archive *a, void *arg, const void **ret)
{
	struct stream *s = arg;
	la_ssize_t n = read_plain(s, ret);

	if (n < 0)
		archive_set_error(a, EIO, "%s", s->reterr->text);
	return n;
}

/* The words of A, which has failed. */
static int refuse_archive(struct archive *a, struct fault *reterr)
{
	const char *text = archive_error_string(a);

	if (archive_errno(a) == ENOMEM)
		return fault_system(reterr, ENOMEM, "tar");
	if (text && strcmp(text, "Unrecognized archive format") == 0)
		text = "neither tar nor tar by gzip, zstd, xz or bzip2";
	return fault_refuse(reterr, "%s", text ? text : "a broken archive");
}

static void note_zeros(struct stream *s, const uint8_t *data, size_t len)
{
	size_t n = len;

	while (n > 0 && data[n - 1] == 0)
		n--;
	if (n > 0)
		s->nonzero_end = s->out + n;
	s->out += len;
}

/* The next bytes of the tar; 0 is its end. */
static la_ssize_t read_tar(struct stream *s, const void **ret)
{
	la_ssize_t n;
	la_int64_t offset;
	size_t len = 0;
	int r;

	if (s->failed)
		return -1;
	if (!s->unpack) {
		n = read_plain(s, ret);
		if (n < 0)
			return n;
		len = (size_t)n;
	} else if (!s->ended) {
		r = archive_read_data_block(s->unpack, ret, &len, &offset);
		if (r == ARCHIVE_EOF) {
			s->ended = true;
			len = 0;
		} else if (r != ARCHIVE_OK) {
			if (!s->failed)
				(void)refuse_archive(s->unpack, s->reterr);
			return fail(s);
		}
	}
	s->l->bytes += len;
	if (spool_check_unpacked(s->l->packed, s->l->bytes, s->reterr) < 0)
		return fail(s);
	if (s->digest)
		digest_add(s->digest, *ret, len);
	note_zeros(s, *ret, len);
	return (la_ssize_t)len;
}

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret)
{
	struct stream *s = arg;
	la_ssize_t n = read_tar(s, ret);

	if (n < 0)
		archive_set_error(a, EIO, "%s", s->reterr->text);
	return n;
}

/* Bytes that nobody hashes need not be read. */
static la_int64_t on_skip(struct archive *a, void *arg, la_int64_t request)
{
	struct stream *s = arg;
	uint64_t left = s->in.len - s->at;

	(void)a;
	if (request < 0)
		return 0;
	if ((uint64_t)request < left)
		left = (uint64_t)request;
	s->at += left;
	s->out += left;
	return (la_int64_t)left;
}

/* Where in the file the bytes at DATA are, if they are still where they were read to. */
static bool find(const struct stream *s, const void *data, size_t len,
		 uint64_t *ret)
{
	const uintptr_t from = (uintptr_t)s->buf, at = (uintptr_t)data;

	if (s->keep < 0 || at < from || at - from > s->len ||
	    len > s->len - (at - from))
		return false;
	*ret = s->in.offset + s->at - s->len + (at - from);
	return true;
}

/* What it is compressed by is told by the first bytes; a tar may begin with them in a name. */
static int filter_of(const struct content *c, int *ret, struct fault *reterr)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b, 8 };
	static const uint8_t xz[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
	/* The digits of pi, or, at its end, of pi's root, behind a size. */
	static const uint8_t bzip2[] = { 'B', 'Z', 'h' };
	static const uint8_t block[] = { 0x31, 0x41, 0x59, 0x26, 0x53, 0x59 };
	static const uint8_t none[] = { 0x17, 0x72, 0x45, 0x38, 0x50, 0x90 };
	static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	static const uint8_t skip[] = { 0x2a, 0x4d, 0x18 }; /* 5x before */
	size_t len = c->len < 512 ? c->len : 512;
	uint8_t b[512];

	*ret = ARCHIVE_FILTER_NONE;
	if (content_read(c, 0, b, len, reterr) < 0)
		return -1;
	if (len < 5 || (len == 512 && memcmp(b + 257, "ustar", 5) == 0))
		return 0;
	if (memcmp(b, gzip, sizeof(gzip)) == 0)
		*ret = ARCHIVE_FILTER_GZIP;
	else if (len > sizeof(xz) && memcmp(b, xz, sizeof(xz)) == 0)
		*ret = ARCHIVE_FILTER_XZ;
	else if (len > 10 && memcmp(b, bzip2, sizeof(bzip2)) == 0 &&
		 (memcmp(b + 4, block, sizeof(block)) == 0 ||
		  memcmp(b + 4, none, sizeof(none)) == 0))
		*ret = ARCHIVE_FILTER_BZIP2;
	else if (memcmp(b, zstd, sizeof(zstd)) == 0 ||
		 ((b[0] & 0xf0) == 0x50 && memcmp(b + 1, skip, 3) == 0))
		*ret = ARCHIVE_FILTER_ZSTD;
	return 0;
}

static int open_unpack(struct stream *s, int filter, struct fault *reterr)
{
	struct archive_entry *entry;
	struct archive *a = archive_read_new();
	int r;

	if (!a)
		return fault_system(reterr, ENOMEM, "tar");
	s->unpack = a;
	if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
	    archive_read_support_format_empty(a) != ARCHIVE_OK ||
	    archive_read_append_filter(a, filter) != ARCHIVE_OK ||
	    archive_read_open(a, s, NULL, read_packed, NULL) != ARCHIVE_OK)
		return s->failed ? -1 : refuse_archive(a, reterr);
	/* What is broken from the start is taken for empty, but has words. */
	if (archive_error_string(a))
		return s->failed ? -1 : refuse_archive(a, reterr);
	r = archive_read_next_header(a, &entry);
	if (r != ARCHIVE_OK && r != ARCHIVE_EOF)
		return s->failed ? -1 : refuse_archive(a, reterr);
	s->ended = r == ARCHIVE_EOF;
	return 0;
}

/* --- entries -------------------------------------------------------------------- */

/* What an entry is applied to. */
struct target {
	struct loader *l;
	struct stream *s;
	const struct layer *layer;
	struct tree *tree;
	struct spool *spool;
};

/* A path as the layer has it, to be cut in two, in room for the longest. */
struct name {
	char dir[TREE_PATH_MAX + 1];
	char base[TREE_NAME_MAX + 1]; /* "": the root */
};

static int parse_name(const char *path, struct name *ret, struct fault *reterr)
{
	size_t len, n = 0, base = 0;

	ret->dir[0] = ret->base[0] = '\0';
	for (const char *p = path; *p; p += len) {
		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 0 || (len == 1 && p[0] == '.'))
			continue;
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return fault_refuse(reterr, "\"..\" in a path");
		if (len > TREE_NAME_MAX)
			return fault_refuse(reterr,
					    "a name of more than %d bytes",
					    TREE_NAME_MAX);
		if (n + len + 1 > TREE_PATH_MAX - TREE_PREFIX_MAX)
			return fault_refuse(reterr,
					    "a path of more than %d bytes",
					    TREE_PATH_MAX - TREE_PREFIX_MAX);
		if (n)
			ret->dir[n++] = '/';
		base = n;
		memcpy(ret->dir + n, p, len);
		n += len;
		ret->dir[n] = '\0';
	}
	/* Its length was bounded as that of a component. */
	memcpy(ret->base, ret->dir + base, n - base + 1);
	ret->dir[base ? base - 1 : 0] = '\0';
	return 0;
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Is a folder of PATH one of those that whiteouts have the names of? */
static bool is_below(const char *path, const char *prefix)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (starts(p, prefix))
			return true;
	}
	return false;
}

static int whiteout(struct target *t, const struct name *name,
		    struct fault *reterr)
{
	const char *hidden = name->base + strlen(WHITEOUT);
	struct tree_node *dir, *node;

	dir = tree_find(t->tree, name->dir, true);
	if (!dir || !S_ISDIR(dir->inode->mode))
		return 0;
	if (strcmp(name->base, WHITEOUT_OPAQUE) == 0)
		return tree_hide(t->tree, dir, false, t->layer->number, reterr);
	if (*hidden == '\0' || strcmp(hidden, ".") == 0 ||
	    strcmp(hidden, "..") == 0)
		return fault_refuse(reterr, "a whiteout of no name");
	node = tree_child(dir, hidden);
	if (!node)
		return 0;
	return tree_hide(t->tree, node, true, t->layer->number, reterr);
}

static int attributes(const struct layer *layer, struct archive_entry *entry,
		      struct tree_inode *ret, struct fault *reterr)
{
	la_int64_t uid = archive_entry_uid(entry);
	la_int64_t gid = archive_entry_gid(entry);

	*ret = (struct tree_inode){
		.mode = archive_entry_filetype(entry) |
			(archive_entry_perm(entry) & 07777),
	};
	if (layer->is_archive)
		return 0;
	/* The last of 32 bits is not a valid owner: chown(2) takes it for "as it is". */
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return fault_refuse(reterr,
				    "owner %lld:%lld: the highest is "
				    "4294967294",
				    (long long)uid, (long long)gid);
	ret->uid = (uint32_t)uid;
	ret->gid = (uint32_t)gid;
	ret->mtime = archive_entry_mtime(entry);
	return 0;
}

/* What was thought to stay where it is goes to the spool after all. */
static int copy(struct target *t, uint64_t where, uint64_t len,
		struct fault *reterr)
{
	const struct content c = {
		.fd = t->s->in.fd,
		.offset = where,
		.len = len,
	};
	char some[4096];
	size_t n;

	for (uint64_t at = 0; at < len; at += n) {
		n = len - at < sizeof(some) ? (size_t)(len - at) : sizeof(some);
		if (content_read(&c, at, some, n, reterr) < 0 ||
		    spool_append(t->spool, some, n, reterr) < 0)
			return -1;
	}
	return 0;
}

static int read_content(struct target *t, struct archive *a,
			struct archive_entry *entry, struct content *ret,
			struct fault *reterr)
{
	const bool skip = t->layer->is_archive &&
			  archive_entry_sparse_count(entry) == 0;
	const uint64_t from = t->spool->len;
	uint64_t where = 0, pos;
	bool in_place = t->s->keep >= 0;
	la_int64_t size = archive_entry_size(entry), offset;
	const void *data;
	uint64_t at = 0;
	size_t len;
	int r;

	if (size < 0)
		return fault_refuse(reterr, "%lld bytes", (long long)size);
	if (!t->layer->is_archive &&
	    load_check_size(t->l, (uint64_t)size, reterr) < 0)
		return -1;
	/* Holes may be as large: they take no room in a squashfs. */
	if (t->l->options->large_files && archive_entry_sparse_count(entry) &&
	    from + (uint64_t)size <= SPOOL_UNPACKED_MAX)
		;
	else if (spool_check_unpacked(t->l->packed, from + (uint64_t)size,
				      reterr) < 0)
		return -1;
	for (;;) {
		r = archive_read_data_block(a, &data, &len, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK)
			return refuse_archive(a, reterr);
		if (offset < 0 || (uint64_t)offset < at ||
		    (uint64_t)offset > (uint64_t)size ||
		    len > (uint64_t)size - (uint64_t)offset)
			return fault_refuse(reterr,
					    "a sparse file in disorder");
		if (in_place && (uint64_t)offset == at &&
		    find(t->s, data, len, &pos) &&
		    (at == 0 || pos == where + at)) {
			if (at == 0)
				where = pos;
			at += len;
			if (!skip || len == 0)
				continue;
			at = (uint64_t)size;
			if (archive_read_data_skip(a) != ARCHIVE_OK)
				return refuse_archive(a, reterr);
			break;
		}
		if (in_place && copy(t, where, at, reterr) < 0)
			return -1;
		in_place = false;
		if (spool_append_zeros(t->spool, (uint64_t)offset - at,
				       reterr) < 0 ||
		    spool_append(t->spool, data, len, reterr) < 0)
			return -1;
		at = (uint64_t)offset + len;
	}
	if (in_place && at == (uint64_t)size) {
		*ret = (struct content){
			.fd = t->s->keep,
			.offset = where,
			.len = at,
		};
		return 0;
	}
	if (in_place && copy(t, where, at, reterr) < 0)
		return -1;
	if (spool_append_zeros(t->spool, (uint64_t)size - at, reterr) < 0)
		return -1;
	*ret = spool_content(t->spool, from);
	return 0;
}

static int take_xattrs(struct target *t, struct archive_entry *entry,
		       struct tree_inode *inode, struct fault *reterr)
{
	const char *path = archive_entry_pathname(entry), *name;
	const void *value;
	size_t len;

	(void)archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &len) ==
	       ARCHIVE_OK)
		if (load_xattr(t->l, path, name, value, len, inode, reterr) < 0)
			return -1;
	return 0;
}

static int put_link(struct target *t, struct tree_node *dir, const char *base,
		    struct archive_entry *entry, struct fault *reterr)
{
	const char *path = archive_entry_hardlink(entry);
	struct tree_node *to;
	struct name name;

	if (archive_entry_size(entry) > 0)
		return fault_refuse(reterr, "a hard link with a content");
	if (parse_name(path, &name, reterr) < 0)
		return fault_prefix(reterr, "a hard link to %.400s", path);
	to = tree_find(t->tree, path, false);
	if (!to)
		return fault_refuse(reterr,
				    "a hard link to %.400s, which is not there",
				    path);
	return tree_link(t->tree, dir, base, to, t->layer->number, reterr);
}

static int put(struct target *t, struct archive *a, struct archive_entry *entry,
	       const struct name *name, struct fault *reterr)
{
	const unsigned number = t->layer->number;
	struct tree_inode inode;
	struct tree_node *dir, *root = tree_root(t->tree);
	const char *target;

	if (tree_make_dirs_above(t->tree, name->dir, number, &dir, reterr) < 0)
		return -1;
	if (archive_entry_hardlink(entry) && *name->base)
		return put_link(t, dir, name->base, entry, reterr);
	if (attributes(t->layer, entry, &inode, reterr) < 0)
		return -1;
	if (!t->layer->is_archive && take_xattrs(t, entry, &inode, reterr) < 0)
		return -1;

	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		if (read_content(t, a, entry, &inode.content, reterr) < 0)
			return -1;
		break;
	case AE_IFDIR:
		/* libarchive takes "name/" for a folder, whose content would be read
		 * as more entries. */
		if (archive_entry_size(entry) > 0)
			return fault_refuse(reterr, "a folder with a content");
		break;
	case AE_IFLNK:
		target = archive_entry_symlink(entry);
		if (!target)
			return fault_refuse(reterr, "a link to no name");
		inode.target = strdup(target);
		if (!inode.target)
			return fault_system(reterr, ENOMEM, "names");
		break;
	case AE_IFCHR:
	case AE_IFBLK:
		if (archive_entry_rdevmajor(entry) > MAJOR_MAX ||
		    archive_entry_rdevminor(entry) > MINOR_MAX)
			return fault_refuse(
				reterr, "device %llu:%llu: there is none",
				(unsigned long long)archive_entry_rdevmajor(
					entry),
				(unsigned long long)archive_entry_rdevminor(
					entry));
		inode.rdev_major = (uint32_t)archive_entry_rdevmajor(entry);
		inode.rdev_minor = (uint32_t)archive_entry_rdevminor(entry);
		break;
	case AE_IFIFO:
		break;
	default:
		return fault_refuse(reterr, "neither file, folder, link, "
					    "device nor pipe");
	}

	if (*name->base) {
		int r = tree_put(t->tree, dir, name->base, &inode, number, NULL,
				 reterr);

		free(inode.target);
		return r;
	}
	free(inode.target);
	if (!S_ISDIR(inode.mode) || archive_entry_hardlink(entry))
		return fault_refuse(reterr, "the root is to be no folder");
	root->inode->mode = inode.mode;
	root->inode->uid = inode.uid;
	root->inode->gid = inode.gid;
	root->inode->mtime = inode.mtime;
	return 0;
}

static int apply(struct target *t, struct archive *a,
		 struct archive_entry *entry, struct fault *reterr)
{
	const char *path = archive_entry_pathname(entry);
	struct name name;
	int r;

	if (!path || *path == '\0')
		return fault_refuse(reterr, "an entry without a name");
	if (++t->l->entries > LOAD_ENTRIES_MAX)
		return fault_refuse(reterr, "more than %d entries",
				    LOAD_ENTRIES_MAX);
	/* As libarchive does where it has nothing to warn of. */
	if (archive_entry_filetype(entry) == AE_IFREG &&
	    path[strlen(path) - 1] == '/')
		archive_entry_set_filetype(entry, AE_IFDIR);
	r = parse_name(path, &name, reterr);
	if (r < 0 || t->layer->is_archive || t->layer->is_rootfs)
		goto out;
	if (is_below(name.dir, WHITEOUT_AUFS))
		return 0;
	if (is_below(name.dir, WHITEOUT))
		return fault_refuse(reterr, "%.400s: below a whiteout", path);
	if (starts(name.base, WHITEOUT_AUFS) &&
	    strcmp(name.base, WHITEOUT_OPAQUE) != 0)
		return 0;
	if (starts(name.base, WHITEOUT)) {
		r = whiteout(t, &name, reterr);
		return r < 0 ? load_at(reterr, path) : r;
	}
out:
	if (r == 0)
		r = put(t, a, entry, &name, reterr);
	return r < 0 ? load_at(reterr, path) : r;
}

/*
 * pax says that names are UTF-8, and libarchive would have them in the locale's
 * characters. There is no locale here, so that it gives up and leaves the bytes, with
 * a warning. Others are of what it could not make sense of.
 */
static bool is_harmless(struct archive *a)
{
	static const char words[] = " can't be converted from UTF-8 to current "
				    "locale";
	const char *text = archive_error_string(a);
	const char *end = text ? strstr(text, words) : NULL;

	/* libarchive 3.8 has left out the full stop. */
	end = end ? end + strlen(words) : NULL;
	return end && (*end == '\0' || strcmp(end, ".") == 0);
}

static int read_entries(struct target *t, struct archive *a, struct stream *s,
			struct fault *reterr)
{
	struct archive_entry *entry;
	int r;

	for (;;) {
		archive_clear_error(a);
		r = archive_read_next_header(a, &entry);
		if (s->failed)
			return -1;
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && !(r == ARCHIVE_WARN && is_harmless(a)))
			return refuse_archive(a, reterr);
		r = apply(t, a, entry, reterr);
		if (r < 0)
			return -1;
	}
}

/* Reads what is behind the tar's end, which is part of the digest. */
static int check_digest(struct stream *s, const char *wanted,
			struct fault *reterr)
{
	char got[DIGEST_TEXT_MAX];
	const void *data;
	la_ssize_t n;

	while ((n = read_tar(s, &data)) > 0)
		;
	if (n < 0)
		return -1;
	if (!s->digest)
		return 0;
	if (digest_finish(s->digest, got, reterr) < 0)
		return -1;
	if (strcmp(got, wanted) != 0)
		return fault_refuse(reterr,
				    "unpacked, its digest is %s, not the "
				    "diff_id %s",
				    got, wanted);
	return 0;
}

/* Where the entries of a tar end. */
struct end {
	uint64_t at;
	bool is_marked; /* by two blocks of zeros, as a tar's end is to be */
};

static struct end end_of(struct archive *a)
{
	struct end end = { 0 };

	if (!a)
		return end;
	end.at = (uint64_t)archive_filter_bytes(a, 0);
	end.is_marked = end.at - (uint64_t)archive_read_header_position(a) >=
			END_MARK;
	return end;
}

/*
 * Behind an end of two blocks of zeros every reader of tar has done: BuildKit's estargz has
 * its table of contents there. At one block of zeros some readers end and others read on,
 * so that only zeros may follow. All of it was read.
 */
static int check_rest(const struct stream *s, const struct end *end,
		      struct fault *reterr)
{
	uint64_t used;

	if (!end->is_marked && s->nonzero_end > end->at)
		return fault_refuse(reterr,
				    "more than zeros behind the tar's end at "
				    "byte %llu",
				    (unsigned long long)end->at);
	if (!s->unpack)
		return 0;
	used = (uint64_t)archive_filter_bytes(s->unpack, -1);
	return used < s->in.len ?
		       fault_refuse(reterr,
				    "%llu bytes behind the end of what is "
				    "compressed",
				    (unsigned long long)(s->in.len - used)) :
		       0;
}

/* As check_digest, of the bytes as they are. */
static int check_packed(struct stream *s, const char *wanted,
			struct fault *reterr)
{
	char got[DIGEST_TEXT_MAX];
	const void *data;

	while (s->at < s->in.len)
		if (read_plain(s, &data) < 0)
			return -1;
	if (digest_finish(s->packed, got, reterr) < 0)
		return -1;
	if (strcmp(got, wanted) != 0)
		return fault_refuse(reterr, "its digest is %s", got);
	return 0;
}

/*
 * What a layer's bytes are comes before what they make: who has another layer than he
 * should is not to look for a fault in its tar.
 */
static int check_digests(struct stream *s, const struct layer *layer,
			 const struct end *end, int r, struct fault *reterr)
{
	struct fault of_tar, of_bytes;
	bool is_other;

	if (r < 0)
		of_tar = *reterr;
	if (s->failed && reterr->kind == FAULT_SYSTEM)
		return -1;
	if (r == 0)
		r = check_digest(s, layer->diff_id, &of_tar);
	if (r == 0)
		r = check_rest(s, end, &of_tar);
	if (s->failed && r < 0)
		of_tar = *reterr;
	if (layer->digest) {
		s->reterr = &of_bytes;
		is_other = check_packed(s, layer->digest, &of_bytes) < 0;
		s->reterr = reterr;
		if (is_other) {
			*reterr = of_bytes;
			return -1;
		}
	}
	if (r < 0)
		*reterr = of_tar;
	return r;
}

static int open_digests(struct stream *s, const struct layer *layer,
			struct fault *reterr)
{
	if (layer->diff_id &&
	    digest_new(layer->diff_id, &s->digest, reterr) < 0)
		return -1;
	if (!layer->digest)
		return 0;
	return digest_new(layer->digest, &s->packed, reterr);
}

static int open_tar(struct stream *s, bool skips, struct archive **ret,
		    struct fault *reterr)
{
	struct archive *a = archive_read_new();

	if (!a)
		return fault_system(reterr, ENOMEM, "tar");
	*ret = a;
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_support_format_empty(a) != ARCHIVE_OK ||
	    archive_read_open2(a, s, NULL, on_read, skips ? on_skip : NULL,
			       NULL) != ARCHIVE_OK)
		return s->failed ? -1 : refuse_archive(a, reterr);
	return 0;
}

int layer_apply(struct loader *l, const struct layer *layer, struct tree *tree,
		struct spool *spool, struct fault *reterr)
{
	struct stream s = {
		.l = l,
		.in = layer->content,
		.reterr = reterr,
		.keep = -1,
	};
	struct target t = { l, &s, layer, tree, spool };
	struct archive *a = NULL;
	struct fault ignored;
	struct end end;
	int filter, r = -1;

	l->packed += layer->content.len;
	progress_begin(layer->is_archive ? "archive" : "layer",
		       layer->content.len);
	tree_begin(tree);
	s.buf = malloc(CHUNK);
	if (!s.buf) {
		(void)fault_system(reterr, ENOMEM, "tar");
		goto out;
	}
	if (open_digests(&s, layer, reterr) < 0 ||
	    filter_of(&layer->content, &filter, reterr) < 0)
		goto out;
	if (filter != ARCHIVE_FILTER_NONE) {
		r = open_unpack(&s, filter, reterr);
	} else {
		r = 0;
		s.keep = layer->is_archive ?
				 layer->content.fd :
				 image_keep_file(l->image, layer->content.fd);
		/* The same bytes: one hash is both. */
		if (layer->digest && layer->diff_id &&
		    strcmp(layer->digest, layer->diff_id) == 0) {
			digest_free(s.digest);
			s.digest = NULL;
		}
	}
	if (r == 0)
		r = open_tar(&s, layer->is_archive && s.keep >= 0, &a, reterr);
	if (r == 0)
		r = read_entries(&t, a, &s, reterr);
	end = end_of(a);
	r = check_digests(&s, layer, &end, r, reterr);
out:
	if (a)
		(void)archive_read_free(a);
	if (s.unpack)
		(void)archive_read_free(s.unpack);
	digest_free(s.digest);
	digest_free(s.packed);
	free(s.buf);
	if (tree_end(tree, r < 0 ? &ignored : reterr) < 0)
		r = -1;
	return r;
}
