#ifndef ROOTFS_PACK_SIGN_H
#define ROOTFS_PACK_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/eif.h"

struct fault;

/*
 * The signature section: COSE_Sign1 (RFC 9052) over {register_index: 0,
 * register_value: PCR0}, ES256, ES384 or ES512 by the key's curve, with the PEM
 * certificate beside it, both as arrays of integers as AWS's reader wants them.
 */

/* A private key and its certificate, checked: they belong together, the certificate is
 * valid now (or at SOURCE_DATE_EPOCH's time: no, now). */
struct sign_key;

int sign_key_load(const char *key_path, const char *cert_path,
		  struct sign_key **ret, struct fault *reterr);
void sign_key_free(struct sign_key *key);

/* The section for PCR0, verified before it is given; for the caller to free. With the
 * certificate's PCR8. */
int sign_pcr0(const struct sign_key *key, const uint8_t pcr0[EIF_HASH],
	      uint8_t **ret, size_t *ret_len, uint8_t ret_pcr8[EIF_HASH],
	      struct fault *reterr);

#endif
