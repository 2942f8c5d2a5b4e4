#include "rootfs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

int file_read(int dirfd, const char *name, size_t max, struct file *ret)
{
	struct file file = { 0 };
	struct stat st;
	int fd, r;

	/* Not to hang on what is a fifo. */
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		r = -errno;
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
		goto out;
	}
	r = file_alloc(max, &file);
	if (r < 0)
		goto out;
	r = read_all(fd, file.data, max, &file.len);
	if (r < 0) {
		file_free(&file);
		goto out;
	}
	*ret = file;
out:
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
