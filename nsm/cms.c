#include "nsm/cms.h"

#include <string.h>

#include "nsm/object.h"

/*
 * The tags, all of one byte, that a message may contain. Any other tag is an
 * error because it differs from the expected one.
 */
enum {
	TAG_END = 0x00, /* end-of-contents */
	TAG_INTEGER = 0x02,
	TAG_OCTETS = 0x04,
	TAG_NULL = 0x05,
	TAG_OID = 0x06,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_0 = 0x80, /* [0], primitive */
	TAG_0_CONSTRUCTED = 0xa0,
	TAG_1_CONSTRUCTED = 0xa1,
};

enum { LENGTH_INDEFINITE = 0x80, LENGTH_BYTES_MAX = 4 };

/* Object identifiers, encoded: 1.2.840.113549.1 and 2.16.840.1.101.3.4. */
#define PKCS 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1
#define NIST 0x60, 0x86, 0x48, 1, 0x65, 3, 4
static const uint8_t oid_data[] = { PKCS, 7, 1 };
static const uint8_t oid_enveloped_data[] = { PKCS, 7, 3 };
static const uint8_t oid_rsaes_oaep[] = { PKCS, 1, 7 };
static const uint8_t oid_mgf1[] = { PKCS, 1, 8 };
static const uint8_t oid_sha1[] = { 0x2b, 0x0e, 0x03, 0x02, 0x1a };
static const uint8_t oid_sha256[] = { NIST, 2, 1 };
static const uint8_t oid_aes256_cbc[] = { NIST, 1, 0x2a };

/*
 * Our position in one constructed value. The grammar is fixed and nothing is
 * skipped unread, which bounds the depth without a counter.
 */
struct frame {
	const uint8_t *at;
	size_t left;
	bool indefinite; /* ends with end-of-contents, before LEFT is 0 */
	/*
	 * LEFT comes from a length, this value's or an outer one's, and all
	 * those bytes are present.
	 */
	bool promised;
};

/* The first error counts: after it nothing is read. */
struct parser {
	int error;
	const char *object; /* what is being read, or was last */
};

static void fail(struct parser *p, int error)
{
	if (p->error == 0)
		p->error = -error;
}

static void begin(struct parser *p, const char *object)
{
	if (p->error == 0)
		p->object = object;
}

/*
 * Missing bytes mean a truncated message, unless the message has all bytes that
 * a length promised: then that length is wrong.
 */
static void fail_short(struct parser *p, const struct frame *f)
{
	fail(p, f->promised ? NSMC_E_CMS_FORM : NSMC_E_CMS_CUT);
}

static void advance(struct frame *f, size_t n)
{
	if (n > 0) { /* otherwise AT may be NULL */
		f->at += n;
		f->left -= n;
	}
}

static uint8_t take_byte(struct parser *p, struct frame *f)
{
	uint8_t byte;

	if (f->left == 0)
		fail_short(p, f);
	if (p->error)
		return 0;
	byte = *f->at;
	advance(f, 1);
	return byte;
}

/*
 * Takes tag and length from F. True if the length is indefinite; otherwise
 * *RET_LEN bytes are present.
 */
static bool take_head(struct parser *p, struct frame *f, uint8_t tag,
		      size_t *ret_len)
{
	uint32_t len = 0;
	uint8_t first;

	*ret_len = 0;
	if (take_byte(p, f) != tag)
		fail(p, NSMC_E_CMS_FORM);
	first = take_byte(p, f);
	if (first == LENGTH_INDEFINITE)
		return p->error == 0;
	if (first < LENGTH_INDEFINITE) {
		len = first;
	} else {
		first &= 0x7f;
		if (first > LENGTH_BYTES_MAX)
			fail(p, NSMC_E_CMS_FORM);
		for (; first > 0 && p->error == 0; first--)
			len = len << 8 | take_byte(p, f);
	}
	if (len > f->left)
		fail_short(p, f);
	if (p->error == 0)
		*ret_len = len;
	return false;
}

/* Returns the next tag; TAG_END at the end of F. */
static uint8_t peek(struct parser *p, const struct frame *f)
{
	if (f->left == 0 && f->indefinite)
		fail_short(p, f);
	return p->error || f->left == 0 ? TAG_END : *f->at;
}

static struct nsmc_bytes take(struct parser *p, struct frame *f, uint8_t tag)
{
	struct nsmc_bytes value = { 0 };

	if (take_head(p, f, tag, &value.len))
		fail(p, NSMC_E_CMS_FORM);
	value.data = f->at;
	advance(f, value.len);
	return value;
}

/* Enters the next constructed value. It must be left before F is used again. */
static struct frame enter(struct parser *p, struct frame *f, uint8_t tag)
{
	struct frame in = { 0 };

	in.indefinite = take_head(p, f, tag, &in.left);
	in.promised = !in.indefinite || f->promised;
	in.at = f->at;
	if (in.indefinite)
		in.left = f->left;
	else
		advance(f, in.left);
	return in;
}

/* Leaves it: it must have been read completely. */
static void leave(struct parser *p, struct frame *f, struct frame *in)
{
	if (in->indefinite) {
		for (int i = 0; i < 2; i++)
			if (take_byte(p, in) != 0)
				fail(p, NSMC_E_CMS_FORM);
		f->at = in->at;
		f->left = in->left;
	} else if (in->left > 0) {
		fail(p, NSMC_E_CMS_FORM);
	}
}

static bool is(struct nsmc_bytes value, const uint8_t *wanted, size_t len)
{
	return value.len == len && memcmp(value.data, wanted, len) == 0;
}

static void expect_oid(struct parser *p, struct frame *f, const uint8_t *oid,
		       size_t len, int error)
{
	struct nsmc_bytes got = take(p, f, TAG_OID);

	if (p->error == 0 && !is(got, oid, len))
		fail(p, error);
}

/*
 * Checks the version of the message and of its recipient's part (RFC 5652, 6.1
 * and 6.2.1): both are 2 if the recipient's part names its key by a
 * subjectKeyIdentifier, as KMS writes it, and both 0 if by its certificate's
 * issuer and serial number.
 */
static uint8_t take_version(struct parser *p, struct frame *f)
{
	struct nsmc_bytes got = take(p, f, TAG_INTEGER);

	if (p->error == 0 &&
	    (got.len != 1 || (got.data[0] != 0 && got.data[0] != 2)))
		fail(p, NSMC_E_CMS_VERSION);
	return p->error ? 2 : got.data[0];
}

/* OAEP with SHA-1, its default: writers use it if no hash is named. */
static void name_sha1(struct parser *p)
{
	begin(p, "keyEncryptionAlgorithm (SHA-1)");
}

/* SHA-256, whose parameters may be NULL or absent (RFC 5754, 2). */
static void expect_sha256(struct parser *p, struct frame *f)
{
	struct frame hash = enter(p, f, TAG_SEQUENCE);
	struct nsmc_bytes got;

	got = take(p, &hash, TAG_OID);
	if (p->error == 0 && is(got, oid_sha1, sizeof(oid_sha1)))
		name_sha1(p);
	if (p->error == 0 && !is(got, oid_sha256, sizeof(oid_sha256)))
		fail(p, NSMC_E_CMS_ALGORITHM);
	if (peek(p, &hash) != TAG_END && take(p, &hash, TAG_NULL).len > 0)
		fail(p, NSMC_E_CMS_FORM);
	leave(p, f, &hash);
}

/* A parameter that is left out of an algorithm would mean another algorithm. */
static void expect_parameter(struct parser *p, const struct frame *f,
			     uint8_t tag)
{
	if (peek(p, f) == tag)
		return;
	if (tag != TAG_END &&
	    (peek(p, f) == TAG_END || peek(p, f) == TAG_1_CONSTRUCTED))
		name_sha1(p);
	fail(p, NSMC_E_CMS_ALGORITHM);
}

/*
 * RSAES-OAEP with SHA-256 twice (RFC 4055, 4.1). A third parameter would be a
 * label.
 */
static void expect_oaep(struct parser *p, struct frame *f)
{
	struct frame algorithm, parameters, tagged, mgf;

	begin(p, "keyEncryptionAlgorithm");
	algorithm = enter(p, f, TAG_SEQUENCE);
	expect_oid(p, &algorithm, oid_rsaes_oaep, sizeof(oid_rsaes_oaep),
		   NSMC_E_CMS_ALGORITHM);
	expect_parameter(p, &algorithm, TAG_SEQUENCE);
	parameters = enter(p, &algorithm, TAG_SEQUENCE);

	expect_parameter(p, &parameters, TAG_0_CONSTRUCTED);
	tagged = enter(p, &parameters, TAG_0_CONSTRUCTED);
	expect_sha256(p, &tagged);
	leave(p, &parameters, &tagged);

	expect_parameter(p, &parameters, TAG_1_CONSTRUCTED);
	tagged = enter(p, &parameters, TAG_1_CONSTRUCTED);
	mgf = enter(p, &tagged, TAG_SEQUENCE);
	expect_oid(p, &mgf, oid_mgf1, sizeof(oid_mgf1), NSMC_E_CMS_ALGORITHM);
	expect_sha256(p, &mgf);
	leave(p, &tagged, &mgf);
	leave(p, &parameters, &tagged);

	expect_parameter(p, &parameters, TAG_END);
	leave(p, &algorithm, &parameters);
	leave(p, f, &algorithm);
}

/* KeyTransRecipientInfo; no other kind is accepted. */
static void parse_recipient(struct parser *p, struct frame *f, uint8_t version,
			    struct cms *c)
{
	struct frame recipient, names;

	begin(p, "KeyTransRecipientInfo");
	recipient = enter(p, f, TAG_SEQUENCE);
	if (take_version(p, &recipient) != version)
		fail(p, NSMC_E_CMS_VERSION);
	if (version == 2) {
		begin(p, "subjectKeyIdentifier");
		c->ski = take(p, &recipient, TAG_0);
	} else {
		/*
		 * Issuer and serial number of a certificate that we do not
		 * know.
		 */
		begin(p, "issuerAndSerialNumber");
		names = enter(p, &recipient, TAG_SEQUENCE);
		(void)take(p, &names, TAG_SEQUENCE);
		(void)take(p, &names, TAG_INTEGER);
		leave(p, &recipient, &names);
	}
	expect_oaep(p, &recipient);
	begin(p, "encryptedKey");
	c->key = take(p, &recipient, TAG_OCTETS);
	if (c->key.len != 256 && c->key.len != 384 && c->key.len != 512)
		fail(p, NSMC_E_CMS_FORM);
	leave(p, f, &recipient);
}

static void parse_recipients(struct parser *p, struct frame *f, uint8_t version,
			     struct cms *c)
{
	struct frame set;

	begin(p, "recipientInfos");
	set = enter(p, f, TAG_SET);
	if (peek(p, &set) == TAG_END)
		fail(p, NSMC_E_CMS_RECIPIENTS);
	parse_recipient(p, &set, version, c);
	begin(p, "recipientInfos");
	if (peek(p, &set) != TAG_END)
		fail(p, NSMC_E_CMS_RECIPIENTS);
	leave(p, f, &set);
}

static void expect_aes256_cbc(struct parser *p, struct frame *f, struct cms *c)
{
	struct frame algorithm;

	begin(p, "contentEncryptionAlgorithm");
	algorithm = enter(p, f, TAG_SEQUENCE);
	expect_oid(p, &algorithm, oid_aes256_cbc, sizeof(oid_aes256_cbc),
		   NSMC_E_CMS_ALGORITHM);
	c->iv = take(p, &algorithm, TAG_OCTETS);
	if (c->iv.len != CMS_BLOCK)
		fail(p, NSMC_E_CMS_FORM);
	leave(p, f, &algorithm);
}

/* The chunks are octet strings in one piece: KMS does not nest them. */
static void parse_chunks(struct parser *p, struct frame *f, struct cms *c)
{
	struct frame chunks = enter(p, f, TAG_0_CONSTRUCTED);
	const uint8_t *start = chunks.at;

	while (peek(p, &chunks) != TAG_END)
		c->content_len += take(p, &chunks, TAG_OCTETS).len;
	c->chunked = true;
	c->content.data = start;
	c->content.len = (size_t)(chunks.at - start);
	leave(p, f, &chunks);
}

static void parse_content(struct parser *p, struct frame *f, struct cms *c)
{
	struct frame content;

	begin(p, "EncryptedContentInfo");
	content = enter(p, f, TAG_SEQUENCE);
	begin(p, "contentType");
	expect_oid(p, &content, oid_data, sizeof(oid_data), NSMC_E_CMS_FORM);
	expect_aes256_cbc(p, &content, c);
	begin(p, "encryptedContent");
	if (peek(p, &content) == TAG_0_CONSTRUCTED) {
		parse_chunks(p, &content, c);
	} else {
		c->content = take(p, &content, TAG_0);
		c->content_len = c->content.len;
	}
	if (c->content_len == 0 || c->content_len % CMS_BLOCK != 0)
		fail(p, NSMC_E_CMS_LENGTH);
	begin(p, "EncryptedContentInfo");
	leave(p, f, &content);
}

static void parse_enveloped(struct parser *p, struct frame *f, struct cms *c)
{
	struct frame enveloped;
	uint8_t version;

	begin(p, "EnvelopedData");
	enveloped = enter(p, f, TAG_SEQUENCE);
	version = take_version(p, &enveloped);
	if (peek(p, &enveloped) == TAG_0_CONSTRUCTED) {
		begin(p, "originatorInfo");
		fail(p, NSMC_E_CMS_FORM);
	}
	parse_recipients(p, &enveloped, version, c);
	parse_content(p, &enveloped, c);
	begin(p, "EnvelopedData");
	if (peek(p, &enveloped) == TAG_1_CONSTRUCTED) {
		begin(p, "unprotectedAttrs");
		fail(p, NSMC_E_CMS_FORM);
	}
	leave(p, f, &enveloped);
}

static void parse_message(struct parser *p, struct frame *f, struct cms *c)
{
	struct frame info, wrapped;

	begin(p, "ContentInfo");
	info = enter(p, f, TAG_SEQUENCE);
	begin(p, "contentType");
	expect_oid(p, &info, oid_enveloped_data, sizeof(oid_enveloped_data),
		   NSMC_E_CMS_FORM);
	begin(p, "content");
	wrapped = enter(p, &info, TAG_0_CONSTRUCTED);
	parse_enveloped(p, &wrapped, c);
	begin(p, "content");
	leave(p, &info, &wrapped);
	begin(p, "ContentInfo");
	leave(p, f, &info);
	if (f->left > 0)
		fail(p, NSMC_E_CMS_TRAILING);
}

int cms_parse(const void *buf, size_t len, struct cms *ret,
	      struct nsmc_object *reterr_object)
{
	struct frame whole = { .at = buf, .left = len };
	struct parser p = { 0 };
	struct cms c = { 0 };

	parse_message(&p, &whole, &c);
	if (p.error < 0) {
		object_set(reterr_object, p.object);
		return p.error;
	}
	*ret = c;
	return 0;
}

bool cms_next_chunk(const struct cms *cms, size_t *at, struct nsmc_bytes *ret)
{
	struct frame f = { .promised = true };
	struct parser p = { 0 };

	if (*at >= cms->content.len)
		return false;
	if (!cms->chunked) {
		*ret = cms->content;
		*at = cms->content.len;
		return true;
	}
	f.at = cms->content.data + *at;
	f.left = cms->content.len - *at;
	*ret = take(&p, &f, TAG_OCTETS);
	*at = cms->content.len - f.left;
	return p.error == 0;
}
