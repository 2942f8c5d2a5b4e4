#include "rootfs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, char *data, size_t max, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	/* The byte beyond MAX tells "exactly MAX" from "more". */
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

enum {
	SHORT_MAX = 2048, /* bytes of a file that shares pages */
	SHARED_SIZE = 8192,
};

/* Empty again when the last file that lies in it is gone. */
static struct {
	size_t files, used;
	_Alignas(sizeof(void *)) char data[SHARED_SIZE];
} shared;

/* SIZE bytes of the shared pages; NULL if there is no room. */
static char *share(size_t size)
{
	char *data = shared.data + shared.used;

	size = (size + sizeof(void *) - 1) & -sizeof(void *);
	if (size > SHARED_SIZE - shared.used)
		return NULL;
	shared.used += size;
	shared.files++;
	return memset(data, 0, size);
}

int file_alloc(size_t max, struct file *ret)
{
	size_t mapped = max + 2; /* one to see an excess, one for the NUL */
	char *data = max <= SHORT_MAX ? share(mapped) : NULL;

	if (data) {
		*ret = (struct file){ .data = data };
		return 0;
	}
	data = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (data == MAP_FAILED)
		return -errno;
	*ret = (struct file){ .data = data, .mapped = mapped };
	return 0;
}

/* Reads FD, which is where a read begins, with room for MAX bytes. */
static int read_with_room(int fd, size_t max, struct file *ret)
{
	struct file file = { 0 };
	int r = file_alloc(max, &file);

	if (r < 0)
		return r;
	r = read_all(fd, file.data, max, &file.len);
	if (r < 0)
		file_free(&file);
	else
		*ret = file;
	return r;
}

int file_read_fd(int fd, size_t max, struct file *ret)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	/* The kernel's own files have no size. */
	if (st.st_size == 0 || st.st_size > SHORT_MAX ||
	    (size_t)st.st_size >= max)
		return read_with_room(fd, max, ret);
	r = read_with_room(fd, (size_t)st.st_size, ret);
	/* It has grown since. */
	if (r == -EFBIG && lseek(fd, 0, SEEK_SET) == 0)
		r = read_with_room(fd, max, ret);
	return r;
}

int file_read(int dirfd, const char *name, size_t max, struct file *ret)
{
	int fd, r;

	/* O_NONBLOCK: an open of a FIFO would wait. */
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = file_read_fd(fd, max, ret);
	close(fd);
	return r;
}

ssize_t file_read_start(int fd, void *buf, size_t size)
{
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size);
	if (n < 0)
		n = -errno;
	close(fd);
	return n;
}

int file_put_text(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n != (ssize_t)len)
		r = n < 0 ? -errno : -EIO;
	close(fd);
	return r;
}

/*
 * Copies the LEN bytes at PART to NAME, a string, and looks at NAME in DIRFD
 * without following it: -ELOOP if it is a link.
 */
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
		/* A path that ends in a slash names a directory. */
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

/* --- as if the directory were the root --- */

enum { LINKS_MAX = 40 };

/* A walk through a tree that any user may own. */
struct walk {
	int root, at; /* AT is ROOT, or a descriptor to close */
	int links;
	bool last_was_link; /* PATH itself is a link */
	bool only_roots;    /* follow links of root only */
	char rest[PATH_MAX];
};

static void go_to(struct walk *w, int fd)
{
	if (w->at != w->root)
		close(w->at);
	w->at = fd;
}

/* Goes up, but not above the root, which may be reached under another name. */
static int go_up(struct walk *w)
{
	struct stat here, root;
	int fd;

	if (fstat(w->at, &here) < 0 || fstat(w->root, &root) < 0)
		return -errno;
	if (here.st_dev == root.st_dev && here.st_ino == root.st_ino)
		return 0;
	fd = openat(w->at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	go_to(w, fd);
	return 0;
}

/* Reads the link NAME to TARGET. Returns its length or -errno. */
static ssize_t read_link(const struct walk *w, const char *name,
			 char target[PATH_MAX])
{
	struct stat st;
	ssize_t n;
	int fd;

	/*
	 * Hold the link open: the link that is read is the one whose owner was
	 * checked.
	 */
	fd = openat(w->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = readlinkat(fd, "", target, PATH_MAX);
	if (n < 0 || fstat(fd, &st) < 0)
		n = -errno;
	else if (w->only_roots && st.st_uid != 0)
		n = -ELOOP;
	close(fd);
	return n;
}

/*
 * Puts the target of the link NAME before what is left of the path. A function of its
 * own, so that a path without links does not take the stack that TARGET needs.
 */
static __attribute__((noinline)) int follow(struct walk *w, const char *name,
					    const char *rest)
{
	char target[PATH_MAX];
	size_t len = strlen(rest);
	ssize_t n;

	n = read_link(w, name, target);
	if (n < 0)
		return (int)n;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if ((size_t)n + len >= sizeof(w->rest))
		return -ENAMETOOLONG;
	memmove(w->rest + n, rest, len + 1);
	memcpy(w->rest, target, (size_t)n);
	w->last_was_link |= len == 0;
	if (w->rest[0] == '/')
		go_to(w, w->root);
	return 0;
}

/* Returns 1 and the file, 0 if the walk goes on, or -errno. */
static int go_on(struct walk *w, int *ret_fd)
{
	const int flags = O_NOFOLLOW | O_CLOEXEC;
	char name[NAME_MAX + 1];
	const char *part = w->rest, *rest;
	struct stat st;
	size_t len;
	int fd;

	while (*part == '/')
		part++;
	rest = strchrnul(part, '/');
	len = (size_t)(rest - part);
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, part, len);
	name[len] = '\0';
	if (len == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		if (*rest == '\0')
			return -EISDIR;
		memmove(w->rest, rest, strlen(rest) + 1);
		return name[0] && name[1] ? go_up(w) : 0;
	}
	if (fstatat(w->at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return follow(w, name, rest);
	if (*rest == '\0' && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	fd = openat(w->at, name,
		    *rest ? flags | O_PATH | O_DIRECTORY :
			    flags | O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (*rest == '\0') {
		*ret_fd = fd;
		return 1;
	}
	memmove(w->rest, rest, strlen(rest) + 1);
	go_to(w, fd);
	return 0;
}

static int open_in_root(int dirfd, const char *path, bool only_roots)
{
	struct walk w = {
		.root = dirfd,
		.at = dirfd,
		.only_roots = only_roots,
	};
	size_t len = strlen(path);
	int fd = -1, r;

	if (len >= sizeof(w.rest))
		return -ENAMETOOLONG;
	memcpy(w.rest, path, len + 1);
	do
		r = go_on(&w, &fd);
	while (r == 0);
	go_to(&w, dirfd);
	if (r == -ENOENT && w.last_was_link)
		return -ENOLINK;
	return r < 0 ? r : fd;
}

int file_open_in_root(int dirfd, const char *path)
{
	return open_in_root(dirfd, path, false);
}

int file_open_trusted(int dirfd, const char *path)
{
	return open_in_root(dirfd, path, true);
}

int file_set_access(const char *path, uid_t owner, gid_t group, int mode)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	/* Set the owner first: changing it clears bits of the mode. */
	if (lchown(path, owner, group) < 0 ||
	    (mode >= 0 && chmod(path, (mode_t)mode) < 0))
		return -errno;
	return 0;
}

void file_free(struct file *file)
{
	if (file->data && file->mapped > 0)
		(void)munmap(file->data, file->mapped);
	else if (file->data && --shared.files == 0)
		shared.used = 0;
	*file = (struct file){ 0 };
}
