#include "vsock/relay/run/text.h"

#include <errno.h>
#include <unistd.h>

#include "vsock/relay/plan/plan.h"

static char text[PLAN_TEXT_MAX + 1];

static ssize_t read_at(int fd, bool from_start, size_t at)
{
	ssize_t n = -1;

	if (from_start)
		n = pread(fd, text + at, sizeof(text) - at, (off_t)at);
	/* A pipe has one place. */
	if (!from_start || (n < 0 && errno == ESPIPE))
		n = read(fd, text + at, sizeof(text) - at);
	return n;
}

ssize_t text_read(int fd, bool from_start, const char **ret)
{
	size_t len = 0;
	ssize_t n;

	*ret = text;
	while (len < sizeof(text)) {
		n = read_at(fd, from_start, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return (ssize_t)len;
		len += (size_t)n;
	}
	return -EFBIG;
}
