#include "rootfs/pack/base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"

enum { UNPACKED_FREE = 1 << 30, UNPACKED_RATIO = 4096 };

const char *spool_dir(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/var/tmp";
}

int spool_open(struct spool *s, struct fault *reterr)
{
	const char *dir = spool_dir();
	char name[4096];

	s->len = 0;
	s->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd >= 0)
		return 0;
	/* Not every file system has files without a name. */
	if (snprintf(name, sizeof(name), "%s/mkeif.XXXXXX", dir) >=
	    (int)sizeof(name))
		return fault_system(reterr, ENAMETOOLONG, "TMPDIR");
	s->fd = mkostemp(name, O_CLOEXEC);
	if (s->fd < 0)
		return fault_system(reterr, errno, "a temporary file in %s",
				    dir);
	(void)unlink(name);
	return 0;
}

void spool_close(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	*s = SPOOL_NONE;
}

static bool is_zero(const char *data, size_t len)
{
	return len > 0 && data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

int spool_append(struct spool *s, const void *data, size_t len,
		 struct fault *reterr)
{
	const char *at = data;
	ssize_t n;

	if (is_zero(data, len))
		return spool_append_zeros(s, len, reterr);
	while (len > 0) {
		n = pwrite(s->fd, at, len, (off_t)s->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_system(reterr, errno, "a temporary file");
		at += n;
		len -= (size_t)n;
		s->len += (uint64_t)n;
	}
	return 0;
}

int spool_append_zeros(struct spool *s, uint64_t len, struct fault *reterr)
{
	uint64_t end;

	if (len == 0)
		return 0;
	if (__builtin_add_overflow(s->len, len, &end) || end > INT64_MAX)
		return fault_system(reterr, EFBIG, "a temporary file");
	if (ftruncate(s->fd, (off_t)end) < 0)
		return fault_system(reterr, errno, "a temporary file");
	s->len = end;
	return 0;
}

int spool_check_unpacked(uint64_t packed, uint64_t unpacked,
			 struct fault *reterr)
{
	if (unpacked > SPOOL_UNPACKED_MAX)
		return fault_refuse(reterr, "unpacks to more than %llu bytes",
				    SPOOL_UNPACKED_MAX);
	if (unpacked > UNPACKED_FREE && unpacked / UNPACKED_RATIO > packed)
		return fault_refuse(reterr,
				    "%llu bytes unpack to more than %d times "
				    "as many, which is taken for a bomb",
				    (unsigned long long)packed, UNPACKED_RATIO);
	return 0;
}

struct content spool_content(const struct spool *s, uint64_t from)
{
	return (struct content){
		.fd = s->fd,
		.offset = from,
		.len = s->len - from,
	};
}
