#include "rootfs/pack/ramdisk/unpack_tree.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static uint32_t sum_name(const struct node *parent, const char *name,
			 size_t len)
{
	uint64_t sum = (uint64_t)(uintptr_t)parent * 0x9e3779b97f4a7c15ULL;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (uint8_t)name[i]) * 0x100000001b3ULL;
	return (uint32_t)(sum ^ sum >> 32);
}

static struct node **find_slot(const struct unpack *u,
			       const struct node *parent, const char *name,
			       size_t len)
{
	uint32_t sum = sum_name(parent, name, len);
	struct node **at = &u->heads[sum & (u->heads_count - 1)];

	while (*at &&
	       !((*at)->sum == sum && (*at)->parent == parent &&
		 (*at)->len == len && memcmp((*at)->name, name, len) == 0))
		at = &(*at)->next;
	return at;
}

struct node *unpack_child(const struct unpack *u, const struct node *parent,
			  const char *name, size_t len)
{
	return *find_slot(u, parent, name, len);
}

bool unpack_is_dir(const struct node *n)
{
	return S_ISDIR(n->inode->mode);
}

void unpack_free_inode(struct inode *in)
{
	if (!in)
		return;
	free(in->target);
	free(in);
}

struct inode *unpack_new_inode(struct unpack *u, const struct node *dir)
{
	struct inode *in = calloc(1, sizeof(*in));

	if (!in) {
		u->no_memory = true;
		return NULL;
	}
	if (dir && dir->inode->mode & S_ISGID)
		in->gid = dir->inode->gid;
	in->number = ++u->numbers;
	in->ramdisk = u->ramdisk;
	in->member = u->index;
	return in;
}

static void touch_inode(struct unpack *u, struct inode *in)
{
	in->touched = u->ramdisk + 1;
	in->toucher = u->index;
}

void unpack_touch_node(struct unpack *u, struct node *n)
{
	if (n->touched != u->ramdisk + 1)
		n->order = u->index;
	n->touched = u->ramdisk + 1;
	touch_inode(u, n->inode);
}

static bool grow(struct unpack *u)
{
	size_t count = u->heads_count * 2;
	struct node **heads = calloc(count, sizeof(*heads)), *n, *next;

	if (!heads)
		return false;
	for (size_t i = 0; i < u->heads_count; i++)
		for (n = u->heads[i]; n; n = next) {
			next = n->next;
			n->next = heads[n->sum & (count - 1)];
			heads[n->sum & (count - 1)] = n;
		}
	free(u->heads);
	u->heads = heads;
	u->heads_count = count;
	return true;
}

struct node *unpack_add_name(struct unpack *u, struct node *dir,
			     const char *name, size_t len, struct inode *in)
{
	struct node *n;

	if (u->nodes == u->heads_count && !grow(u))
		goto fail;
	n = calloc(1, sizeof(*n) + len + 1);
	if (!n)
		goto fail;
	memcpy(n->name, name, len);
	n->len = (uint32_t)len;
	n->sum = sum_name(dir, name, len);
	n->parent = dir;
	n->inode = in;
	n->serial = ++u->numbers;
	*find_slot(u, dir, name, len) = n;
	u->nodes++;
	dir->children++;
	if (S_ISDIR(in->mode)) {
		in->nlink = 2;
		dir->inode->nlink++;
	} else {
		in->nlink++;
	}
	unpack_touch_node(u, n);
	return n;
fail:
	u->no_memory = true;
	return NULL;
}

void unpack_remove_name(struct unpack *u, struct node *n)
{
	struct node **slot = find_slot(u, n->parent, n->name, n->len);
	struct inode *in = n->inode;

	*slot = n->next;
	u->nodes--;
	n->parent->children--;
	if (S_ISDIR(in->mode)) {
		n->parent->inode->nlink--;
		unpack_free_inode(in);
	} else if (--in->nlink == 0) {
		unpack_free_inode(in);
	} else {
		touch_inode(u, in);
	}
	free(n);
}

bool unpack_is_dots(const struct last *l)
{
	return l->len == 0 || (l->len == 1 && l->name[0] == '.') ||
	       (l->len == 2 && l->name[0] == '.' && l->name[1] == '.');
}

static struct node *step(struct unpack *u, struct node *at, const char *name,
			 size_t len)
{
	if (len == 0 || (len == 1 && name[0] == '.'))
		return at;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		u->is_indirect = true;
		return at->parent ? at->parent : at;
	}
	return unpack_child(u, at, name, len);
}

bool unpack_follow(struct unpack *u, struct last *l, const char *target)
{
	u->is_indirect = true;
	u->steps += strlen(target);
	if (u->steps > UNPACK_STEPS_MAX)
		u->is_too_much = true;
	if (u->is_too_much || l->links++ >= UNPACK_LINKS_MAX) {
		u->why = "too many links on the way";
		return false;
	}
	if (target[0] == '/')
		l->dir = u->root;
	return true;
}

bool unpack_walk(struct unpack *u, const char *path, struct last *l)
{
	const char *rests[UNPACK_LINKS_MAX];
	size_t depth = 0, len;
	struct node *n;

	if (*path == '/')
		l->dir = u->root;
	for (;;) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		l->name = path;
		l->len = len;
		path += len;
		l->slashes = *path == '/';
		path += strspn(path, "/");
		if (*path == '\0') {
			if (depth == 0)
				return true;
			path = rests[--depth];
		}
		n = step(u, l->dir, l->name, l->len);
		if (!n) {
			u->why = "its folder is missing";
			return false;
		}
		if (S_ISLNK(n->inode->mode)) {
			if (!unpack_follow(u, l, n->inode->target))
				return false;
			rests[depth++] = path;
			path = n->inode->target;
			continue;
		}
		if (!unpack_is_dir(n)) {
			u->why = "what its folder should be is none";
			return false;
		}
		l->dir = n;
	}
}

struct node *unpack_look(struct unpack *u, const char *path, bool follow_last)
{
	struct last l = { .dir = u->root };
	bool must_be_dir = false;
	struct node *n;

	for (;;) {
		if (!unpack_walk(u, path, &l))
			return NULL;
		n = step(u, l.dir, l.name, l.len);
		if (l.slashes && l.len > 0)
			must_be_dir = follow_last = true;
		if (!n)
			return NULL;
		if (!follow_last || !S_ISLNK(n->inode->mode))
			break;
		if (!unpack_follow(u, &l, n->inode->target))
			return NULL;
		path = n->inode->target;
	}
	return must_be_dir && !unpack_is_dir(n) ? NULL : n;
}

bool unpack_look_for_room(struct unpack *u, const char *path, bool is_folder,
			  struct last *l)
{
	*l = (struct last){ .dir = u->root };
	if (!unpack_walk(u, path, l))
		return false;
	if (unpack_is_dots(l) || unpack_child(u, l->dir, l->name, l->len))
		u->why = "something else is there";
	else if (l->slashes && !is_folder)
		u->why = "a slash behind its name";
	else if (l->len > UNPACK_NAME_MAX)
		u->why = "its name is longer than 255 bytes";
	else
		return true;
	return false;
}
