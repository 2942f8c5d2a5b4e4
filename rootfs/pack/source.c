#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/fault.h"
#include "rootfs/pack/load.h"
#include "rootfs/pack/tree.h"

int source_open_dir(const char *path, struct source *ret, struct fault *reterr)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fault_system(reterr, errno, "%s", path);
	*ret = SOURCE_NONE;
	ret->dirfd = fd;
	return 0;
}

/* An archive is a layer of a tree of its own, in which links can be followed. */
int source_open_archive(struct loader *l, const char *path, struct source *ret,
			struct fault *reterr)
{
	struct layer layer = { .number = 1, .is_archive = true };
	struct source s = SOURCE_NONE;
	int r = -1;

	if (content_open(path, &s.archive, reterr) < 0)
		return -1;
	layer.content = s.archive;
	s.tree = tree_new();
	if (!s.tree)
		(void)fault_system(reterr, ENOMEM, "names");
	else if (spool_open(&s.spool, reterr) == 0)
		r = layer_apply(l, &layer, s.tree, &s.spool, reterr);
	if (r < 0) {
		source_close(&s);
		return -1;
	}
	l->packed = l->bytes = 0;
	l->entries = 0;
	*ret = s;
	return 0;
}

void source_close(struct source *s)
{
	if (s->dirfd >= 0)
		close(s->dirfd);
	tree_free(s->tree);
	spool_close(&s->spool);
	if (s->archive.fd >= 0)
		close(s->archive.fd);
	*s = SOURCE_NONE;
}

bool source_has(const struct source *s, const char *path)
{
	if (s->dirfd < 0)
		return tree_find(s->tree, path, true);
	return faccessat(s->dirfd, path, F_OK, 0) == 0;
}

int source_get(const struct source *s, const char *path, struct content *ret,
	       struct fault *reterr)
{
	const struct tree_node *node;
	struct stat st;
	int fd;

	if (s->dirfd < 0) {
		node = tree_find(s->tree, path, true);
		if (!node)
			return fault_refuse(reterr, "%s: not there", path);
		if (!S_ISREG(node->inode->mode))
			return fault_refuse(reterr, "%s: not a regular file",
					    path);
		*ret = node->inode->content;
		return 0;
	}
	fd = openat(s->dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return fault_refuse(reterr, "%s: not there", path);
	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)fault_system(reterr, errno, "%s", path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return fault_refuse(reterr, "%s: not a regular file", path);
	}
	*ret = (struct content){ .fd = fd, .len = (uint64_t)st.st_size };
	return 0;
}

void source_done(const struct source *s, const struct content *c)
{
	if (s->dirfd >= 0)
		close(c->fd);
}

int source_slurp(const struct source *s, const char *path, size_t max,
		 char **ret, size_t *ret_len, struct fault *reterr)
{
	struct content c;
	int r;

	if (source_get(s, path, &c, reterr) < 0)
		return -1;
	r = content_slurp(&c, max, path, ret, reterr);
	if (r == 0)
		*ret_len = c.len;
	source_done(s, &c);
	return r;
}
