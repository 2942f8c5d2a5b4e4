#include "rootfs/pack/ramdisk/cpio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"

enum { HEADER = 110, BUFFER = 1 << 18 };

/* The path of the node that is being written. */
struct cpio_path {
	char text[CPIO_NAME_MAX + 1];
	size_t len;
};

static int put(struct cpio_writer *w, const void *data, size_t len,
	       struct fault *reterr)
{
	w->len += len;
	return w->sink(w->ctx, data, len, reterr);
}

static int pad(struct cpio_writer *w, size_t align, struct fault *reterr)
{
	static const char zeros[CPIO_ALIGN];
	size_t n = (align - w->len % align) % align;

	return n ? put(w, zeros, n, reterr) : 0;
}

enum { MAGIC = 6, NUMBERS = 13, DIGITS = 8 };

/* Not by printf, which took a quarter of the time of an image of many small files. */
static void print_header(char ret[HEADER], const uint32_t numbers[NUMBERS])
{
	memcpy(ret, "070701", MAGIC);
	for (size_t i = 0; i < NUMBERS; i++)
		for (size_t d = 0; d < DIGITS; d++)
			ret[MAGIC + i * DIGITS + d] = "0123456789abcdef"
				[numbers[i] >> 4 * (DIGITS - 1 - d) & 15];
}

static int put_header(struct cpio_writer *w, const char *name,
		      const struct tree_inode *in, uint32_t size,
		      struct fault *reterr)
{
	char head[HEADER];
	uint32_t mtime = w->mtime;
	size_t len = strlen(name) + 1;

	if (w->keep_times && (in->mtime < 0 || in->mtime > UINT32_MAX)) {
		(void)fault_refuse(reterr,
				   "changed at %lld: --keep-times is for times "
				   "of 1970 to 2106, as a ramdisk has them",
				   (long long)in->mtime);
		return fault_prefix(reterr, "%s", name);
	}
	if (w->keep_times)
		mtime = (uint32_t)in->mtime;
	print_header(head, (const uint32_t[NUMBERS]){
				   in->number, in->mode, in->uid, in->gid,
				   S_ISDIR(in->mode) ? 2 : in->nlink, mtime,
				   size, 0, 0, in->rdev_major, in->rdev_minor,
				   (uint32_t)len, 0 });
	if (put(w, head, HEADER, reterr) < 0 || put(w, name, len, reterr) < 0)
		return -1;
	return pad(w, 4, reterr);
}

static int put_content(struct cpio_writer *w, const struct content *c,
		       struct fault *reterr)
{
	static char buffer[BUFFER];
	uint64_t at = 0;
	size_t n;

	while (at < c->len) {
		n = c->len - at < BUFFER ? (size_t)(c->len - at) : BUFFER;
		if (content_read(c, at, buffer, n, reterr) < 0 ||
		    put(w, buffer, n, reterr) < 0)
			return -1;
		at += n;
	}
	return pad(w, 4, reterr);
}

static int put_node(struct cpio_writer *w, const char *name,
		    struct tree_inode *in, struct fault *reterr)
{
	struct content c = { .fd = -1 };
	size_t target = in->target ? strlen(in->target) : 0;

	/* Of links to a link each is one of its own, as the kernel makes them. */
	if (in->number == 0 || S_ISLNK(in->mode))
		in->number = ++w->inodes;
	in->written++;
	if (S_ISREG(in->mode) && in->written == in->nlink)
		c = in->content;
	if (c.len > CPIO_FILE_MAX)
		return fault_refuse(reterr,
				    "%s: %llu bytes, a ramdisk takes files of "
				    "up to 4294967295",
				    name, (unsigned long long)c.len);
	if (S_ISLNK(in->mode)) {
		struct tree_inode one = *in;

		one.nlink = 1;
		if (put_header(w, name, &one, (uint32_t)target, reterr) < 0 ||
		    put(w, in->target, target, reterr) < 0)
			return -1;
		return pad(w, 4, reterr);
	}
	if (put_header(w, name, in, (uint32_t)c.len, reterr) < 0)
		return -1;
	if (put_content(w, &c, reterr) < 0)
		return fault_prefix(reterr, "%s", name);
	return 0;
}

static int put_below(struct cpio_writer *w, const struct tree_node *dir,
		     struct cpio_path *path, struct fault *reterr)
{
	size_t len = path->len, name;

	for (size_t i = 0; i < dir->count; i++) {
		struct tree_node *node = dir->children[i];

		name = strlen(node->name);
		if (len + 1 + name > CPIO_NAME_MAX) {
			path->text[len] = '\0';
			return fault_refuse(reterr,
					    "%.200s.../%.200s: the path is "
					    "longer than the kernel takes, "
					    "%d bytes",
					    path->text, node->name,
					    CPIO_NAME_MAX);
		}
		path->len = len;
		if (len > 0)
			path->text[path->len++] = '/';
		memcpy(path->text + path->len, node->name, name + 1);
		path->len += name;
		if (put_node(w, path->text, node->inode, reterr) < 0 ||
		    put_below(w, node, path, reterr) < 0)
			return -1;
	}
	path->len = len;
	return 0;
}

int cpio_write_tree(struct cpio_writer *w, struct tree *t, const char *prefix,
		    struct fault *reterr)
{
	struct tree_node *root = tree_root(t);
	struct cpio_path path = { .len = strlen(prefix) };

	memcpy(path.text, prefix, path.len + 1);
	if (path.len > 0 && put_node(w, prefix, root->inode, reterr) < 0)
		return -1;
	return put_below(w, root, &path, reterr);
}

int cpio_write_end(struct cpio_writer *w, struct fault *reterr)
{
	static const struct tree_inode none = { .nlink = 1 };
	bool keep = w->keep_times;
	uint32_t mtime = w->mtime;
	int r;

	w->keep_times = false;
	w->mtime = 0;
	r = put_header(w, "TRAILER!!!", &none, 0, reterr);
	w->keep_times = keep;
	w->mtime = mtime;
	return r < 0 ? r : pad(w, CPIO_ALIGN, reterr);
}
