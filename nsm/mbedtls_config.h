/*
 * mbedTLS 3.6 as nsm/ needs it, in place of its own mbedtls_config.h (scripts/deps
 * puts it there): SHA-384 for PCRs and documents, RSA-OAEP and AES-CBC for KMS's
 * answers. No curves, no X.509, no PSA, no TLS, no clock, no files, no globals, no
 * locks. What tests need beyond this is in scripts/deps.
 */

#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_SMALLER /* PID 1 carries it */

/* The recipient's key, and what KMS encrypts for it. */
#define MBEDTLS_MD_C
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_OID_C
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PK_WRITE_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA256_SMALLER
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_GENPRIME
#define MBEDTLS_AES_C
/* Tables tell keys by the cache, which enclaves may share: they are for old processors. */
#define MBEDTLS_AESNI_C
#define MBEDTLS_AESCE_C
#define MBEDTLS_AES_ROM_TABLES /* else they are made by whichever thread is first */
#define MBEDTLS_AES_FEWER_TABLES
#define MBEDTLS_CIPHER_C
#define MBEDTLS_CIPHER_MODE_CBC
#define MBEDTLS_CIPHER_PADDING_PKCS7
#define MBEDTLS_CTR_DRBG_C

/* Keys in files. */
#define MBEDTLS_BASE64_C
#define MBEDTLS_PEM_PARSE_C

#define MBEDTLS_HAVE_ASM
#define MBEDTLS_NO_UDBL_DIVISION /* else it asks for __udivti3 of libgcc, which has no marks */
#define MBEDTLS_PLATFORM_C /* for mbedtls_calloc and mbedtls_free by name */
