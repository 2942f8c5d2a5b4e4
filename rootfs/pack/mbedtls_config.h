/*
 * mbedTLS 3.6 as rootfs/pack needs it, in place of its own mbedtls_config.h
 * (scripts/deps puts it there): hashes at full speed, and ECDSA over P-256, P-384
 * and P-521 with a nonce made from key and message (RFC 6979): a signed image is
 * the same each time, and signing asks nobody for random numbers.
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
#define MBEDTLS_CTR_DRBG_C /* against side channels, seeded by getrandom */
#define MBEDTLS_AES_C
#define MBEDTLS_CIPHER_C

#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_OID_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C

/* Keys and certificates as PEM files. RSA's too, to be told from ours. */
#define MBEDTLS_BASE64_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15

#define MBEDTLS_ERROR_C /* words for what mbedTLS refuses */
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_PLATFORM_C
