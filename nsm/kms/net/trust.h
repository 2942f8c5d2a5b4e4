#ifndef NSM_KMS_NET_TRUST_H
#define NSM_KMS_NET_TRUST_H

#include <mbedtls/x509_crt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Which certificates a peer may have: of a chain that mbedTLS follows to a trusted root,
 * each valid at a time that is given. The words for those that are refused.
 */

/* Certificates of authorities. Once made they do not change, and threads may share them. */
struct trust {
	mbedtls_x509_crt roots;
};

/*
 * Reads LEN bytes: PEM with one certificate or more, of which each must be one, or one
 * in DER, and nothing after it. Without any (DATA is NULL) they are Amazon's. Returns 0,
 * -KMSC_E_CA or -ENOMEM. The caller frees *RET with trust_free.
 */
int trust_new(const void *data, size_t len, struct trust **ret);
/* NULL is fine. */
void trust_free(struct trust *trust);

enum { TRUST_WORDS_SIZE = 512 };

struct trust_check {
	const char *host;
	int64_t now_s;
	mbedtls_x509_time now;
	bool is_leaf_checked;	      /* in time */
	char words[TRUST_WORDS_SIZE]; /* the first reason against the chain */
};

/* Begins a check at NOW_S, seconds since 1970. False: no year of a certificate's. */
bool trust_begin(struct trust_check *check, const char *host, int64_t now_s);

/*
 * mbedTLS's f_vrfy, with a struct trust_check as CTX: called for each certificate of the
 * chain, from the root. Adds to *FLAGS what is wrong in time.
 */
int trust_certificate(void *ctx, mbedtls_x509_crt *crt, int depth,
		      uint32_t *flags);

/* The words for FLAGS that mbedTLS found after that, if there are none yet. */
void trust_words(struct trust_check *check, uint32_t flags);

#endif
