/*
 * Most of what a call of KMS takes of a processor is the search for the primes of its key, and a test of what a client
 * refuses looks at anything but these. With $KMS_NEAR_PRIMES mbedTLS makes the key as ever, but from numbers by which it
 * finds primes after few tries: 19 ms in place of 200. With another version of it the key is as good, and takes as long
 * as any. The program's own generator is asked all the same, and fails as it would.
 */

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/rsa.h>
#include <stdlib.h>
#include <string.h>

#define SEED 99 /* the best of 150 */
#define SEED_LEN 48

typedef int random_fn(void *ctx, unsigned char *buf, size_t len);

int __real_mbedtls_rsa_gen_key(mbedtls_rsa_context *rsa, random_fn *f_rng,
			       void *p_rng, unsigned int bits, int exponent);
int __wrap_mbedtls_rsa_gen_key(mbedtls_rsa_context *rsa, random_fn *f_rng,
			       void *p_rng, unsigned int bits, int exponent);

static int near(void *ctx, unsigned char *buf, size_t len)
{
	(void)ctx;
	memset(buf, 0, len);
	buf[0] = SEED;
	return 0;
}

int __wrap_mbedtls_rsa_gen_key(mbedtls_rsa_context *rsa, random_fn *f_rng,
			       void *p_rng, unsigned int bits, int exponent)
{
	const char *wanted = getenv("KMS_NEAR_PRIMES");
	mbedtls_ctr_drbg_context drbg;
	unsigned char drawn[SEED_LEN];
	int r;

	if (!wanted || !*wanted)
		return __real_mbedtls_rsa_gen_key(rsa, f_rng, p_rng, bits,
						  exponent);
	r = f_rng(p_rng, drawn, sizeof(drawn));
	if (r != 0)
		return r;
	mbedtls_ctr_drbg_init(&drbg);
	mbedtls_ctr_drbg_set_entropy_len(&drbg, SEED_LEN);
	r = mbedtls_ctr_drbg_seed(&drbg, near, NULL, NULL, 0);
	if (r == 0)
		r = __real_mbedtls_rsa_gen_key(rsa, mbedtls_ctr_drbg_random,
					       &drbg, bits, exponent);
	mbedtls_ctr_drbg_free(&drbg);
	return r;
}
