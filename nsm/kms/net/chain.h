#ifndef NSM_KMS_NET_CHAIN_H
#define NSM_KMS_NET_CHAIN_H

#include <mbedtls/x509_crt.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What mbedTLS does not check of a peer's chain, the dates of its certificates, and words
 * for what is refused.
 */

enum { CHAIN_WORDS_SIZE = 512 };

struct chain_check {
	const char *host;
	mbedtls_x509_time now;
	bool is_leaf_checked;	      /* in time */
	char words[CHAIN_WORDS_SIZE]; /* the first reason against the chain */
};

/* Begins a check at NOW_S, seconds since 1970. False: no time of a certificate's. */
bool chain_begin(struct chain_check *check, const char *host, int64_t now_s);

/*
 * mbedTLS's f_vrfy, with a struct chain_check as CTX: called for each certificate of the
 * chain, from the root. Adds to *FLAGS what is wrong in time.
 */
int chain_certificate(void *ctx, mbedtls_x509_crt *crt, int depth,
		      uint32_t *flags);

/* The words for FLAGS that mbedTLS found after that, if there are none yet. */
void chain_words(struct chain_check *check, uint32_t flags);

#endif
