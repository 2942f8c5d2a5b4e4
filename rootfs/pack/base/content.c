#include "rootfs/pack/base/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/spool.h"

int content_read(const struct content *c, uint64_t at, void *buf, size_t len,
		 struct fault *reterr)
{
	char *to = buf;
	ssize_t n;

	if (at > c->len || len > c->len - at)
		return fault_refuse(reterr, "shorter than it was");
	while (len > 0) {
		n = pread(c->fd, to, len, (off_t)(c->offset + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_system(reterr, errno, "read");
		if (n == 0)
			return fault_refuse(reterr, "shorter than it was");
		to += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int content_slurp(const struct content *c, size_t max, const char *what,
		  char **ret, struct fault *reterr)
{
	char *text;

	if (c->len > max)
		return fault_refuse(reterr, "%s: longer than %zu bytes", what,
				    max);
	text = malloc(c->len + 1);
	if (!text)
		return fault_system(reterr, ENOMEM, "%s", what);
	if (content_read(c, 0, text, c->len, reterr) < 0) {
		free(text);
		return fault_prefix(reterr, "%s", what);
	}
	text[c->len] = '\0';
	*ret = text;
	return 0;
}

int content_open(const char *path, struct content *ret, struct fault *reterr)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return fault_system(reterr, errno, "%s", path);
	if (fstat(fd, &st) < 0) {
		int error = errno;

		close(fd);
		return fault_system(reterr, error, "%s", path);
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return fault_refuse(reterr, "%s: not a regular file", path);
	}
	*ret = (struct content){ .fd = fd, .len = (uint64_t)st.st_size };
	return 0;
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

int content_check_same(int fd, const struct stat *was, const char *name,
		       struct fault *reterr)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_system(reterr, errno, "%s", name);
	/* To be linked or unlinked changes the other time, too. */
	if (st.st_size == was->st_size &&
	    is_same_time(&st.st_mtim, &was->st_mtim) &&
	    (st.st_nlink != was->st_nlink ||
	     is_same_time(&st.st_ctim, &was->st_ctim)))
		return 0;
	return fault_refuse(reterr, "%s: changed while it was read", name);
}

int content_slurp_path(const char *path, size_t max, char **ret,
		       size_t *ret_len, struct fault *reterr)
{
	struct content c;
	int r;

	if (content_open(path, &c, reterr) < 0)
		return -1;
	r = content_slurp(&c, max, path, ret, reterr);
	close(c.fd);
	if (r == 0)
		*ret_len = c.len;
	return r;
}

/* All of FD, a pipe, at the end of S. */
static int append_pipe(struct spool *s, int fd, struct fault *reterr)
{
	enum { PIPE_CHUNK = 1 << 16 };
	char *buf = malloc(PIPE_CHUNK);
	int r = 0;
	ssize_t n;

	if (!buf)
		return fault_system(reterr, ENOMEM, "a pipe");
	while (r == 0) {
		n = read(fd, buf, PIPE_CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = n < 0 ? fault_system(reterr, errno, "read") : 0;
			break;
		}
		if (s->len + (uint64_t)n > SPOOL_UNPACKED_MAX)
			r = fault_refuse(reterr, "more than %llu bytes",
					 SPOOL_UNPACKED_MAX);
		else
			r = spool_append(s, buf, (size_t)n, reterr);
	}
	free(buf);
	return r;
}

int content_open_stream(const char *path, struct content *ret,
			struct fault *reterr)
{
	const bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	struct spool spool = SPOOL_NONE;
	off_t at = 0;
	struct stat st;
	int fd, r;

	fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) :
			open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)fault_system(reterr, errno, "%s", name);
		r = -1;
	} else if (S_ISREG(st.st_mode)) {
		if (is_stdin)
			at = lseek(fd, 0, SEEK_CUR);
		if (at < 0 || at > st.st_size)
			at = st.st_size;
		*ret = (struct content){
			.fd = fd,
			.offset = (uint64_t)at,
			.len = (uint64_t)(st.st_size - at),
		};
		return 0;
	} else if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)) {
		r = fault_refuse(reterr, "%s: neither a file nor a pipe", name);
	} else {
		r = spool_open(&spool, reterr);
		if (r == 0 && append_pipe(&spool, fd, reterr) < 0)
			r = fault_prefix(reterr, "%s", name);
	}
	if (r == 0)
		*ret = spool_content(&spool, 0);
	else
		spool_close(&spool);
	if (fd >= 0)
		close(fd);
	return r;
}
