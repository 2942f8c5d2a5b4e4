#include "rootfs/pack/image/place.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init/spec/config.h"
#include "init/spec/user.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/image.h"

/* True if PATH is TOP, or below it. */
static bool is_in(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/');
}

static bool is_in_one(const char *path, const char *const *tops)
{
	for (; *tops; tops++)
		if (is_in(path, *tops))
			return true;
	return false;
}

/* The number of an option NAME= of DATA, or OTHER; init has checked it. */
static uint32_t option(const char *data, const char *name, int base,
		       uint32_t other)
{
	size_t len = strlen(name);

	while (data && *data) {
		if (strncmp(data, name, len) == 0)
			other = (uint32_t)strtoul(data + len, NULL, base);
		data = strchr(data, ',');
		data += data != NULL;
	}
	return other;
}

static struct place_dir of_tmpfs(const struct config_tmpfs *t)
{
	return (struct place_dir){ .state = t->flags & MS_RDONLY ?
						    PLACE_READ_ONLY :
						    PLACE_THERE,
				   .uid = option(t->data, "uid=", 10, 0),
				   .gid = option(t->data, "gid=", 10, 0),
				   .mode = option(t->data, "mode=", 8, 01777) };
}

/* Whether the first LEN bytes of DIR are a link of the image, or one leads there. */
static bool is_linked(const struct image *image, const char *dir, size_t len,
		      const struct tree_node **ret)
{
	char *path = strndup(dir, len), *real = NULL;
	bool is_link;

	*ret = path ? tree_find(image->tree, path, false) : NULL;
	if (*ret)
		real = tree_path(*ret);
	is_link = *ret && (S_ISLNK((*ret)->inode->mode) || !real ||
			   strcmp(real, path + 1) != 0);
	free(real);
	free(path);
	return is_link;
}

/* The same of what the image has of the way to DIR. A link may lead where something is mounted. */
static bool has_link(const struct image *image, const char *dir)
{
	const struct tree_node *node;
	size_t len = strlen(dir);
	bool is_link;

	while (!(is_link = is_linked(image, dir, len, &node)) && !node &&
	       len > 1)
		do
			len--;
		while (len > 1 && dir[len] != '/');
	return is_link;
}

static struct place_dir of_image(const struct image *image, const char *dir)
{
	const struct tree_node *node = tree_find(image->tree, dir, false);

	if (has_link(image, dir))
		return (struct place_dir){ .state = PLACE_UNKNOWN };
	if (!node || !S_ISDIR(node->inode->mode))
		return (struct place_dir){ .state = PLACE_MISSING };
	return (struct place_dir){ .state = PLACE_THERE,
				   .uid = node->inode->uid,
				   .gid = node->inode->gid,
				   .mode = node->inode->mode };
}

struct place_dir place_of(const struct image *image, const struct config *c,
			  const char *dir)
{
	/* Of init's own mounts; the last is init's directory. */
	static const char *const unknown[] = { "/proc", "/sys", "/dev",
					       "/run/enclave", NULL };
	static const char *const writable[] = { "/run", "/tmp", "/dev/shm",
						NULL };
	static const struct place_dir all = { PLACE_THERE, 0, 0, 01777 };
	static const struct place_dir of_root = { PLACE_THERE, 0, 0, 0755 };
	struct place_dir p = { .state = PLACE_MISSING };
	bool is_made = false;

	/* The last mount counts, and makes the directories above its own. */
	for (size_t i = c->tmpfs_count; i-- > 0;) {
		if (has_link(image, c->tmpfs[i].path)) {
			p.state = PLACE_UNKNOWN;
			return p;
		}
		if (strcmp(c->tmpfs[i].path, dir) == 0)
			return of_tmpfs(&c->tmpfs[i]);
		if (is_in(dir, c->tmpfs[i].path)) {
			p.state = is_made ? PLACE_UNKNOWN : PLACE_MISSING;
			return p;
		}
		is_made |= is_in(c->tmpfs[i].path, dir);
	}
	if (strcmp(dir, "/tmp") == 0 || strcmp(dir, "/dev/shm") == 0)
		return all;
	if (c->stay || is_in_one(dir, unknown)) {
		p.state = PLACE_UNKNOWN;
		return p;
	}
	/* What the image has below /run and /tmp is moved there, and /run keeps its owner. */
	p = of_image(image, dir);
	if (p.state == PLACE_MISSING && strcmp(dir, "/run") == 0)
		return of_root;
	if (p.state == PLACE_MISSING && is_made)
		p.state = PLACE_UNKNOWN;
	if (p.state == PLACE_THERE && c->read_only && !is_in_one(dir, writable))
		p.state = PLACE_READ_ONLY;
	return p;
}

bool place_is_open(const struct place_dir *p, const struct user *u)
{
	uint32_t mode = p->mode;
	bool is_group = false;

	for (size_t i = 0; i < u->group_count; i++)
		is_group |= u->groups[i] == p->gid;
	if (u->uid == p->uid)
		mode >>= 6;
	else if (is_group)
		mode >>= 3;
	return p->state == PLACE_THERE && (mode & 3) == 3;
}
