#ifndef ROOTFS_PACK_SIGN_SIGNATURE_H
#define ROOTFS_PACK_SIGN_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "rootfs/pack/eif/eif.h"

struct fault;
struct sign_key;

/*
 * The signature section: COSE_Sign1 (RFC 9052) over {register_index: 0,
 * register_value: PCR0}, ES256, ES384 or ES512 by the key's curve, with the PEM
 * certificate beside it, both as arrays of integers as AWS's reader wants them.
 */

/* The section for PCR0, verified before it is given; for the caller to free. With the
 * certificate's PCR8. */
int sign_pcr0(const struct sign_key *key, const uint8_t pcr0[EIF_HASH],
	      uint8_t **ret, size_t *ret_len, uint8_t ret_pcr8[EIF_HASH],
	      struct fault *reterr);

/*
 * Measures what W has, and writes the signature as its last section unless KEY is
 * NULL.
 */
int sign_write(const struct sign_key *key, struct eif_writer *w,
	       struct eif_pcrs *ret, struct fault *reterr);

enum {
	SIGN_NAME_CAP = 512,
	SIGN_PARTS_MAX = 16,
	SIGN_KEY_CAP = 64,
	SIGN_TIME_CAP = 40,
	SIGN_CERT_SIGNATURE_MAX = 1024, /* bytes: RSA's of 8192 bits */
};

/* Of a name: OpenSSL's long name of the attribute (or its OID), which is there once, and
 * its value in UTF-8. */
struct sign_part {
	char key[SIGN_KEY_CAP], value[SIGN_NAME_CAP];
};

/* Whom a section says it is from. Text is ASCII, all else in it escaped. */
struct sign_info {
	char issuer[SIGN_NAME_CAP], subject[SIGN_NAME_CAP]; /* "C=.., CN=.." */
	struct sign_part issuer_parts[SIGN_PARTS_MAX];
	size_t issuer_part_count;
	int64_t not_before, not_after;		     /* seconds since 1970 */
	char from[SIGN_TIME_CAP], to[SIGN_TIME_CAP]; /* RFC 3339 */
	char algorithm[64]; /* of the certificate's signature; OpenSSL's name */
	uint8_t cert_signature[SIGN_CERT_SIGNATURE_MAX];
	size_t cert_signature_len;
	uint8_t pcr8[EIF_HASH];
	bool is_valid;	      /* the signature is the certificate's, of PCR0 */
	bool is_cert_in_time; /* not_before <= now <= not_after */
};

/*
 * Reads a section and verifies it against PCR0 at the time NOW. Fails where it is
 * not of the form that AWS's reader takes; that signature or time are wrong is in *RET.
 * Whoever issued the certificate is not looked for: PCR8 tells one from another.
 */
int sign_parse(const uint8_t *section, size_t len, const uint8_t pcr0[EIF_HASH],
	       time_t now, struct sign_info *ret, struct fault *reterr);

/* The certificate at PATH, as sign_key.h takes it. IS_VALID is false. */
int sign_cert_info(const char *path, time_t now, struct sign_info *ret,
		   struct fault *reterr);

/*
 * sign_parse for EIF, whose PCR0 is in PCRS, which gets PCR8. Without a signature
 * neither *PCRS nor *RET is touched.
 */
int sign_read(const struct eif *eif, time_t now, struct eif_pcrs *pcrs,
	      struct sign_info *ret, struct fault *reterr);

#endif
