#include "rootfs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/tree.h"

static int read_all(int fd, char *data, size_t max, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	/* The byte beyond MAX is what tells "exactly MAX" from "more". */
	while (len <= max) {
		n = read(fd, data + len, max + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > max)
		return -EFBIG;
	*ret_len = len;
	return 0;
}

int file_alloc(size_t max, struct file *ret)
{
	size_t mapped = max + 2; /* one to see an excess, one for the NUL */
	char *data = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (data == MAP_FAILED)
		return -errno;
	*ret = (struct file){ .data = data, .mapped = mapped };
	return 0;
}

int file_read_fd(int fd, size_t max, struct file *ret)
{
	struct file file = { 0 };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	r = file_alloc(max, &file);
	if (r < 0)
		return r;
	r = read_all(fd, file.data, max, &file.len);
	if (r < 0)
		file_free(&file);
	else
		*ret = file;
	return r;
}

int file_read(int dirfd, const char *name, size_t max, struct file *ret)
{
	int fd, r;

	/* Not to hang on what is a fifo. */
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = file_read_fd(fd, max, ret);
	close(fd);
	return r;
}

/* NAME, a copy of LEN bytes of it, in DIRFD: what it is, itself. */
static int stat_part(int dirfd, const char *part, size_t len,
		     char name[NAME_MAX + 1], struct stat *ret)
{
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, part, len);
	name[len] = '\0';
	if (strcmp(name, "..") == 0)
		return -EINVAL;
	if (fstatat(dirfd, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISLNK(ret->st_mode) ? -ELOOP : 0;
}

int file_open_below(int dirfd, const char *path)
{
	const int flags = O_NOFOLLOW | O_CLOEXEC;
	int at = dirfd, next, r;
	char name[NAME_MAX + 1];
	struct stat st;
	size_t len;

	for (;;) {
		while (*path == '/')
			path++;
		len = (size_t)(strchrnul(path, '/') - path);
		r = stat_part(at, path, len, name, &st);
		if (r < 0)
			break;
		path += len;
		/* What a path with a slash behind it names is a directory. */
		if (*path == '\0' && !S_ISREG(st.st_mode)) {
			r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
			break;
		}
		next = openat(at, name,
			      *path ? flags | O_PATH | O_DIRECTORY :
				      flags | O_RDONLY | O_NONBLOCK);
		if (next < 0) {
			r = -errno;
			break;
		}
		if (at != dirfd)
			close(at);
		at = next;
		if (*path == '\0')
			return at;
	}
	if (at != dirfd)
		close(at);
	return r;
}

enum { LINKS_MAX = 40 }; /* as the kernel has it */

/* A walk: what is left of the path, and the open directories on the way. */
struct walk {
	int root;
	size_t depth;
	int dirs[TREE_DEPTH_MAX]; /* below the root; the last is where it is */
	unsigned links;
	char path[PATH_MAX];
};

static int walk_at(const struct walk *w)
{
	return w->depth > 0 ? w->dirs[w->depth - 1] : w->root;
}

static void walk_up(struct walk *w)
{
	if (w->depth > 0)
		close(w->dirs[--w->depth]);
}

/* LEN bytes of LINK stand before REST from now on. */
static int walk_link(struct walk *w, const char *link, size_t len,
		     const char *rest)
{
	size_t rest_len = strlen(rest);

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (len + 1 + rest_len + 1 > sizeof(w->path))
		return -ENAMETOOLONG;
	if (len > 0 && link[0] == '/')
		while (w->depth > 0)
			walk_up(w);
	/* REST may lie in the same memory. */
	memmove(w->path + len + 1, rest, rest_len + 1);
	memcpy(w->path, link, len);
	w->path[len] = '/';
	return 0;
}

/* Goes into NAME, a link, a directory, or, as the LAST part, a file: its descriptor. */
static int walk_into(struct walk *w, const char *name, const char *rest)
{
	const int flags = O_NOFOLLOW | O_CLOEXEC;
	char link[PATH_MAX];
	struct stat st;
	ssize_t n;
	int fd;

	if (fstatat(walk_at(w), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(walk_at(w), name, link, sizeof(link));
		if (n < 0)
			return -errno;
		return walk_link(w, link, (size_t)n, rest);
	}
	if (*rest == '\0' && !S_ISDIR(st.st_mode)) {
		fd = openat(walk_at(w), name, flags | O_RDONLY | O_NONBLOCK);
		return fd < 0 ? -errno : fd;
	}
	if (w->depth == TREE_DEPTH_MAX)
		return -ENAMETOOLONG;
	fd = openat(walk_at(w), name, flags | O_PATH | O_DIRECTORY);
	if (fd < 0)
		return -errno;
	w->dirs[w->depth++] = fd;
	memmove(w->path, rest, strlen(rest) + 1);
	return 0;
}

/* One part of the path: 0, a descriptor (above 2, as all of ours), or -errno. */
static int walk_part(struct walk *w)
{
	const char *part = w->path + strspn(w->path, "/");
	size_t len = (size_t)(strchrnul(part, '/') - part);
	const char *rest = part + len + strspn(part + len, "/");
	char name[NAME_MAX + 1];

	if (len == 0)
		return -EISDIR;
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, part, len);
	name[len] = '\0';
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		return walk_into(w, name, rest);
	if (name[1] == '.')
		walk_up(w);
	memmove(w->path, rest, strlen(rest) + 1);
	return 0;
}

int file_open_in_root(int root, const char *path)
{
	struct walk w = { .root = root };
	size_t len = strlen(path);
	int r = 0;

	if (len >= sizeof(w.path))
		return -ENAMETOOLONG;
	memcpy(w.path, path, len + 1);
	while (r == 0)
		r = walk_part(&w);
	while (w.depth > 0)
		walk_up(&w);
	return r;
}

int file_set_access(const char *path, uid_t owner, gid_t group, int mode)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	/* The owner first: changing it clears bits of the mode. */
	if (lchown(path, owner, group) < 0 ||
	    (mode >= 0 && chmod(path, (mode_t)mode) < 0))
		return -errno;
	return 0;
}

void file_free(struct file *file)
{
	if (file->data)
		(void)munmap(file->data, file->mapped);
	*file = (struct file){ 0 };
}
