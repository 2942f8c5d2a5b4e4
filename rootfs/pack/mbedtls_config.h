/*
 * mbedTLS 3.6 as rootfs/pack needs it, in place of its own mbedtls_config.h
 * (scripts/deps puts it there): ECDSA over P-256, P-384 and P-521 with a nonce made
 * from key and message (RFC 6979), so that a signed image is the same each time. All
 * else is libcrypto's.
 */
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#define MBEDTLS_MD_C

#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_SECP521R1_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ECDSA_DETERMINISTIC
#define MBEDTLS_HMAC_DRBG_C
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C

#define MBEDTLS_ERROR_C /* words for what mbedTLS refuses */
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_PLATFORM_C
