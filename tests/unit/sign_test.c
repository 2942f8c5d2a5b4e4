/* Signatures of images: as AWS writes them, what is refused, and what is hostile. */

#include "rootfs/pack/sign/signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/sign/cose.h"
#include "rootfs/pack/sign/ecdsa.h"
#include "rootfs/pack/sign/sign_key.h"
#include "tests/unit/data.h"
#include "tests/unit/temp.h"

#define DIR "tests/data/sign/"

enum { NOW = 1800000000 }; /* in 2027; the certificates are of 2020 to 2120 */

static struct fault fault;
static uint8_t pcr0[EIF_HASH]; /* 00 01 02 and so on */

static void count_up(void)
{
	for (size_t i = 0; i < sizeof(pcr0); i++)
		pcr0[i] = (uint8_t)i;
}

struct section {
	uint8_t *data; /* of just that size */
	size_t len;
	uint8_t pcr8[EIF_HASH];
};

/* Without a passphrase. */
static int load(const char *key_path, const char *cert_path,
		struct sign_key **ret)
{
	return sign_key_load(&(struct sign_key_source){ .key = key_path,
							.cert = cert_path },
			     ret, &fault);
}

static struct section make(const char *key_path, const char *cert_path)
{
	struct sign_key *key = NULL;
	struct section s = { 0 };
	uint8_t *data;

	count_up();
	if (!CHECK_INT(load(key_path, cert_path, &key), 0))
		CHECK_STR(fault.text, "");
	REQUIRE(key);
	REQUIRE(signature_make(key, pcr0, &data, &s.len, s.pcr8, &fault) == 0);
	s.data = data_copy(data, s.len).bytes;
	free(data);
	sign_key_free(key);
	return s;
}

static void check_hex(const uint8_t *got, size_t len, const char *wanted)
{
	char text[400];

	REQUIRE(2 * len < sizeof(text));
	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", got[i]);
	CHECK_STR(text, wanted);
}

/* --- a section by hand --- */

struct made {
	uint8_t data[8192];
	size_t len;
};

static void add(struct made *m, const void *data, size_t len)
{
	REQUIRE(len <= sizeof(m->data) - m->len);
	if (len > 0)
		memcpy(m->data + m->len, data, len);
	m->len += len;
}

#define ADD(m, bytes) add((m), (bytes), sizeof(bytes) - 1)

static void add_integers(struct made *m, const void *data, size_t len)
{
	const uint8_t *at = data;
	const uint8_t head[] = { 0x99, (uint8_t)(len >> 8), (uint8_t)len };
	const uint8_t short_head[] = { 0x98, (uint8_t)len };

	if (len < 256)
		add(m, short_head, sizeof(short_head));
	else
		add(m, head, sizeof(head));
	for (; len > 0; at++, len--) {
		if (*at >= 24)
			ADD(m, "\x18");
		add(m, at, 1);
	}
}

/* {"signing_certificate": PEM, "signature": COSE} */
static void add_pair(struct made *m, const void *pem, size_t pem_len,
		     const void *cose, size_t cose_len)
{
	ADD(m, "\xa2\x73signing_certificate");
	add_integers(m, pem, pem_len);
	ADD(m, "\x69signature");
	add_integers(m, cose, cose_len);
}

/* What of S is behind the second name, collapsed. */
static struct made cose_of(const struct section *s)
{
	static const char name[] = "\x69signature";
	const uint8_t *at = memmem(s->data, s->len, name, sizeof(name) - 1);
	const uint8_t *end = s->data + s->len;
	struct made m = { 0 };

	REQUIRE(at);
	at += sizeof(name) - 1;
	REQUIRE(*at == 0x98 || *at == 0x99);
	for (at += *at - 0x98 + 2; at < end; at++) {
		if (*at == 0x18)
			at++;
		add(&m, at, 1);
	}
	return m;
}

static int parse(const void *data, size_t len, struct cert_info *ret)
{
	/* Of just that size: the sanitizer sees what is one too many. */
	struct data d = data_copy(data, len);
	int r;

	memset(ret, 0xaa, sizeof(*ret));
	(void)strcpy(fault.text, "");
	r = signature_parse(d.bytes, d.len, pcr0, NOW, ret, &fault);
	free(d.bytes);
	return r;
}

static void refused(int line, const struct made *m, const char *words)
{
	struct cert_info info;

	check_int(__FILE__, line, "the result", parse(m->data, m->len, &info),
		  -1);
	check_int(__FILE__, line, "the kind", fault.kind, FAULT_REFUSED);
	if (!strstr(fault.text, words))
		check_str(__FILE__, line, "the fault", fault.text, words);
}

#define REFUSED(m, words) refused(__LINE__, (m), (words))

/* --- what is written --- */

struct curve {
	const char *key, *cert, *pcr8, *algorithm;
	const char *head; /* of COSE_Sign1, as hex */
	size_t half;
};

static const struct curve curves[] = {
	{ DIR "p256.pem", DIR "p256-cert.pem",
	  "587720c680e7385683903a8d4f59f13839708c2a819c9ead73f746ccba381a62ba16619c18b62b441168b1941d3821b5",
	  "ecdsa-with-SHA256", "8443a10126a0586aa2", 32 },
	{ DIR "p384.pem", DIR "p384-cert.pem",
	  "3393bdf31898c609cd3619eb01bf3a33c3e8b5e0a815056ed22da373fe3b057941ff64fc67beef5bae8e76cf58383b15",
	  "ecdsa-with-SHA384", "8444a1013822a0586aa2", 48 },
	{ DIR "p521.pem", DIR "p521-cert.pem",
	  "a000675848b198fd68907dd8050fcde856b948278d87c2605b6e7540623a0eacd60d1b2372c2d8185eea30dbcff36e8a",
	  "ecdsa-with-SHA512", "8444a1013823a0586aa2", 66 },
};

#define EACH_CURVE(c) (const struct curve *c = curves; c < curves + 3; c++)

TEST(each_curve_has_its_algorithm)
{
	for
		EACH_CURVE(c)
		{
			struct section s = make(c->key, c->cert);
			struct made cose = cose_of(&s);
			struct cert_info info;

			check_hex(cose.data, strlen(c->head) / 2, c->head);
			/* The payload's 106 bytes, whose first one is in head, and r and s. */
			CHECK_INT(cose.len, strlen(c->head) / 2 - 1 + 106 + 2 +
						    2 * c->half);
			REQUIRE(parse(s.data, s.len, &info) == 0);
			CHECK(info.is_valid);
			CHECK(info.is_cert_in_time);
			CHECK_STR(info.algorithm, c->algorithm);
			free(s.data);
		}
}

TEST(the_form_is_aws)
{
	struct section s = make(curves[0].key, curves[0].cert);
	struct data pem = data_load("sign/p256-cert.pem");
	struct made cose = cose_of(&s), m = { 0 };

	ADD(&m, "\x81");
	add_pair(&m, pem.bytes, pem.len, cose.data, cose.len);
	REQUIRE(s.len == m.len);
	CHECK_MEM(s.data, m.data, m.len);
	free(pem.bytes);
	free(s.data);
}

TEST(pcr8_is_the_certificates)
{
	for
		EACH_CURVE(c)
		{
			struct section s = make(c->key, c->cert);
			struct cert_info info;

			check_hex(s.pcr8, sizeof(s.pcr8), c->pcr8);
			REQUIRE(parse(s.data, s.len, &info) == 0);
			CHECK_MEM(info.pcr8, s.pcr8, EIF_HASH);
			REQUIRE(signature_cert_info(c->cert, NOW, &info,
						    &fault) == 0);
			CHECK_MEM(info.pcr8, s.pcr8, EIF_HASH);
			CHECK(info.is_cert_in_time);
			free(s.data);
		}
}

TEST(the_same_twice)
{
	for
		EACH_CURVE(c)
		{
			struct section a = make(c->key, c->cert);
			struct section b = make(c->key, c->cert);

			REQUIRE(a.len == b.len);
			CHECK_MEM(a.data, b.data, a.len);
			free(a.data);
			free(b.data);
		}
}

/* RFC 6979, A.2.5 to A.2.7: "sample", by the hash of the curve's length. */
static const struct {
	const char *group, *private, *signature;
} rfc6979[] = {
	{ "P-256",
	  "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
	  "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
	  "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8" },
	{ "P-384",
	  "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d8"
	  "96d5724e4c70a825f872c9ea60d2edf5",
	  "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c"
	  "81a648152e44acf96e36dd1e80fabe46"
	  "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94f"
	  "a329c145786e679e7b82c71a38628ac8" },
	{ "P-521",
	  "00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75"
	  "caa896eb32f1f47c70855836a6d16fcc1466f6d8fbec67db89ec0c08b0e996b8"
	  "3538",
	  "00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f"
	  "174e25a1ee9017b5d450606add152b534931d7d4e8455cc91f9b15bf05ec36e3"
	  "77fa"
	  "00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af"
	  "282623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4"
	  "a67a" },
};

static EVP_PKEY *key_of(const char *group, const char *private_hex)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;
	BIGNUM *d = NULL;

	REQUIRE(ctx && bld && BN_hex2bn(&d, private_hex) > 0);
	REQUIRE(OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
						group, 0));
	REQUIRE(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d));
	params = OSSL_PARAM_BLD_to_param(bld);
	REQUIRE(params && EVP_PKEY_fromdata_init(ctx) == 1);
	REQUIRE(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(d);
	return key;
}

TEST(signatures_are_rfc_6979s)
{
	for (size_t i = 0; i < sizeof(rfc6979) / sizeof(rfc6979[0]); i++) {
		EVP_PKEY *key = key_of(rfc6979[i].group, rfc6979[i].private);
		const struct cose_curve *c = cose_curve_of(key);
		uint8_t hash[HASH_MAX], signature[2 * COSE_HALF_MAX];
		struct hash h = HASH_NONE;

		REQUIRE(c);
		CHECK_STR(c->name, rfc6979[i].group);
		REQUIRE(hash_begin(&h, c->hash, &fault) == 0);
		hash_add(&h, "sample", 6);
		REQUIRE(hash_end(&h, hash, &fault) == 0);
		REQUIRE(ecdsa_sign(key, c, hash, signature, &fault) == 0);
		check_hex(signature, 2 * c->half, rfc6979[i].signature);
		EVP_PKEY_free(key);
	}
}

TEST(info_says_who_and_when)
{
	struct section s = make(curves[1].key, curves[1].cert);
	struct cert_info info;

	REQUIRE(parse(s.data, s.len, &info) == 0);
	CHECK_STR(info.issuer, "C=NO, O=Example, CN=enclave-init tests");
	CHECK_STR(info.subject, "C=NO, O=Example, CN=enclave-init tests");
	REQUIRE(info.issuer_part_count == 3);
	CHECK_STR(info.issuer_parts[0].key, "countryName");
	CHECK_STR(info.issuer_parts[0].value, "NO");
	CHECK_STR(info.issuer_parts[1].key, "organizationName");
	CHECK_STR(info.issuer_parts[1].value, "Example");
	CHECK_STR(info.issuer_parts[2].key, "commonName");
	CHECK_STR(info.issuer_parts[2].value, "enclave-init tests");
	CHECK_STR(info.from, "2020-01-01T00:00:00Z");
	CHECK_STR(info.to, "2120-01-01T00:00:00Z");
	CHECK_INT(info.not_before, 1577836800);
	CHECK_INT(info.not_after, 4733510400);
	free(s.data);
}

TEST(the_time_counts)
{
	struct section s = make(curves[0].key, curves[0].cert);
	static const struct {
		time_t now;
		bool is_in_time;
	} at[] = {
		{ 1577836799, false },
		{ 1577836800, true },
		{ 4733510400, true },
		{ 4733510401, false },
	};
	struct cert_info info;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		REQUIRE(signature_parse(s.data, s.len, pcr0, at[i].now, &info,
					&fault) == 0);
		CHECK_INT(info.is_cert_in_time, at[i].is_in_time);
		CHECK(info.is_valid);
	}
	free(s.data);
}

TEST(another_pcr0_is_not_signed)
{
	struct section s = make(curves[0].key, curves[0].cert);
	struct cert_info info;

	pcr0[47] ^= 1;
	REQUIRE(parse(s.data, s.len, &info) == 0);
	CHECK(!info.is_valid);
	CHECK(info.is_cert_in_time);
	free(s.data);
}

/* --- keys and certificates --- */

static void no_key(int line, const char *key_path, const char *cert_path,
		   const char *words)
{
	struct sign_key *key = NULL;

	check_int(__FILE__, line, "the result", load(key_path, cert_path, &key),
		  -1);
	check_true(__FILE__, line, "no key", !key);
	if (!strstr(fault.text, words))
		check_str(__FILE__, line, "the fault", fault.text, words);
}

#define NO_KEY(key, cert, words) no_key(__LINE__, (key), (cert), (words))

TEST(other_keys_are_refused)
{
	const char *cert = curves[0].cert;

	NO_KEY(DIR "encrypted-sec1.pem", cert, "encrypted-sec1.pem: encrypted");
	NO_KEY(DIR "encrypted-pkcs8.pem", cert,
	       "encrypted-pkcs8.pem: encrypted");
	NO_KEY("tests/data/cms/key-pkcs8.pem", cert, "RSA key");
	NO_KEY("tests/data/cms/key-pkcs1.pem", cert, "RSA key");
	NO_KEY(DIR "secp256k1.pem", cert, "P-256, P-384 and P-521 only");
	NO_KEY(DIR "ed25519.pem", cert, "P-256, P-384 and P-521 only");
	NO_KEY(cert, cert, "p256-cert.pem: not a PEM private key");
	NO_KEY(DIR "none.pem", cert, "none.pem: No such file");
}

TEST(other_certificates_are_refused)
{
	const char *key = curves[0].key;

	NO_KEY(key, curves[1].cert,
	       "p384-cert.pem: of another key than " DIR "p256.pem");
	NO_KEY(key, DIR "expired-cert.pem",
	       "expired: from 2020-01-01T00:00:00Z to 2021-01-01T00:00:00Z");
	NO_KEY(key, DIR "early-cert.pem",
	       "not yet valid: from 2110-01-01T00:00:00Z to "
	       "2120-01-01T00:00:00Z");
	NO_KEY(key, key, "has a private key in it");
	NO_KEY(key, "tests/data/doc/leaf.der", "not a PEM certificate");
	NO_KEY(key, "VERSION", "does not begin with a PEM certificate");
	NO_KEY(key, DIR "none.pem", "none.pem: No such file");
}

TEST(a_chain_counts_by_its_first)
{
	struct data first = data_load("sign/p256-cert.pem");
	struct data second = data_load("sign/p384-cert.pem");
	struct data key = data_load("sign/p256.pem");
	struct made chain = { 0 }, both = { 0 };
	struct cert_info info;
	struct section s;

	add(&chain, first.bytes, first.len);
	add(&chain, second.bytes, second.len);
	add(&both, first.bytes, first.len);
	add(&both, key.bytes, key.len);
	temp_enter();
	temp_file("key", key.bytes, key.len, 0600);
	temp_file("chain", chain.data, chain.len, 0600);
	temp_file("both", both.data, both.len, 0600);

	s = make("key", "chain");
	check_hex(s.pcr8, sizeof(s.pcr8), curves[0].pcr8);
	REQUIRE(parse(s.data, s.len, &info) == 0);
	CHECK(info.is_valid);
	NO_KEY("key", "both", "both: has a private key in it");
	temp_leave();
	free(s.data);
	free(key.bytes);
	free(second.bytes);
	free(first.bytes);
}

TEST(a_section_that_is_too_long_is_refused)
{
	struct data cert = data_load("sign/p256-cert.pem");
	struct data key_file = data_load("sign/p256.pem");
	uint8_t *section = NULL, pcr8[EIF_HASH];
	struct sign_key *key = NULL;
	size_t len;
	FILE *f;

	count_up();
	temp_enter();
	temp_file("key", key_file.bytes, key_file.len, 0600);
	f = fopen("cert", "we");
	REQUIRE(f);
	REQUIRE(fwrite(cert.bytes, 1, cert.len, f) == cert.len);
	for (int i = 0; i < 16384; i++)
		(void)fputc('x', f);
	REQUIRE(fclose(f) == 0);
	REQUIRE(load("key", "cert", &key) == 0);
	CHECK_INT(signature_make(key, pcr0, &section, &len, pcr8, &fault), -1);
	CHECK(!section);
	CHECK(strstr(fault.text, "longer than 32768 bytes"));
	temp_leave();
	sign_key_free(key);
	free(key_file.bytes);
	free(cert.bytes);
}

/* --- what others wrote, or made up --- */

TEST(aws_signatures_are_good)
{
	static const char *const names[] = {
		"sign/aws-p256.section",
		"sign/aws-p384.section",
		"sign/aws-p521.section",
	};
	struct cert_info info;

	count_up();
	for (size_t i = 0; i < 3; i++) {
		struct data d = data_load(names[i]);

		REQUIRE(parse(d.bytes, d.len, &info) == 0);
		CHECK(info.is_valid);
		check_hex(info.pcr8, EIF_HASH, curves[i].pcr8);
		free(d.bytes);
	}
}

TEST(each_prefix_is_refused)
{
	struct section s = make(curves[0].key, curves[0].cert);
	struct cert_info info;

	for (size_t len = 0; len < s.len; len++) {
		REQUIRE(parse(s.data, len, &info) == -1);
		CHECK(strstr(fault.text, "the section at offset"));
		CHECK(strstr(fault.text, "ends early") ||
		      strstr(fault.text, "not as it should be"));
	}
	free(s.data);
}

TEST(no_changed_bit_of_the_signature_is_good)
{
	struct section s = make(curves[0].key, curves[0].cert);
	struct data pem = data_load("sign/p256-cert.pem");
	struct made cose = cose_of(&s);
	struct cert_info info;

	for (size_t i = 0; i < cose.len; i++) {
		struct made m = { 0 };

		cose.data[i] ^= (uint8_t)(1 << i % 8);
		ADD(&m, "\x81");
		add_pair(&m, pem.bytes, pem.len, cose.data, cose.len);
		if (parse(m.data, m.len, &info) == 0)
			CHECK(!info.is_valid);
		cose.data[i] ^= (uint8_t)(1 << i % 8);
	}
	free(pem.bytes);
	free(s.data);
}

TEST(r_and_s_have_their_length)
{
	struct section s = make(curves[0].key, curves[0].cert);
	struct data pem = data_load("sign/p256-cert.pem");
	struct made cose = cose_of(&s);
	struct cert_info info;

	REQUIRE(cose.data[cose.len - 66] == 0x58);
	REQUIRE(cose.data[cose.len - 65] == 64);
	ADD(&cose, "\0\0");
	for (size_t len = 0; len <= 66; len++) {
		struct made m = { 0 };

		cose.data[cose.len - 67] = (uint8_t)len;
		ADD(&m, "\x81");
		add_pair(&m, pem.bytes, pem.len, cose.data,
			 cose.len - 66 + len);
		REQUIRE(parse(m.data, m.len, &info) == 0);
		CHECK_INT(info.is_valid, len == 64);
	}
	free(pem.bytes);
	free(s.data);
}

TEST(other_forms_that_aws_takes)
{
	struct section s = make(curves[0].key, curves[0].cert);
	struct data pem = data_load("sign/p256-cert.pem");
	struct made cose = cose_of(&s), m = { 0 }, tagged = { 0 };
	struct cert_info info;

	/* The other order, something unknown, a second signature, and the tag. */
	ADD(&tagged, "\xd2");
	add(&tagged, cose.data, cose.len);
	ADD(&m, "\x82\xa3\x69signature");
	add_integers(&m, tagged.data, tagged.len);
	ADD(&m, "\x65other\x82\xf6\xa1\x01\x02\x73signing_certificate");
	add_integers(&m, pem.bytes, pem.len);
	ADD(&m, "\xf6");
	REQUIRE(parse(m.data, m.len, &info) == 0);
	CHECK(info.is_valid);
	free(pem.bytes);
	free(s.data);
}

TEST(what_is_no_section_is_refused)
{
	struct section s = make(curves[0].key, curves[0].cert);
	struct data pem = data_load("sign/p256-cert.pem");
	struct made cose = cose_of(&s);
#define SECTION(text) (&(struct made){ .data = text, .len = sizeof(text) - 1 })

	REFUSED(SECTION(""), "ends early");
	REFUSED(SECTION("\x80"), "not as it should be");
	REFUSED(SECTION("\xa0"), "not as it should be");
	REFUSED(SECTION("\x81\xa0"), "not as it should be");
	REFUSED(SECTION("\x81\x80"), "not as it should be");
	/* Counts that are larger than anything. */
	REFUSED(SECTION("\x9b\xff\xff\xff\xff\xff\xff\xff\xff"), "ends early");
	REFUSED(SECTION("\x81\xbb\xff\xff\xff\xff\xff\xff\xff\xff"),
		"ends early");
	REFUSED(SECTION("\x81\xa2\x69signature\x9b\xff\xff\xff\xff\xff\xff\xff"
			"\xff"),
		"not as it should be");
	REFUSED(SECTION("\x81\xa2\x69signature\x9a\x40\x00\x00\x00"),
		"not as it should be");
	/* Bytes, and integers that are none. */
	REFUSED(SECTION("\x81\xa2\x69signature\x41\x01"),
		"not as it should be");
	REFUSED(SECTION("\x81\xa2\x69signature\x81\x19\x01\x00"),
		"not as it should be");
	REFUSED(SECTION("\x81\xa2\x69signature\x81\x20"),
		"not as it should be");
	REFUSED(SECTION("\x81\xa2\x73signing_certificate\x80\x69signature\x80"),
		"COSE_Sign1 at offset 0: ends early");

	for (size_t len = 0; len < cose.len; len++) {
		struct made m = { 0 };

		ADD(&m, "\x81");
		add_pair(&m, pem.bytes, pem.len, cose.data, len);
		REFUSED(&m, "COSE_Sign1 at offset");
	}
	for (size_t len = 0; len < pem.len - 1; len += 13) {
		struct made m = { 0 };

		ADD(&m, "\x81");
		add_pair(&m, pem.bytes, len, cose.data, cose.len);
		REFUSED(&m, "certificate");
	}
	{
		struct made m = { 0 };

		add(&m, s.data, s.len);
		ADD(&m, "\x00");
		REFUSED(&m, "not as it should be");
	}
	/* A name a second time, which readers may take for the first or last. */
	{
		struct made m = { 0 };

		add(&m, s.data, s.len);
		m.data[1] = 0xa3;
		ADD(&m, "\x69signature");
		add_integers(&m, cose.data, cose.len);
		REFUSED(&m, "not as it should be");
	}
	free(pem.bytes);
	free(s.data);
}

/* OpenSSL would see another certificate in it, or none. */
TEST(certificates_of_two_minds_are_refused)
{
	struct section s = make(curves[0].key, curves[0].cert);
	struct data pem = data_load("sign/p256-cert.pem");
	struct made cose = cose_of(&s);
	static const char *const before[] = {
		"x",
		"-----BEGIN X509 CERTIFICATE-----\n",
		"-----BEGIN TRUSTED CERTIFICATE-----\n",
	};

	for (size_t i = 0; i < 3; i++) {
		struct made text = { 0 }, m = { 0 };

		add(&text, before[i], strlen(before[i]));
		add(&text, pem.bytes, pem.len);
		ADD(&m, "\x81");
		add_pair(&m, text.data, text.len, cose.data, cose.len);
		REFUSED(&m, "does not begin with a PEM certificate");
	}
	{
		struct made text = { 0 }, m = { 0 };

		add(&text, pem.bytes, pem.len);
		ADD(&text, "\0more");
		ADD(&m, "\x81");
		add_pair(&m, text.data, text.len, cose.data, cose.len);
		REFUSED(&m, "a NUL byte at offset");
	}
	free(pem.bytes);
	free(s.data);
}

TEST(another_key_is_not_valid)
{
	struct section s = make(curves[0].key, curves[0].cert);
	struct data pem = data_load("sign/p384-cert.pem");
	struct made cose = cose_of(&s), m = { 0 };
	struct cert_info info;

	ADD(&m, "\x81");
	add_pair(&m, pem.bytes, pem.len, cose.data, cose.len);
	REQUIRE(parse(m.data, m.len, &info) == 0);
	CHECK(!info.is_valid);
	free(pem.bytes);
	free(s.data);
}

CHECK_MAIN("sign")
