#ifndef ROOTFS_PACK_SIGN_COSE_H
#define ROOTFS_PACK_SIGN_COSE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/base/hash.h"
#include "rootfs/pack/eif/eif.h"

struct fault;
struct item_reader;
struct item_writer;

/*
 * COSE_Sign1 (RFC 9052) over {register_index: 0, register_value: PCR0}: ES256, ES384 or
 * ES512. The key's curve alone decides which, as in AWS's library.
 */

enum {
	COSE_CAP = 512,	    /* holds one, with the longest signature */
	COSE_HALF_MAX = 66, /* bytes of r and of s on P-521 */
};

/* RFC 9053, 2.1 */
struct cose_curve {
	int nid;
	const char *name; /* NIST's */
	enum hash_kind hash;
	unsigned alg; /* -1 - ALG is the algorithm's number */
	size_t half;  /* bytes of r and of s */
};

/* The curve of a key, private or public; NULL: no image is signed with such a key. */
const struct cose_curve *cose_curve_of(const EVP_PKEY *key);

/* Whether SIGNATURE, r and s in C's length, is KEY's of HASH. */
bool cose_is_signature(EVP_PKEY *key, const struct cose_curve *c,
		       const uint8_t *hash, const uint8_t *signature);

/* --- writing --- */

/* What is signed, without its signature. */
struct cose_draft {
	const struct cose_curve *curve;
	uint8_t protected[8], payload[160], hash[HASH_MAX];
	size_t protected_len, payload_len;
};

/* HASH, of the curve's length, is what the key must sign. */
int cose_draft(const struct cose_curve *curve, const uint8_t pcr0[EIF_HASH],
	       struct cose_draft *ret, struct fault *reterr);

void cose_encode(const struct cose_draft *d, const uint8_t *signature,
		 struct item_writer *to);

/* --- reading --- */

struct cose_bytes {
	const uint8_t *data;
	size_t len;
};

/* Points into what was read. */
struct cose {
	struct cose_bytes protected, payload, signature;
	uint64_t alg; /* -1 - ALG is the number */
};

/* With or without its tag; 0, or an error of item.h's. */
int cose_read(struct item_reader *in, struct cose *ret);

/* Whether C is KEY's signature of PCR0. */
bool cose_is_valid(const struct cose *c, EVP_PKEY *key,
		   const uint8_t pcr0[EIF_HASH]);

#endif
