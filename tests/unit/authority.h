#ifndef TESTS_UNIT_AUTHORITY_H
#define TESTS_UNIT_AUTHORITY_H

/*
 * A certificate authority as AWS's, and documents of it. Certificates are written
 * here part by part, so that each part may be wrong; keys and signatures are
 * mbedTLS's. A key is a number: of the same number it is always the same.
 */

/* In a library of its own there: shipped is mbedTLS without curves. */
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECDSA_C

#include <mbedtls/ecdsa.h>
#include <mbedtls/sha512.h>

#include "nsm/certificate.h"
#include "nsm/nsmc.h"
#include "tests/unit/check.h"
#include "tests/unit/data.h"

enum { AUTHORITY_HALF = CERTIFICATE_SIGNATURE / 2 };

struct out {
	uint8_t at[1 << 14];
	size_t len;
};

static inline void out_put(struct out *o, const void *bytes, size_t len)
{
	REQUIRE(len <= sizeof(o->at) - o->len);
	if (len > 0)
		memcpy(o->at + o->len, bytes, len);
	o->len += len;
}

/* Hexadecimal with blanks; "[N]" is N bytes ab. */
static inline void out_hex(struct out *o, const char *text)
{
	unsigned byte;
	char *end;

	while (*text) {
		if (*text == ' ') {
			text++;
		} else if (*text == '[') {
			for (unsigned long n = strtoul(text + 1, &end, 10);
			     n > 0; n--)
				out_put(o, "\xab", 1);
			REQUIRE(*end == ']');
			text = end + 1;
		} else {
			REQUIRE(sscanf(text, "%2x", &byte) == 1);
			out_put(o, &(uint8_t){ (uint8_t)byte }, 1);
			text += 2;
		}
	}
}

static inline struct data out_data(const struct out *o)
{
	return data_copy(o->at, o->len);
}

/* Makes one DER value of TAG of what O holds from FROM on. */
static inline void out_wrap(struct out *o, size_t from, uint8_t tag)
{
	size_t len = o->len - from, n = 0;
	uint8_t head[4];

	head[n++] = tag;
	if (len >= 0x100)
		head[n++] = 0x82;
	else if (len >= 0x80)
		head[n++] = 0x81;
	if (len >= 0x100)
		head[n++] = (uint8_t)(len >> 8);
	head[n++] = (uint8_t)len;
	out_put(o, head, n); /* for the bound */
	memmove(o->at + from + n, o->at + from, len);
	memcpy(o->at + from, head, n);
}

/* --- keys --- */

struct signer {
	mbedtls_ecp_group group;
	mbedtls_mpi secret;
	uint8_t point[CERTIFICATE_POINT];
};

/* CTX is the state of the generator. */
static inline int authority_random(void *ctx, unsigned char *buf, size_t len)
{
	uint64_t *state = ctx;

	for (size_t i = 0; i < len; i++) {
		*state = *state * UINT64_C(6364136223846793005) + 1;
		buf[i] = (uint8_t)(*state >> 56);
	}
	return 0;
}

static inline void signer_init(struct signer *s, unsigned number)
{
	mbedtls_ecp_point q;
	uint64_t state = 1;
	size_t len;

	mbedtls_ecp_group_init(&s->group);
	mbedtls_mpi_init(&s->secret);
	mbedtls_ecp_point_init(&q);
	REQUIRE(mbedtls_ecp_group_load(&s->group, MBEDTLS_ECP_DP_SECP384R1) ==
		0);
	REQUIRE(mbedtls_mpi_lset(&s->secret, (int)(1000 + number)) == 0);
	REQUIRE(mbedtls_ecp_mul(&s->group, &q, &s->secret, &s->group.G,
				authority_random, &state) == 0);
	REQUIRE(mbedtls_ecp_point_write_binary(
			&s->group, &q, MBEDTLS_ECP_PF_UNCOMPRESSED, &len,
			s->point, sizeof(s->point)) == 0);
	REQUIRE(len == sizeof(s->point));
	mbedtls_ecp_point_free(&q);
}

static inline void signer_free(struct signer *s)
{
	mbedtls_mpi_free(&s->secret);
	mbedtls_ecp_group_free(&s->group);
}

static inline void authority_point(unsigned key, uint8_t ret[CERTIFICATE_POINT])
{
	struct signer s;

	signer_init(&s, key);
	memcpy(ret, s.point, CERTIFICATE_POINT);
	signer_free(&s);
}

/*
 * The signature of KEY on LEN bytes of DATA: r and s, of the same bytes always the
 * same. That they use one secret number twice would give real keys away.
 */
static inline void authority_sign(unsigned key, const void *data, size_t len,
				  uint8_t ret[CERTIFICATE_SIGNATURE])
{
	uint8_t hash[64]; /* mbedTLS's prototype wants the room of SHA-512 */
	struct signer signer;
	uint64_t state = 1;
	mbedtls_mpi r, s;

	signer_init(&signer, key);
	mbedtls_mpi_init(&r);
	mbedtls_mpi_init(&s);
	REQUIRE(mbedtls_sha512(data, len, hash, 1) == 0);
	REQUIRE(mbedtls_ecdsa_sign(&signer.group, &r, &s, &signer.secret, hash,
				   NSMC_PCR_SIZE, authority_random,
				   &state) == 0);
	REQUIRE(mbedtls_mpi_write_binary(&r, ret, AUTHORITY_HALF) == 0);
	REQUIRE(mbedtls_mpi_write_binary(&s, ret + AUTHORITY_HALF,
					 AUTHORITY_HALF) == 0);
	mbedtls_mpi_free(&s);
	mbedtls_mpi_free(&r);
	signer_free(&signer);
}

/* --- certificates --- */

/*
 * What one is made of. All in hexadecimal but the names and dates; NULL: as it
 * should be. "" leaves a part out.
 */
struct cert {
	const char *subject, *issuer; /* the CN */
	unsigned key, signer;	      /* numbers; of 0 nothing is signed */
	const char *not_before, *not_after; /* as in UTCTime */
	const char *extensions; /* those in the list, as EXTENSION makes them */

	const char *version, *serial, *algorithm; /* elements */
	const char *issuer_name, *subject_name;
	const char *validity;	 /* what is in it */
	const char *spki;	 /* an element */
	const char *tail;	 /* what follows the key */
	const char *outer;	 /* the algorithm outside of TBS */
	const char *signature;	 /* an element */
	const char *after_outer; /* behind the signature, inside */
};

/* Extensions, each in a SEQUENCE: OIDs and values by their last bytes. */
#define CA_TRUE "300f 0603551d13 0101ff 0405 3003 0101ff"
#define CA_PATH(n) "3012 0603551d13 0101ff 0408 3006 0101ff 0201" n
#define CA_FALSE "300c 0603551d13 0101ff 0402 3000"
#define USAGE_CA "300e 0603551d0f 0101ff 0404 03020106"
#define USAGE_LEAF "300b 0603551d0f 0404 030206c0"

#define ECDSA_SHA384 "300a 0608 2a8648ce3d040303"

static inline void put_name(struct out *o, const char *cn)
{
	size_t from = o->len;

	out_hex(o, "0603 550403");
	out_put(o, &(uint8_t){ 0x0c }, 1);
	out_put(o, &(uint8_t){ (uint8_t)strlen(cn) }, 1);
	out_put(o, cn, strlen(cn));
	out_wrap(o, from, 0x30);
	out_wrap(o, from, 0x31);
	out_wrap(o, from, 0x30);
}

static inline void put_date(struct out *o, const char *date)
{
	size_t from = o->len;

	out_put(o, date, strlen(date));
	out_wrap(o, from, strlen(date) == 13 ? 0x17 : 0x18);
}

/* HEX, or DEFAULT if it is NULL. */
static inline void put_part(struct out *o, const char *hex,
			    const char *by_default)
{
	out_hex(o, hex ? hex : by_default);
}

static inline void put_tbs(struct out *o, const struct cert *c)
{
	uint8_t point[CERTIFICATE_POINT];
	size_t start = o->len, from;

	put_part(o, c->version, "a003 020102");
	put_part(o, c->serial, "0201 07");
	put_part(o, c->algorithm, ECDSA_SHA384);
	if (c->issuer_name)
		out_hex(o, c->issuer_name);
	else
		put_name(o, c->issuer ? c->issuer : "root");
	from = o->len;
	if (c->validity) {
		out_hex(o, c->validity);
	} else {
		put_date(o, c->not_before ? c->not_before : "200101000000Z");
		put_date(o, c->not_after ? c->not_after : "491231235959Z");
	}
	out_wrap(o, from, 0x30);
	if (c->subject_name)
		out_hex(o, c->subject_name);
	else
		put_name(o, c->subject ? c->subject : "subject");
	if (c->spki) {
		out_hex(o, c->spki);
	} else {
		authority_point(c->key, point);
		out_hex(o, "3076 3010 06072a8648ce3d0201 06052b81040022 "
			   "0362 00");
		out_put(o, point, sizeof(point));
	}
	from = o->len;
	if (c->tail) {
		out_hex(o, c->tail);
	} else if (c->extensions) {
		out_hex(o, c->extensions);
		out_wrap(o, from, 0x30);
		out_wrap(o, from, 0xa3);
	}
	out_wrap(o, start, 0x30);
}

static inline void put_integer(struct out *o, const uint8_t *n, size_t len)
{
	size_t from = o->len;

	while (len > 1 && *n == 0) {
		n++;
		len--;
	}
	if (*n >= 0x80)
		out_put(o, "\0", 1);
	out_put(o, n, len);
	out_wrap(o, from, 0x02);
}

static inline void cert_make(const struct cert *c, struct out *ret)
{
	uint8_t sig[CERTIFICATE_SIGNATURE] = { 0x12, [95] = 0x34 };
	size_t from;

	ret->len = 0;
	put_tbs(ret, c);
	if (c->signer)
		authority_sign(c->signer, ret->at, ret->len, sig);
	put_part(ret, c->outer, ECDSA_SHA384);
	if (c->signature) {
		out_hex(ret, c->signature);
	} else {
		from = ret->len;
		put_integer(ret, sig, AUTHORITY_HALF);
		put_integer(ret, sig + AUTHORITY_HALF, AUTHORITY_HALF);
		out_wrap(ret, from, 0x30);
		out_put(ret, "", 1);
		memmove(ret->at + from + 1, ret->at + from,
			ret->len - from - 1);
		ret->at[from] = 0;
		out_wrap(ret, from, 0x03);
	}
	if (c->after_outer)
		out_hex(ret, c->after_outer);
	out_wrap(ret, 0, 0x30);
}

/* --- documents --- */

/* The certificates are valid from the first to the last second of 2026. */
#define AUTHORITY_BEGIN "260101000000Z"
#define AUTHORITY_END "261231235959Z"
#define AUTHORITY_LEAF_BEGIN "260601120000Z"
#define AUTHORITY_LEAF_END "260601150000Z"

enum { AUTHORITY_ROOT = 1, AUTHORITY_OTHER_ROOT, AUTHORITY_CA, AUTHORITY_LEAF };

static inline int64_t authority_now(void)
{
	return certificate_time(2026, 6, 1, 12, 30, 0);
}

static inline int64_t authority_leaf_begin(void)
{
	return certificate_time(2026, 6, 1, 12, 0, 0);
}

static inline int64_t authority_leaf_end(void)
{
	return certificate_time(2026, 6, 1, 15, 0, 0);
}

static inline struct data authority_root(unsigned key)
{
	static struct out o;

	cert_make(&(struct cert){ .subject = "root",
				  .key = key,
				  .signer = key,
				  .not_before = AUTHORITY_BEGIN,
				  .not_after = AUTHORITY_END,
				  .extensions = CA_TRUE USAGE_CA },
		  &o);
	return out_data(&o);
}

/* What a document is made of; all zero but the time: the usual. */
struct document {
	unsigned root;	      /* 0: AUTHORITY_ROOT */
	bool definite;	      /* the map of the payload, as up to 2025 */
	bool tpm;	      /* nitrotpm_pcrs */
	bool debug;	      /* PCR0 to 2 are zero */
	uint32_t no_pcrs;     /* bit N: without PCR N */
	int64_t timestamp_ms; /* 0: authority_now */
	struct nsmc_bytes public_key, user_data, nonce;
	bool bad_signature, bad_leaf; /* of another key */
};

static inline void put_cbor_head(struct out *o, unsigned major, uint64_t n)
{
	uint8_t head[9];
	size_t bytes = n < 24 ? 0 : n < 256 ? 1 : n < 65536 ? 2 : 8;

	head[0] = (uint8_t)(major << 5 | (bytes == 0 ? n :
					  bytes == 1 ? 24 :
					  bytes == 2 ? 25 :
						       27));
	for (size_t i = 0; i < bytes; i++)
		head[1 + i] = (uint8_t)(n >> 8 * (bytes - 1 - i));
	out_put(o, head, 1 + bytes);
}

static inline void put_cbor_bytes(struct out *o, struct nsmc_bytes b)
{
	if (!b.data) {
		out_put(o, "\xf6", 1);
		return;
	}
	put_cbor_head(o, 2, b.len);
	out_put(o, b.data, b.len);
}

static inline void put_cbor_text(struct out *o, const char *s)
{
	put_cbor_head(o, 3, strlen(s));
	out_put(o, s, strlen(s));
}

/* The value that the documents have of PCR INDEX. */
static inline void document_pcr(unsigned index, uint8_t ret[NSMC_PCR_SIZE])
{
	memset(ret, (int)(index + 1), NSMC_PCR_SIZE);
}

static inline void put_pcrs(struct out *o, const struct document *d)
{
	unsigned count = d->tpm ? 24 : 16, n = 0;
	uint8_t value[NSMC_PCR_SIZE];

	for (unsigned i = 0; i < count; i++)
		n += !(d->no_pcrs >> i & 1);
	put_cbor_text(o, d->tpm ? "nitrotpm_pcrs" : "pcrs");
	put_cbor_head(o, 5, n);
	for (unsigned i = 0; i < count; i++) {
		if (d->no_pcrs >> i & 1)
			continue;
		document_pcr(i, value);
		if (d->debug && i < 3)
			memset(value, 0, sizeof(value));
		put_cbor_head(o, 0, i);
		put_cbor_bytes(o, NSMC_BYTES(value, sizeof(value)));
	}
}

static inline void put_certificates(struct out *o, const struct document *d)
{
	unsigned root_key = d->root ? d->root : AUTHORITY_ROOT;
	struct data root = authority_root(root_key);
	static struct out c;

	put_cbor_text(o, "certificate");
	cert_make(&(struct cert){ .subject = "leaf",
				  .issuer = "ca",
				  .key = AUTHORITY_LEAF,
				  .signer = d->bad_leaf ? root_key :
							  AUTHORITY_CA,
				  .not_before = AUTHORITY_LEAF_BEGIN,
				  .not_after = AUTHORITY_LEAF_END,
				  .extensions = CA_FALSE USAGE_LEAF },
		  &c);
	put_cbor_bytes(o, NSMC_BYTES(c.at, c.len));
	put_cbor_text(o, "cabundle");
	put_cbor_head(o, 4, 2);
	put_cbor_bytes(o, NSMC_BYTES(root.bytes, root.len));
	cert_make(&(struct cert){ .subject = "ca",
				  .issuer = "root",
				  .key = AUTHORITY_CA,
				  .signer = root_key,
				  .not_before = AUTHORITY_BEGIN,
				  .not_after = AUTHORITY_END,
				  .extensions = CA_PATH("00") USAGE_CA },
		  &c);
	put_cbor_bytes(o, NSMC_BYTES(c.at, c.len));
	free(root.bytes);
}

static inline void put_document_payload(struct out *o, const struct document *d)
{
	int64_t ms = d->timestamp_ms ? d->timestamp_ms : authority_now() * 1000;

	if (d->definite)
		put_cbor_head(o, 5, 9);
	else
		out_put(o, "\xbf", 1);
	put_cbor_text(o, "module_id");
	put_cbor_text(o, "i-07e25f3bada361dec-enc0181d3dff86da785");
	put_cbor_text(o, "digest");
	put_cbor_text(o, "SHA384");
	put_cbor_text(o, "timestamp");
	put_cbor_head(o, 0, (uint64_t)ms);
	put_pcrs(o, d);
	put_certificates(o, d);
	put_cbor_text(o, "public_key");
	put_cbor_bytes(o, d->public_key);
	put_cbor_text(o, "user_data");
	put_cbor_bytes(o, d->user_data);
	put_cbor_text(o, "nonce");
	put_cbor_bytes(o, d->nonce);
	if (!d->definite)
		out_put(o, "\xff", 1);
}

static inline struct data document_make(const struct document *d)
{
	static const uint8_t header[] = { 0xa1, 0x01, 0x38, 0x22 };
	static struct out payload, signed_bytes, o;
	const struct nsmc_bytes protected_header = { header, sizeof(header) };
	uint8_t sig[CERTIFICATE_SIGNATURE];

	payload.len = 0;
	put_document_payload(&payload, d);

	signed_bytes.len = 0;
	put_cbor_head(&signed_bytes, 4, 4);
	put_cbor_text(&signed_bytes, "Signature1");
	put_cbor_bytes(&signed_bytes, protected_header);
	put_cbor_bytes(&signed_bytes, NSMC_EMPTY);
	put_cbor_bytes(&signed_bytes, NSMC_BYTES(payload.at, payload.len));
	authority_sign(d->bad_signature ? AUTHORITY_CA : AUTHORITY_LEAF,
		       signed_bytes.at, signed_bytes.len, sig);

	o.len = 0;
	put_cbor_head(&o, 4, 4);
	put_cbor_bytes(&o, protected_header);
	put_cbor_head(&o, 5, 0);
	put_cbor_bytes(&o, NSMC_BYTES(payload.at, payload.len));
	put_cbor_bytes(&o, NSMC_BYTES(sig, sizeof(sig)));
	return out_data(&o);
}

#endif
