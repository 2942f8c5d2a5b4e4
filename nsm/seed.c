#include "nsm/seed.h"

#include <errno.h>
#include <mbedtls/ctr_drbg.h>
#include <stdint.h>
#include <sys/random.h>

#include "nsm/nsmc.h"

int seed_kernel(void *buf, size_t len)
{
	uint8_t *to = buf;
	ssize_t n;

	while (len > 0) {
		n = getrandom(to, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

int seed_random(void *ctx, unsigned char *buf, size_t len)
{
	struct seed *s = ctx;

	s->error = s->fd == NSMC_KERNEL_RANDOM ?
			   seed_kernel(buf, len) :
			   nsmc_get_random(s->fd, buf, len);
	return s->error < 0 ? MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED : 0;
}
