#ifndef NSM_CERTIFICATE_H
#define NSM_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "nsm/es384.h"
#include "nsm/nsmc.h"

/*
 * Reads an X.509 certificate (RFC 5280, 4.1) strictly: DER alone, version 3, a
 * key on P-384, signed by ecdsa-with-SHA384. Pure; what is read points into the
 * bytes. A library's reader accepts several encodings that mean different
 * things: mbedTLS takes a pathLenConstraint without cA for an authority, dates
 * without a zone, lengths and numbers in more bytes than DER allows.
 */

enum {
	CERTIFICATE_POINT = 97, /* bytes of an uncompressed point of P-384 */
	CERTIFICATE_SIGNATURE = 96, /* r and s, 48 bytes each, big-endian */
	CERTIFICATE_EXTENSIONS_MAX = 32,
};

/* Bits of a key usage: RFC 5280, 4.2.1.3. */
enum {
	CERTIFICATE_DIGITAL_SIGNATURE = 1 << 0,
	CERTIFICATE_KEY_CERT_SIGN = 1 << 5,
};

struct certificate {
	struct nsmc_bytes der, tbs;
	struct nsmc_bytes serial;	   /* as encoded, without its head */
	struct nsmc_bytes issuer, subject; /* as encoded */
	int64_t not_before, not_after; /* seconds since 1970, UTC; inclusive */
	const uint8_t *point;	       /* the key: CERTIFICATE_POINT bytes */
	bool has_signature;	       /* false: it is not an ECDSA-Sig-Value */
	uint8_t signature[CERTIFICATE_SIGNATURE];

	bool is_ca;
	int64_t path_len; /* -1: no limit */
	bool has_usage;
	unsigned usage;	  /* bit N: bit N of the key usage */
	bool has_purpose; /* an extended key usage, whatever it says */
	/* Absent if the certificate lacks them. */
	struct nsmc_bytes key_id, authority_key_id;
	struct nsmc_bytes authority_issuer, authority_serial;
};

/*
 * Reads DER. Returns -NSMC_E_CERT_FORM, _VERSION, _ALGORITHM, _KEY, or
 * _EXTENSION: for an extension that is critical and not checked here, that
 * comes twice, that no certificate of an NSM may have (constraints of names or
 * policies), or that is malformed.
 */
int certificate_read(struct nsmc_bytes der, struct certificate *ret);

/* Seconds since 1970 of a date (UTC, Gregorian) and time of day. */
int64_t certificate_time(int year, int month, int day, int hour, int minute,
			 int second);

#endif
