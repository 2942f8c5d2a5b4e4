#include "rootfs/pack/ramdisk/unpack.h"

#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/ramdisk/unpack_tree.h"

static bool is_same_type(uint32_t a, uint32_t b)
{
	return ((a ^ b) & S_IFMT) == 0;
}

/* --- warnings ------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void warn(struct unpack *u,
						       const char *format, ...)
{
	struct unpacked *r = u->ret;
	char *words, *text, **more;
	va_list args;
	int n;

	if (r->warning_count == UNPACK_WARNINGS_MAX) {
		r->more_warnings++;
		return;
	}
	va_start(args, format);
	n = vasprintf(&words, format, args);
	va_end(args);
	if (n < 0) {
		u->no_memory = true;
		return;
	}
	n = asprintf(&text, "%s: %s", u->m->path, words);
	free(words);
	if (n < 0) {
		u->no_memory = true;
		return;
	}
	/* Room is for a power of two. */
	if ((r->warning_count & (r->warning_count - 1)) == 0) {
		more = reallocarray(r->warnings,
				    r->warning_count ? r->warning_count * 2 : 1,
				    sizeof(*more));
		if (!more) {
			free(text);
			u->no_memory = true;
			return;
		}
		r->warnings = more;
	}
	r->warnings[r->warning_count++] = text;
}

static void warn_dropped(struct unpack *u)
{
	warn(u, "not unpacked: %s",
	     u->why ? u->why : "something else is there");
}

static size_t path_len(const struct node *n)
{
	size_t len = 0;

	if (!n->parent)
		return 1;
	for (; n->parent; n = n->parent)
		len += n->len + 1;
	return len - 1;
}

/* "a/b"; the root is ".". NULL without memory. */
static char *make_path(const struct node *n)
{
	size_t len = path_len(n);
	char *path = malloc(len + 1), *to;

	if (!path)
		return NULL;
	to = path + len;
	*to = '\0';
	if (!n->parent)
		*--to = '.';
	for (; n->parent; n = n->parent) {
		to -= n->len;
		memcpy(to, n->name, n->len);
		if (to > path)
			*--to = '/';
	}
	return path;
}

/* The member's path led to N by a way that one does not see in it. */
static void warn_indirect(struct unpack *u, const struct node *n)
{
	char *path;

	if (!u->is_indirect)
		return;
	path = make_path(n);
	if (!path) {
		u->no_memory = true;
		return;
	}
	warn(u, "its path goes through a link or \"..\": it is %s", path);
	free(path);
}

/* " of ramdisk 0", for what an earlier one has made. */
static const char *whose(const struct unpack *u, uint32_t ramdisk, char to[40])
{
	to[0] = '\0';
	if (ramdisk == UINT32_MAX)
		(void)snprintf(to, 40, " of the kernel's own");
	else if (ramdisk != u->ramdisk)
		(void)snprintf(to, 40, " of ramdisk %u", ramdisk);
	return to;
}

/* --- what initramfs.c calls ------------------------------------------------------ */

static void change_owner(struct unpack *u, struct node *n)
{
	const struct member *m = u->m;
	struct inode *in = n->inode;

	/* -1 is "as it is". */
	if (m->uid != UINT32_MAX)
		in->uid = m->uid;
	if (m->gid != UINT32_MAX)
		in->gid = m->gid;
	unpack_touch_node(u, n);
}

static void change_mode(struct unpack *u, struct node *n)
{
	n->inode->mode = (n->inode->mode & S_IFMT) | (u->m->mode & 07777);
	unpack_touch_node(u, n);
}

/* Removes what PATH is, unless it is of the type of MODE. */
static void clean_path(struct unpack *u, const char *path, uint32_t mode)
{
	struct node *n = unpack_look(u, path, false);
	struct last l = { .dir = u->root };
	char of[40];

	if (!n || is_same_type(n->inode->mode, mode))
		return;
	/* unlink(2) and rmdir(2) look again. */
	if (!unpack_walk(u, path, &l) || unpack_is_dots(&l))
		return;
	n = unpack_child(u, l.dir, l.name, l.len);
	if (!n)
		return;
	if (unpack_is_dir(n)) {
		if (n->children == 0) {
			warn(u, "replaces an empty folder%s",
			     whose(u, n->inode->ramdisk, of));
			unpack_remove_name(u, n);
		}
		return;
	}
	if (l.slashes)
		return;
	warn(u, "replaces a %s%s", tree_type_name(n->inode->mode),
	     whose(u, n->inode->ramdisk, of));
	unpack_remove_name(u, n);
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_links(const void *a, const void *b)
{
	const struct link *x = a, *y = b;
	int r = compare(x->ino, y->ino);

	if (r == 0)
		r = compare(x->major, y->major);
	if (r == 0)
		r = compare(x->minor, y->minor);
	return r ? r : compare(x->mode & S_IFMT, y->mode & S_IFMT);
}

static void free_links(struct unpack *u)
{
	tdestroy(u->links, free);
	u->links = NULL;
}

/*
 * 0: the member is no hard link, or the first of its inode; 1: a link was made; -1: it
 * should be one and cannot. *RET is the name that it is a link of, or NULL.
 */
static int maybe_link(struct unpack *u, struct link **ret)
{
	const struct member *m = u->m;
	struct link *l, **found;
	struct node *old, *there;
	struct last room;
	size_t len;

	*ret = NULL;
	if (m->nlink < 2)
		return 0;
	len = strlen(m->path);
	l = calloc(1, sizeof(*l) + len + 1);
	if (!l)
		goto no_memory;
	memcpy(l->name, m->path, len);
	l->ino = m->ino;
	l->major = m->dev_major;
	l->minor = m->dev_minor;
	l->mode = m->mode;
	found = tsearch(l, &u->links, compare_links);
	if (!found) {
		free(l);
		goto no_memory;
	}
	if (*found == l) {
		*ret = l;
		return 0;
	}
	free(l);
	l = *found;
	*ret = l;
	there = unpack_look(u, m->path, false);
	if (there && is_same_type(there->inode->mode, m->mode))
		warn(u, "a hard link in the place of what was there; Linux "
			"4.14 leaves what was there");
	clean_path(u, m->path, 0);
	u->why = NULL;
	old = unpack_look(u, l->name, false);
	if (!old || unpack_is_dir(old)) {
		warn(u,
		     "not unpacked: a hard link of %s, which is no file then",
		     l->name);
		return -1;
	}
	u->is_indirect = false;
	if (!unpack_look_for_room(u, m->path, false, &room)) {
		warn_dropped(u);
		return -1;
	}
	if (!unpack_add_name(u, room.dir, room.name, room.len, old->inode))
		return -1;
	if (old->inode->number != l->number ||
	    old->inode->member != l->member ||
	    old->inode->ramdisk != l->ramdisk)
		warn(u,
		     "a hard link of %s, which another member has "
		     "changed since",
		     l->name);
	return 1;
no_memory:
	u->no_memory = true;
	return -1;
}

/* The inode that the members of a hard link have made so far. */
static void note_link(struct link *l, const struct inode *in)
{
	if (!l)
		return;
	l->number = in->number;
	l->member = in->member;
	l->ramdisk = in->ramdisk;
}

static void set_content(struct unpack *u, struct inode *in)
{
	const struct member *m = u->m;

	in->size = m->size;
	memcpy(in->hash, m->hash, EIF_HASH);
	in->ramdisk = u->ramdisk;
	in->member = u->index;
}

/* What opening PATH to be written gives, which may be made; NULL: nothing. */
static struct node *open_file(struct unpack *u, const char *path)
{
	struct last l = { .dir = u->root };
	struct inode *in;
	struct node *n;

	for (;;) {
		if (!unpack_walk(u, path, &l))
			return NULL;
		if (unpack_is_dots(&l)) {
			u->why = "a folder is there";
			return NULL;
		}
		if (l.slashes) {
			u->why = "a slash behind its name";
			return NULL;
		}
		n = unpack_child(u, l.dir, l.name, l.len);
		if (!n)
			break;
		if (!S_ISLNK(n->inode->mode)) {
			if (unpack_is_dir(n))
				u->why = "a folder that is not empty is there";
			return unpack_is_dir(n) ? NULL : n;
		}
		if (!unpack_follow(u, &l, n->inode->target))
			return NULL;
		path = n->inode->target;
	}
	if (l.len > UNPACK_NAME_MAX) {
		u->why = "its name is longer than 255 bytes";
		return NULL;
	}
	in = unpack_new_inode(u, l.dir);
	if (!in)
		return NULL;
	in->mode = S_IFREG;
	n = unpack_add_name(u, l.dir, l.name, l.len, in);
	if (!n) {
		free(in);
		return NULL;
	}
	/* Of no bytes, but it is this member's. */
	set_content(u, in);
	in->size = 0;
	return n;
}

/* --- its three kinds of members --------------------------------------------------- */

static void put_file(struct unpack *u)
{
	const struct member *m = u->m;
	uint64_t numbers;
	struct link *link;
	struct inode *in;
	struct node *n;
	bool is_new;
	char of[40];
	int ml = maybe_link(u, &link);

	if (ml < 0)
		return;
	u->is_indirect = false;
	u->why = NULL;
	numbers = u->numbers;
	n = open_file(u, m->path);
	if (!n) {
		if (!u->no_memory)
			warn_dropped(u);
		return;
	}
	in = n->inode;
	is_new = in->number > numbers;
	if (!S_ISREG(in->mode)) {
		/* By a hard link of what is no file any more. */
		if (S_ISSOCK(in->mode)) {
			warn(u, "not written: it is a socket");
			return;
		}
		if (S_ISFIFO(in->mode))
			u->stops = "the kernel waits for who reads this FIFO";
		else if (m->size > 0)
			u->stops = "the kernel stops where a file is to be "
				   "written into a device";
		warn(u, "by a link it is a device");
		change_owner(u, n);
		change_mode(u, n);
		return;
	}
	warn_indirect(u, n);
	if (!is_new && ml == 0)
		warn(u,
		     in->nlink > 1 ? "overwrites a file%s, and with it its "
				     "other names" :
				     "overwrites a file%s",
		     whose(u, in->ramdisk, of));
	if (!is_new && ml == 1 && m->size > 0 && in->size > 0 &&
	    (in->size != m->size || memcmp(in->hash, m->hash, EIF_HASH) != 0))
		warn(u, "overwrites what its other names have");
	change_owner(u, n);
	change_mode(u, n);
	in->mtime = m->mtime;
	if (ml == 0 || m->size > 0)
		set_content(u, in);
	note_link(link, in);
}

/* Puts a new inode where there is room; it is freed where there is no memory. */
static bool name_inode(struct unpack *u, const struct last *l, struct inode *in)
{
	if (unpack_add_name(u, l->dir, l->name, l->len, in))
		return true;
	unpack_free_inode(in);
	return false;
}

/* What the member's name leads to by now, which gets its owner; NULL: it was dropped. */
static struct node *find_put(struct unpack *u, bool follow_last)
{
	struct node *n;

	u->is_indirect = false;
	n = unpack_look(u, u->m->path, follow_last);
	if (!n)
		warn_dropped(u);
	return n;
}

static void put_dir(struct unpack *u)
{
	const struct member *m = u->m;
	struct inode *in = NULL;
	struct last l;
	struct node *n;
	bool is_new;

	is_new = unpack_look_for_room(u, m->path, true, &l);
	if (is_new) {
		in = unpack_new_inode(u, l.dir);
		if (!in)
			return;
		in->mode = S_IFDIR;
		in->mtime = m->mtime;
		if (!name_inode(u, &l, in))
			return;
	}
	n = find_put(u, true);
	if (!n)
		return;
	warn_indirect(u, n);
	in = n->inode;
	if (!is_new && unpack_is_dir(n) && in->ramdisk != u->ramdisk &&
	    in->ramdisk != UINT32_MAX &&
	    (in->mode != m->mode || in->uid != m->uid || in->gid != m->gid))
		warn(u, "changes a folder of ramdisk %u", in->ramdisk);
	change_owner(u, n);
	change_mode(u, n);
}

/* Devices, FIFOs, sockets. */
static void put_node(struct unpack *u)
{
	const struct member *m = u->m;
	uint32_t device = m->rdev_major << 20 | m->rdev_minor;
	bool has_device = S_ISCHR(m->mode) || S_ISBLK(m->mode), is_new;
	struct inode *in = NULL;
	struct link *link;
	struct node *n;
	struct last l;
	char of[40];
	int ml = maybe_link(u, &link);

	if (ml < 0 || u->no_memory)
		return;
	if (ml > 0) {
		n = unpack_look(u, m->path, false);
		if (n)
			note_link(link, n->inode);
		return;
	}
	u->why = NULL;
	is_new = unpack_look_for_room(u, m->path, false, &l);
	if (is_new) {
		in = unpack_new_inode(u, l.dir);
		if (!in)
			return;
		in->mode = m->mode & S_IFMT;
		if (has_device) {
			in->rdev_major = device >> 20;
			in->rdev_minor = device & 0xfffff;
		}
		if (!name_inode(u, &l, in))
			return;
	}
	n = find_put(u, true);
	if (!n)
		return;
	in = n->inode;
	if (!is_new && !is_same_type(in->mode, m->mode)) {
		warn(u, "not unpacked: a folder is there, which gets its owner "
			"and mode");
	} else if (!is_new && has_device &&
		   (in->rdev_major != device >> 20 ||
		    in->rdev_minor != (device & 0xfffff))) {
		warn(u,
		     "not unpacked: a device%s is there, %u:%u, and stays; it "
		     "gets its owner and mode",
		     whose(u, in->ramdisk, of), in->rdev_major, in->rdev_minor);
	} else if (!is_new) {
		warn(u, "was there%s, and gets its owner and mode",
		     whose(u, in->ramdisk, of));
	} else {
		warn_indirect(u, n);
	}
	change_owner(u, n);
	change_mode(u, n);
	in->mtime = m->mtime;
	note_link(link, in);
}

static void put_link(struct unpack *u)
{
	const struct member *m = u->m;
	struct inode *in = NULL;
	struct last l;
	struct node *n;
	bool is_new;

	is_new = unpack_look_for_room(u, m->path, false, &l);
	if (is_new) {
		in = unpack_new_inode(u, l.dir);
		if (!in)
			return;
		in->mode = S_IFLNK | 0777;
		in->target = strdup(m->target);
		if (!in->target) {
			u->no_memory = true;
			free(in);
			return;
		}
		if (!name_inode(u, &l, in))
			return;
	}
	n = find_put(u, false);
	if (!n)
		return;
	if (is_new) {
		warn_indirect(u, n);
		n->inode->mtime = m->mtime;
	} else {
		warn(u, "not unpacked: a folder is there, which gets its "
			"owner");
	}
	change_owner(u, n);
}

static void put_member(struct unpack *u)
{
	const struct member *m = u->m;

	u->is_indirect = false;
	u->why = NULL;
	clean_path(u, m->path, S_ISLNK(m->mode) ? 0 : m->mode);
	u->is_indirect = false;
	u->why = NULL;
	if (S_ISLNK(m->mode))
		put_link(u);
	else if (S_ISREG(m->mode))
		put_file(u);
	else if (S_ISDIR(m->mode))
		put_dir(u);
	else
		put_node(u);
}

/* --- the result --------------------------------------------------------------------- */

struct found {
	const struct node *n;
	size_t order;
};

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->order != y->order)
		return (x->order > y->order) - (x->order < y->order);
	return (x->n->serial > y->n->serial) - (x->n->serial < y->n->serial);
}

/* N, if this ramdisk has to do with it. */
static void find_one(const struct unpack *u, const struct node *n,
		     struct found *found, size_t *count)
{
	uint32_t now = u->ramdisk + 1;

	if (n->touched == now)
		found[(*count)++] = (struct found){ n, n->order };
	else if (n->inode->touched == now && !S_ISDIR(n->inode->mode))
		found[(*count)++] = (struct found){ n, n->inode->toucher };
}

static bool make_file(const struct found *f, size_t index,
		      struct unpacked_file *ret)
{
	struct inode *in = f->n->inode;

	*ret = (struct unpacked_file){
		.path = make_path(f->n),
		.mode = in->mode,
		.uid = in->uid,
		.gid = in->gid,
		.mtime = in->mtime,
		.rdev_major = in->rdev_major,
		.rdev_minor = in->rdev_minor,
		.nlink = in->nlink,
		.size = in->size,
		.ramdisk = in->ramdisk,
		.member = in->member,
	};
	memcpy(ret->hash, in->hash, EIF_HASH);
	if (!ret->path)
		return false;
	if (in->target) {
		ret->target = strdup(in->target);
		if (!ret->target)
			return false;
	}
	if (S_ISDIR(in->mode) || in->nlink < 2)
		return true;
	if (!in->listed)
		in->listed = index + 1;
	ret->link = in->listed;
	return true;
}

static int collect(struct unpack *u, struct unpacked *ret, struct fault *reterr)
{
	struct found *found = calloc(u->nodes + 1, sizeof(*found));
	size_t count = 0, bytes = 0;

	if (!found)
		goto no_memory;
	find_one(u, u->root, found, &count);
	for (size_t i = 0; i < u->heads_count; i++)
		for (struct node *n = u->heads[i]; n; n = n->next)
			find_one(u, n, found, &count);
	qsort(found, count, sizeof(*found), compare_found);
	ret->files = calloc(count + 1, sizeof(*ret->files));
	if (!ret->files)
		goto no_memory;
	for (size_t i = 0; i < count; i++) {
		found[i].n->inode->listed = 0;
		bytes += path_len(found[i].n);
	}
	if (bytes > LISTING_BYTES_MAX) {
		free(found);
		return fault_refuse(reterr, "too many bytes of names, through "
					    "links");
	}
	while (ret->count < count) {
		ret->count++;
		if (!make_file(&found[ret->count - 1], ret->count - 1,
			       &ret->files[ret->count - 1]))
			goto no_memory;
	}
	free(found);
	return 0;
no_memory:
	free(found);
	return fault_system(reterr, ENOMEM, "a ramdisk's names");
}

int unpack_ramdisk(struct unpack *u, const struct listing *l,
		   struct unpacked *ret, struct fault *reterr)
{
	size_t trailer = 0;

	memset(ret, 0, sizeof(*ret));
	u->ret = ret;
	for (size_t i = 0; i <= l->count; i++) {
		while (trailer < l->trailer_count &&
		       l->trailers[trailer].before <= i) {
			free_links(u);
			trailer++;
		}
		if (i == l->count)
			break;
		u->m = &l->members[i];
		u->index = i;
		put_member(u);
		if (u->no_memory)
			return fault_system(reterr, ENOMEM,
					    "a ramdisk's names");
		if (u->stops)
			return fault_refuse(reterr, "%s: %s", u->m->path,
					    u->stops);
		if (u->is_too_much)
			return fault_refuse(reterr,
					    "%s: links that take too "
					    "many steps",
					    u->m->path);
	}
	if (collect(u, ret, reterr) < 0)
		return -1;
	u->ramdisk++;
	return 0;
}

void unpack_skip(struct unpack *u)
{
	u->ramdisk++;
}

/* --- begin and end --------------------------------------------------------------------- */

/* What usr/default_cpio_list has. */
static bool put_own(struct unpack *u)
{
	const struct member own[] = {
		{ .path = (char[]){ "dev" }, .mode = S_IFDIR | 0755 },
		{ .path = (char[]){ "dev/console" },
		  .mode = S_IFCHR | 0600,
		  .nlink = 1,
		  .rdev_major = 5,
		  .rdev_minor = 1 },
		{ .path = (char[]){ "root" }, .mode = S_IFDIR | 0700 },
	};
	struct unpacked none = { 0 };

	/* cppcheck-suppress autoVariables ; until the next member */
	u->ret = &none;
	u->ramdisk = UINT32_MAX;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		/* cppcheck-suppress autoVariables ; until the next member */
		u->m = &own[i];
		put_member(u);
	}
	u->ramdisk = 0;
	return !u->no_memory;
}

struct unpack *unpack_new(void)
{
	struct unpack *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->heads_count = 1 << 10;
	u->heads = calloc(u->heads_count, sizeof(struct node *));
	u->root = calloc(1, sizeof(*u->root) + 1);
	if (!u->heads || !u->root)
		goto fail;
	u->ramdisk = UINT32_MAX;
	u->root->inode = unpack_new_inode(u, NULL);
	if (!u->root->inode)
		goto fail;
	u->root->inode->mode = S_IFDIR | 0755;
	u->root->inode->nlink = 2;
	if (put_own(u))
		return u;
fail:
	unpack_free(u);
	return NULL;
}

static void free_node(struct node *n)
{
	if (!n)
		return;
	if (n->inode && (S_ISDIR(n->inode->mode) || --n->inode->nlink == 0))
		unpack_free_inode(n->inode);
	free(n);
}

void unpack_free(struct unpack *u)
{
	struct node *n, *next;

	if (!u)
		return;
	for (size_t i = 0; u->heads && i < u->heads_count; i++)
		for (n = u->heads[i]; n; n = next) {
			next = n->next;
			free_node(n);
		}
	free_node(u->root);
	free_links(u);
	free(u->heads);
	free(u);
}

void unpack_free_files(struct unpacked *r)
{
	for (size_t i = 0; r->files && i < r->count; i++) {
		free(r->files[i].path);
		free(r->files[i].target);
	}
	for (size_t i = 0; i < r->warning_count; i++)
		free(r->warnings[i]);
	free(r->files);
	free(r->warnings);
	memset(r, 0, sizeof(*r));
}

const struct unpacked_file *unpack_find(const struct unpacked *r,
					const char *path)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->files[i].path, path) == 0)
			return &r->files[i];
	return NULL;
}
