#ifndef NSM_SEED_H
#define NSM_SEED_H

#include <stddef.h>

/* What generators of random numbers are seeded with: the kernel's bytes and the NSM's. For libnsmc and libkmsc. */

/* Fills BUF with LEN bytes of the kernel's generator; waits until it is seeded. Returns 0 or -errno. */
int seed_kernel(void *buf, size_t len);

/* A source of seeds, and why it failed. */
struct seed {
	int fd;	   /* of the NSM, or NSMC_KERNEL_RANDOM */
	int error; /* 0, -errno or -NSMC_E_... */
};

/* mbedTLS's f_entropy, with a struct seed as CTX. */
int seed_random(void *ctx, unsigned char *buf, size_t len);

#endif
