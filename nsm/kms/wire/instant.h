#ifndef NSM_KMS_WIRE_INSTANT_H
#define NSM_KMS_WIRE_INSTANT_H

#include <stdint.h>

/* Times as AWS writes them: seconds since 1970, UTC, up to the end of the year 9999. Pure. */

enum {
	INSTANT_AMZ_SIZE = 17,	   /* "20260102T030405Z" and its NUL */
	INSTANT_RFC3339_SIZE = 21, /* "2026-01-02T03:04:05Z" and its NUL */
};

#define INSTANT_LAST INT64_C(253402300799)

/* Writes the form of X-Amz-Date. -ERANGE: S is below 0 or above INSTANT_LAST. */
int instant_amz(int64_t s, char ret[INSTANT_AMZ_SIZE]);

/* Reads it, and nothing else: days that there are, no second 60. -EINVAL. */
int instant_from_amz(const char *text, int64_t *ret);

/* Writes RFC 3339 in UTC. -ERANGE as above. */
int instant_rfc3339(int64_t s, char ret[INSTANT_RFC3339_SIZE]);

/*
 * Reads RFC 3339: 'T' and 'Z' in upper case, a fraction is dropped, "+hh:mm" or "-hh:mm" may
 * stand for 'Z'. -EINVAL, also for what is before 1970 or after INSTANT_LAST.
 */
int instant_from_rfc3339(const char *text, int64_t *ret);

#endif
