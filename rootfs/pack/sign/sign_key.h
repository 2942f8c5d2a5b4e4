#ifndef ROOTFS_PACK_SIGN_SIGN_KEY_H
#define ROOTFS_PACK_SIGN_SIGN_KEY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cose_curve;
struct fault;
struct key_passphrase;

/* A private key and its certificate: they belong together, and the certificate
 * was valid when they were loaded. */
struct sign_key;

/*
 * Where they are: paths as slurp.h takes them, or, of KEY and CERT, PKCS #11 URIs as
 * token.h does. PASS, of the key's passphrase or PIN, may be NULL.
 */
struct sign_key_source {
	const char *key, *cert, *pass;
};

/* Files are PEM; the certificate's may have others behind it. */
int sign_key_load(const struct sign_key_source *from, struct sign_key **ret,
		  struct fault *reterr);

/*
 * A certificate, and the text that an image which is signed with it has; both for the
 * caller to free. If it IS_FOR_IMAGE, no private key may be in that text.
 */
int sign_key_cert_load(const char *path, const struct key_passphrase *pin,
		       bool is_for_image, X509 **ret, char **ret_pem,
		       size_t *ret_len, struct fault *reterr);

/* Clears and frees it. Nothing for NULL. */
void sign_key_free(struct sign_key *key);

/* What the user should know of it, one after the other; NULL: no more. */
const char *sign_key_note(const struct sign_key *key, size_t index);

const struct cose_curve *sign_key_curve(const struct sign_key *key);
const X509 *sign_key_cert(const struct sign_key *key);

/* All of the certificate's file. */
const uint8_t *sign_key_pem(const struct sign_key *key, size_t *ret_len);

/* Signs HASH, of the curve's length: r and s, verified before they are given. */
int sign_key_sign(const struct sign_key *key, const uint8_t *hash, uint8_t *ret,
		  struct fault *reterr);

#endif
