/*
 * A chain of certificates as AWS's for the Nitro Secure Module, below a root of
 * this machine: root, regional, zonal, instance and leaf, and the leaf's key.
 */
#ifndef SCRIPTS_NSM_CHAIN_H
#define SCRIPTS_NSM_CHAIN_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
	CHAIN_LEAF = 4,
	CHAIN_LEN,
	CHAIN_CERT_MAX = 1024, /* what a document may hold */
	CHAIN_SIGNATURE = 96,
	CHAIN_ID_CAP = 256,
};

struct chain_cert {
	EVP_PKEY *key;
	X509 *cert;
	time_t until; /* the certificate's end */
	uint8_t der[CHAIN_CERT_MAX];
	size_t len;
};

/* Starts as all zero. The root comes first, the leaf last. */
struct chain {
	struct chain_cert certs[CHAIN_LEN];
	char module_id[CHAIN_ID_CAP];
	char fault[512]; /* why the last function returned false */
};

/*
 * Brings C up to date. The first call reads root.pem and root.key in DIR. Each
 * call makes the certificates that are missing, about to expire at the time
 * NOW, or of another module than MODULE_ID, and keeps the others: a leaf is
 * used until it has half an hour left.
 */
bool chain_refresh(struct chain *c, const char *dir, const char *module_id,
		   time_t now);

/* Signs the LEN bytes at DATA by the leaf's key: ES384, r and s. */
bool chain_sign(struct chain *c, const uint8_t *data, size_t len,
		uint8_t ret[CHAIN_SIGNATURE]);

#endif
