#include "rootfs/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/file.h"
#include "rootfs/number.h"

/*
 * Opens NAME in DIRFD, of type WANTED (S_IFDIR or S_IFREG); -ELOOP if NAME
 * itself is a link.
 */
static int open_itself(int dirfd, const char *name, mode_t wanted)
{
	struct stat st;
	int fd, r;

	fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (S_ISLNK(st.st_mode))
		r = -ELOOP;
	else if ((st.st_mode & S_IFMT) != wanted)
		r = wanted == S_IFDIR ? -ENOTDIR : -EINVAL;
	else
		return fd;
	close(fd);
	return r;
}

int bind_take(const char *path)
{
	int fd, r;

	fd = open_itself(AT_FDCWD, path, S_IFREG);
	if (fd < 0)
		return fd;
	r = file_set_access(path, 0, 0, 0555);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/*
 * "/proc/self/fd/N", by which mount(2) reaches a file that has no name any
 * more, or that must not be looked up by its name again.
 */
struct fd_path {
	char text[16 + NUMBER_SIZE];
};

static const char *path_of(int fd, struct fd_path *ret)
{
	static const char head[] = "/proc/self/fd/";

	(void)number_put(mempcpy(ret->text, head, sizeof(head) - 1),
			 (uint64_t)fd);
	return ret->text;
}

/*
 * Opens the directory that contains PATH, making missing ones; NAME is its last
 * part.
 */
static int open_parent(const char *path, char ret_name[NAME_MAX + 1])
{
	int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), next;
	size_t len;

	while (at >= 0) {
		while (*path == '/')
			path++;
		len = (size_t)(strchrnul(path, '/') - path);
		next = -ENAMETOOLONG;
		if (len <= NAME_MAX) {
			memcpy(ret_name, path, len);
			ret_name[len] = '\0';
			path += len;
			if (*path == '\0')
				return at;
			(void)mkdirat(at, ret_name, 0755);
			next = open_itself(at, ret_name, S_IFDIR);
		}
		close(at);
		if (next < 0)
			return next;
		at = next;
	}
	return -errno;
}

/* FD is mounted on TO already; that mount must become read-only. */
static int protect(int dirfd, const char *name)
{
	const unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY |
				    MS_NOSUID | MS_NODEV;
	struct fd_path buf = { 0 };
	const char *path;
	int fd, r = 0;

	/* Open TO again, to get the mount and not what lies below it. */
	fd = open_itself(dirfd, name, S_IFREG);
	if (fd < 0)
		return fd;
	path = path_of(fd, &buf);
	if (mount(NULL, path, NULL, flags, NULL) < 0)
		r = -errno;
	close(fd);
	return r;
}

int bind_put(int fd, const char *path)
{
	struct fd_path from = { 0 }, to = { 0 };
	char name[NAME_MAX + 1];
	int dir, point = -1, r;

	dir = open_parent(path, name);
	if (dir < 0)
		return dir;
	/* Makes something to mount on; what exists already will do. */
	point = openat(dir, name,
		       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0444);
	if (point >= 0)
		close(point);
	point = open_itself(dir, name, S_IFREG);
	if (point < 0) {
		r = point;
		goto out;
	}
	if (mount(path_of(fd, &from), path_of(point, &to), NULL, MS_BIND,
		  NULL) < 0)
		r = -errno;
	else
		r = protect(dir, name);
	/* Better no mount than a writable one. No link leads to it. */
	if (r < 0)
		(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
out:
	if (point >= 0)
		close(point);
	close(dir);
	return r;
}

int bind_own_folder(const char *path, mode_t mode)
{
	char name[NAME_MAX + 1];
	int dir, fd, own, r = 0;

	dir = open_parent(path, name);
	if (dir < 0)
		return dir;
	(void)mkdirat(dir, name, 0700);
	fd = open_itself(dir, name, S_IFDIR);
	close(dir);
	if (fd < 0)
		return fd;
	/*
	 * Name the directory by its descriptor: its name may lead elsewhere by
	 * now.
	 */
	own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Set the owner first: changing it clears bits of the mode. */
	if (own < 0 || fchown(own, 0, 0) < 0 || fchmod(own, mode) < 0)
		r = -errno;
	if (own >= 0)
		close(own);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}
