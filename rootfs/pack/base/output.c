#include "rootfs/pack/base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/cleanup.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/spool.h"

enum {
	NAMES_MAX = 100, /* temporary ones that are tried */
	CHUNK = 1 << 18,
	AHEAD = 1 << 25, /* bytes after which the disk begins to write */
};

struct output {
	char *path;	    /* as it was said */
	char *target;	    /* where links lead */
	const char *name;   /* of TARGET, in its folder */
	char temporary[40]; /* "": the file has no name (yet) */
	int slot;	    /* of the temporary name */
	int fd, dirfd;
	int pipe; /* standard output, or -1 */
	uint64_t begun;
	bool replaces; /* a file, which is: */
	dev_t dev;
	ino_t ino;
};

int output_write(int fd, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	while (len > 0) {
		n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int output_sync(int fd)
{
	/* Some file systems know of no such thing. */
	if (fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS)
		return 0;
	return -errno;
}

static int fail(const struct output *o, struct fault *reterr)
{
	return fault_system(reterr, errno, "%s", o->path);
}

/* Where PATH's links lead. What is there must be a file: a device would be lost. */
static int resolve(struct output *o, struct fault *reterr)
{
	struct stat st;
	bool is_link = lstat(o->path, &st) == 0 && S_ISLNK(st.st_mode);
	char *slash;

	o->replaces = stat(o->path, &st) == 0;
	if (o->replaces && !S_ISREG(st.st_mode))
		return fault_refuse(reterr,
				    "%s: exists and is not a regular file",
				    o->path);
	if (o->replaces) {
		o->dev = st.st_dev;
		o->ino = st.st_ino;
	}
	o->target = is_link ? realpath(o->path, NULL) : strdup(o->path);
	if (!o->target && is_link && errno == ENOENT)
		return fault_refuse(reterr, "%s: dangling symbolic link",
				    o->path);
	if (!o->target)
		return fail(o, reterr);
	slash = strrchr(o->target, '/');
	o->name = slash ? slash + 1 : o->target;
	if (*o->name == '\0')
		return fault_system(reterr, *o->path ? EISDIR : ENOENT, "%s",
				    o->path);
	if (!slash)
		o->dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else if (slash == o->target)
		o->dirfd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else {
		*slash = '\0';
		o->dirfd = open(o->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return o->dirfd < 0 ? fail(o, reterr) : 0;
}

/* An open file without a name gets one only by /proc, unless one is root. */
static bool can_be_named(int fd)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return faccessat(AT_FDCWD, path, F_OK, 0) == 0;
}

static void set_temporary(struct output *o, int i)
{
	(void)snprintf(o->temporary, sizeof(o->temporary), ".mkeif.%d.%d",
		       (int)getpid(), i);
	o->slot = cleanup_add(o->dirfd, o->temporary, 0);
}

static void drop_temporary(struct output *o)
{
	cleanup_drop(o->slot);
	o->slot = -1;
	o->temporary[0] = '\0';
}

static int open_file(struct output *o, struct fault *reterr)
{
	o->fd = openat(o->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	if (o->fd >= 0 && can_be_named(o->fd))
		return 0;
	if (o->fd >= 0)
		close(o->fd);
	for (int i = 0; i < NAMES_MAX; i++) {
		set_temporary(o, i);
		o->fd = openat(o->dirfd, o->temporary,
			       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (o->fd >= 0)
			return 0;
		drop_temporary(o);
		if (errno != EEXIST)
			break;
	}
	return fail(o, reterr);
}

static int open_stdout(struct output *o, struct fault *reterr)
{
	struct spool spool = SPOOL_NONE;

	if (isatty(STDOUT_FILENO))
		return fault_usage(reterr,
				   "--output -: standard output is a terminal");
	/* The header has a checksum of all that follows: the file is made first. */
	if (spool_open(&spool, reterr) < 0)
		return -1;
	o->fd = spool.fd;
	(void)fflush(stdout);
	o->pipe = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (o->pipe < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return fault_system(reterr, errno, "standard output");
	free(o->path);
	o->path = strdup("standard output");
	return o->path ? 0 : fault_system(reterr, ENOMEM, "standard output");
}

int output_open(const char *path, struct output **ret, struct fault *reterr)
{
	struct output *o = calloc(1, sizeof(*o));

	if (!o)
		return fault_system(reterr, ENOMEM, "%s", path);
	o->fd = o->dirfd = o->pipe = o->slot = -1;
	o->path = strdup(path);
	if (!o->path) {
		(void)fault_system(reterr, ENOMEM, "%s", path);
		goto fail;
	}
	if (strcmp(path, "-") == 0) {
		if (open_stdout(o, reterr) < 0)
			goto fail;
	} else if (resolve(o, reterr) < 0 || open_file(o, reterr) < 0) {
		(void)fault_prefix(reterr, "--output");
		goto fail;
	}
	*ret = o;
	return 0;
fail:
	output_abort(o);
	return -1;
}

int output_check_folder(const struct output *o, const struct stat *folder,
			struct fault *reterr)
{
	struct stat st;

	if (o->dirfd < 0)
		return 0;
	if (fstat(o->dirfd, &st) < 0)
		return fail(o, reterr);
	if (st.st_dev != folder->st_dev || st.st_ino != folder->st_ino)
		return 0;
	return fault_refuse(reterr, "--output lies in the image's folder: %s",
			    o->path);
}

int output_check_file(const struct output *o, const char *what,
		      const struct stat *st, struct fault *reterr)
{
	if (!o->replaces || st->st_dev != o->dev || st->st_ino != o->ino)
		return 0;
	return fault_refuse(reterr, "%s: the output would take the place of %s",
			    o->path, what);
}

/* What is not there says so when it is opened. */
int output_check_input(const struct output *o, const char *what,
		       const char *input, struct fault *reterr)
{
	struct stat st;
	char *end;
	long fd;

	if (!input)
		return 0;
	if (stat(input, &st) == 0 &&
	    output_check_file(o, what, &st, reterr) < 0)
		return -1;
	/* slurp.h's name of a descriptor. */
	if (strncmp(input, "fd:", 3) != 0)
		return 0;
	fd = strtol(input + 3, &end, 10);
	if (*end || fd > INT_MAX || fstat((int)fd, &st) < 0)
		return 0;
	return output_check_file(o, what, &st, reterr);
}

const char *output_path(const struct output *o)
{
	return o->path;
}

int output_write_at(struct output *o, const void *data, size_t len,
		    uint64_t offset, struct fault *reterr)
{
	const char *at = data;
	ssize_t n;

	while (len > 0) {
		n = pwrite(o->fd, at, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(o, reterr);
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	/* So that little is left for the end, when one has to wait for it. */
	if (o->pipe < 0 && offset > o->begun + AHEAD) {
		(void)sync_file_range(o->fd, (off_t)o->begun, AHEAD,
				      SYNC_FILE_RANGE_WRITE);
		o->begun += AHEAD;
	}
	return 0;
}

static int copy_to_pipe(struct output *o, uint64_t len, struct fault *reterr)
{
	const struct content c = { .fd = o->fd, .len = len };
	char *chunk = malloc(CHUNK);
	int r = 0;
	size_t n;

	if (!chunk)
		return fault_system(reterr, ENOMEM, "%s", o->path);
	for (uint64_t at = 0; at < len && r == 0; at += n) {
		n = len - at < CHUNK ? (size_t)(len - at) : CHUNK;
		r = content_read(&c, at, chunk, n, reterr);
		if (r < 0)
			break;
		r = output_write(o->pipe, chunk, n);
		if (r < 0)
			r = fault_system(reterr, -r, "%s", o->path);
	}
	if (r == 0 && close(o->pipe) < 0)
		r = fail(o, reterr);
	o->pipe = -1;
	free(chunk);
	return r;
}

/* link(2) replaces nothing: the name that it makes is for rename(2). */
static int name_file(struct output *o, struct fault *reterr)
{
	char fd[40];

	if (o->temporary[0])
		return 0;
	(void)snprintf(fd, sizeof(fd), "/proc/self/fd/%d", o->fd);
	for (int i = 0; i < NAMES_MAX; i++) {
		set_temporary(o, i);
		if (linkat(AT_FDCWD, fd, o->dirfd, o->temporary,
			   AT_SYMLINK_FOLLOW) == 0)
			return 0;
		drop_temporary(o);
		if (errno != EEXIST)
			break;
	}
	return fail(o, reterr);
}

/* Where a file system over the network says that there was no room. */
static int close_file(struct output *o)
{
	int fd = o->fd;

	o->fd = -1;
	return close(fd);
}

int output_finish(struct output *o, uint64_t len, struct fault *reterr)
{
	int r = -1;

	if (ftruncate(o->fd, (off_t)len) < 0) {
		(void)fail(o, reterr);
		goto out;
	}
	if (o->pipe >= 0) {
		r = copy_to_pipe(o, len, reterr);
		goto out;
	}
	r = output_sync(o->fd);
	if (r < 0) {
		r = fault_system(reterr, -r, "%s", o->path);
		goto out;
	}
	r = -1;
	if (name_file(o, reterr) < 0)
		goto out;
	if (close_file(o) < 0 ||
	    renameat(o->dirfd, o->temporary, o->dirfd, o->name) < 0) {
		(void)fail(o, reterr);
		goto out;
	}
	drop_temporary(o);
	r = output_sync(o->dirfd);
	if (r < 0)
		r = fault_system(reterr, -r, "%s", o->path);
out:
	output_abort(o);
	return r;
}

void output_abort(struct output *o)
{
	if (!o)
		return;
	if (o->fd >= 0)
		close(o->fd);
	if (o->temporary[0]) {
		(void)unlinkat(o->dirfd, o->temporary, 0);
		drop_temporary(o);
	}
	if (o->dirfd >= 0)
		close(o->dirfd);
	if (o->pipe >= 0)
		close(o->pipe);
	free(o->target);
	free(o->path);
	free(o);
}
