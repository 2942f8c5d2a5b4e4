/* A pool that only says what it was given. */

#include "nsm/pool.h"

#include "tests/seams/seam.h"

int pool_credit(const uint8_t *buf, size_t len)
{
	seam_record("pool %zu bytes, %d to %d\n", len, buf[0], buf[len - 1]);
	return -seam_number("POOL_ERRNO", 0);
}
