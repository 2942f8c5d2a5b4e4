#include "rootfs/pack/base/tree.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/base/fault.h"

enum {
	REST_MAX = 1 << 16, /* of a path, with the links in it written out */
	PATH_MAX_HERE = TREE_PATH_MAX - TREE_PREFIX_MAX,
};

struct tree {
	struct tree_node *root;
	size_t nodes, bytes;
	unsigned held;	   /* tree_begin without its tree_end */
	size_t link_steps; /* taken behind links, for all paths */
	bool is_worn_out; /* too many: what was found from then on is not all */
	/* A walk's, one at a time: memory for each walk would cost more than the walk. */
	char rest[REST_MAX], missing[REST_MAX];
};

static bool is_dir(const struct tree_node *node)
{
	return S_ISDIR(node->inode->mode);
}

static int compare(const void *a, const void *b)
{
	const struct tree_node *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* --- a folder's children, in order ------------------------------------------ */

/* The one whose children list() takes: musl has no twalk_r(3). */
static struct tree_node *listed;

static void list(const void *at, VISIT which, int level)
{
	struct tree_node *dir = listed;

	(void)level;
	if (which == postorder || which == leaf)
		dir->children[dir->count++] = *(struct tree_node *const *)at;
}

/* Makes children what index says. Without memory only where there are more than before. */
static bool settle(struct tree_node *dir)
{
	struct tree_node **bigger;
	size_t room = dir->room;

	if (!dir->stale)
		return true;
	while (room < dir->count)
		room = room ? room * 2 : 4;
	if (room != dir->room) {
		bigger = realloc(dir->children,
				 room * sizeof(struct tree_node *));
		if (!bigger)
			return false;
		dir->children = bigger;
		dir->room = room;
	}
	dir->count = 0;
	listed = dir;
	twalk(dir->index, list);
	dir->stale = false;
	return true;
}

static int settle_all(struct tree_node *dir, struct fault *reterr)
{
	if (!settle(dir))
		return fault_system(reterr, ENOMEM, "names");
	for (size_t i = 0; i < dir->count; i++)
		if (is_dir(dir->children[i]) &&
		    settle_all(dir->children[i], reterr) < 0)
			return -1;
	return 0;
}

static int refuse_steps(struct fault *reterr)
{
	return fault_refuse(reterr,
			    "links in paths lead on and on: more than %d steps",
			    TREE_LINK_STEPS_MAX);
}

void tree_begin(struct tree *t)
{
	t->held++;
}

int tree_end(struct tree *t, struct fault *reterr)
{
	if (--t->held)
		return 0;
	if (settle_all(t->root, reterr) < 0)
		return -1;
	return t->is_worn_out ? refuse_steps(reterr) : 0;
}

/* --- nodes -------------------------------------------------------------------- */

static void inode_put(struct tree *t, struct tree_inode *inode)
{
	if (!inode || --inode->nlink)
		return;
	if (inode->target)
		t->bytes -= strlen(inode->target);
	free(inode->target);
	free(inode);
}

static int copy_inode(struct tree *t, const struct tree_inode *from,
		      struct tree_inode **ret, struct fault *reterr)
{
	struct tree_inode *inode = malloc(sizeof(*inode));

	if (!inode)
		return fault_system(reterr, ENOMEM, "names");
	*inode = *from;
	inode->nlink = 1;
	inode->number = inode->written = 0;
	inode->target = NULL;
	if (from->target) {
		inode->target = strdup(from->target);
		if (!inode->target) {
			free(inode);
			return fault_system(reterr, ENOMEM, "names");
		}
		t->bytes += strlen(inode->target);
	}
	*ret = inode;
	return 0;
}

/* Takes INODE's name, also when it fails. */
static int new_node(struct tree *t, struct tree_node *dir, const char *name,
		    struct tree_inode *inode, struct tree_node **ret,
		    struct fault *reterr)
{
	size_t len = strlen(name), path_len = len;
	struct tree_node *node;
	char *copy;

	if (dir && dir->path_len)
		path_len += dir->path_len + 1U;
	if (path_len > PATH_MAX_HERE) {
		inode_put(t, inode);
		return fault_refuse(reterr, "a path of more than %d bytes",
				    PATH_MAX_HERE);
	}
	if (t->nodes == TREE_NODES_MAX || t->bytes > TREE_BYTES_MAX - len) {
		inode_put(t, inode);
		return fault_refuse(reterr,
				    "more than %d names, or %d bytes of them",
				    TREE_NODES_MAX, TREE_BYTES_MAX);
	}
	node = calloc(1, sizeof(*node) + len + 1);
	if (!node) {
		inode_put(t, inode);
		return fault_system(reterr, ENOMEM, "names");
	}
	copy = (char *)(node + 1);
	memcpy(copy, name, len + 1);
	node->name = copy;
	node->parent = dir;
	node->inode = inode;
	node->path_len = (uint16_t)path_len;
	if (dir && !tsearch(node, &dir->index, compare)) {
		inode_put(t, inode);
		free(node);
		return fault_system(reterr, ENOMEM, "names");
	}
	if (dir) {
		dir->count++;
		dir->stale = true;
	}
	t->nodes++;
	t->bytes += len;
	*ret = node;
	return 0;
}

static void keep(void *node)
{
	(void)node;
}

/* No deeper than a path has slashes. */
static void free_node(struct tree *t, struct tree_node *node)
{
	/* Children are freed from the list, or, without memory for it, one by one. */
	if (settle(node)) {
		for (size_t i = 0; i < node->count; i++)
			free_node(t, node->children[i]);
		tdestroy(node->index, keep);
	} else {
		while (node->index) {
			struct tree_node *child =
				*(struct tree_node *const *)node->index;

			(void)tdelete(child, &node->index, compare);
			free_node(t, child);
		}
	}
	t->nodes--;
	t->bytes -= strlen(node->name);
	inode_put(t, node->inode);
	free(node->children);
	free(node);
}

struct tree *tree_new(void)
{
	const struct tree_inode root = { .mode = S_IFDIR | 0755 };
	struct tree *t = calloc(1, sizeof(*t));
	struct tree_inode *inode;
	struct fault ignored;

	if (!t)
		return NULL;
	if (copy_inode(t, &root, &inode, &ignored) < 0 ||
	    new_node(t, NULL, "", inode, &t->root, &ignored) < 0) {
		free(t);
		return NULL;
	}
	return t;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	free_node(t, t->root);
	free(t);
}

struct tree_node *tree_root(struct tree *t)
{
	return t->root;
}

struct tree_node *tree_child(const struct tree_node *dir, const char *name)
{
	const struct tree_node key = { .name = name };
	void *found = tfind(&key, &dir->index, compare);

	return found ? *(struct tree_node *const *)found : NULL;
}

static void touch(struct tree_node *node, unsigned layer)
{
	for (; node && node->touched < layer; node = node->parent)
		node->touched = layer;
}

static int check_name(const struct tree_node *dir, const char *name,
		      struct fault *reterr)
{
	size_t len = strlen(name);

	if (!is_dir(dir))
		return fault_refuse(reterr, "what is above it is no folder");
	if (len == 0 || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return fault_refuse(reterr, "not a file's name: \"%.400s\"",
				    name);
	if (len > TREE_NAME_MAX)
		return fault_refuse(reterr, "a name of more than %d bytes",
				    TREE_NAME_MAX);
	return 0;
}

/* Adds the name after what has it was taken away; takes INODE as new_node. */
static int place(struct tree *t, struct tree_node *dir, const char *name,
		 struct tree_inode *inode, unsigned layer,
		 struct tree_node **ret, struct fault *reterr)
{
	struct tree_node *old = tree_child(dir, name), *node;

	if (old)
		tree_remove(t, old);
	if (new_node(t, dir, name, inode, &node, reterr) < 0)
		return -1;
	node->layer = layer;
	touch(node, layer);
	if (!t->held && !settle(dir))
		return fault_system(reterr, ENOMEM, "names");
	if (ret)
		*ret = node;
	return 0;
}

int tree_put(struct tree *t, struct tree_node *dir, const char *name,
	     const struct tree_inode *inode, unsigned layer,
	     struct tree_node **ret, struct fault *reterr)
{
	struct tree_node *old;
	struct tree_inode *copy;
	size_t len;

	if (check_name(dir, name, reterr) < 0)
		return -1;
	len = inode->target ? strlen(inode->target) : 0;
	if (S_ISLNK(inode->mode) && (len == 0 || len > TREE_PATH_MAX))
		return fault_refuse(reterr,
				    "a symbolic link to %zu bytes (1 to %d)",
				    len, TREE_PATH_MAX);
	if (len > TREE_BYTES_MAX - t->bytes)
		return fault_refuse(reterr, "more than %d bytes of names",
				    TREE_BYTES_MAX);

	old = tree_child(dir, name);
	if (old && is_dir(old) && S_ISDIR(inode->mode)) {
		old->inode->mode = inode->mode;
		old->inode->uid = inode->uid;
		old->inode->gid = inode->gid;
		old->inode->mtime = inode->mtime;
		old->layer = layer;
		touch(old, layer);
		if (ret)
			*ret = old;
		return 0;
	}
	if (copy_inode(t, inode, &copy, reterr) < 0)
		return -1;
	return place(t, dir, name, copy, layer, ret, reterr);
}

int tree_link(struct tree *t, struct tree_node *dir, const char *name,
	      struct tree_node *to, unsigned layer, struct fault *reterr)
{
	struct tree_node *old;

	if (check_name(dir, name, reterr) < 0)
		return -1;
	if (is_dir(to))
		return fault_refuse(reterr, "a hard link to a folder");
	old = tree_child(dir, name);
	for (const struct tree_node *up = to; old && up; up = up->parent)
		if (up == old)
			return fault_refuse(reterr,
					    "a hard link to itself, or to "
					    "what it would replace");
	if (to->inode->nlink == UINT32_MAX)
		return fault_refuse(reterr, "too many hard links");
	to->inode->nlink++;
	return place(t, dir, name, to->inode, layer, NULL, reterr);
}

void tree_remove(struct tree *t, struct tree_node *node)
{
	struct tree_node *dir = node->parent;

	(void)tdelete(node, &dir->index, compare);
	dir->count--;
	dir->stale = true;
	free_node(t, node);
	/* Fewer than before: no memory is asked for. */
	if (!t->held)
		(void)settle(dir);
}

static int hide(struct tree *t, struct tree_node *node, bool itself,
		unsigned layer, struct fault *reterr)
{
	size_t count;

	if (itself && node->parent && node->touched < layer) {
		tree_remove(t, node);
		return 0;
	}
	/* Once is enough: nothing lower can come behind. */
	if (!is_dir(node) || node->hidden == layer)
		return 0;
	node->hidden = layer;
	if (!settle(node))
		return fault_system(reterr, ENOMEM, "names");
	/* While changes are held back the list stays as it is. */
	count = node->count;
	for (size_t i = 0; i < count; i++)
		if (hide(t, node->children[i], true, layer, reterr) < 0)
			return -1;
	return 0;
}

int tree_hide(struct tree *t, struct tree_node *node, bool itself,
	      unsigned layer, struct fault *reterr)
{
	int r;

	tree_begin(t);
	r = hide(t, node, itself, layer, reterr);
	if (r < 0) {
		t->held--;
		return r;
	}
	return tree_end(t, reterr);
}

/* --- paths -------------------------------------------------------------------- */

enum walk_result {
	WALK_DONE,
	WALK_LOOP,
	WALK_NO_DIR,
	WALK_WORN_OUT,
	WALK_DENIED, /* at the last node */
};

struct walk {
	struct tree_node *node; /* the last that is there */
	char *missing; /* what is behind it: the tree's, until the next walk */
	size_t missing_len;
};

/* Takes the last component of what is missing away. */
static void shorten(struct walk *w)
{
	while (w->missing_len && w->missing[--w->missing_len] != '/')
		;
	w->missing[w->missing_len] = '\0';
}

static enum walk_result lengthen(struct walk *w, const char *name, size_t len)
{
	if (w->missing_len + len + 2 > REST_MAX)
		return WALK_LOOP;
	if (w->missing_len)
		w->missing[w->missing_len++] = '/';
	memcpy(w->missing + w->missing_len, name, len);
	w->missing_len += len;
	w->missing[w->missing_len] = '\0';
	return WALK_DONE;
}

/* What the link TARGET leads to comes before the rest, which is at AT in REST. */
static bool splice(char *rest, const char *at, const char *target)
{
	size_t head = strlen(target), tail = strlen(at);

	if (head + tail + 2 > REST_MAX)
		return false;
	memmove(rest + head + 1, at, tail + 1);
	memcpy(rest, target, head);
	rest[head] = '/';
	return true;
}

/*
 * Follows PATH from the root as far as there is something. Behind what is missing, ".."
 * takes back what was said, as nothing there can be a link.
 */
static enum walk_result walk_as(struct tree *t, const char *path,
				bool follow_last, const struct tree_access *as,
				struct walk *w)
{
	size_t links = 0, len = strlen(path);
	enum walk_result r = WALK_DONE;
	char *rest = t->rest, *at, *end, keep_end;
	struct tree_node *child;

	*w = (struct walk){ .node = t->root, .missing = t->missing };
	w->missing[0] = '\0';
	if (len + 1 > REST_MAX)
		return WALK_LOOP;
	memcpy(rest, path, len + 1);
	for (at = rest; r == WALK_DONE;) {
		/* By hand: strspn was half of what a step took. */
		while (*at == '/')
			at++;
		if (*at == '\0')
			break;
		/* A short path can be long, by a chain of long links. */
		t->link_steps += links > 0;
		if (t->link_steps > TREE_LINK_STEPS_MAX) {
			t->is_worn_out = true;
			r = WALK_WORN_OUT;
			break;
		}
		end = at + strcspn(at, "/");
		len = (size_t)(end - at);
		if (as && is_dir(w->node) && !w->missing_len &&
		    !as->may_enter(as->ctx, w->node->inode)) {
			r = WALK_DENIED;
			break;
		}
		if (len == 1 && at[0] == '.') {
			at = end;
			continue;
		}
		if (len == 2 && at[0] == '.' && at[1] == '.') {
			if (w->missing_len)
				shorten(w);
			else if (!is_dir(w->node))
				r = WALK_NO_DIR;
			else if (w->node->parent)
				w->node = w->node->parent;
			at = end;
			continue;
		}
		if (w->missing_len) {
			r = lengthen(w, at, len);
			at = end;
			continue;
		}
		if (!is_dir(w->node)) {
			r = WALK_NO_DIR;
			break;
		}
		keep_end = *end;
		*end = '\0';
		child = tree_child(w->node, at);
		*end = keep_end;
		if (!child) {
			r = lengthen(w, at, len);
			at = end;
			continue;
		}
		if (S_ISLNK(child->inode->mode) &&
		    (follow_last || end[strspn(end, "/")] != '\0')) {
			const char *target = child->inode->target;

			if (++links > TREE_LINKS_MAX ||
			    !splice(rest, end, target)) {
				r = WALK_LOOP;
				break;
			}
			if (*target == '/')
				w->node = t->root;
			at = rest;
			continue;
		}
		w->node = child;
		at = end;
	}
	return r;
}

static enum walk_result walk(struct tree *t, const char *path, bool follow_last,
			     struct walk *w)
{
	return walk_as(t, path, follow_last, NULL, w);
}

struct tree_node *tree_find(struct tree *t, const char *path, bool follow_last)
{
	struct tree_node *found = NULL;
	struct walk w;

	if (walk(t, path, follow_last, &w) == WALK_DONE && !w.missing_len)
		found = w.node;
	return found;
}

struct tree_node *tree_find_as(struct tree *t, const char *path,
			       const struct tree_access *as,
			       struct tree_node **ret_closed)
{
	struct tree_node *found = NULL;
	enum walk_result r;
	struct walk w;

	r = walk_as(t, path, true, as, &w);
	*ret_closed = r == WALK_DENIED ? w.node : NULL;
	if (r == WALK_DONE && !w.missing_len)
		found = w.node;
	return found;
}

/* What WALK has ended at, which is no folder, becomes one: it is of a layer below. */
static int make_way(struct tree *t, const struct walk *w, unsigned layer,
		    struct fault *reterr)
{
	const struct tree_inode made = { .mode = S_IFDIR | 0755 };
	char name[TREE_NAME_MAX + 1];

	/* Its name goes with it. */
	memcpy(name, w->node->name, strlen(w->node->name) + 1);
	return tree_put(t, w->node->parent, name, &made, layer, NULL, reterr);
}

static int make_dirs(struct tree *t, const char *path, unsigned layer,
		     bool replace, struct tree_node **ret, struct fault *reterr)
{
	const struct tree_inode made = { .mode = S_IFDIR | 0755 };
	enum walk_result result;
	struct walk w;
	char *name, *save = NULL;
	int r = 0;

	for (;;) {
		result = walk(t, path, true, &w);
		if (!replace || w.node->layer >= layer || is_dir(w.node) ||
		    (result != WALK_NO_DIR && result != WALK_DONE))
			break;
		r = make_way(t, &w, layer, reterr);
		if (r < 0)
			return r;
	}
	if (result == WALK_WORN_OUT)
		r = refuse_steps(reterr);
	else if (result == WALK_LOOP)
		r = fault_refuse(reterr, "links that lead nowhere: %.400s",
				 path);
	else if (result == WALK_NO_DIR || !is_dir(w.node))
		r = fault_refuse(reterr, "not a folder: %.400s", path);
	if (r < 0)
		return r;
	for (name = strtok_r(w.missing, "/", &save); name;
	     name = strtok_r(NULL, "/", &save)) {
		r = tree_put(t, w.node, name, &made, layer, &w.node, reterr);
		if (r < 0)
			return r;
	}
	if (ret)
		*ret = w.node;
	return 0;
}

int tree_make_dirs(struct tree *t, const char *path, unsigned layer,
		   struct tree_node **ret, struct fault *reterr)
{
	return make_dirs(t, path, layer, false, ret, reterr);
}

int tree_make_dirs_above(struct tree *t, const char *path, unsigned layer,
			 struct tree_node **ret, struct fault *reterr)
{
	return make_dirs(t, path, layer, true, ret, reterr);
}

char *tree_path(const struct tree_node *node)
{
	char *path = malloc(node->path_len + 1U);
	size_t at = node->path_len, len;

	if (!path)
		return NULL;
	path[at] = '\0';
	for (; node->parent; node = node->parent) {
		len = strlen(node->name);
		at -= len;
		memcpy(path + at, node->name, len);
		if (at)
			path[--at] = '/';
	}
	return path;
}

const char *tree_type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "folder";
	case S_IFLNK:
		return "link";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	case S_IFIFO:
		return "FIFO";
	default:
		return "socket";
	}
}
