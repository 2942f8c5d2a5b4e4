#ifndef ROOTFS_PACK_SIGN_SIGNATURE_H
#define ROOTFS_PACK_SIGN_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/sign/cert.h"

struct fault;
struct sign_key;

/*
 * The signature section: COSE_Sign1 (RFC 9052) over {register_index: 0,
 * register_value: PCR0}, ES256, ES384 or ES512 by the key's curve, with the PEM
 * certificate beside it, both as arrays of integers as AWS's reader wants them.
 */

/* The section for PCR0, verified before it is given; for the caller to free. With the
 * certificate's PCR8. */
int signature_make(const struct sign_key *key, const uint8_t pcr0[EIF_HASH],
		   uint8_t **ret, size_t *ret_len, uint8_t ret_pcr8[EIF_HASH],
		   struct fault *reterr);

/*
 * Measures what W has, and writes the signature as its last section unless KEY is
 * NULL.
 */
int signature_write(const struct sign_key *key, struct eif_writer *w,
		    struct eif_pcrs *ret, struct fault *reterr);

/*
 * Reads a section and verifies it against PCR0 at the time NOW. Fails where it is
 * not of the form that AWS's reader takes; that signature or time are wrong is in *RET.
 * Whoever issued the certificate is not looked for: PCR8 tells one from another.
 */
int signature_parse(const uint8_t *section, size_t len,
		    const uint8_t pcr0[EIF_HASH], time_t now,
		    struct cert_info *ret, struct fault *reterr);

/* The certificate at PATH, as sign_key.h takes it. IS_VALID is false. */
int signature_cert_info(const char *path, time_t now, struct cert_info *ret,
			struct fault *reterr);

/*
 * signature_parse for EIF, whose PCR0 is in PCRS, which gets PCR8. Without a signature
 * neither *PCRS nor *RET is touched.
 */
int signature_read(const struct eif *eif, time_t now, struct eif_pcrs *pcrs,
		   struct cert_info *ret, struct fault *reterr);

#endif
