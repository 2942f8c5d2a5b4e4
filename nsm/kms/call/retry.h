#ifndef NSM_KMS_CALL_RETRY_H
#define NSM_KMS_CALL_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How long to wait before a request is repeated, as botocore's standard mode does
 * (retries/standard.py): exponential with full jitter. Pure.
 */

enum {
	RETRY_BASE_MS = 50,
	RETRY_THROTTLED_MS = 1000,
	RETRY_MAX_MS = 20000,
};

/*
 * The time to wait after ATTEMPTS requests (1 or more): from 0 to the base doubled with each
 * attempt, or RETRY_MAX_MS, as RANDOM, any number, decides.
 */
int64_t retry_delay_ms(bool is_throttled, int attempts, uint32_t random);

/* True if -CODE of an attempt, which got no answer of KMS's, may be otherwise the next time. */
bool retry_is_passing(int code);

#endif
