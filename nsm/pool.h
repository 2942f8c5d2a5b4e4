#ifndef NSM_POOL_H
#define NSM_POOL_H

#include <stddef.h>
#include <stdint.h>

/*
 * Seam: the kernel's random pool.
 */

enum { POOL_CREDIT_MAX = 512 };

/*
 * Mixes LEN bytes (at most POOL_CREDIT_MAX) of BUF into the kernel's pool,
 * credits them as full entropy (8 bits a byte, RNDADDENTROPY of random(4)) and
 * has the generator reseed from it. Needs CAP_SYS_ADMIN. Returns 0 or -errno.
 * The copy made on the way is wiped; BUF is the caller's to wipe.
 */
int pool_credit(const uint8_t *buf, size_t len);

#endif
