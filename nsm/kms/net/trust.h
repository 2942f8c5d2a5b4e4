#ifndef NSM_KMS_NET_TRUST_H
#define NSM_KMS_NET_TRUST_H

#include <stddef.h>

/* Certificates of authorities. Once made they do not change, and threads may share them. */
struct trust;

/*
 * Reads LEN bytes: PEM with one certificate or more, of which each must be one, or one
 * in DER, and nothing after it. Without any (DATA is NULL) they are Amazon's. Returns 0,
 * -KMSC_E_CA or -ENOMEM. The caller frees *RET with trust_free.
 */
int trust_new(const void *data, size_t len, struct trust **ret);
/* NULL is fine. */
void trust_free(struct trust *trust);

/* For mbedTLS, which writes nothing to them. */
struct mbedtls_x509_crt *trust_roots(const struct trust *trust);

#endif
