#ifndef NSM_KMS_NET_GENERATOR_H
#define NSM_KMS_NET_GENERATOR_H

#include <mbedtls/ctr_drbg.h>

#include "nsm/nsmc.h"
#include "nsm/seed.h"

/*
 * Random bytes for TLS: CTR_DRBG, seeded by the NSM, or without one by the kernel, and
 * personalised by the kernel and what the caller mixes in. To know its output, one must
 * know all of them.
 */

enum { GENERATOR_SEED_MAX = 256 };

struct generator {
	mbedtls_ctr_drbg_context drbg;
	struct seed seed;
};

/*
 * Starts G, which must not move from then on. NSM_FD may be NSMC_KERNEL_RANDOM. Returns 0,
 * -errno or -NSMC_E_...; generator_end may be called in any case.
 */
int generator_start(struct generator *g, int nsm_fd, struct nsmc_bytes seed);

/* mbedTLS's f_rng, with a struct generator as CTX. */
int generator_random(void *ctx, unsigned char *buf, size_t len);

/* Wipes it. */
void generator_end(struct generator *g);

#endif
