#include "nsm/kms/call/retry.h"

#include "nsm/kms/kmsc.h"

enum { DOUBLINGS_MAX = 16 };

int64_t retry_delay_ms(bool is_throttled, int attempts, uint32_t random)
{
	int64_t most = is_throttled ? RETRY_THROTTLED_MS : RETRY_BASE_MS;
	int doublings = attempts < 1 ? 0 : attempts - 1;

	most <<= doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX;
	if (most > RETRY_MAX_MS)
		most = RETRY_MAX_MS;
	return (int64_t)(((uint64_t)most * random) / UINT32_MAX);
}

bool retry_is_passing(int code)
{
	switch (code) {
	case KMSC_E_CONNECT:
	case KMSC_E_CLOSED:
		return true;
	default:
		return false;
	}
}
