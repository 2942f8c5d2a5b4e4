/*
 * Signatures and chains of AWS's own: tests/data/doc is out of a document that
 * was signed at 2022-07-06T14:18:22.484Z, as is the signature below. Whole
 * documents are in tests/interop/, which has a CA.
 */

#include "nsm/verify.h"

#include <mbedtls/sha256.h>
#include <time.h>

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
	*ret = (struct nsmc_doc){ .cabundle_count = BUNDLE };
	for (size_t i = 0; i < CERTS; i++) {
		struct data d = data_load(certs[i].file);
		struct nsmc_bytes b = { d.bytes, d.len };

		if (i < BUNDLE)
			ret->cabundle[i] = b;
		else
			ret->certificate = b;
	}
}

/* Of AWS's root. The object is empty if there is no error. */
static int check_chain(const struct nsmc_doc *doc, int64_t time_s,
		       struct nsmc_object *object)
{
	const struct nsmc_bytes none = { NULL, 0 };
	int r;

	object->name[0] = '\0';
	r = nsmc_doc_check_chain(doc, none, time_s, object);
	if (r == 0)
		object->name[0] = '\0';
	return r;
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
	struct nsmc_object object;
	struct nsmc_doc doc;
	struct nsmc_bytes root;

	load_chain(&doc);
	CHECK_INT(check_chain(&doc, signing(), &object), 0);
	/* The same root, given; and without an object. */
	root = doc.cabundle[0];
	CHECK_INT(nsmc_doc_check_chain(&doc, root, signing(), NULL), 0);
	root = doc.cabundle[1];
	CHECK_INT(nsmc_doc_check_chain(&doc, root, signing(), &object),
		  -NSMC_E_ROOT_OTHER);
	CHECK_STR(object.name, "cabundle[0]");
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

/* --- ES384 --- */

static const uint8_t vector_hash[NSMC_PCR_SIZE] = {
	0xd9, 0x61, 0x61, 0xc6, 0x5e, 0x7b, 0xd3, 0x51, 0x0c, 0xbc, 0xb6, 0x88,
	0xb7, 0xc6, 0xa2, 0x6f, 0x2f, 0x9c, 0x30, 0x0b, 0x4d, 0x59, 0x50, 0x1d,
	0xfc, 0x47, 0x35, 0xaa, 0x1f, 0x66, 0x5e, 0x66, 0xda, 0x94, 0xe2, 0x56,
	0x9c, 0x71, 0x76, 0xd2, 0xae, 0xa1, 0xdf, 0x6e, 0x1f, 0x74, 0xb9, 0x33,
};

static const uint8_t vector_sig[VERIFY_SIGNATURE] = {
	0x3c, 0x0c, 0x7d, 0x02, 0xfa, 0x0a, 0x97, 0x3e, 0xac, 0x1a, 0x5c, 0xed,
	0x6c, 0x4f, 0x8b, 0x2e, 0x65, 0x9b, 0x8a, 0x8a, 0x4e, 0x76, 0xcc, 0xcf,
	0x52, 0xf6, 0xba, 0xfd, 0x93, 0xa0, 0xbd, 0xad, 0xda, 0xb6, 0x8c, 0x71,
	0xfd, 0x5b, 0x1e, 0xf2, 0x98, 0x77, 0x43, 0x8e, 0x86, 0x2d, 0xa4, 0x7a,
	0x55, 0x00, 0x28, 0xcd, 0x28, 0xd7, 0x07, 0xde, 0x94, 0x2f, 0xbf, 0x62,
	0x01, 0xc0, 0x5f, 0xd4, 0x1b, 0xbc, 0xac, 0xc7, 0x48, 0x8b, 0x28, 0x43,
	0xb6, 0xf7, 0x5a, 0x5c, 0x66, 0x7e, 0x7b, 0x02, 0x3e, 0x13, 0xa7, 0x82,
	0x52, 0x5d, 0x16, 0x78, 0x83, 0x23, 0x50, 0x27, 0x77, 0x42, 0xcb, 0xe8,
};

/* The leaf's key, which is in leaf.der too. */
static const uint8_t vector_point[VERIFY_POINT] = {
	0x04, 0xff, 0xc2, 0x10, 0xe7, 0x6f, 0xee, 0x41, 0xb2, 0x08, 0x62,
	0x26, 0xdd, 0x9c, 0x7a, 0xff, 0xbd, 0x3b, 0x98, 0x14, 0xa0, 0xec,
	0x3a, 0xad, 0xf4, 0x3b, 0x36, 0xbe, 0xaf, 0x49, 0xb4, 0x0b, 0x7f,
	0x49, 0x5e, 0x44, 0x9e, 0x7f, 0x5a, 0x86, 0xeb, 0x5f, 0xba, 0xf0,
	0x07, 0xfb, 0xd7, 0xe8, 0x5f, 0x24, 0x4b, 0x99, 0xfd, 0xf2, 0xb0,
	0x23, 0xd1, 0xf5, 0xa4, 0x4f, 0x58, 0x1f, 0x25, 0x67, 0x5d, 0x5f,
	0x2e, 0x5b, 0x4b, 0x84, 0x71, 0x81, 0x6a, 0x99, 0x8e, 0x3a, 0x29,
	0x7e, 0x6f, 0x78, 0xeb, 0xcb, 0x11, 0x59, 0x74, 0x79, 0x96, 0x2f,
	0x8a, 0xdc, 0x11, 0x31, 0x4e, 0x3f, 0x86, 0x3c, 0xfa,
};

/* The order of the group (SEC 2, 2.5.1). */
static const uint8_t order[VERIFY_SIGNATURE / 2] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2,
	0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
};

static int es384(const uint8_t *sig)
{
	return verify_es384(vector_hash, sig, vector_point);
}

TEST(real_signature_holds)
{
	struct data leaf = data_load("doc/leaf.der");
	bool found = false;

	CHECK_INT(es384(vector_sig), 0);
	for (size_t i = 0; i + VERIFY_POINT <= leaf.len; i++)
		found = found ||
			memcmp(leaf.bytes + i, vector_point, VERIFY_POINT) == 0;
	CHECK(found);
	free(leaf.bytes);
}

/* A bit in three, of each byte: a verification takes milliseconds. */
TEST(any_flipped_bit_of_signature_or_hash_is_seen)
{
	uint8_t sig[VERIFY_SIGNATURE], hash[NSMC_PCR_SIZE];

	memcpy(sig, vector_sig, sizeof(sig));
	memcpy(hash, vector_hash, sizeof(hash));
	for (size_t i = 0; i < 8 * sizeof(sig); i += 3) {
		sig[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK_INT(es384(sig), -NSMC_E_SIGNATURE);
		sig[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t i = 0; i < 8 * sizeof(hash); i += 3) {
		hash[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK_INT(verify_es384(hash, vector_sig, vector_point),
			  -NSMC_E_SIGNATURE);
		hash[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	CHECK_INT(verify_es384(hash, sig, vector_point), 0);
}

TEST(numbers_out_of_range_are_no_signature)
{
	enum { HALF = VERIFY_SIGNATURE / 2 };
	uint8_t sig[VERIFY_SIGNATURE] = { 0 };
	int borrow = 0;

	CHECK_INT(es384(sig), -NSMC_E_SIGNATURE);
	for (size_t i = 0; i < 2; i++) {
		memcpy(sig, vector_sig, sizeof(sig));
		memset(sig + i * HALF, 0, HALF);
		CHECK_INT(es384(sig), -NSMC_E_SIGNATURE);
		memset(sig + i * HALF, 0xff, HALF);
		CHECK_INT(es384(sig), -NSMC_E_SIGNATURE);
		memcpy(sig + i * HALF, order, HALF);
		CHECK_INT(es384(sig), -NSMC_E_SIGNATURE);
	}
	/* ECDSA holds for n - s as it does for s: FIPS 186-4 forbids neither. */
	memcpy(sig, vector_sig, sizeof(sig));
	for (int i = HALF - 1; i >= 0; i--) {
		int d = order[i] - vector_sig[HALF + i] - borrow;

		borrow = d < 0;
		sig[HALF + i] = (uint8_t)(d & 0xff);
	}
	CHECK_INT(es384(sig), 0);
}

TEST(what_is_no_point_is_no_key)
{
	uint8_t point[VERIFY_POINT];

	for (size_t i = 1; i < VERIFY_POINT; i += 5) {
		memcpy(point, vector_point, sizeof(point));
		point[i] ^= 1;
		CHECK_INT(verify_es384(vector_hash, vector_sig, point),
			  -NSMC_E_CERT_KEY);
	}
	memset(point, 0, sizeof(point));
	CHECK_INT(verify_es384(vector_hash, vector_sig, point),
		  -NSMC_E_CERT_KEY);
	point[0] = 4;
	CHECK_INT(verify_es384(vector_hash, vector_sig, point),
		  -NSMC_E_CERT_KEY);
	/* The other point of the same x is a key, but not this one. */
	memcpy(point, vector_point, sizeof(point));
	memset(point + 49, 0xff, 48);
	CHECK_INT(verify_es384(vector_hash, vector_sig, point),
		  -NSMC_E_CERT_KEY);
}

/* --- times --- */

TEST(times_are_the_c_librarys)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30,
				    31, 31, 30, 31, 30, 31 };

	CHECK_INT(verify_time(1970, 1, 1, 0, 0, 0), 0);
	CHECK_INT(verify_time(1969, 12, 31, 23, 59, 59), -1);
	CHECK_INT(verify_time(2000, 2, 29, 12, 0, 0), 951825600);
	CHECK_INT(verify_time(2000, 3, 1, 0, 0, 0), 951868800);
	CHECK_INT(verify_time(2022, 7, 6, 14, 18, 22), 1657117102);
	CHECK_INT(verify_time(2038, 1, 19, 3, 14, 8), INT64_C(2147483648));
	CHECK_INT(verify_time(2049, 12, 31, 23, 59, 59), INT64_C(2524607999));
	CHECK_INT(verify_time(2050, 1, 1, 0, 0, 0), INT64_C(2524608000));
	CHECK_INT(verify_time(2100, 3, 1, 0, 0, 0), INT64_C(4107542400));
	CHECK_INT(verify_time(9999, 12, 31, 23, 59, 59), INT64_C(253402300799));
	for (int year = 1900; year <= 2405; year++)
		for (int month = 1; month <= 12; month++)
			for (int day = 1; day <= days[month - 1]; day += 4) {
				int h = day % 24, m = (year + day) % 60,
				    s = (year + month + day) % 60;

				if (month == 2 && day == 29)
					continue; /* timegm makes March of it */
				CHECK_INT(verify_time(year, month, day, h, m,
						      s),
					  at(year, month, day, h, m, s));
			}
	for (int year = 1904; year <= 2400; year += 4)
		if (year % 100 || year % 400 == 0)
			CHECK_INT(verify_time(year, 2, 29, 1, 2, 3),
				  at(year, 2, 29, 1, 2, 3));
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
