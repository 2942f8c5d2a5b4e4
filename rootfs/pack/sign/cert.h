#ifndef ROOTFS_PACK_SIGN_CERT_H
#define ROOTFS_PACK_SIGN_CERT_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "rootfs/pack/eif/eif.h"

struct fault;

/* Certificates, by the library that AWS reads them with. Its checks of them are AWS's
 * as well: the validity and no more; usages and issuers do not count. */

enum {
	CERT_NAME_CAP = 512,
	CERT_PARTS_MAX = 16,
	CERT_KEY_CAP = 64,
	CERT_TIME_CAP = 40,
	CERT_SIGNATURE_MAX = 1024, /* bytes: RSA's of 8192 bits */
};

/* Of a name: OpenSSL's long name of the attribute (or its OID), which is there once, and
 * its value in UTF-8. */
struct cert_part {
	char key[CERT_KEY_CAP], value[CERT_NAME_CAP];
};

/* Whom a certificate is of. Text is ASCII, all else in it escaped. */
struct cert_info {
	char issuer[CERT_NAME_CAP], subject[CERT_NAME_CAP]; /* "C=.., CN=.." */
	struct cert_part issuer_parts[CERT_PARTS_MAX];
	size_t issuer_part_count;
	int64_t not_before, not_after;		     /* seconds since 1970 */
	char from[CERT_TIME_CAP], to[CERT_TIME_CAP]; /* RFC 3339 */
	char algorithm[64]; /* of the certificate's signature; OpenSSL's name */
	uint8_t cert_signature[CERT_SIGNATURE_MAX];
	size_t cert_signature_len;
	uint8_t pcr8[EIF_HASH];
	bool is_valid;	      /* signature.c: it signed the section, of PCR0 */
	bool is_cert_in_time; /* not_before <= now <= not_after */
};

/*
 * The first certificate of TEXT, which has a NUL at LEN; for the caller to free. A text
 * where two readers could see two different certificates is refused.
 */
int cert_read(const char *text, size_t len, X509 **ret, struct fault *reterr);

int cert_pcr8(const X509 *cert, uint8_t ret[EIF_HASH], struct fault *reterr);

/* Refuses a certificate that is not valid at NOW. */
int cert_check_time(const X509 *cert, time_t now, struct fault *reterr);

/* Sets all of *RET but IS_VALID; leaves it alone on a failure. */
int cert_info(const X509 *cert, time_t now, struct cert_info *ret,
	      struct fault *reterr);

#endif
