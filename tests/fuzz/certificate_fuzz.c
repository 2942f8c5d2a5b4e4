/*
 * Certificates. What is read lies inside the bytes, which are one certificate and
 * nothing more; and mbedTLS, which is laxer, accepts it as well and sees the same
 * in it. Where mbedTLS looks into what nobody here does, it may refuse.
 */

#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* B is absent, or lies in OUTER. */
static void inside(struct nsmc_bytes outer, struct nsmc_bytes b)
{
	if (!b.data) {
		require(b.len == 0);
		return;
	}
	require(b.data >= outer.data && b.len <= outer.len);
	require((size_t)(b.data - outer.data) <= outer.len - b.len);
}

static void check_views(const struct certificate *c)
{
	const struct nsmc_bytes point = { c->point, CERTIFICATE_POINT };

	inside(c->der, c->tbs);
	inside(c->tbs, c->serial);
	inside(c->tbs, c->issuer);
	inside(c->tbs, c->subject);
	inside(c->tbs, point);
	inside(c->tbs, c->key_id);
	inside(c->tbs, c->authority_key_id);
	inside(c->tbs, c->authority_issuer);
	inside(c->tbs, c->authority_serial);
	require(c->serial.len > 0 && c->issuer.len > 2 && c->subject.len > 2);
	require(c->point[0] == 4);
	require(c->path_len >= -1);
	require(c->has_usage || c->usage == 0);
	/* Both or none, as RFC 5280 has it; an issuer of another form is none. */
	require(!c->authority_issuer.data || c->authority_serial.data);
}

/* Whether an extension of this OID, encoded, may be in C. */
static bool mentions(const struct certificate *c, const void *oid, size_t len)
{
	return memmem(c->tbs.data, c->tbs.len, oid, len);
}

#define MENTIONS(c, oid) mentions(c, oid, sizeof(oid) - 1)

/* Whether mbedTLS reads something of C that certificate_read does not. */
static bool is_read_elsewhere(const struct certificate *c)
{
	return MENTIONS(c, "\x06\x03\x55\x1d\x11") || /* subjectAltName */
	       MENTIONS(c, "\x06\x03\x55\x1d\x20") || /* policies */
	       MENTIONS(c, "\x06\x03\x55\x1d\x25") || /* purposes */
	       MENTIONS(c, "\x06\x09\x60\x86\x48\x01\x86\xf8\x42\x01\x01") ||
	       /* names of other forms, and names at all */
	       c->authority_serial.data ||
	       /* an authority key identifier without anything in it */
	       (MENTIONS(c, "\x06\x03\x55\x1d\x23") &&
		!c->authority_key_id.data) ||
	       /* numbers that fit into no int */
	       c->path_len >= INT32_MAX || !c->has_signature;
}

/*
 * Whether a value in NAME is none of the strings that mbedTLS knows: RFC 5280 lets
 * it be anything.
 */
static bool has_odd_value(struct nsmc_bytes name)
{
	static const char known[] = {
		0x03, 0x0c, 0x13, 0x14, 0x16, 0x1c, 0x1e
	};
	uint8_t *p = (uint8_t *)(uintptr_t)name.data, *end = p + name.len;
	size_t len;

	(void)mbedtls_asn1_get_tag(&p, end, &len, 0x30);
	while (p < end) {
		/* A SET, or the next SEQUENCE in it. */
		if (*p == 0x31)
			(void)mbedtls_asn1_get_tag(&p, end, &len, 0x31);
		require(mbedtls_asn1_get_tag(&p, end, &len, 0x30) == 0);
		require(mbedtls_asn1_get_tag(&p, end, &len, 0x06) == 0);
		p += len;
		if (!memchr(known, *p, sizeof(known)))
			return true;
		require(mbedtls_asn1_get_tag(&p, end, &len, *p) == 0);
		p += len;
	}
	return false;
}

static void same(struct nsmc_bytes ours, const mbedtls_x509_buf *theirs)
{
	require(ours.data == theirs->p && ours.len == theirs->len);
}

static int64_t seconds(const mbedtls_x509_time *t)
{
	return certificate_time(t->year, t->mon, t->day, t->hour, t->min,
				t->sec);
}

/* Of mbedTLS's bits, whose first byte is the low one. */
static unsigned usage_of(const mbedtls_x509_crt *crt)
{
	unsigned usage = 0;

	for (unsigned i = 0; i < 16; i++)
		if (crt->MBEDTLS_PRIVATE(key_usage) >> (i / 8 * 8) &
		    0x80u >> i % 8)
			usage |= 1u << i;
	return usage;
}

static bool has(const mbedtls_x509_crt *crt, int type)
{
	return mbedtls_x509_crt_has_ext_type(crt, type) != 0;
}

static void compare(const struct certificate *c, const mbedtls_x509_crt *crt)
{
	same(c->der, &crt->raw);
	same(c->tbs, &crt->tbs);
	same(c->serial, &crt->serial);
	same(c->issuer, &crt->issuer_raw);
	same(c->subject, &crt->subject_raw);
	require(crt->version == 3);
	require(c->not_before == seconds(&crt->valid_from));
	require(c->not_after == seconds(&crt->valid_to));
	require(c->has_usage == has(crt, MBEDTLS_X509_EXT_KEY_USAGE));
	require(!c->has_usage || c->usage == usage_of(crt));
	require(c->has_purpose ==
		has(crt, MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE));
	if (c->key_id.data)
		same(c->key_id, &crt->subject_key_id);
	if (c->authority_key_id.data)
		same(c->authority_key_id, &crt->authority_key_id.keyIdentifier);
	/* It takes a path length without cA for cA. */
	if (c->is_ca) {
		require(has(crt, MBEDTLS_X509_EXT_BASIC_CONSTRAINTS));
		require(crt->MBEDTLS_PRIVATE(ca_istrue));
		require(crt->MBEDTLS_PRIVATE(max_pathlen) == c->path_len + 1);
	} else if (c->path_len < 0) {
		require(!crt->MBEDTLS_PRIVATE(ca_istrue));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct certificate c = { 0 }, again = { 0 };
	mbedtls_x509_crt crt;
	uint8_t *longer;
	int r, theirs;

	r = certificate_read(NSMC_BYTES(data, size), &c);
	if (r < 0) {
		require(r == -NSMC_E_CERT_FORM || r == -NSMC_E_CERT_VERSION ||
			r == -NSMC_E_CERT_ALGORITHM || r == -NSMC_E_CERT_KEY ||
			r == -NSMC_E_CERT_EXTENSION);
		require(!c.der.data);
		return 0;
	}
	require(c.der.data == data && c.der.len == size);
	check_views(&c);

	/* A byte less or more is no certificate. */
	require(certificate_read(NSMC_BYTES(data, size - 1), &again) ==
		-NSMC_E_CERT_FORM);
	longer = calloc(1, size + 1);
	require(longer);
	memcpy(longer, data, size);
	require(certificate_read(NSMC_BYTES(longer, size + 1), &again) ==
		-NSMC_E_CERT_FORM);
	free(longer);

	mbedtls_x509_crt_init(&crt);
	theirs = mbedtls_x509_crt_parse_der_nocopy(&crt, data, size);
	if (theirs == 0)
		compare(&c, &crt);
	else
		require(is_read_elsewhere(&c) || has_odd_value(c.issuer) ||
			has_odd_value(c.subject));
	mbedtls_x509_crt_free(&crt);
	return 0;
}
