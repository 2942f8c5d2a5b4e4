/*
 * Signatures and chains of AWS's own: tests/data/doc is out of a document that
 * was signed at 2022-07-06T14:18:22.484Z. Whole documents are in policy_test.c
 * and in tests/interop/, which have CAs.
 */

#include "nsm/verify.h"

#include <errno.h>
#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>
#include <time.h>

#include "nsm/cache.h"
#include "tests/unit/data.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { CERTS = 5, BUNDLE = 4 };

static const struct {
	const char *file;
	size_t len;
	const char *sha256;
} certs[CERTS] = {
	{ "doc/root.der", 533,
	  "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b" },
	{ "doc/ca1.der", 706,
	  "9205b255b4e3cec0e967d4c47db0c8be6be8e9a2d0086abedd6baefbacb5cc2c" },
	{ "doc/ca2.der", 793,
	  "67eb7dc4cd1100c8a6c5c94814a0a1acabe4f2d7eb6916b3dd559a794380c25b" },
	{ "doc/ca3.der", 644,
	  "ae5bea288d25af5ad392cc9f778b29f4f7e4c18a597393c0f4c3edd221ac6d9a" },
	{ "doc/leaf.der", 639,
	  "3d4b25c66fa2d2a2d0d866d0e1e3cbd621aef9f24d054b497e59a636e27d9d90" },
};

/* Seconds since 1970 by the C library. */
static int64_t at(int year, int month, int day, int hour, int minute,
		  int second)
{
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = month - 1,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = minute,
			 .tm_sec = second };

	return timegm(&tm);
}

static int64_t signing(void)
{
	return at(2022, 7, 6, 14, 18, 22);
}

/* The real chain, in memory of the certificates' own size each. */
static void load_chain(struct nsmc_doc *ret)
{
	*ret = (struct nsmc_doc){ .cabundle_count = BUNDLE,
				  .timestamp_ms = 1657117102484 };
	for (size_t i = 0; i < CERTS; i++) {
		struct data d = data_load(certs[i].file);
		struct nsmc_bytes b = { d.bytes, d.len };

		if (i < BUNDLE)
			ret->cabundle[i] = b;
		else
			ret->certificate = b;
	}
}

/* With LEEWAY_S and CACHE. The object is empty if there is no error. */
static int check_with(const struct nsmc_doc *doc, int64_t time_s,
		      int64_t leeway_s, struct nsmc_cache *cache,
		      struct nsmc_object *object)
{
	const struct nsmc_bytes root = nsmc_aws_root();
	const struct verify_chain by = { .roots = &root,
					 .root_count = 1,
					 .time_s = time_s,
					 .leeway_s = leeway_s,
					 .cache = cache };
	struct certificate leaf;
	int r;

	object->name[0] = '\0';
	r = verify_chain(doc, &by, &leaf, object);
	if (r == 0)
		object->name[0] = '\0';
	if (r == 0 && CHECK_INT(leaf.der.len, doc->certificate.len))
		CHECK(leaf.der.data == doc->certificate.data);
	return r;
}

/* Of AWS's root, without leeway. */
static int check_chain(const struct nsmc_doc *doc, int64_t time_s,
		       struct nsmc_object *object)
{
	return check_with(doc, time_s, 0, NULL, object);
}

static void sha256_hex(const uint8_t *bytes, size_t len, char ret[65])
{
	uint8_t hash[32];

	CHECK_INT(mbedtls_sha256(bytes, len, hash, 0), 0);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

/* --- the chain --- */

TEST(data_is_what_aws_signed)
{
	char hex[65];

	for (size_t i = 0; i < CERTS; i++) {
		struct data d = data_load(certs[i].file);

		CHECK_INT(d.len, certs[i].len);
		sha256_hex(d.bytes, d.len, hex);
		CHECK_STR(hex, certs[i].sha256);
		free(d.bytes);
	}
}

TEST(built_in_root_is_awss)
{
	struct nsmc_bytes root = nsmc_aws_root();
	struct data d = data_load("doc/root.der");
	char hex[65];

	REQUIRE(root.len == d.len);
	CHECK_MEM(root.data, d.bytes, d.len);
	sha256_hex(root.data, root.len, hex);
	CHECK_STR(hex, "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3"
		       "c68f79bb5b");
	free(d.bytes);
}

TEST(real_chain_holds_when_it_was_used)
{
	const uint8_t other = 0;
	struct nsmc_bytes roots[NSMC_ROOTS_MAX];
	struct verify_chain by = { .roots = roots,
				   .root_count = NSMC_ROOTS_MAX,
				   .time_s = signing() };
	struct nsmc_object object;
	struct certificate leaf;
	struct nsmc_doc doc;

	load_chain(&doc);
	CHECK_INT(check_chain(&doc, signing(), &object), 0);
	/* The same root, one of many; and without an object. */
	for (size_t i = 0; i < COUNT(roots); i++) {
		for (size_t k = 0; k < COUNT(roots); k++)
			roots[k] = NSMC_BYTES(&other, 1);
		roots[i] = doc.cabundle[0];
		CHECK_INT(verify_chain(&doc, &by, &leaf, NULL), 0);
		roots[i] = doc.cabundle[1];
		CHECK_INT(verify_chain(&doc, &by, &leaf, &object),
			  -NSMC_E_ROOT_OTHER);
		CHECK_STR(object.name, "cabundle[0]");
	}
	/* Of none at all nothing is trusted. */
	roots[0] = doc.cabundle[0];
	by.root_count = 0;
	CHECK_INT(verify_chain(&doc, &by, &leaf, &object), -NSMC_E_ROOT_OTHER);
}

TEST(a_bundle_of_none_is_no_chain)
{
	struct nsmc_object object;
	struct nsmc_doc doc;

	load_chain(&doc);
	doc.cabundle_count = 0;
	CHECK_INT(check_chain(&doc, signing(), &object), -NSMC_E_DOC_RANGE);
	CHECK_STR(object.name, "cabundle");
	doc.cabundle_count = NSMC_CABUNDLE_MAX + 1;
	CHECK_INT(check_chain(&doc, signing(), &object), -NSMC_E_DOC_RANGE);
	CHECK_STR(object.name, "cabundle");
}

TEST(each_real_certificate_has_its_seconds)
{
	/* openssl x509 -dates */
	const struct {
		int64_t time_s;
		int error;
		const char *object;
	} rows[] = {
		{ INT64_C(0), NSMC_E_CERT_NOT_YET, "cabundle[0]" },
		{ at(2019, 10, 28, 13, 28, 4), NSMC_E_CERT_NOT_YET,
		  "cabundle[0]" },
		{ at(2019, 10, 28, 13, 28, 5), NSMC_E_CERT_NOT_YET,
		  "cabundle[1]" },
		{ at(2022, 7, 5, 22, 7, 44), NSMC_E_CERT_NOT_YET,
		  "cabundle[1]" },
		{ at(2022, 7, 5, 22, 7, 45), NSMC_E_CERT_NOT_YET,
		  "cabundle[2]" },
		{ at(2022, 7, 6, 6, 25, 12), NSMC_E_CERT_NOT_YET,
		  "cabundle[2]" },
		{ at(2022, 7, 6, 6, 25, 13), NSMC_E_CERT_NOT_YET,
		  "cabundle[3]" },
		{ at(2022, 7, 6, 10, 1, 18), NSMC_E_CERT_NOT_YET,
		  "cabundle[3]" },
		{ at(2022, 7, 6, 10, 1, 19), NSMC_E_CERT_NOT_YET,
		  "certificate" },
		{ at(2022, 7, 6, 14, 18, 18), NSMC_E_CERT_NOT_YET,
		  "certificate" },
		{ at(2022, 7, 6, 14, 18, 19), 0, "" },
		{ at(2022, 7, 6, 17, 18, 22), 0, "" },
		{ at(2022, 7, 6, 17, 18, 23), NSMC_E_CERT_EXPIRED,
		  "certificate" },
		{ at(2022, 7, 7, 10, 1, 19), NSMC_E_CERT_EXPIRED,
		  "certificate" },
		{ at(2022, 7, 7, 10, 1, 20), NSMC_E_CERT_EXPIRED,
		  "cabundle[3]" },
		{ at(2022, 7, 12, 2, 25, 12), NSMC_E_CERT_EXPIRED,
		  "cabundle[3]" },
		{ at(2022, 7, 12, 2, 25, 13), NSMC_E_CERT_EXPIRED,
		  "cabundle[2]" },
		{ at(2022, 7, 25, 23, 7, 45), NSMC_E_CERT_EXPIRED,
		  "cabundle[2]" },
		{ at(2022, 7, 25, 23, 7, 46), NSMC_E_CERT_EXPIRED,
		  "cabundle[1]" },
		{ at(2049, 10, 28, 14, 28, 5), NSMC_E_CERT_EXPIRED,
		  "cabundle[1]" },
		{ at(2049, 10, 28, 14, 28, 6), NSMC_E_CERT_EXPIRED,
		  "cabundle[0]" },
	};
	struct nsmc_object object;
	struct nsmc_doc doc;

	load_chain(&doc);
	for (size_t i = 0; i < COUNT(rows); i++) {
		CHECK_INT(check_chain(&doc, rows[i].time_s, &object),
			  -rows[i].error);
		CHECK_STR(object.name, rows[i].object);
	}
}

/* A leeway is for the beginning of a certificate, not for its end. */
TEST(a_leeway_is_for_clocks_that_are_slow)
{
	static const int64_t leeways[] = { 0, 1, 5, 3600 };
	const int64_t begin = at(2022, 7, 6, 14, 18, 19),
		      end = at(2022, 7, 6, 17, 18, 22);
	struct nsmc_object object;
	struct nsmc_doc doc;

	load_chain(&doc);
	for (size_t i = 0; i < COUNT(leeways); i++) {
		int64_t l = leeways[i];

		CHECK_INT(check_with(&doc, begin - l, l, NULL, &object), 0);
		CHECK_INT(check_with(&doc, begin - l - 1, l, NULL, &object),
			  -NSMC_E_CERT_NOT_YET);
		CHECK_STR(object.name, "certificate");
		CHECK_INT(check_with(&doc, end, l, NULL, &object), 0);
		CHECK_INT(check_with(&doc, end + 1, l, NULL, &object),
			  -NSMC_E_CERT_EXPIRED);
		CHECK_STR(object.name, "certificate");
	}
}

/* Whatever the time is now, the document was made while its leaf was valid. */
TEST(a_document_is_of_its_leafs_time)
{
	const int64_t begin = at(2022, 7, 6, 14, 18, 19),
		      end = at(2022, 7, 6, 17, 18, 22);
	const struct {
		int64_t made_ms, leeway_s;
		bool good;
	} rows[] = {
		{ begin * 1000, 0, true },
		{ begin * 1000 - 1, 0, false },
		{ end * 1000 + 999, 0, true },
		{ end * 1000 + 1000, 0, false },
		{ (begin - 5) * 1000, 5, true },
		{ (begin - 5) * 1000 - 1, 5, false },
		{ (end + 5) * 1000 + 999, 5, true },
		{ (end + 6) * 1000, 5, false },
		{ 1, 3600, false },
		{ INT64_MAX / 2, 3600, false },
	};
	struct nsmc_object object;
	struct nsmc_doc doc;

	load_chain(&doc);
	for (size_t i = 0; i < COUNT(rows); i++) {
		doc.timestamp_ms = (uint64_t)rows[i].made_ms;
		CHECK_INT(check_with(&doc, signing(), rows[i].leeway_s, NULL,
				     &object),
			  rows[i].good ? 0 : -NSMC_E_LEAF_TIME);
		CHECK_STR(object.name, rows[i].good ? "" : "timestamp");
	}
}

TEST(real_chain_holds_in_no_other_order)
{
	struct nsmc_object object;
	struct nsmc_doc doc, other;
	size_t good = 0, tried = 0;

	load_chain(&doc);
	/* All ways to have one to four of the authorities, also several times. */
	for (size_t n = 1; n <= BUNDLE; n++)
		for (size_t i = 0; i < (size_t)1 << 2 * n; i++) {
			other = doc;
			other.cabundle_count = n;
			for (size_t k = 0; k < n; k++)
				other.cabundle[k] =
					doc.cabundle[i >> 2 * k & 3];
			tried++;
			if (check_chain(&other, signing(), &object) == 0) {
				good++;
				CHECK_INT(n, 4);
				CHECK_INT(i, 0xe4); /* 3, 2, 1, 0 */
			}
		}
	CHECK_INT(tried, 4 + 16 + 64 + 256);
	CHECK_INT(good, 1);

	/* And an authority is no leaf, nor the leaf an authority. */
	other = doc;
	other.cabundle_count = 3;
	other.certificate = doc.cabundle[3];
	CHECK_INT(check_chain(&other, signing(), &object), -NSMC_E_CERT_IS_CA);
	CHECK_STR(object.name, "certificate");
	other = doc;
	other.cabundle[4] = doc.certificate;
	other.cabundle_count = 5;
	CHECK(check_chain(&other, signing(), &object) < 0);
}

/* A byte here and there: the test CA's documents have each of them flipped. */
TEST(flipped_bits_break_the_real_chain)
{
	struct nsmc_object object;
	struct nsmc_doc doc;

	load_chain(&doc);
	for (size_t i = 0; i < CERTS; i++) {
		struct nsmc_bytes *b = i < BUNDLE ? &doc.cabundle[i] :
						    &doc.certificate;
		struct nsmc_bytes good = *b;
		struct data d = data_copy(good.data, good.len);

		*b = (struct nsmc_bytes){ d.bytes, d.len };
		for (size_t k = i; k < d.len; k += 17) {
			d.bytes[k] ^= (uint8_t)(1 << k % 8);
			CHECK(check_chain(&doc, signing(), &object) < 0);
			d.bytes[k] ^= (uint8_t)(1 << k % 8);
		}
		CHECK_INT(check_chain(&doc, signing(), &object), 0);
		for (size_t k = 0; k < d.len; k += k < 40 ? 1 : 29) {
			b->len = k;
			CHECK(check_chain(&doc, signing(), &object) < 0);
		}
		*b = good;
		free(d.bytes);
	}
}

/* --- with a cache --- */

/* The key of the link from PARENT to CHILD: of the parent's point and the child. */
static void link_key(struct nsmc_bytes parent, struct nsmc_bytes child,
		     uint8_t ret[CACHE_KEY])
{
	mbedtls_sha512_context hash;
	struct certificate c;
	uint8_t whole[64];

	REQUIRE(certificate_read(parent, &c) == 0);
	mbedtls_sha512_init(&hash);
	REQUIRE(mbedtls_sha512_starts(&hash, 1) == 0);
	REQUIRE(mbedtls_sha512_update(&hash, c.point, CERTIFICATE_POINT) == 0);
	REQUIRE(mbedtls_sha512_update(&hash, child.data, child.len) == 0);
	REQUIRE(mbedtls_sha512_finish(&hash, whole) == 0);
	mbedtls_sha512_free(&hash);
	memcpy(ret, whole, CACHE_KEY);
}

static struct nsmc_bytes nth(const struct nsmc_doc *doc, size_t i)
{
	return i < BUNDLE ? doc->cabundle[i] : doc->certificate;
}

static bool knows_link(struct nsmc_cache *cache, const struct nsmc_doc *doc,
		       size_t i)
{
	uint8_t key[CACHE_KEY];

	link_key(nth(doc, i - 1), nth(doc, i), key);
	return cache_knows(cache, key);
}

static struct nsmc_cache *make_cache(size_t links)
{
	struct nsmc_cache *cache = NULL;

	REQUIRE(nsmc_cache_new(links, &cache) == 0);
	return cache;
}

TEST(good_links_are_kept)
{
	struct nsmc_cache *cache = make_cache(4), *small = make_cache(1);
	struct nsmc_object object;
	struct nsmc_doc doc;

	load_chain(&doc);
	for (size_t i = 1; i < CERTS; i++)
		CHECK(!knows_link(cache, &doc, i));
	for (int round = 0; round < 3; round++) {
		CHECK_INT(check_with(&doc, signing(), 0, cache, &object), 0);
		CHECK_INT(check_with(&doc, signing(), 0, small, &object), 0);
		for (size_t i = 1; i < CERTS; i++)
			CHECK(knows_link(cache, &doc, i));
	}
	nsmc_cache_free(small);
	nsmc_cache_free(cache);
}

/* That a cache is looked at shows in what only it could have said. */
TEST(a_known_links_signature_is_not_looked_at_again)
{
	struct nsmc_cache *cache = make_cache(4);
	uint8_t key[CACHE_KEY];
	struct nsmc_object object;
	struct nsmc_doc doc;
	struct data d;

	load_chain(&doc);
	d = data_copy(doc.certificate.data, doc.certificate.len);
	d.bytes[d.len - 1] ^= 1; /* of s */
	doc.certificate.data = d.bytes;
	CHECK_INT(check_with(&doc, signing(), 0, cache, &object),
		  -NSMC_E_CERT_SIGNATURE);
	CHECK_STR(object.name, "certificate");
	CHECK(!knows_link(cache, &doc, 4));
	link_key(doc.cabundle[3], doc.certificate, key);
	cache_add(cache, key);
	CHECK_INT(check_with(&doc, signing(), 0, cache, &object), 0);
	free(d.bytes);
	nsmc_cache_free(cache);
}

TEST(a_cache_makes_nothing_good)
{
	struct nsmc_cache *cache = make_cache(100);
	struct nsmc_object object;
	struct nsmc_doc doc, other;

	load_chain(&doc);
	CHECK_INT(check_with(&doc, signing(), 0, cache, &object), 0);

	/* The time is looked at each time, and so is the order. */
	CHECK_INT(check_with(&doc, at(2022, 7, 6, 17, 18, 23), 0, cache,
			     &object),
		  -NSMC_E_CERT_EXPIRED);
	CHECK_INT(check_with(&doc, at(2022, 7, 6, 14, 18, 18), 0, cache,
			     &object),
		  -NSMC_E_CERT_NOT_YET);
	other = doc;
	other.cabundle[1] = doc.cabundle[2];
	CHECK_INT(check_with(&other, signing(), 0, cache, &object),
		  -NSMC_E_CERT_ISSUER);
	other = doc;
	other.cabundle_count = 3;
	CHECK_INT(check_with(&other, signing(), 0, cache, &object),
		  -NSMC_E_CERT_ISSUER);
	other = doc;
	other.timestamp_ms = 1;
	CHECK_INT(check_with(&other, signing(), 0, cache, &object),
		  -NSMC_E_LEAF_TIME);
	/* No byte of a certificate may be another. */
	for (size_t i = 1; i < CERTS; i++) {
		struct nsmc_bytes good = nth(&doc, i);
		struct data d = data_copy(good.data, good.len);

		other = doc;
		*(i < BUNDLE ? &other.cabundle[i] : &other.certificate) =
			NSMC_BYTES(d.bytes, d.len);
		for (size_t k = i; k < d.len; k += 31) {
			d.bytes[k] ^= 1;
			CHECK(check_with(&other, signing(), 0, cache, &object) <
			      0);
			CHECK_INT(check_with(&other, signing(), 0, cache,
					     &object),
				  check_chain(&other, signing(), &object));
			d.bytes[k] ^= 1;
		}
		free(d.bytes);
	}
	CHECK_INT(check_with(&doc, signing(), 0, cache, &object), 0);
	nsmc_cache_free(cache);
}

/* --- ES384 --- */

/*
 * Of two real documents: their Sig_structures hashed, their signatures, and the
 * keys of their leaves. The first was signed at 2022-07-06T14:18:22.484Z, and its
 * leaf is leaf.der; the second, of an open map, at 2025-09-16T21:25:49.422Z.
 */
static const struct vector {
	uint8_t hash[NSMC_PCR_SIZE];
	uint8_t sig[CERTIFICATE_SIGNATURE];
	uint8_t point[CERTIFICATE_POINT];
} vectors[] = {
	{ .hash = { 0xd9, 0x61, 0x61, 0xc6, 0x5e, 0x7b, 0xd3, 0x51, 0x0c, 0xbc,
		    0xb6, 0x88, 0xb7, 0xc6, 0xa2, 0x6f, 0x2f, 0x9c, 0x30, 0x0b,
		    0x4d, 0x59, 0x50, 0x1d, 0xfc, 0x47, 0x35, 0xaa, 0x1f, 0x66,
		    0x5e, 0x66, 0xda, 0x94, 0xe2, 0x56, 0x9c, 0x71, 0x76, 0xd2,
		    0xae, 0xa1, 0xdf, 0x6e, 0x1f, 0x74, 0xb9, 0x33 },
	  .sig = { 0x3c, 0x0c, 0x7d, 0x02, 0xfa, 0x0a, 0x97, 0x3e, 0xac, 0x1a,
		   0x5c, 0xed, 0x6c, 0x4f, 0x8b, 0x2e, 0x65, 0x9b, 0x8a, 0x8a,
		   0x4e, 0x76, 0xcc, 0xcf, 0x52, 0xf6, 0xba, 0xfd, 0x93, 0xa0,
		   0xbd, 0xad, 0xda, 0xb6, 0x8c, 0x71, 0xfd, 0x5b, 0x1e, 0xf2,
		   0x98, 0x77, 0x43, 0x8e, 0x86, 0x2d, 0xa4, 0x7a, 0x55, 0x00,
		   0x28, 0xcd, 0x28, 0xd7, 0x07, 0xde, 0x94, 0x2f, 0xbf, 0x62,
		   0x01, 0xc0, 0x5f, 0xd4, 0x1b, 0xbc, 0xac, 0xc7, 0x48, 0x8b,
		   0x28, 0x43, 0xb6, 0xf7, 0x5a, 0x5c, 0x66, 0x7e, 0x7b, 0x02,
		   0x3e, 0x13, 0xa7, 0x82, 0x52, 0x5d, 0x16, 0x78, 0x83, 0x23,
		   0x50, 0x27, 0x77, 0x42, 0xcb, 0xe8 },
	  .point = { 0x04, 0xff, 0xc2, 0x10, 0xe7, 0x6f, 0xee, 0x41, 0xb2, 0x08,
		     0x62, 0x26, 0xdd, 0x9c, 0x7a, 0xff, 0xbd, 0x3b, 0x98, 0x14,
		     0xa0, 0xec, 0x3a, 0xad, 0xf4, 0x3b, 0x36, 0xbe, 0xaf, 0x49,
		     0xb4, 0x0b, 0x7f, 0x49, 0x5e, 0x44, 0x9e, 0x7f, 0x5a, 0x86,
		     0xeb, 0x5f, 0xba, 0xf0, 0x07, 0xfb, 0xd7, 0xe8, 0x5f, 0x24,
		     0x4b, 0x99, 0xfd, 0xf2, 0xb0, 0x23, 0xd1, 0xf5, 0xa4, 0x4f,
		     0x58, 0x1f, 0x25, 0x67, 0x5d, 0x5f, 0x2e, 0x5b, 0x4b, 0x84,
		     0x71, 0x81, 0x6a, 0x99, 0x8e, 0x3a, 0x29, 0x7e, 0x6f, 0x78,
		     0xeb, 0xcb, 0x11, 0x59, 0x74, 0x79, 0x96, 0x2f, 0x8a, 0xdc,
		     0x11, 0x31, 0x4e, 0x3f, 0x86, 0x3c, 0xfa } },
	{ .hash = { 0xc7, 0xfa, 0x9c, 0xa3, 0x38, 0xa1, 0x5c, 0xab, 0x2f, 0x3d,
		    0x7e, 0xac, 0xfa, 0x11, 0x14, 0x51, 0x87, 0xca, 0x2d, 0x98,
		    0x1c, 0x66, 0xb8, 0xbd, 0xc0, 0x76, 0x4e, 0x75, 0x71, 0x53,
		    0x9f, 0x14, 0x9c, 0x1e, 0x57, 0x63, 0x52, 0xd5, 0x87, 0x21,
		    0xda, 0x2f, 0x70, 0xd2, 0xe7, 0x4f, 0xc0, 0x69 },
	  .sig = { 0x6d, 0x0f, 0x56, 0x15, 0x25, 0x8a, 0xb9, 0x3d, 0xda, 0xad,
		   0xa6, 0xc2, 0xb9, 0xc0, 0x39, 0xd2, 0xb0, 0xcd, 0xcf, 0x5d,
		   0x1f, 0x7d, 0x43, 0xb2, 0x70, 0x55, 0x3b, 0x11, 0xee, 0x40,
		   0xfb, 0x1c, 0xda, 0xee, 0xff, 0xbb, 0xbb, 0x02, 0xcc, 0xb1,
		   0xdd, 0xb8, 0xc8, 0x93, 0x87, 0x30, 0x82, 0x3e, 0x09, 0x52,
		   0x35, 0x27, 0xe4, 0x2f, 0x41, 0xbf, 0x4b, 0x38, 0xe1, 0x29,
		   0xb8, 0x84, 0xee, 0x28, 0x81, 0x2b, 0x25, 0x3f, 0x38, 0xea,
		   0xd7, 0xa6, 0x31, 0xda, 0x35, 0x19, 0x85, 0x31, 0xa9, 0xa5,
		   0x65, 0xf8, 0x7c, 0x15, 0xb6, 0xeb, 0xf5, 0x97, 0x58, 0xea,
		   0x1e, 0x85, 0x0e, 0x74, 0x28, 0x32 },
	  .point = { 0x04, 0x12, 0x2e, 0x87, 0x2f, 0xf8, 0xdc, 0xa4, 0xf4, 0x1f,
		     0x09, 0x7b, 0x8e, 0x00, 0x90, 0x8a, 0x17, 0x4d, 0x64, 0x90,
		     0x82, 0x69, 0x4c, 0xf0, 0x4b, 0xdb, 0xf8, 0x9d, 0x48, 0x9e,
		     0xf3, 0x03, 0x5a, 0x9a, 0x2b, 0xb5, 0x9d, 0x83, 0xb3, 0x5d,
		     0x6c, 0x15, 0x26, 0xb3, 0x75, 0x5e, 0x72, 0xd9, 0x86, 0x69,
		     0x0d, 0x5d, 0x8c, 0xea, 0x2a, 0x12, 0xfa, 0x19, 0xc9, 0xb1,
		     0xd3, 0x9c, 0x80, 0xe3, 0x5f, 0x08, 0x00, 0x65, 0x15, 0x57,
		     0xac, 0xa4, 0xdb, 0xbb, 0x07, 0x53, 0xab, 0x5e, 0xbe, 0xf4,
		     0x51, 0x82, 0x0e, 0x16, 0xc1, 0x74, 0x96, 0x13, 0x40, 0x7b,
		     0x78, 0xc5, 0x8b, 0xa9, 0x87, 0xd9, 0xc9 } },
};

/* The order of the group (SEC 2, 2.5.1). */
static const uint8_t order[CERTIFICATE_SIGNATURE / 2] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2,
	0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
};

/* The two questions of es384.h as one. */
static int verify_es384(const uint8_t hash[ES384_HASH],
			const uint8_t sig[ES384_SIGNATURE],
			const uint8_t point[ES384_POINT])
{
	bool good = es384_verify(hash, sig, point);

	if (!es384_is_key(point)) {
		CHECK(!good);
		return -NSMC_E_CERT_KEY;
	}
	return good ? 0 : -NSMC_E_SIGNATURE;
}

static int es384(const uint8_t *sig)
{
	return verify_es384(vectors[0].hash, sig, vectors[0].point);
}

TEST(real_signatures_hold)
{
	struct data leaf = data_load("doc/leaf.der");
	struct certificate c;

	for (size_t i = 0; i < COUNT(vectors); i++)
		CHECK_INT(verify_es384(vectors[i].hash, vectors[i].sig,
				       vectors[i].point),
			  0);
	/* Each by its own key alone. */
	for (size_t i = 0; i < COUNT(vectors); i++)
		CHECK_INT(verify_es384(vectors[i].hash, vectors[i].sig,
				       vectors[1 - i].point),
			  -NSMC_E_SIGNATURE);
	REQUIRE(certificate_read(NSMC_BYTES(leaf.bytes, leaf.len), &c) == 0);
	CHECK_MEM(c.point, vectors[0].point, CERTIFICATE_POINT);
	free(leaf.bytes);
}

/* A bit in three, of each byte: a verification takes milliseconds. */
static void check_flipped(const struct vector *v)
{
	uint8_t sig[CERTIFICATE_SIGNATURE], hash[NSMC_PCR_SIZE];

	memcpy(sig, v->sig, sizeof(sig));
	memcpy(hash, v->hash, sizeof(hash));
	for (size_t i = 0; i < 8 * sizeof(sig); i += 3) {
		sig[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK_INT(verify_es384(hash, sig, v->point), -NSMC_E_SIGNATURE);
		sig[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t i = 0; i < 8 * sizeof(hash); i += 3) {
		hash[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK_INT(verify_es384(hash, sig, v->point), -NSMC_E_SIGNATURE);
		hash[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	CHECK_INT(verify_es384(hash, sig, v->point), 0);
}

TEST(any_flipped_bit_of_signature_or_hash_is_seen)
{
	check_flipped(&vectors[0]);
}

TEST(any_flipped_bit_of_the_signature_of_2025_is_seen)
{
	check_flipped(&vectors[1]);
}

TEST(numbers_out_of_range_are_no_signature)
{
	enum { HALF = CERTIFICATE_SIGNATURE / 2 };
	uint8_t sig[CERTIFICATE_SIGNATURE] = { 0 };
	int borrow = 0;

	CHECK_INT(es384(sig), -NSMC_E_SIGNATURE);
	for (size_t i = 0; i < 2; i++) {
		memcpy(sig, vectors[0].sig, sizeof(sig));
		memset(sig + i * HALF, 0, HALF);
		CHECK_INT(es384(sig), -NSMC_E_SIGNATURE);
		memset(sig + i * HALF, 0xff, HALF);
		CHECK_INT(es384(sig), -NSMC_E_SIGNATURE);
		memcpy(sig + i * HALF, order, HALF);
		CHECK_INT(es384(sig), -NSMC_E_SIGNATURE);
	}
	/* ECDSA holds for n - s as it does for s: FIPS 186-4 forbids neither. */
	memcpy(sig, vectors[0].sig, sizeof(sig));
	for (int i = HALF - 1; i >= 0; i--) {
		int d = order[i] - vectors[0].sig[HALF + i] - borrow;

		borrow = d < 0;
		sig[HALF + i] = (uint8_t)(d & 0xff);
	}
	CHECK_INT(es384(sig), 0);
}

TEST(what_is_no_point_is_no_key)
{
	uint8_t point[CERTIFICATE_POINT];

	for (size_t i = 1; i < CERTIFICATE_POINT; i += 5) {
		memcpy(point, vectors[0].point, sizeof(point));
		point[i] ^= 1;
		CHECK_INT(verify_es384(vectors[0].hash, vectors[0].sig, point),
			  -NSMC_E_CERT_KEY);
	}
	memset(point, 0, sizeof(point));
	CHECK_INT(verify_es384(vectors[0].hash, vectors[0].sig, point),
		  -NSMC_E_CERT_KEY);
	point[0] = 4;
	CHECK_INT(verify_es384(vectors[0].hash, vectors[0].sig, point),
		  -NSMC_E_CERT_KEY);
	/* The other point of the same x is a key, but not this one. */
	memcpy(point, vectors[0].point, sizeof(point));
	memset(point + 49, 0xff, 48);
	CHECK_INT(verify_es384(vectors[0].hash, vectors[0].sig, point),
		  -NSMC_E_CERT_KEY);
}

/* --- forms --- */

TEST(forms_are_those_of_es384)
{
	static const uint8_t bytes[NSMC_PCR_SIZE_MAX + CERTIFICATE_SIGNATURE];
	const struct nsmc_doc good = {
		.algorithm = NSMC_ALGORITHM_ES384,
		.signature = { bytes, CERTIFICATE_SIGNATURE },
		.digest = { (const uint8_t *)"SHA384", 6 },
		.pcr = { [31] = { bytes, NSMC_PCR_SIZE } },
	};
	struct nsmc_object object = { "" };
	struct nsmc_doc doc = good;

	CHECK_INT(verify_form(&doc, &object), 0);
	doc.algorithm = -7; /* ES256 */
	CHECK_INT(verify_form(&doc, &object), -NSMC_E_ALGORITHM);
	CHECK_STR(object.name, "protected header");
	doc = good;
	doc.signature.len--;
	CHECK_INT(verify_form(&doc, &object), -NSMC_E_SIGNATURE_LENGTH);
	CHECK_STR(object.name, "signature");
	doc.signature.len += 2;
	CHECK_INT(verify_form(&doc, &object), -NSMC_E_SIGNATURE_LENGTH);
	doc = good;
	doc.digest.len--;
	CHECK_INT(verify_form(&doc, &object), -NSMC_E_DIGEST);
	CHECK_STR(object.name, "digest");
	doc = good;
	doc.pcr[3] = NSMC_BYTES(bytes, 32);
	CHECK_INT(verify_form(&doc, &object), -NSMC_E_DIGEST);
	CHECK_STR(object.name, "PCR3");
	doc.pcr[3] = NSMC_BYTES(bytes, 64);
	CHECK_INT(verify_form(&doc, &object), -NSMC_E_DIGEST);
	doc = good;
	doc.pcr[31] = NSMC_ABSENT;
	CHECK_INT(verify_form(&doc, &object), -NSMC_E_DOC_RANGE);
	CHECK_STR(object.name, "pcrs");
	CHECK_INT(verify_form(&doc, NULL), -NSMC_E_DOC_RANGE);
}

/* --- the report --- */

TEST(each_check_has_words_of_its_own)
{
	for (unsigned i = 1; i < NSMC_CHECK_ALL; i <<= 1) {
		const char *text = nsmc_check_text((enum nsmc_check)i);

		if (!CHECK(text && *text))
			continue;
		for (unsigned k = 1; k < i; k <<= 1)
			CHECK(strcmp(text,
				     nsmc_check_text((enum nsmc_check)k)) != 0);
	}
	CHECK(!nsmc_check_text((enum nsmc_check)0));
	CHECK(!nsmc_check_text(NSMC_CHECK_ALL));
	CHECK(!nsmc_check_text((enum nsmc_check)(NSMC_CHECK_ALL + 1)));
}

CHECK_MAIN("verify")
