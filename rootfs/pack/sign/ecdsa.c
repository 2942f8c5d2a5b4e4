#include "rootfs/pack/sign/ecdsa.h"

#include <errno.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/error.h>
#include <mbedtls/md.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/sign/cose.h"
#include "rootfs/pack/sign/ossl.h"

/* Mbed TLS's names for a curve, found by the length of its halves. */
static const struct {
	size_t half;
	mbedtls_ecp_group_id group;
	mbedtls_md_type_t md;
} curves[] = {
	{ 32, MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_MD_SHA256 },
	{ 48, MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_MD_SHA384 },
	{ COSE_HALF_MAX, MBEDTLS_ECP_DP_SECP521R1, MBEDTLS_MD_SHA512 },
};

/* Blinds what is computed with the key; no signature depends on it. */
static int random_bytes(void *ctx, unsigned char *buf, size_t len)
{
	ssize_t n;

	(void)ctx;
	while (len > 0) {
		n = getrandom(buf, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return MBEDTLS_ERR_ECP_RANDOM_FAILED;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* KEY's private number, C->half bytes. */
static int read_private(const EVP_PKEY *key, const struct cose_curve *c,
			uint8_t *ret, struct fault *reterr)
{
	BIGNUM *d = NULL;
	int n = -1;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d))
		n = BN_bn2binpad(d, ret, (int)c->half);
	BN_clear_free(d);
	return n < 0 ? ossl_refuse(reterr, "not a private key") : 0;
}

static int sign(const uint8_t *private, const struct cose_curve *c, size_t at,
		const uint8_t *hash, uint8_t *ret)
{
	mbedtls_ecp_group group;
	mbedtls_mpi d, r, s;
	int code;

	mbedtls_ecp_group_init(&group);
	mbedtls_mpi_init(&d);
	mbedtls_mpi_init(&r);
	mbedtls_mpi_init(&s);
	code = mbedtls_ecp_group_load(&group, curves[at].group);
	if (code == 0)
		code = mbedtls_mpi_read_binary(&d, private, c->half);
	if (code == 0)
		code = mbedtls_ecdsa_sign_det_ext(&group, &r, &s, &d, hash,
						  hash_len(c->hash),
						  curves[at].md, random_bytes,
						  NULL);
	if (code == 0)
		code = mbedtls_mpi_write_binary(&r, ret, c->half);
	if (code == 0)
		code = mbedtls_mpi_write_binary(&s, ret + c->half, c->half);
	mbedtls_mpi_free(&s);
	mbedtls_mpi_free(&r);
	mbedtls_mpi_free(&d);
	mbedtls_ecp_group_free(&group);
	return code;
}

int ecdsa_sign(const EVP_PKEY *key, const struct cose_curve *c,
	       const uint8_t *hash, uint8_t *ret, struct fault *reterr)
{
	uint8_t private[COSE_HALF_MAX];
	char text[200];
	size_t at = 0;
	int code;

	while (curves[at].half != c->half)
		at++;
	if (read_private(key, c, private, reterr) < 0)
		return -1;
	code = sign(private, c, at, hash, ret);
	explicit_bzero(private, sizeof(private));
	if (code == 0)
		return 0;
	mbedtls_strerror(code, text, sizeof(text));
	return fault_refuse(reterr, "sign: %s", text);
}
