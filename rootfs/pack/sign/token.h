#ifndef ROOTFS_PACK_SIGN_TOKEN_H
#define ROOTFS_PACK_SIGN_TOKEN_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/sign/key_file.h"

struct cose_curve;
struct fault;

/*
 * Keys and certificates in PKCS #11 tokens (smart cards, HSMs, the modules of cloud key
 * stores), named by a URI (RFC 7512). p11-kit knows the modules of the system; a URI may
 * name another one by its module-path.
 */

/* Whether NAME is such a URI rather than a path. */
bool token_is_uri(const char *name);

/* Bytes of URI that may be shown: not its query, which may hold a PIN. */
size_t token_shown_len(const char *uri);

/* A private key in a token, and the session in which it signs. */
struct token_key;

/*
 * The one private EC key that URI names. The PIN is PIN, or else the URI's pin-value, or
 * what its pin-source names; without one nobody is asked, but for a token with a keypad.
 */
int token_key_open(const char *uri, const struct key_passphrase *pin,
		   struct token_key **ret, struct fault *reterr);

/* The PIN that was used, for what is to be said of its file. */
const struct key_passphrase *token_key_pin(const struct token_key *key);

/* Nothing for NULL. */
void token_key_close(struct token_key *key);

/* Whether the token has KEY's public part, and it is another key than PUBLIC. */
bool token_key_differs(const struct token_key *key, const EVP_PKEY *public);

/* Signs HASH, of C's length: r and s. The token makes its own nonce. */
int token_key_sign(const struct token_key *key, const struct cose_curve *c,
		   const uint8_t *hash, uint8_t *ret, struct fault *reterr);

/* The one certificate that URI names; for the caller to free. PIN may have none. */
int token_cert(const char *uri, const struct key_passphrase *pin, X509 **ret,
	       struct fault *reterr);

#endif
