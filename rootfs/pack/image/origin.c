#include "rootfs/pack/image/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/output.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/layer.h"
#include "rootfs/pack/image/load.h"

int origin_open_dir(const char *path, struct origin *ret, struct fault *reterr)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fault_system(reterr, errno, "%s", path);
	*ret = ORIGIN_NONE;
	ret->dirfd = fd;
	return 0;
}

/* A program before the pipe that has failed must not become an empty image. */
static int open_archive(const char *path, const struct output *output,
			struct content *ret, struct fault *reterr)
{
	struct stat st;

	if (content_open_stream(path, ret, reterr) < 0)
		return -1;
	if (output && fstat(ret->fd, &st) == 0 &&
	    output_check_file(output, "the image", &st, reterr) < 0) {
		close(ret->fd);
		return -1;
	}
	if (ret->len > 0)
		return 0;
	close(ret->fd);
	return fault_refuse(reterr, "%s: empty",
			    strcmp(path, "-") == 0 ? "standard input" : path);
}

/* An archive is a layer of a tree of its own, in which links can be followed. */
int origin_open_archive(struct loader *l, const char *path, struct origin *ret,
			struct fault *reterr)
{
	struct layer layer = { .number = 1, .is_archive = true };
	struct origin s = ORIGIN_NONE;
	int r = -1;

	if (open_archive(path, l->options->output, &s.archive, reterr) < 0)
		return -1;
	layer.content = s.archive;
	s.tree = tree_new();
	if (!s.tree)
		(void)fault_system(reterr, ENOMEM, "names");
	else if (spool_open(&s.spool, reterr) == 0)
		r = layer_apply(l, &layer, s.tree, &s.spool, reterr);
	if (r < 0) {
		origin_close(&s);
		return -1;
	}
	l->packed = l->bytes = 0;
	l->entries = 0;
	*ret = s;
	return 0;
}

void origin_close(struct origin *s)
{
	if (s->dirfd >= 0)
		close(s->dirfd);
	tree_free(s->tree);
	spool_close(&s->spool);
	if (s->archive.fd >= 0)
		close(s->archive.fd);
	*s = ORIGIN_NONE;
}

/* A path of an image's own documents, in a folder: it leads nowhere else. */
static bool leads_out(const char *path)
{
	if (*path == '/')
		return true;
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

/* Where PATH, of an OCI layout, is. skopeo has other names for manifests of an index. */
static const char *place(const struct origin *s, const char *path,
			 char manifest[DIGEST_TEXT_MAX + 16])
{
	if (!s->is_flat || strncmp(path, "blobs/", 6) != 0)
		return path;
	path = strrchr(path, '/') + 1;
	(void)snprintf(manifest, DIGEST_TEXT_MAX + 16, "%s.manifest.json",
		       path);
	return faccessat(s->dirfd, path, F_OK, 0) < 0 &&
			       faccessat(s->dirfd, manifest, F_OK, 0) == 0 ?
		       manifest :
		       path;
}

bool origin_has(const struct origin *s, const char *path)
{
	char name[DIGEST_TEXT_MAX + 16];

	if (s->dirfd < 0)
		return tree_find(s->tree, path, true);
	path = place(s, path, name);
	return !leads_out(path) && faccessat(s->dirfd, path, F_OK, 0) == 0;
}

int origin_get(const struct origin *s, const char *path, struct content *ret,
	       struct fault *reterr)
{
	char name[DIGEST_TEXT_MAX + 16];
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
	path = place(s, path, name);
	if (leads_out(path))
		return fault_refuse(reterr, "%s: not within the folder", path);
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
	if (s->output && output_check_file(s->output, "a file of the image",
					   &st, reterr) < 0) {
		close(fd);
		return -1;
	}
	*ret = (struct content){ .fd = fd, .len = (uint64_t)st.st_size };
	return 0;
}

void origin_done(const struct origin *s, const struct content *c)
{
	if (s->dirfd >= 0)
		close(c->fd);
}

int origin_slurp(const struct origin *s, const char *path, size_t max,
		 char **ret, size_t *ret_len, struct fault *reterr)
{
	struct content c;
	int r;

	if (origin_get(s, path, &c, reterr) < 0)
		return -1;
	r = content_slurp(&c, max, path, ret, reterr);
	if (r == 0)
		*ret_len = c.len;
	origin_done(s, &c);
	return r;
}
