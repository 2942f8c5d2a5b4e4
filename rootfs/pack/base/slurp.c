#include "rootfs/pack/base/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"

/* One buffer of the largest size: one that grew would leave copies behind. */
static int read_all(int fd, const char *path, struct slurp *s,
		    struct fault *reterr)
{
	ssize_t n;

	while (s->len <= SLURP_MAX) {
		n = read(fd, s->text + s->len, SLURP_MAX + 1 - s->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_system(reterr, errno, "%s", path);
		if (n == 0)
			break;
		s->len += (size_t)n;
	}
	if (s->len > SLURP_MAX)
		return fault_refuse(reterr, "%s: longer than %d bytes", path,
				    SLURP_MAX);
	s->text[s->len] = '\0';
	return 0;
}

static int read_fd(int fd, const char *path, struct slurp *ret,
		   struct fault *reterr)
{
	struct slurp s = { 0 };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_system(reterr, errno, "%s", path);
	if (isatty(fd))
		return fault_refuse(reterr, "%s: a terminal", path);
	s.mode = st.st_mode & 07777;
	s.is_readable_by_others = S_ISREG(st.st_mode) &&
				  (st.st_mode & (S_IRGRP | S_IROTH));
	s.text = malloc(SLURP_MAX + 2);
	if (!s.text)
		return fault_system(reterr, ENOMEM, "%s", path);
	if (read_all(fd, path, &s, reterr) < 0) {
		slurp_free(&s);
		return -1;
	}
	*ret = s;
	return 0;
}

/* 1: PATH is "fd:N". */
static int descriptor_of(const char *path, int *ret, struct fault *reterr)
{
	unsigned long n;
	char *end;

	if (strncmp(path, "fd:", 3) != 0)
		return 0;
	errno = 0;
	n = strtoul(path + 3, &end, 10);
	if (path[3] < '0' || path[3] > '9' || *end || errno || n > INT_MAX)
		return fault_usage(reterr, "%s: not fd: and a number", path);
	*ret = (int)n;
	return 1;
}

int slurp_claim(const char *path, struct fault *reterr)
{
	int fd = -1, r = descriptor_of(path, &fd, reterr);

	if (r <= 0)
		return r;
	if (fcntl(fd, F_GETFD) < 0)
		return fault_usage(reterr, "%s: not open", path);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return fault_system(reterr, errno, "%s", path);
	return 0;
}

int slurp_read(const char *path, struct slurp *ret, struct fault *reterr)
{
	int fd = -1, r = descriptor_of(path, &fd, reterr);

	if (r < 0)
		return -1;
	if (r == 1)
		return read_fd(fd, path, ret, reterr);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fault_system(reterr, errno, "%s", path);
	r = read_fd(fd, path, ret, reterr);
	close(fd);
	return r;
}

void slurp_free(struct slurp *s)
{
	if (s->text)
		explicit_bzero(s->text, SLURP_MAX + 2);
	free(s->text);
	*s = (struct slurp){ 0 };
}
