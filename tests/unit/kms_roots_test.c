/* The five roots are those that Amazon Trust Services publishes, and what is trusted instead. */

#include "check.h"
#include "nsm/kms/kmsc.h"
#include "nsm/kms/net/roots.h"
#include "nsm/kms/net/trust.h"
#include "nsm/kms/wire/base64.h"
#include "nsm/kms/wire/sigv4.h"

/* SHA-256 of the certificates, by amazontrust.com/repository, and where Debian has them. */
static const struct {
	const char *hash, *file;
	size_t len;
} roots[ROOTS_AMAZON_COUNT] = {
	{ "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
	  "Amazon_Root_CA_1", 837 },
	{ "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
	  "Amazon_Root_CA_2", 1349 },
	{ "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
	  "Amazon_Root_CA_3", 442 },
	{ "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
	  "Amazon_Root_CA_4", 502 },
	{ "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
	  "Starfield_Services_Root_Certificate_Authority_-_G2", 1011 },
};

static struct nsmc_bytes first(void)
{
	return roots_amazon(0);
}

TEST(the_roots_are_amazons)
{
	char hex[SIGV4_HEX + 1];

	for (size_t i = 0; i < ROOTS_AMAZON_COUNT; i++) {
		struct nsmc_bytes der = roots_amazon(i);

		sigv4_hash_hex(der.data, der.len, hex);
		CHECK(der.len == roots[i].len);
		CHECK(strcmp(hex, roots[i].hash) == 0);
	}
	CHECK(!roots_amazon(ROOTS_AMAZON_COUNT).data);
	CHECK(!roots_amazon(SIZE_MAX).data);
}

/* What this machine's package has under these names, if it is there, is the same. */
TEST(the_roots_are_debians)
{
	static char pem[8192];
	uint8_t der[8192];
	char path[256], *begin, *end, *to;
	size_t n;
	FILE *f;

	for (size_t i = 0; i < ROOTS_AMAZON_COUNT; i++) {
		(void)snprintf(path, sizeof(path),
			       "/usr/share/ca-certificates/mozilla/%s.crt",
			       roots[i].file);
		f = fopen(path, "re");
		if (!f)
			continue;
		n = fread(pem, 1, sizeof(pem) - 1, f);
		pem[n] = '\0';
		(void)fclose(f);
		begin = strchr(pem, '\n');
		end = strstr(pem, "-----END");
		REQUIRE(begin && end);
		to = begin;
		for (char *c = begin; c < end; c++)
			if (*c != '\n')
				*to++ = *c;
		REQUIRE(base64_read(begin, (size_t)(to - begin), der, &n) == 0);
		CHECK(n == roots_amazon(i).len);
		CHECK(memcmp(der, roots_amazon(i).data, n) == 0);
	}
}

TEST(certificates_are_whole_and_nothing_else)
{
	struct nsmc_bytes der = first();
	uint8_t longer[2048];
	struct trust *t = NULL;

	CHECK(trust_new(NULL, 0, &t) == 0);
	trust_free(t);
	trust_free(NULL);
	for (size_t len = 0; len < der.len; len++)
		CHECK(trust_new(der.data, len, &t) == -KMSC_E_CA);
	memcpy(longer, der.data, der.len);
	longer[der.len] = 0;
	CHECK(trust_new(longer, der.len, &t) == 0);
	trust_free(t);
	CHECK(trust_new(longer, der.len + 1, &t) == -KMSC_E_CA);
	CHECK(trust_new("-----BEGIN CERTIFICATE-----\n", 28, &t) == -KMSC_E_CA);
	CHECK(trust_new("-----BEGIN CERTIFICATE-----\nAAAA\n"
			"-----END CERTIFICATE-----\n",
			59, &t) == -KMSC_E_CA);
}

CHECK_MAIN("kms_roots")
