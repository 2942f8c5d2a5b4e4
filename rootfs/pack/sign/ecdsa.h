#ifndef ROOTFS_PACK_SIGN_ECDSA_H
#define ROOTFS_PACK_SIGN_ECDSA_H

#include <openssl/types.h>
#include <stdint.h>

struct cose_curve;
struct fault;

/*
 * ECDSA with a nonce made from key and message (RFC 6979): the same key signs the same
 * hash with the same bytes. By Mbed TLS, as libcrypto can do so from OpenSSL 3.2 on only.
 */

/* Signs HASH, of C's length, by KEY, a private one on C; writes r and s. */
int ecdsa_sign(const EVP_PKEY *key, const struct cose_curve *c,
	       const uint8_t *hash, uint8_t *ret, struct fault *reterr);

#endif
