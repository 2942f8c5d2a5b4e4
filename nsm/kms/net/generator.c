#include "nsm/kms/net/generator.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum {
	SEED_SIZE = 48, /* a key of AES-256 and a block, in one piece */
};

_Static_assert(SEED_SIZE + SEED_SIZE + GENERATOR_SEED_MAX <=
		       MBEDTLS_CTR_DRBG_MAX_SEED_INPUT,
	       "what mbedTLS takes at once");

static int kernel_random(void *buf, size_t len)
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

static int source_random(void *ctx, unsigned char *buf, size_t len)
{
	struct generator *g = ctx;

	g->error = g->nsm_fd == NSMC_KERNEL_RANDOM ?
			   kernel_random(buf, len) :
			   nsmc_get_random(g->nsm_fd, buf, len);
	return g->error < 0 ? MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED : 0;
}

int generator_start(struct generator *g, int nsm_fd, struct nsmc_bytes seed)
{
	uint8_t personal[SEED_SIZE + GENERATOR_SEED_MAX];
	int r;

	g->nsm_fd = nsm_fd;
	g->error = 0;
	mbedtls_ctr_drbg_init(&g->drbg);
	mbedtls_ctr_drbg_set_entropy_len(&g->drbg, SEED_SIZE);
	if (seed.len > GENERATOR_SEED_MAX)
		return -EINVAL;
	r = kernel_random(personal, SEED_SIZE);
	if (r < 0)
		goto out;
	if (seed.len > 0)
		memcpy(personal + SEED_SIZE, seed.data, seed.len);
	r = mbedtls_ctr_drbg_seed(&g->drbg, source_random, g, personal,
				  SEED_SIZE + seed.len);
	if (g->error < 0)
		r = g->error;
	else if (r < 0)
		r = -ENOMEM;
out:
	explicit_bzero(personal, sizeof(personal));
	return r;
}

int generator_random(void *ctx, unsigned char *buf, size_t len)
{
	struct generator *g = ctx;

	return mbedtls_ctr_drbg_random(&g->drbg, buf, len);
}

void generator_end(struct generator *g)
{
	mbedtls_ctr_drbg_free(&g->drbg);
}
