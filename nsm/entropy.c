#include "nsm/entropy.h"

#include <string.h>

#include "nsm/nsmc.h"
#include "nsm/pool.h"

_Static_assert((int)ENTROPY_BYTES <= (int)POOL_CREDIT_MAX,
	       "one credit takes it all");

int entropy_seed(int fd, const char **reterr_device)
{
	uint8_t seed[ENTROPY_BYTES];
	int r;

	*reterr_device = "/dev/nsm";
	r = nsmc_get_random(fd, seed, sizeof(seed));
	if (r == 0) {
		*reterr_device = "/dev/urandom";
		r = pool_credit(seed, sizeof(seed));
	}
	explicit_bzero(seed, sizeof(seed));
	return r;
}
