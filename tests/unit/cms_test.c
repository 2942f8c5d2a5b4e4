/* The reader of KMS's answers: files of tests/data/cms, and messages made here. */

#include "nsm/cms.h"

#include <mbedtls/sha256.h>

#include "tests/unit/data.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *file, *sha256;
	size_t chunks;
} vectors[] = {
	{ "cms/A.der",
	  "cfa870cc72f1742a2c77e22f3c0003e1f1592686b2955f1640131d3a45028a6f",
	  1 },
	{ "cms/B.der",
	  "60cc4ddc99b9ab308d6a667e791e86d237623225de38e4b2fca06dc9a3f6cf85",
	  3 },
	{ "cms/C.der",
	  "ff0de04e2bfa6d046a00e82ac2e7cf4a37c4db26e918e8b1a3184c57849f14f8",
	  1 },
	{ "cms/D.der",
	  "fbdd0bd3f679aa6fc99a59f6cff05cee3b579dccdcb2e92ddbc702422757832b",
	  2 },
	{ "cms/E.der",
	  "5289da300e6bb719f34b7990ecb149a781b2d6849a6fc2959324ed8185aae7f5",
	  1 },
};

static const uint8_t vector_ski[] = {
	0x3c, 0x5f, 0x2e, 0x88, 0xa8, 0x1f, 0xbe, 0xca, 0x5a, 0x56, 0x11,
	0x8f, 0x27, 0x71, 0x35, 0xb7, 0x01, 0xdc, 0x33, 0x3d, 0x2b, 0x1e,
	0x38, 0xc9, 0x61, 0x18, 0xa7, 0x84, 0xd7, 0xe2, 0xe2, 0xb4,
};

static const uint8_t vector_content[] = {
	0xce, 0x1c, 0xf3, 0xa4, 0xe3, 0xb8, 0x7b, 0x13, 0x9b, 0xa3, 0xcf, 0xf1,
	0x0a, 0xce, 0x35, 0xb6, 0x06, 0x2e, 0x31, 0x24, 0xba, 0x41, 0x24, 0x08,
	0xb3, 0xcc, 0x2d, 0x3a, 0xd1, 0x6d, 0x67, 0x5f, 0xe3, 0x06, 0xa0, 0x12,
	0x79, 0x44, 0x61, 0xd9, 0x55, 0x51, 0x8a, 0x62, 0x89, 0x16, 0x70, 0xfe,
};

/* Whatever is read lies in the message, and the chunks are as long as they say. */
static void check_views(const struct cms *c, const uint8_t *buf, size_t len)
{
	const struct nsmc_bytes views[] = { c->ski, c->key, c->iv, c->content };
	struct nsmc_bytes chunk;
	size_t at = 0, sum = 0;

	for (size_t i = 0; i < COUNT(views); i++) {
		if (i == 0 && !views[i].data) { /* version 0 names no key */
			CHECK_INT(views[i].len, 0);
			continue;
		}
		CHECK(views[i].data >= buf && views[i].len <= len &&
		      views[i].data + views[i].len <= buf + len);
	}
	CHECK(c->key.len == 256 || c->key.len == 384 || c->key.len == 512);
	CHECK_INT(c->iv.len, 16);
	while (cms_next_chunk(c, &at, &chunk)) {
		CHECK(chunk.data >= buf && chunk.len <= len &&
		      chunk.data + chunk.len <= buf + len);
		sum += chunk.len;
	}
	CHECK_INT(sum, c->content_len);
	CHECK(sum > 0 && sum % 16 == 0);
}

static void check_content(const struct cms *c, const uint8_t *wanted,
			  size_t len, size_t chunks)
{
	struct nsmc_bytes chunk;
	size_t at = 0, sum = 0;

	for (; cms_next_chunk(c, &at, &chunk); chunks--) {
		REQUIRE(chunk.len <= len - sum);
		CHECK_MEM(chunk.data, wanted + sum, chunk.len);
		sum += chunk.len;
	}
	CHECK_INT(sum, len);
	CHECK_INT(chunks, 0);
}

TEST(the_vectors_are_those_that_openssl_opened)
{
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct data d = data_load(vectors[i].file);
		uint8_t hash[32];
		char hex[65];

		CHECK_INT(mbedtls_sha256(d.bytes, d.len, hash, 0), 0);
		for (size_t k = 0; k < sizeof(hash); k++)
			(void)snprintf(hex + 2 * k, 3, "%02x", hash[k]);
		CHECK_STR(hex, vectors[i].sha256);
		free(d.bytes);
	}
}

TEST(kms_messages_are_read_in_all_forms)
{
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct data d = data_load(vectors[i].file);
		struct nsmc_object object = { "untouched" };
		struct cms c;

		REQUIRE(cms_parse(d.bytes, d.len, &c, &object) == 0);
		CHECK_STR(object.name, "untouched");
		check_views(&c, d.bytes, d.len);
		REQUIRE(c.ski.len == sizeof(vector_ski));
		CHECK_MEM(c.ski.data, vector_ski, sizeof(vector_ski));
		CHECK_INT(c.key.len, 256);
		CHECK_INT(c.key.data[0], 0x96);
		CHECK_INT(c.key.data[255], 0xdc);
		for (int k = 0; k < 16; k++)
			CHECK_INT(c.iv.data[k], 0xa0 + k);
		check_content(&c, vector_content, sizeof(vector_content),
			      vectors[i].chunks);
		free(d.bytes);
	}
}

static void check_prefixes(const uint8_t *bytes, size_t len)
{
	for (size_t n = 0; n < len; n++) {
		struct data d = data_copy(bytes, n);
		struct nsmc_object object = { "" };
		struct cms c;

		CHECK_INT(cms_parse(d.bytes, n, &c, &object), -NSMC_E_CMS_CUT);
		CHECK(object.name[0] != '\0');
		free(d.bytes);
	}
}

TEST(every_prefix_is_cut)
{
	struct cms c;

	CHECK_INT(cms_parse(NULL, 0, &c, NULL), -NSMC_E_CMS_CUT);
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct data d = data_load(vectors[i].file);

		check_prefixes(d.bytes, d.len);
		free(d.bytes);
	}
}

TEST(every_byte_may_be_any_other)
{
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct data d = data_load(vectors[i].file);

		for (size_t at = 0; at < d.len; at++) {
			uint8_t was = d.bytes[at];

			for (int by = 1; by < 256; by++) {
				struct cms c;
				int r;

				d.bytes[at] = (uint8_t)(was ^ by);
				r = cms_parse(d.bytes, d.len, &c, NULL);
				if (r == 0)
					check_views(&c, d.bytes, d.len);
				else
					CHECK(r <= -NSMC_E_CMS_CUT &&
					      r >= -NSMC_E_CMS_LENGTH);
			}
			d.bytes[at] = was;
		}
		free(d.bytes);
	}
}

TEST(bytes_after_the_end_are_refused)
{
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct data d = data_load(vectors[i].file);
		uint8_t longer[1024] = { 0 };
		struct nsmc_object object;
		struct cms c;

		memcpy(longer, d.bytes, d.len);
		CHECK_INT(cms_parse(longer, d.len + 1, &c, &object),
			  -NSMC_E_CMS_TRAILING);
		CHECK_STR(object.name, "ContentInfo");
		CHECK_INT(cms_parse(longer, d.len + 2, &c, &object),
			  -NSMC_E_CMS_TRAILING);
		free(d.bytes);
	}
}

/* --- messages made here --- */

/* How a length is written. */
enum style { SHORTEST, LONG, INDEFINITE, STYLES };

enum level {
	CONTENT_INFO,
	CONTENT,
	ENVELOPED,
	SET,
	KTRI,
	KEY_ALGORITHM, /* and all in it */
	CONTENT_INFO_ENCRYPTED,
	CONTENT_ALGORITHM,
	ENCRYPTED,
	LEVELS
};

/* What is not as in KMS's messages; all zero: nothing, in DER. */
struct make {
	enum style style[LEVELS];
	bool chunked;
	bool v0; /* both versions 0, and a certificate named */
	const char *version, *ktri_version; /* INTEGERs, instead */
	const char *name;		    /* what names the key, all of it */
	bool no_recipient, two_recipients, other_recipient;
	bool originator, unprotected, no_null;
	const char *oaep;	  /* of keyEncryptionAlgorithm, all of it */
	const char *cipher;	  /* of contentEncryptionAlgorithm */
	const char *content_type; /* OIDs as above */
	const char *info_type;
	const char *content;	 /* the whole of encryptedContent */
	size_t key_len, ski_len; /* 0: 256 and 32 */
	const char *tail;	 /* after encryptedContent */
};

struct message {
	uint8_t bytes[2048];
	size_t len;
};

static void put(struct message *m, const void *bytes, size_t len)
{
	REQUIRE(len <= sizeof(m->bytes) - m->len);
	if (len > 0)
		memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

static void put_hex(struct message *m, const char *hex)
{
	for (; *hex; hex++) {
		char byte[3] = { hex[0], hex[1], '\0' };
		uint8_t b;

		if (*hex == ' ')
			continue;
		b = (uint8_t)strtoul(byte, NULL, 16);
		put(m, &b, 1);
		hex++;
	}
}

/* Makes what M holds from FROM on one value of TAG. */
static void wrap(struct message *m, size_t from, uint8_t tag, enum style style)
{
	size_t len = m->len - from, n = 0;
	uint8_t head[8];

	head[n++] = tag;
	if (style == INDEFINITE) {
		head[n++] = 0x80;
	} else if (style == LONG) {
		head[n++] = 0x84;
		head[n++] = 0;
		head[n++] = 0;
		head[n++] = (uint8_t)(len >> 8);
		head[n++] = (uint8_t)len;
	} else if (len < 0x80) {
		head[n++] = (uint8_t)len;
	} else {
		head[n++] = 0x82;
		head[n++] = (uint8_t)(len >> 8);
		head[n++] = (uint8_t)len;
	}
	put(m, head, n); /* for the bound */
	memmove(m->bytes + from + n, m->bytes + from, len);
	memcpy(m->bytes + from, head, n);
	if (style == INDEFINITE)
		put(m, "\0", 2);
}

static void put_zeros(struct message *m, uint8_t tag, size_t len,
		      enum style style)
{
	static const uint8_t zeros[512];
	size_t from = m->len;

	put(m, zeros, len);
	wrap(m, from, tag, style);
}

#define OID_SHA256 "0609 608648016503040201"
#define OID_SHA1 "0605 2b0e03021a"
#define OID_MGF1 "0609 2a864886f70d010108"
#define OID_OAEP "0609 2a864886f70d010107"
#define SHA256 "300d" OID_SHA256 "0500"
#define SHA1 "3009" OID_SHA1 "0500"
#define OAEP_HASH "a00f" SHA256
#define OAEP_MGF "a11c 301a" OID_MGF1 SHA256
#define IV_16 "0410 00000000 00000000 00000000 00000000"
#define OID_CBC "0609 60864801650304012a"

static void put_hash(struct message *m, const struct make *k)
{
	size_t from = m->len;

	put_hex(m, OID_SHA256);
	if (!k->no_null)
		put_hex(m, "0500");
	wrap(m, from, 0x30, k->style[KEY_ALGORITHM]);
}

static void put_oaep(struct message *m, const struct make *k)
{
	enum style style = k->style[KEY_ALGORITHM];
	size_t from = m->len, parameters, inner;

	if (k->oaep) {
		put_hex(m, k->oaep);
		return;
	}
	put_hex(m, OID_OAEP);
	parameters = m->len;
	put_hash(m, k);
	wrap(m, parameters, 0xa0, style);
	inner = m->len;
	put_hex(m, OID_MGF1);
	put_hash(m, k);
	wrap(m, inner, 0x30, style);
	wrap(m, inner, 0xa1, style);
	wrap(m, parameters, 0x30, style);
	wrap(m, from, 0x30, style);
}

static void put_version(struct message *m, const struct make *k,
			const char *version)
{
	put_hex(m, version ? version : k->v0 ? "020100" : "020102");
}

/* A name of one CN, and a serial number. */
#define ISSUER_AND_SERIAL "3012 300d 310b 3009 0603550403 0c02 6162 020107"

static void put_recipient(struct message *m, const struct make *k)
{
	size_t from = m->len;

	put_version(m, k, k->ktri_version);
	if (k->name)
		put_hex(m, k->name);
	else if (k->v0)
		put_hex(m, ISSUER_AND_SERIAL);
	else
		put_zeros(m, 0x80, k->ski_len ? k->ski_len : 32,
			  k->style[KTRI] % 2);
	put_oaep(m, k);
	put_zeros(m, 0x04, k->key_len ? k->key_len : 256, k->style[KTRI] % 2);
	wrap(m, from, k->other_recipient ? 0xa1 : 0x30, k->style[KTRI]);
}

static void put_encrypted(struct message *m, const struct make *k)
{
	size_t from = m->len, algorithm;

	put_hex(m,
		k->content_type ? k->content_type : "0609 2a864886f70d010701");
	algorithm = m->len;
	put_hex(m, k->cipher ? k->cipher : OID_CBC IV_16);
	wrap(m, algorithm, 0x30, k->style[CONTENT_ALGORITHM]);
	if (k->content) {
		put_hex(m, k->content);
	} else if (k->chunked) {
		algorithm = m->len;
		put_zeros(m, 0x04, 15, SHORTEST);
		put_zeros(m, 0x04, 0, SHORTEST);
		put_zeros(m, 0x04, 1, LONG);
		wrap(m, algorithm, 0xa0, k->style[ENCRYPTED]);
	} else {
		put_zeros(m, 0x80, 16, k->style[ENCRYPTED] % 2);
	}
	wrap(m, from, 0x30, k->style[CONTENT_INFO_ENCRYPTED]);
	if (k->tail)
		put_hex(m, k->tail);
}

static struct message make_message(const struct make *k)
{
	struct message m = { .len = 0 };
	size_t set, inner;

	put_hex(&m, k->info_type ? k->info_type : "0609 2a864886f70d010703");
	inner = m.len;
	put_version(&m, k, k->version);
	if (k->originator)
		put_hex(&m, "a000");
	set = m.len;
	if (!k->no_recipient)
		put_recipient(&m, k);
	if (k->two_recipients)
		put_recipient(&m, k);
	wrap(&m, set, 0x31, k->style[SET]);
	put_encrypted(&m, k);
	if (k->unprotected)
		put_hex(&m, "a100");
	wrap(&m, inner, 0x30, k->style[ENVELOPED]);
	wrap(&m, inner, 0xa0, k->style[CONTENT]);
	wrap(&m, 0, 0x30, k->style[CONTENT_INFO]);
	return m;
}

static int parse(const struct message *m, struct nsmc_object *object)
{
	struct data d = data_copy(m->bytes, m->len);
	struct cms c;
	int r = cms_parse(d.bytes, d.len, &c, object);

	if (r == 0)
		check_views(&c, d.bytes, d.len);
	free(d.bytes);
	return r;
}

TEST(lengths_are_written_as_one_likes)
{
	int all = 1;

	for (int i = 0; i < LEVELS; i++)
		all *= STYLES;
	for (int n = 0; n < 2 * all; n++) {
		struct make k = { .chunked = n % 2, .v0 = n / 2 % 5 == 0 };
		struct message m;

		for (int i = 0, rest = n / 2; i < LEVELS; i++, rest /= STYLES)
			k.style[i] = (enum style)(rest % STYLES);
		m = make_message(&k);
		if (!CHECK_INT(parse(&m, NULL), 0))
			return;
	}
}

TEST(every_prefix_is_cut_however_lengths_are_written)
{
	for (int n = 0; n < 2 * STYLES; n++) {
		struct make k = { .chunked = n % 2 };
		struct message m;

		for (int i = 0; i < LEVELS; i++)
			k.style[i] = (enum style)(n / 2);
		m = make_message(&k);
		check_prefixes(m.bytes, m.len);
	}
}

/* RFC 5652, 6.2.1: what LocalStack and others write who have a certificate. */
TEST(a_key_may_be_named_by_its_certificate)
{
	static const struct make good[] = {
		{ .v0 = true },
		{ .v0 = true, .chunked = true, .key_len = 512 },
		{ .v0 = true, .name = "3005 3000 020107" },
		{ .v0 = true, .name = "3080 3000 020107 0000" },
		{ .v0 = true,
		  .name = "3014 3000 0210 00112233 44556677 "
			  "8899aabb ccddeeff" },
	};

	for (size_t i = 0; i < COUNT(good); i++) {
		struct message m = make_message(&good[i]);
		struct nsmc_object object = { "untouched" };
		struct cms c;

		REQUIRE(cms_parse(m.bytes, m.len, &c, &object) == 0);
		check_views(&c, m.bytes, m.len);
		CHECK_STR(object.name, "untouched");
		CHECK(!c.ski.data);
		check_prefixes(m.bytes, m.len);
	}
}

TEST(keys_of_all_sizes_and_names_of_any_length_are_read)
{
	static const struct make good[] = {
		{ .key_len = 384 },
		{ .key_len = 512 },
		{ .ski_len = 20 },
		{ .ski_len = 100 },
		{ .no_null = true },
		{ .content = "a0 80 0400 0408 0000000000000000 0408 "
			     "0000000000000000 0400 0000" },
	};

	for (size_t i = 0; i < COUNT(good); i++) {
		struct message m = make_message(&good[i]);

		CHECK_INT(parse(&m, NULL), 0);
	}
}

TEST(what_kms_does_not_send_is_refused)
{
	static const struct {
		struct make make;
		int error;
		const char *object;
	} bad[] = {
		{ { .version = "020101" },
		  NSMC_E_CMS_VERSION,
		  "EnvelopedData" },
		{ { .version = "020103" },
		  NSMC_E_CMS_VERSION,
		  "EnvelopedData" },
		{ { .version = "0201ff" },
		  NSMC_E_CMS_VERSION,
		  "EnvelopedData" },
		{ { .version = "02020002" },
		  NSMC_E_CMS_VERSION,
		  "EnvelopedData" },
		{ { .version = "0200" }, NSMC_E_CMS_VERSION, "EnvelopedData" },
		{ { .ktri_version = "020101" },
		  NSMC_E_CMS_VERSION,
		  "KeyTransRecipientInfo" },
		{ { .ktri_version = "020103" },
		  NSMC_E_CMS_VERSION,
		  "KeyTransRecipientInfo" },
		/* Each version goes with the other and with its name. */
		{ { .ktri_version = "020100" },
		  NSMC_E_CMS_VERSION,
		  "KeyTransRecipientInfo" },
		{ { .version = "020100" },
		  NSMC_E_CMS_VERSION,
		  "KeyTransRecipientInfo" },
		{ { .v0 = true, .version = "020102" },
		  NSMC_E_CMS_VERSION,
		  "KeyTransRecipientInfo" },
		{ { .v0 = true, .ktri_version = "020102" },
		  NSMC_E_CMS_VERSION,
		  "KeyTransRecipientInfo" },
		{ { .name = ISSUER_AND_SERIAL },
		  NSMC_E_CMS_FORM,
		  "subjectKeyIdentifier" },
		{ { .v0 = true, .name = "8004 00000000" },
		  NSMC_E_CMS_FORM,
		  "issuerAndSerialNumber" },
		/* What names a certificate is a name and a number. */
		{ { .v0 = true, .name = "3000" },
		  NSMC_E_CMS_FORM,
		  "issuerAndSerialNumber" },
		{ { .v0 = true, .name = "3003 020107" },
		  NSMC_E_CMS_FORM,
		  "issuerAndSerialNumber" },
		{ { .v0 = true, .name = "3002 3000" },
		  NSMC_E_CMS_FORM,
		  "issuerAndSerialNumber" },
		{ { .v0 = true, .name = "3005 020107 3000" },
		  NSMC_E_CMS_FORM,
		  "issuerAndSerialNumber" },
		{ { .v0 = true, .name = "3007 3000 020107 0500" },
		  NSMC_E_CMS_FORM,
		  "issuerAndSerialNumber" },
		{ { .v0 = true, .name = "3105 3000 020107" },
		  NSMC_E_CMS_FORM,
		  "issuerAndSerialNumber" },
		{ { .v0 = true, .name = "" },
		  NSMC_E_CMS_FORM,
		  "issuerAndSerialNumber" },
		{ { .two_recipients = true },
		  NSMC_E_CMS_RECIPIENTS,
		  "recipientInfos" },
		{ { .no_recipient = true },
		  NSMC_E_CMS_RECIPIENTS,
		  "recipientInfos" },
		{ { .other_recipient = true },
		  NSMC_E_CMS_FORM,
		  "KeyTransRecipientInfo" },
		{ { .originator = true }, NSMC_E_CMS_FORM, "originatorInfo" },
		{ { .unprotected = true },
		  NSMC_E_CMS_FORM,
		  "unprotectedAttrs" },
		{ { .tail = "0500" }, NSMC_E_CMS_FORM, "EnvelopedData" },
		{ { .info_type = "0609 2a864886f70d010702" },
		  NSMC_E_CMS_FORM,
		  "contentType" },
		{ { .content_type = "0609 2a864886f70d010702" },
		  NSMC_E_CMS_FORM,
		  "contentType" },
		{ { .key_len = 128 }, NSMC_E_CMS_FORM, "encryptedKey" },
		{ { .key_len = 255 }, NSMC_E_CMS_FORM, "encryptedKey" },

		/* The content. */
		{ { .content = "80 00" },
		  NSMC_E_CMS_LENGTH,
		  "encryptedContent" },
		{ { .content = "a0 00" },
		  NSMC_E_CMS_LENGTH,
		  "encryptedContent" },
		{ { .content = "a0 80 0000" },
		  NSMC_E_CMS_LENGTH,
		  "encryptedContent" },
		{ { .content = "a0 80 0400 0000" },
		  NSMC_E_CMS_LENGTH,
		  "encryptedContent" },
		{ { .content = "80 0f 000000000000000000000000000000" },
		  NSMC_E_CMS_LENGTH,
		  "encryptedContent" },
		{ { .content = "a0 80 0401 00 0000" },
		  NSMC_E_CMS_LENGTH,
		  "encryptedContent" },
		{ { .content = "" }, NSMC_E_CMS_FORM, "encryptedContent" },
		{ { .content = "04 10 00000000000000000000000000000000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "80 80 00000000000000000000000000000000 0000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "a0 80 0480 "
			       "00000000000000000000000000000000 0000 0000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "a0 80 2480 0410 "
			       "00000000000000000000000000000000 0000 0000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "a0 12 0411 00000000000000000000000000000000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "a0 11 0410 00000000000000000000000000000000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "a0 14 0410 00000000000000000000000000000000 "
			       "0000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "a0 80 0410 00000000000000000000000000000000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "a0 80 0410 00000000000000000000000000000000 "
			       "0001" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "80 10 00000000000000000000000000000000 0500" },
		  NSMC_E_CMS_FORM,
		  "EncryptedContentInfo" },

		/* Lengths of five bytes, and none at all. */
		{ { .content = "80 85 0000000010 "
			       "00000000000000000000000000000000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "80 ff 00000000000000000000000000000000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },
		{ { .content = "80 84 ffffffff "
			       "00000000000000000000000000000000" },
		  NSMC_E_CMS_FORM,
		  "encryptedContent" },

		/* The content's algorithm. */
		{ { .cipher = "0609 608648016503040106" IV_16 }, /* GCM */
		  NSMC_E_CMS_ALGORITHM,
		  "contentEncryptionAlgorithm" },
		{ { .cipher = "0609 608648016503040102" IV_16 }, /* AES-128 */
		  NSMC_E_CMS_ALGORITHM,
		  "contentEncryptionAlgorithm" },
		{ { .cipher = OID_CBC },
		  NSMC_E_CMS_FORM,
		  "contentEncryptionAlgorithm" },
		{ { .cipher = OID_CBC "040c 00000000 00000000 00000000" },
		  NSMC_E_CMS_FORM,
		  "contentEncryptionAlgorithm" },
		{ { .cipher = OID_CBC IV_16 "0500" },
		  NSMC_E_CMS_FORM,
		  "contentEncryptionAlgorithm" },

		/* The key's: PKCS#1 v1.5, and SHA-1 by leaving things out. */
		{ { .oaep = "300d 0609 2a864886f70d010101 0500" },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm" },
		{ { .oaep = "300b" OID_OAEP },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm (SHA-1)" },
		{ { .oaep = "300d" OID_OAEP "3000" },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm (SHA-1)" },
		{ { .oaep = "301e" OID_OAEP "3011" OAEP_HASH },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm (SHA-1)" },
		{ { .oaep = "302b" OID_OAEP "301e" OAEP_MGF },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm (SHA-1)" },
		{ { .oaep = "3038" OID_OAEP "302b a00b" SHA1 OAEP_MGF },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm (SHA-1)" },
		{ { .oaep = "3038" OID_OAEP "302b" OAEP_HASH
			    "a118 3016" OID_MGF1 SHA1 },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm (SHA-1)" },
		/* SHA-512, which is no default. */
		{ { .oaep = "303c" OID_OAEP
			    "302f a00f 300d 0609 608648016503040203 "
			    "0500" OAEP_MGF },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm" },
		{ { .oaep = "303c" OID_OAEP "302f" OAEP_HASH
			    "a11c 301a" OID_OAEP SHA256 },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm" },
		{ { .oaep = "303d" OID_OAEP "3030 a010" /* a NULL of a byte */
			    "300e" OID_SHA256 "0501 00" OAEP_MGF },
		  NSMC_E_CMS_FORM,
		  "keyEncryptionAlgorithm" },
		{ { .oaep = "303e" OID_OAEP "3031" OAEP_HASH OAEP_MGF "0500" },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm" },
		/* A label, be it empty. */
		{ { .oaep = "304d" OID_OAEP "3040" OAEP_HASH OAEP_MGF
			    "a20f 300d 0609 2a864886f70d010109 0400" },
		  NSMC_E_CMS_ALGORITHM,
		  "keyEncryptionAlgorithm" },
		{ { .oaep = "303e" OID_OAEP "302f" OAEP_HASH OAEP_MGF "0500" },
		  NSMC_E_CMS_FORM,
		  "keyEncryptionAlgorithm" },
	};
	/* Known to be good: what the table changes is what is refused. */
	static const struct make good = {
		.oaep = "303c" OID_OAEP "302f" OAEP_HASH OAEP_MGF,
		.cipher = OID_CBC IV_16,
		.content = "80 10 00000000000000000000000000000000",
	};
	struct message m = make_message(&good);

	CHECK_INT(parse(&m, NULL), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct nsmc_object object = { "" };
		int r;

		m = make_message(&bad[i].make);
		r = parse(&m, &object);
		if (r != -bad[i].error ||
		    strcmp(object.name, bad[i].object) != 0)
			CHECK_FAIL("case %zu is %d of %s, not %d of %s", i, r,
				   object.name, -bad[i].error, bad[i].object);
	}
}

/* --- vectors broken by hand --- */

TEST(a_message_without_its_last_end_is_cut)
{
	struct data d = data_load("cms/A.der");
	struct nsmc_object object;
	struct cms c;

	CHECK_INT(cms_parse(d.bytes, d.len - 2, &c, &object), -NSMC_E_CMS_CUT);
	CHECK_STR(object.name, "ContentInfo");
	free(d.bytes);
}

TEST(a_chunk_past_the_end_is_cut_or_out_of_its_parent)
{
	static const size_t at_a = 434, at_d = 440;
	struct data a = data_load("cms/A.der"), d = data_load("cms/D.der");
	struct cms c;

	REQUIRE(a.bytes[at_a - 1] == 4 && a.bytes[at_a] == 0x30);
	REQUIRE(d.bytes[at_d - 1] == 4 && d.bytes[at_d] == 0x20);
	a.bytes[at_a] = 0x50; /* nobody knows whether more is to come */
	CHECK_INT(cms_parse(a.bytes, a.len, &c, NULL), -NSMC_E_CMS_CUT);
	d.bytes[at_d] = 0x50;
	CHECK_INT(cms_parse(d.bytes, d.len, &c, NULL), -NSMC_E_CMS_FORM);
	free(a.bytes);
	free(d.bytes);
}

TEST(nesting_without_end_is_refused)
{
	uint8_t nested[40];
	struct nsmc_object object;
	struct cms c;

	for (size_t i = 0; i < sizeof(nested); i += 2) {
		nested[i] = 0x30;
		nested[i + 1] = 0x80;
	}
	CHECK_INT(cms_parse(nested, sizeof(nested), &c, &object),
		  -NSMC_E_CMS_FORM);
	CHECK_STR(object.name, "contentType");
}

CHECK_MAIN("cms")
