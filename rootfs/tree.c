#include "rootfs/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* getdents64(2); opendir would need a heap. */
struct tree_entry {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

enum { PASSES_MAX = 1000 };

void tree_each(int dirfd, tree_entry_fn *fn, void *ctx, int *first_error)
{
	_Alignas(struct tree_entry) char buf[2048];
	const struct tree_entry *e;
	bool again;
	int left = PASSES_MAX;
	long n, at;

	do {
		again = false;
		if (lseek(dirfd, 0, SEEK_SET) < 0)
			n = -1;
		else
			n = syscall(SYS_getdents64, dirfd, buf, sizeof(buf));
		while (n > 0) {
			for (at = 0; at < n; at += e->reclen) {
				e = (const struct tree_entry *)(buf + at);
				if (strcmp(e->name, ".") == 0 ||
				    strcmp(e->name, "..") == 0)
					continue;
				if (fn(ctx, dirfd, e->name, first_error))
					again = true;
			}
			n = syscall(SYS_getdents64, dirfd, buf, sizeof(buf));
		}
		if (n < 0 && *first_error == 0)
			*first_error = -errno;
		/* Another process may keep making what we remove. */
	} while (again && --left > 0);
}

static void note(int *first_error)
{
	if (*first_error == 0)
		*first_error = -errno;
}

static int open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

struct remove {
	const char *const *keep;
	dev_t dev;
	int depth;
};

static bool remove_entry(void *ctx, int dirfd, const char *name,
			 int *first_error)
{
	const struct remove *up = ctx;
	struct remove down = { .dev = up->dev, .depth = up->depth + 1 };
	struct stat st;
	int fd;

	for (const char *const *k = up->keep; k && *k; k++)
		if (strcmp(name, *k) == 0)
			return false;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_dev != up->dev)
		return false;
	if (S_ISDIR(st.st_mode)) {
		if (down.depth > TREE_DEPTH_MAX) {
			errno = ENAMETOOLONG;
			note(first_error);
			return false;
		}
		fd = open_dir(dirfd, name);
		if (fd < 0) {
			note(first_error);
			return false;
		}
		tree_each(fd, remove_entry, &down, first_error);
		close(fd);
	}
	if (unlinkat(dirfd, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0) {
		note(first_error);
		return false;
	}
	return true;
}

int tree_remove(int dirfd, const char *const *keep)
{
	struct remove top = { .keep = keep };
	struct stat st;
	int first_error = 0;

	if (fstat(dirfd, &st) < 0)
		return -errno;
	top.dev = st.st_dev;
	tree_each(dirfd, remove_entry, &top, &first_error);
	return first_error;
}

struct move {
	int to;
	dev_t dev;
	int depth;
};

static int copy_content(int from, const char *name, int out, off_t size)
{
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = 0;

	if (in < 0)
		return -1;
	while (size > 0) {
		n = sendfile(out, in, NULL, 1 << 20);
		if (n <= 0)
			break;
		size -= n;
	}
	close(in);
	if (n == 0 && size > 0)
		errno = EIO;
	return size > 0 ? -1 : 0;
}

/*
 * Makes the new entry, without its owner and mode. A function of its own, so
 * that its buffer is not on the stack once for each level.
 */
static __attribute__((noinline)) int copy_entry(int from, int to,
						const char *name,
						const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n;
	int out, r, error;

	if (S_ISDIR(st->st_mode)) {
		r = mkdirat(to, name, 0700);
		return r < 0 && errno == EEXIST ? 0 : r;
	}
	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(from, name, target, sizeof(target) - 1);
		if (n < 0)
			return -1;
		target[n] = '\0';
		return symlinkat(target, to, name);
	}
	if (!S_ISREG(st->st_mode))
		return mknodat(to, name, st->st_mode, st->st_rdev);
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return -1;
	r = copy_content(from, name, out, st->st_size);
	error = errno;
	close(out);
	if (r < 0)
		(void)unlinkat(to, name, 0); /* leave no half of a file */
	errno = error;
	return r;
}

static int copy_attributes(int to, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	/*
	 * Set the mode after the owner: changing the owner clears the set-id
	 * bits.
	 */
	if (!S_ISLNK(st->st_mode) &&
	    syscall(SYS_fchmodat, to, name, st->st_mode & 07777) < 0)
		return -1;
	return (int)syscall(SYS_utimensat, to, name, times,
			    AT_SYMLINK_NOFOLLOW);
}

static bool move_entry(void *ctx, int dirfd, const char *name, int *first_error)
{
	const struct move *up = ctx;
	struct move down = { .dev = up->dev, .depth = up->depth + 1 };
	struct stat st;
	bool is_dir;
	int fd;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		goto failed;
	if (st.st_dev != up->dev)
		return false;
	is_dir = S_ISDIR(st.st_mode);
	if (S_ISSOCK(st.st_mode))
		return unlinkat(dirfd, name, 0) == 0;
	if (down.depth > TREE_DEPTH_MAX) {
		errno = ENAMETOOLONG;
		goto failed;
	}
	if (copy_entry(dirfd, up->to, name, &st) < 0)
		goto failed;
	if (is_dir) {
		fd = open_dir(dirfd, name);
		if (fd < 0)
			goto failed;
		down.to = open_dir(up->to, name);
		if (down.to < 0) {
			close(fd);
			goto failed;
		}
		tree_each(fd, move_entry, &down, first_error);
		close(down.to);
		close(fd);
	}
	if (copy_attributes(up->to, name, &st) < 0)
		goto failed;
	if (unlinkat(dirfd, name, is_dir ? AT_REMOVEDIR : 0) == 0)
		return true;
failed:
	note(first_error);
	return false;
}

int tree_move(int from, int to)
{
	struct move top = { .to = to };
	struct stat st;
	int first_error = 0;

	if (fstat(from, &st) < 0)
		return -errno;
	top.dev = st.st_dev;
	tree_each(from, move_entry, &top, &first_error);
	return first_error;
}
