#include "nsm/kms/net/generator.h"

#include <errno.h>
#include <string.h>

enum {
	SEED_SIZE = 48, /* a key of AES-256 and a block, in one piece */
};

_Static_assert(SEED_SIZE + SEED_SIZE + GENERATOR_SEED_MAX <=
		       MBEDTLS_CTR_DRBG_MAX_SEED_INPUT,
	       "what mbedTLS takes at once");

int generator_start(struct generator *g, int nsm_fd, struct nsmc_bytes seed)
{
	uint8_t personal[SEED_SIZE + GENERATOR_SEED_MAX];
	int r;

	g->seed = (struct seed){ .fd = nsm_fd };
	mbedtls_ctr_drbg_init(&g->drbg);
	mbedtls_ctr_drbg_set_entropy_len(&g->drbg, SEED_SIZE);
	if (seed.len > GENERATOR_SEED_MAX)
		return -EINVAL;
	r = seed_kernel(personal, SEED_SIZE);
	if (r < 0)
		goto out;
	if (seed.len > 0)
		memcpy(personal + SEED_SIZE, seed.data, seed.len);
	r = mbedtls_ctr_drbg_seed(&g->drbg, seed_random, &g->seed, personal,
				  SEED_SIZE + seed.len);
	if (g->seed.error < 0)
		r = g->seed.error;
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
