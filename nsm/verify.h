#ifndef NSM_VERIFY_H
#define NSM_VERIFY_H

#include "nsm/nsmc.h"

/* What is below nsmc_doc_check_..., for the tests with bare vectors. */

enum {
	VERIFY_POINT = 97,     /* bytes of an uncompressed point of P-384 */
	VERIFY_SIGNATURE = 96, /* r and s, 48 bytes each, big-endian */
};

/*
 * ECDSA on P-384 (FIPS 186-4): whether SIG of HASH is by the key POINT. 0,
 * -NSMC_E_SIGNATURE, -NSMC_E_CERT_KEY if POINT is none, or -ENOMEM.
 */
int verify_es384(const uint8_t hash[NSMC_PCR_SIZE],
		 const uint8_t sig[VERIFY_SIGNATURE],
		 const uint8_t point[VERIFY_POINT]);

/* Seconds since 1970 of a date (UTC, Gregorian) and time of day. */
int64_t verify_time(int year, int month, int day, int hour, int minute,
		    int second);

#endif
