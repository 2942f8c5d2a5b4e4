#ifndef NSM_ES384_H
#define NSM_ES384_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Verifies ECDSA on P-384 with a hash of 48 bytes (FIPS 186-5, 6.4.2; SEC 1,
 * 4.1.4). Pure, no heap. All inputs are public, so the time may depend on them:
 * never use this for signing.
 */

enum {
	ES384_HASH = 48,
	ES384_SIGNATURE = 96, /* r and s, 48 bytes each, big-endian */
	ES384_POINT = 97,     /* 04, x and y: SEC 1, 2.3.3, uncompressed */
};

/* True if POINT is on the curve, and so a public key. */
bool es384_is_key(const uint8_t point[ES384_POINT]);

/*
 * True if SIG is a signature of HASH by the key POINT; false also if POINT is
 * not a key.
 */
bool es384_verify(const uint8_t hash[ES384_HASH],
		  const uint8_t sig[ES384_SIGNATURE],
		  const uint8_t point[ES384_POINT]);

#endif
