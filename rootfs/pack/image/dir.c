#include "rootfs/pack/image/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/output.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/load.h"

/*
 * A plain folder. No link is followed below it, and a file that is another when it is
 * read than it was when it was looked at is refused.
 */

enum { CHUNK = 1 << 16, XATTRS_MAX = 1 << 16 };

/* A name of a file that has several. */
struct linked {
	dev_t dev;
	ino_t ino;
	struct tree_node *node;
};

/* A folder whose names are yet to be read. */
struct unread {
	struct tree_node *node;
	dev_t dev;
	ino_t ino;
};

/* One whose names were read, and as what. */
struct folder {
	struct tree_node *node;
	struct stat st;
};

struct dir_walk {
	struct loader *l;
	int root;
	void *links; /* of struct linked: a tree of tsearch(3) */
	struct unread *pending;
	size_t count, room;
	struct folder *folders;
	size_t folder_count, folder_room;
	uint8_t *buf;
};

static int compare(const void *a, const void *b)
{
	const struct linked *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static int push(struct dir_walk *w, struct tree_node *node,
		const struct stat *st, struct fault *reterr)
{
	struct unread *bigger;
	size_t room = w->room ? w->room * 2 : 64;

	if (w->count == w->room) {
		bigger = reallocarray(w->pending, room, sizeof(*bigger));
		if (!bigger)
			return fault_system(reterr, ENOMEM, "names");
		w->pending = bigger;
		w->room = room;
	}
	w->pending[w->count++] =
		(struct unread){ node, st->st_dev, st->st_ino };
	return 0;
}

/*
 * Opens a folder step by step, so that no step is a link: a path in one piece might
 * have become one.
 */
static int open_dir(const struct dir_walk *w, const struct unread *p,
		    const char *path, struct fault *reterr)
{
	char *copy = strdup(path), *save = NULL;
	struct stat st;
	int fd, next;

	if (!copy)
		return fault_system(reterr, ENOMEM, "names");
	fd = openat(w->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (char *name = strtok_r(copy, "/", &save); name && fd >= 0;
	     name = strtok_r(NULL, "/", &save)) {
		next = openat(fd, name,
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0) {
			int error = errno;

			close(fd);
			errno = error;
		} else {
			close(fd);
		}
		fd = next;
	}
	free(copy);
	if (fd < 0)
		return fault_system(reterr, errno, "open");
	if (fstat(fd, &st) < 0 || st.st_dev != p->dev || st.st_ino != p->ino) {
		close(fd);
		return fault_refuse(reterr, "changed while it was read");
	}
	return fd;
}

static int take_xattrs(struct dir_walk *w, int fd, const char *path,
		       struct tree_inode *inode, struct fault *reterr)
{
	char names[XATTRS_MAX], value[TREE_CAPABILITY_MAX + 1];
	ssize_t len = flistxattr(fd, names, sizeof(names)), n;

	if (len < 0 && errno != ENOTSUP)
		return fault_system(reterr, errno, "extended attributes");
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		/* Of others the value does not matter. */
		n = fgetxattr(fd, names + at, value, sizeof(value));
		if (load_xattr(w->l, path, names + at, value,
			       n < 0 ? sizeof(value) : (size_t)n, inode,
			       reterr) < 0)
			return -1;
	}
	return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_mode == b->st_mode && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* What is a hole of the file becomes one of the spool, and is not read. */
static int skip_hole(int fd, uint64_t from, uint64_t size, struct spool *spool,
		     struct fault *reterr)
{
	const off_t at = (off_t)(spool->len - from), end = (off_t)size;
	off_t data = at < end ? lseek(fd, at, SEEK_DATA) : at;

	if (data < 0 && errno == ENXIO)
		data = lseek(fd, end, SEEK_SET);
	if (data < 0)
		data = lseek(fd, at, SEEK_SET);
	if (data < 0)
		return fault_system(reterr, errno, "read");
	return data > at ? spool_append_zeros(spool, (uint64_t)(data - at),
					      reterr) :
			   0;
}

static int copy_content(struct dir_walk *w, int fd, const struct stat *st,
			struct content *ret, struct fault *reterr)
{
	struct spool *spool = &w->l->image->spool;
	const uint64_t from = spool->len, size = (uint64_t)st->st_size;
	const bool has_holes = (uint64_t)st->st_blocks < size / 512;
	struct stat now;
	ssize_t n;

	if (load_check_size(w->l, size, reterr) < 0)
		return -1;
	if (from + size > SPOOL_UNPACKED_MAX)
		return fault_refuse(reterr, "files of more than %llu bytes",
				    SPOOL_UNPACKED_MAX);
	if (fstat(fd, &now) < 0)
		return fault_system(reterr, errno, "stat");
	if (!is_same(&now, st))
		return fault_refuse(reterr, "changed while it was read");
	for (;;) {
		if (has_holes && skip_hole(fd, from, size, spool, reterr) < 0)
			return -1;
		n = read(fd, w->buf, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_system(reterr, errno, "read");
		if (n == 0 || spool->len - from > size)
			break;
		if (spool_append(spool, w->buf, (size_t)n, reterr) < 0)
			return -1;
	}
	if (fstat(fd, &now) < 0)
		return fault_system(reterr, errno, "stat");
	if (!is_same(&now, st) || spool->len - from != size)
		return fault_refuse(reterr, "changed while it was read");
	*ret = spool_content(spool, from);
	return 0;
}

static int read_file(struct dir_walk *w, int dirfd, const char *name,
		     const char *path, const struct stat *st,
		     struct tree_inode *inode, struct fault *reterr)
{
	int fd, r;

	fd = openat(dirfd, name,
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fault_system(reterr, errno, "open");
	r = take_xattrs(w, fd, path, inode, reterr);
	if (r == 0)
		r = copy_content(w, fd, st, &inode->content, reterr);
	close(fd);
	return r;
}

static int read_link(int dirfd, const char *name, char **ret,
		     struct fault *reterr)
{
	char target[TREE_PATH_MAX + 2];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target));

	if (n < 0)
		return fault_system(reterr, errno, "readlink");
	if (n > TREE_PATH_MAX)
		return fault_refuse(reterr, "a link to more than %d bytes",
				    TREE_PATH_MAX);
	target[n] = '\0';
	*ret = strdup(target);
	return *ret ? 0 : fault_system(reterr, ENOMEM, "names");
}

static int remember(struct dir_walk *w, const struct stat *st,
		    struct tree_node *node, struct fault *reterr)
{
	struct linked *linked = malloc(sizeof(*linked));

	if (!linked)
		return fault_system(reterr, ENOMEM, "names");
	*linked = (struct linked){ st->st_dev, st->st_ino, node };
	if (!tsearch(linked, &w->links, compare)) {
		free(linked);
		return fault_system(reterr, ENOMEM, "names");
	}
	return 0;
}

/*
 * Mode and owner. What was set-user-ID for one user would be for root, as which the file is
 * taken: chown(2) clears the bits for this reason.
 */
static int take_owner(struct dir_walk *w, const char *path,
		      const struct stat *st, struct tree_inode *ret,
		      struct fault *reterr)
{
	mode_t cleared = 0;

	ret->mode = st->st_mode;
	if (w->l->options->keep_owner) {
		if (st->st_uid == UINT32_MAX || st->st_gid == UINT32_MAX)
			return fault_refuse(reterr,
					    "owner %u:%u: not a valid owner",
					    st->st_uid, st->st_gid);
		ret->uid = st->st_uid;
		ret->gid = st->st_gid;
		return 0;
	}
	if (S_ISREG(st->st_mode) && st->st_uid != 0)
		cleared |= st->st_mode & S_ISUID;
	if (S_ISREG(st->st_mode) && st->st_gid != 0)
		cleared |= st->st_mode & S_ISGID;
	ret->mode &= ~cleared;
	return cleared ? load_note(w->l, reterr,
				   "%.400s: set-%s-ID of %u:%u is cleared, as "
				   "the file becomes root's; --owner keep "
				   "leaves it whose it is",
				   path, cleared & S_ISUID ? "user" : "group",
				   st->st_uid, st->st_gid) :
			 0;
}

static int add(struct dir_walk *w, struct tree_node *dir, int dirfd,
	       const char *name, const char *path, struct fault *reterr)
{
	struct tree *t = w->l->image->tree;
	struct tree_inode inode = { 0 };
	struct tree_node *node;
	struct linked key;
	struct stat st;
	void *found;
	int r = 0;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_system(reterr, errno, "stat");
	if (S_ISSOCK(st.st_mode))
		return load_note(w->l, reterr, "%.400s: a socket, left out",
				 path);
	key = (struct linked){ .dev = st.st_dev, .ino = st.st_ino };
	found = S_ISDIR(st.st_mode) ? NULL : tfind(&key, &w->links, compare);
	if (found)
		return tree_link(t, dir, name,
				 (*(struct linked *const *)found)->node, 1,
				 reterr);

	if (take_owner(w, path, &st, &inode, reterr) < 0)
		return -1;
	inode.mtime = st.st_mtime;
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		inode.rdev_major = major(st.st_rdev);
		inode.rdev_minor = minor(st.st_rdev);
	} else if (S_ISREG(st.st_mode)) {
		r = read_file(w, dirfd, name, path, &st, &inode, reterr);
	} else if (S_ISLNK(st.st_mode)) {
		r = read_link(dirfd, name, &inode.target, reterr);
	}
	if (r == 0)
		r = tree_put(t, dir, name, &inode, 1, &node, reterr);
	free(inode.target);
	if (r == 0 && S_ISDIR(st.st_mode))
		r = push(w, node, &st, reterr);
	else if (r == 0 && st.st_nlink > 1)
		r = remember(w, &st, node, reterr);
	return r;
}

static int keep_folder(struct dir_walk *w, struct tree_node *node, int fd,
		       struct fault *reterr)
{
	const struct output *output = w->l->options->output;
	size_t room = w->folder_room ? w->folder_room * 2 : 64;
	struct folder *bigger;
	struct stat *st;

	if (w->folder_count == w->folder_room) {
		bigger = reallocarray(w->folders, room, sizeof(*bigger));
		if (!bigger)
			return fault_system(reterr, ENOMEM, "names");
		w->folders = bigger;
		w->folder_room = room;
	}
	w->folders[w->folder_count].node = node;
	st = &w->folders[w->folder_count].st;
	if (fstat(fd, st) < 0)
		return fault_system(reterr, errno, "stat");
	w->folder_count++;
	return output ? output_check_folder(output, st, reterr) : 0;
}

/* What was renamed from a folder yet to be read to one that was read is in neither: when
 * all were read, each has to be what it was before. */
static int check_folders(const struct dir_walk *w, struct fault *reterr)
{
	struct stat now;
	char *path;
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->folder_count; i++) {
		path = tree_path(w->folders[i].node);
		if (!path)
			return fault_system(reterr, ENOMEM, "names");
		if (fstatat(w->root, *path ? path : ".", &now,
			    AT_SYMLINK_NOFOLLOW) < 0 ||
		    !is_same(&now, &w->folders[i].st)) {
			(void)fault_refuse(reterr, "changed while it was read");
			r = load_at(reterr, *path ? path : ".");
		}
		free(path);
	}
	return r;
}

static int read_dir(struct dir_walk *w, const struct unread *p,
		    const char *path, struct fault *reterr)
{
	const char *where = *path ? path : ".";
	struct dirent *entry;
	char *whole;
	DIR *dir;
	int fd, r;

	fd = open_dir(w, p, path, reterr);
	if (fd < 0)
		return load_at(reterr, where);
	if (keep_folder(w, p->node, fd, reterr) < 0) {
		close(fd);
		return load_at(reterr, where);
	}
	dir = fdopendir(fd);
	if (!dir) {
		(void)fault_system(reterr, errno, "%s", where);
		close(fd);
		return -1;
	}
	r = take_xattrs(w, fd, where, p->node->inode, reterr);
	if (r < 0)
		(void)load_at(reterr, where);
	while (r == 0) {
		errno = 0;
		entry = readdir(dir);
		if (!entry && errno)
			r = fault_system(reterr, errno, "%s", where);
		if (!entry)
			break;
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (asprintf(&whole, "%s%s%s", path, *path ? "/" : "",
			     entry->d_name) < 0) {
			r = fault_system(reterr, ENOMEM, "names");
			break;
		}
		r = add(w, p->node, fd, entry->d_name, whole, reterr);
		if (r < 0)
			(void)load_at(reterr, whole);
		free(whole);
	}
	closedir(dir);
	return r;
}

static int read_all(struct dir_walk *w, struct fault *reterr)
{
	struct tree_node *root = tree_root(w->l->image->tree);
	struct unread next;
	struct stat st;
	char *path;
	int r;

	if (fstat(w->root, &st) < 0)
		return fault_system(reterr, errno, "stat");
	/* A new folder of mktemp(1) is 0700: a user would not get in. */
	root->inode->mode = S_IFDIR | 0755;
	root->inode->mtime = st.st_mtime;
	if (w->l->options->keep_owner) {
		root->inode->uid = st.st_uid;
		root->inode->gid = st.st_gid;
	}
	if ((st.st_mode & 07777) != 0755 &&
	    load_note(w->l, reterr,
		      "the folder itself, / of the image, is 0755, not %04o",
		      (unsigned)st.st_mode & 07777) < 0)
		return -1;
	if (push(w, root, &st, reterr) < 0)
		return -1;
	while (w->count) {
		next = w->pending[--w->count];
		path = tree_path(next.node);
		if (!path)
			return fault_system(reterr, ENOMEM, "names");
		r = read_dir(w, &next, path, reterr);
		free(path);
		if (r < 0)
			return -1;
	}
	return check_folders(w, reterr);
}

int dir_load(struct loader *l, const char *path, struct fault *reterr)
{
	struct dir_walk w = { .l = l };
	struct fault ignored;
	int r = -1;

	w.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w.root < 0)
		return fault_system(reterr, errno, "open");
	w.buf = malloc(CHUNK);
	tree_begin(l->image->tree);
	if (w.buf)
		r = read_all(&w, reterr);
	else
		(void)fault_system(reterr, ENOMEM, "read");
	if (tree_end(l->image->tree, r < 0 ? &ignored : reterr) < 0)
		r = -1;
	tdestroy(w.links, free);
	free(w.pending);
	free(w.folders);
	free(w.buf);
	close(w.root);
	return r;
}
