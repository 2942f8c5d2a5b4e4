/*
 * Real certificates of Amazon Trust Services against the roots that are built in, at times that the
 * caller says.
 */

#include <mbedtls/x509_crt.h>

#include "check.h"
#include "nsm/kms/net/chain.h"
#include "nsm/kms/net/trust.h"
#include "tests/unit/data.h"

enum {
	IN_TIME = 1700000000,	  /* November 2023 */
	LEAF_BEGINS = 1683676800, /* 2023-05-10T00:00:00Z */
	LEAF_ENDS = 1717804799,	  /* 2024-06-07T23:59:59Z */
};

static const char host1[] = "valid.rootca1.demo.amazontrust.com";
static const char host3[] = "valid.rootca3.demo.amazontrust.com";

static struct chain_check check;

/* The flags that are left of the chain FILE at NOW_S for HOST. */
static uint32_t judge(const char *file, const char *host, int64_t now_s)
{
	struct data pem = data_load(file);
	struct trust *trust = NULL;
	mbedtls_x509_crt chain;
	uint32_t flags = 0;
	char *text = malloc(pem.len + 1);
	int r;

	REQUIRE(text);
	memcpy(text, pem.bytes, pem.len);
	text[pem.len] = '\0';
	mbedtls_x509_crt_init(&chain);
	REQUIRE(mbedtls_x509_crt_parse(&chain, (unsigned char *)text,
				       pem.len + 1) == 0);
	REQUIRE(trust_new(NULL, 0, &trust) == 0);
	REQUIRE(chain_begin(&check, host, now_s));
	r = mbedtls_x509_crt_verify(&chain, trust_roots(trust), NULL, host,
				    &flags, chain_certificate, &check);
	CHECK((r == 0) == (flags == 0));
	CHECK(check.is_leaf_checked);
	trust_free(trust);
	mbedtls_x509_crt_free(&chain);
	free(text);
	free(pem.bytes);
	return flags;
}

static bool says(const char *words)
{
	return strstr(check.words, words) != NULL;
}

TEST(chains_of_amazon_end_at_the_roots)
{
	CHECK(judge("amazontrust/root1.pem", host1, IN_TIME) == 0);
	CHECK(judge("amazontrust/root3.pem", host3, IN_TIME) == 0);
	CHECK(judge("amazontrust/root1.pem", "good.sca1a.amazontrust.com",
		    IN_TIME) == 0);
	CHECK(!check.words[0]);
}

TEST(a_certificate_is_valid_to_the_second)
{
	CHECK(judge("amazontrust/root1.pem", host1, LEAF_BEGINS) == 0);
	CHECK(judge("amazontrust/root1.pem", host1, LEAF_ENDS) == 0);
	CHECK(judge("amazontrust/root1.pem", host1, LEAF_BEGINS - 1) ==
	      MBEDTLS_X509_BADCERT_FUTURE);
	CHECK(says("\"CN=valid.rootca1.demo.amazontrust.com\" is not valid "
		   "before 2023-05-10T00:00:00Z, and the NSM's time is "
		   "2023-05-09T23:59:59Z"));
	CHECK(judge("amazontrust/root3.pem", host3, LEAF_ENDS + 1) ==
	      MBEDTLS_X509_BADCERT_EXPIRED);
	CHECK(says("expired at 2024-06-07T23:59:59Z, and the NSM's time is "
		   "2024-06-08T00:00:00Z"));
}

TEST(the_first_that_has_expired_is_named_from_the_root_on)
{
	CHECK(judge("amazontrust/root1.pem", host1, 2000000000) ==
	      MBEDTLS_X509_BADCERT_EXPIRED);
	CHECK(says("Amazon RSA 2048 M02\" expired at 2030-08-23T22:25:30Z"));
	CHECK(judge("amazontrust/root1.pem", host1, 2200000000) ==
	      MBEDTLS_X509_BADCERT_EXPIRED);
	CHECK(says("Amazon Root CA 1\" expired at 2038-01-17T00:00:00Z"));
	CHECK(judge("amazontrust/root1.pem", host1, 0) ==
	      MBEDTLS_X509_BADCERT_FUTURE);
	CHECK(says("Amazon Root CA 1\" is not valid before 2015-05-26"));
}

TEST(another_host_is_not_the_endpoint)
{
	CHECK(judge("amazontrust/root1.pem", "kms.eu-west-1.amazonaws.com",
		    IN_TIME) == MBEDTLS_X509_BADCERT_CN_MISMATCH);
	CHECK(says("the certificate is for "
		   "valid.rootca1.demo.amazontrust.com "
		   "good.sca0a.amazontrust.com good.sca1a.amazontrust.com, "
		   "not for kms.eu-west-1.amazonaws.com"));
}

TEST(only_times_that_certificates_have)
{
	CHECK(chain_begin(&check, "h", 0));
	CHECK(chain_begin(&check, "h", INT64_C(253402300799)));
	CHECK(!chain_begin(&check, "h", INT64_C(253402300800)));
	CHECK(!chain_begin(&check, "h", -1));
	CHECK(!chain_begin(&check, "h", INT64_MAX));
	CHECK(!chain_begin(&check, "h", INT64_MIN));
}

CHECK_MAIN("kms_chain")
