#include "rootfs/pack/ramdisk/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"

enum {
	BLOCK = 512,
	BUFFER = 1 << 18,
	ID_MAX = 07777777, /* seven octal digits */
	RECORDS_MAX = 2 * (TREE_PATH_MAX + 64) + 1024,
	SPARSE_MIN = 1 << 20, /* bytes of a file whose holes are looked for */
	EXTENTS_MAX = 4096,
	MAP_MAX = (EXTENTS_MAX + 2) * 42 + BLOCK,
};

#define SIZE_MAX_OCTAL 077777777777ULL /* eleven digits */

/* ustar's header; what has no room in it is in pax records before. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8];
	char type, linkname[100], magic[8], uname[32], gname[32];
	char devmajor[8], devminor[8], prefix[155], pad[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

struct records {
	char data[RECORDS_MAX];
	size_t len;
};

struct tar_path {
	char text[TREE_PATH_MAX + 2]; /* "./" is a name, too */
	size_t len;
};

static int put(struct tar_writer *w, const void *data, size_t len,
	       struct fault *reterr)
{
	return w->sink(w->ctx, data, len, reterr);
}

static int pad(struct tar_writer *w, uint64_t len, struct fault *reterr)
{
	static const char zeros[BLOCK];
	size_t n = (size_t)(-len & (BLOCK - 1));

	return n ? put(w, zeros, n, reterr) : 0;
}

static void octal(char *field, size_t size, uint64_t n)
{
	field[--size] = '\0';
	for (; size > 0; n >>= 3)
		field[--size] = (char)('0' + (n & 7));
}

/* "LEN KEY=VALUE\n", LEN of all of it. */
static void add_record(struct records *r, const char *key, const void *value,
		       size_t len)
{
	size_t rest = strlen(key) + len + 3, all = rest + 1;
	char digits[24];

	while ((size_t)snprintf(digits, sizeof(digits), "%zu", all) + rest !=
	       all)
		all++;
	/* Few of them, two of these paths: there is room. */
	r->len += (size_t)sprintf(r->data + r->len, "%s %s=", digits, key);
	memcpy(r->data + r->len, value, len);
	r->len += len;
	r->data[r->len++] = '\n';
}

static void add_number(struct records *r, const char *key, uint64_t n)
{
	char digits[24];
	int len =
		snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);

	add_record(r, key, digits, (size_t)len);
}

/* A name, of which a header has room for 99 bytes. */
static void set_name(struct records *r, const char *key, char field[100],
		     const char *name)
{
	size_t len = strlen(name);

	if (len < 100)
		memcpy(field, name, len);
	else
		add_record(r, key, name, len);
}

static int put_header(struct tar_writer *w, struct header *h,
		      struct fault *reterr)
{
	const unsigned char *bytes = (const unsigned char *)h;
	unsigned sum = 0;

	memcpy(h->magic, "ustar\00000", 8);
	memset(h->sum, ' ', sizeof(h->sum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += bytes[i];
	octal(h->sum, 7, sum);
	return put(w, h, sizeof(*h), reterr);
}

static int put_records(struct tar_writer *w, const struct records *r,
		       struct fault *reterr)
{
	struct header h = { .name = "pax", .type = 'x' };

	if (r->len == 0)
		return 0;
	octal(h.mode, sizeof(h.mode), 0644);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.mtime, sizeof(h.mtime), 0);
	octal(h.size, sizeof(h.size), r->len);
	if (put_header(w, &h, reterr) < 0 ||
	    put(w, r->data, r->len, reterr) < 0)
		return -1;
	return pad(w, r->len, reterr);
}

/* What is there of a file: all of it, or what its holes leave. */
struct extents {
	struct {
		uint64_t at, len;
	} list[EXTENTS_MAX];
	size_t count;
	uint64_t len; /* of all */
	bool has_holes;
};

static void add_extent(struct extents *e, uint64_t at, uint64_t end)
{
	e->list[e->count].at = at;
	e->list[e->count++].len = end - at;
	e->len += end - at;
}

static void whole(const struct content *c, struct extents *ret)
{
	ret->count = 0;
	ret->len = 0;
	ret->has_holes = false;
	add_extent(ret, 0, c->len);
}

/* Where a file system knows of holes; else, and where they are many, there are none. */
static void find_extents(const struct content *c, struct extents *ret)
{
	const off_t from = (off_t)c->offset, end = from + (off_t)c->len;
	off_t at = from, hole;

	ret->count = 0;
	ret->len = 0;
	while (c->len >= SPARSE_MIN && at < end) {
		at = lseek(c->fd, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			break;
		hole = at < 0 ? -1 : lseek(c->fd, at, SEEK_HOLE);
		if (hole < 0 || ret->count == EXTENTS_MAX - 1) {
			whole(c, ret);
			return;
		}
		if (hole > end)
			hole = end;
		if (at < hole)
			add_extent(ret, (uint64_t)(at - from),
				   (uint64_t)(hole - from));
		at = hole;
	}
	ret->has_holes = c->len >= SPARSE_MIN && ret->len < c->len;
	if (!ret->has_holes)
		whole(c, ret);
}

/* GNU tar's "PAX format, version 1.0": in front of the data, where it belongs. */
static size_t write_map(const struct extents *e, uint64_t size, char *map)
{
	size_t n = (size_t)sprintf(map, "%zu\n", e->count + 1);

	for (size_t i = 0; i < e->count; i++)
		n += (size_t)sprintf(map + n, "%llu\n%llu\n",
				     (unsigned long long)e->list[i].at,
				     (unsigned long long)e->list[i].len);
	n += (size_t)sprintf(map + n, "%llu\n0\n", (unsigned long long)size);
	while (n % BLOCK)
		map[n++] = '\0';
	return n;
}

static int put_content(struct tar_writer *w, const struct content *c,
		       const struct extents *e, struct fault *reterr)
{
	static char buffer[BUFFER];
	size_t n;

	for (size_t i = 0; i < e->count; i++) {
		uint64_t at = e->list[i].at, end = at + e->list[i].len;

		for (; at < end; at += n) {
			n = end - at < BUFFER ? (size_t)(end - at) : BUFFER;
			if (content_read(c, at, buffer, n, reterr) < 0 ||
			    put(w, buffer, n, reterr) < 0)
				return -1;
		}
	}
	return pad(w, e->len, reterr);
}

static char type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return '5';
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return '3';
	case S_IFBLK:
		return '4';
	case S_IFIFO:
		return '6';
	default:
		return '0';
	}
}

/* Remembers NODE as the first name of its inode. */
static int remember(struct tar_writer *w, struct tree_node *node,
		    struct fault *reterr)
{
	uint32_t room = w->room ? w->room * 2 : 64;
	struct tree_node **bigger;

	if (w->count == w->room) {
		bigger = reallocarray(w->first, room,
				      sizeof(struct tree_node *));
		if (!bigger)
			return fault_system(reterr, ENOMEM, "names");
		w->first = bigger;
		w->room = room;
	}
	w->first[w->count++] = node;
	node->inode->number = w->count;
	return 0;
}

static int set_time(const struct tar_writer *w, const struct tree_inode *in,
		    struct header *h, struct fault *reterr)
{
	uint32_t mtime = w->mtime;

	if (w->keep_times && (in->mtime < 0 || in->mtime > UINT32_MAX))
		return fault_refuse(
			reterr,
			"changed at %lld: --keep-times is for times "
			"of 1970 to 2106, as a squashfs has them",
			(long long)in->mtime);
	if (w->keep_times)
		mtime = (uint32_t)in->mtime;
	octal(h->mtime, sizeof(h->mtime), mtime);
	return 0;
}

static int put_node(struct tar_writer *w, const char *path,
		    struct tree_node *node, struct fault *reterr)
{
	static struct records r;
	static struct extents extents;
	static char map[MAP_MAX];
	size_t map_len = 0;
	struct tree_inode *in = node->inode;
	struct content none = { .fd = -1 }, *c = &none;
	struct header h = { .type = type_of(in->mode) };
	char *link = NULL;
	int ret = -1;

	r.len = 0;
	if (S_ISREG(in->mode) && in->number == 0)
		find_extents(&in->content, &extents);
	else
		whole(&none, &extents);
	if (extents.has_holes) {
		memcpy(h.name, "sparse", 6);
		add_record(&r, "GNU.sparse.major", "1", 1);
		add_record(&r, "GNU.sparse.minor", "0", 1);
		add_record(&r, "GNU.sparse.name", path, strlen(path));
		add_number(&r, "GNU.sparse.realsize", in->content.len);
		map_len = write_map(&extents, in->content.len, map);
	} else {
		set_name(&r, "path", h.name, path);
	}
	octal(h.mode, sizeof(h.mode), in->mode & 07777);
	octal(h.uid, sizeof(h.uid), in->uid & ID_MAX);
	octal(h.gid, sizeof(h.gid), in->gid & ID_MAX);
	if (in->uid > ID_MAX)
		add_number(&r, "uid", in->uid);
	if (in->gid > ID_MAX)
		add_number(&r, "gid", in->gid);
	octal(h.devmajor, sizeof(h.devmajor), in->rdev_major);
	octal(h.devminor, sizeof(h.devminor), in->rdev_minor);
	if (set_time(w, in, &h, reterr) < 0)
		goto out;
	/* Of links to a link each is one of its own, as in a ramdisk. */
	if (S_ISLNK(in->mode)) {
		set_name(&r, "linkpath", h.linkname, in->target);
	} else if (in->number > 0) {
		link = tree_path(w->first[in->number - 1]);
		if (!link) {
			(void)fault_system(reterr, ENOMEM, "names");
			goto out;
		}
		h.type = '1';
		set_name(&r, "linkpath", h.linkname, link);
	} else {
		if (in->nlink > 1 && !S_ISDIR(in->mode) &&
		    remember(w, node, reterr) < 0)
			goto out;
		if (S_ISREG(in->mode))
			c = &in->content;
		if (in->capability_len > 0)
			add_record(&r, "SCHILY.xattr.security.capability",
				   in->capability, in->capability_len);
	}
	if (map_len + extents.len > SIZE_MAX_OCTAL)
		add_number(&r, "size", map_len + extents.len);
	else
		octal(h.size, sizeof(h.size), map_len + extents.len);
	if (put_records(w, &r, reterr) < 0 || put_header(w, &h, reterr) < 0 ||
	    (map_len && put(w, map, map_len, reterr) < 0) ||
	    put_content(w, c, &extents, reterr) < 0)
		goto out;
	ret = 0;
out:
	free(link);
	return ret;
}

static int put_below(struct tar_writer *w, const struct tree_node *dir,
		     struct tar_path *path, struct fault *reterr)
{
	size_t len = path->len, name;

	for (size_t i = 0; i < dir->count; i++) {
		struct tree_node *node = dir->children[i];

		/* No longer than a tree takes. */
		name = strlen(node->name);
		path->len = len;
		if (len > 0)
			path->text[path->len++] = '/';
		memcpy(path->text + path->len, node->name, name + 1);
		path->len += name;
		if (put_node(w, path->text, node, reterr) < 0)
			return fault_prefix(reterr, "%s", path->text);
		if (put_below(w, node, path, reterr) < 0)
			return -1;
	}
	path->len = len;
	return 0;
}

int tar_write_tree(struct tar_writer *w, struct tree *t, struct fault *reterr)
{
	static const char end[2 * BLOCK];
	struct tar_path path = { .len = 0 };
	int r;

	r = put_node(w, "./", tree_root(t), reterr);
	if (r == 0)
		r = put_below(w, tree_root(t), &path, reterr);
	if (r == 0)
		r = put(w, end, sizeof(end), reterr);
	free(w->first);
	w->first = NULL;
	return r;
}
