#include "nsm/certificate.h"

#include <string.h>

enum {
	BOOLEAN = 0x01,
	INTEGER = 0x02,
	BIT_STRING = 0x03,
	OCTET_STRING = 0x04,
	OID = 0x06,
	UTC_TIME = 0x17,
	GENERALIZED_TIME = 0x18,
	SEQUENCE = 0x30,
	SET = 0x31,
	CONSTRUCTED = 0x20, /* bit of a tag */
	TAG_LONG = 0x1f,    /* a tag of several bytes: X.509 has none */
	CONTEXT_0 = 0x80,
	CONTEXT_2 = 0x82,
	CONTEXT_1_OPEN = 0xa1, /* issuerUniqueID is [1], too, but primitive */
	EXPLICIT_0 = 0xa0,
	EXPLICIT_3 = 0xa3,
	DIRECTORY_NAME = 0xa4, /* of GeneralName: [4], and a Name is explicit */
};

enum { DEPTH_MAX = 16, HALF = CERTIFICATE_SIGNATURE / 2 };

/* --- DER (X.690) --- */

/*
 * Takes the next element from IN: returns its tag, and its content in *RET.
 * Lengths must be definite, in as few bytes as possible (10.1).
 */
static bool next(struct nsmc_bytes *in, uint8_t *ret_tag,
		 struct nsmc_bytes *ret)
{
	size_t head = 2, len, bytes;

	if (in->len < head || (in->data[0] & TAG_LONG) == TAG_LONG)
		return false;
	len = in->data[1];
	if (len >= 0x80) {
		/* No certificate here has 64 KiB or more. */
		bytes = len - 0x80;
		if (bytes < 1 || bytes > 2 || in->len < head + bytes)
			return false;
		len = in->data[2];
		if (bytes == 2)
			len = len << 8 | in->data[3];
		if (len < (bytes == 1 ? 0x80 : 0x100))
			return false;
		head += bytes;
	}
	if (in->len - head < len)
		return false;
	*ret_tag = in->data[0];
	*ret = (struct nsmc_bytes){ in->data + head, len };
	in->data += head + len;
	in->len -= head + len;
	return true;
}

static bool next_of(struct nsmc_bytes *in, uint8_t tag, struct nsmc_bytes *ret)
{
	uint8_t found;

	return next(in, &found, ret) && found == tag;
}

static bool is_next(const struct nsmc_bytes *in, uint8_t tag)
{
	return in->len > 0 && in->data[0] == tag;
}

static bool equal(struct nsmc_bytes a, const void *b, size_t len)
{
	return a.len == len && memcmp(a.data, b, len) == 0;
}

/* True if a value of a simple type is encoded as DER requires. */
static bool is_canonical(uint8_t tag, struct nsmc_bytes v)
{
	switch (tag) {
	case BOOLEAN: /* 11.1 */
		return v.len == 1 && (v.data[0] == 0 || v.data[0] == 0xff);
	case INTEGER: /* 8.3.2: must not begin with nine equal bits */
		return v.len == 1 ||
		       (v.len > 1 && !(v.data[0] == 0 && v.data[1] < 0x80) &&
			!(v.data[0] == 0xff && v.data[1] >= 0x80));
	case BIT_STRING: /* 11.2.1: unused bits are zero */
		if (v.len == 0 || v.data[0] > 7)
			return false;
		return v.len == 1 ?
			       v.data[0] == 0 :
			       !(v.data[v.len - 1] & ((1u << v.data[0]) - 1));
	case OID:
		return v.len > 0 && !(v.data[v.len - 1] & 0x80);
	default:
		return true;
	}
}

/* True if IN is a sequence of DER elements, at all levels. */
static bool is_der(struct nsmc_bytes in)
{
	struct nsmc_bytes around[DEPTH_MAX], value;
	size_t depth = 0;
	uint8_t tag;

	for (;;) {
		if (in.len == 0) {
			if (depth == 0)
				return true;
			in = around[--depth];
			continue;
		}
		if (!next(&in, &tag, &value))
			return false;
		if (!(tag & CONSTRUCTED)) {
			if (!is_canonical(tag, value))
				return false;
			continue;
		}
		if (depth == DEPTH_MAX)
			return false;
		around[depth++] = in;
		in = value;
	}
}

/* --- times --- */

int64_t certificate_time(int year, int month, int day, int hour, int minute,
			 int second)
{
	/* Let the year begin in March, so that a leap day is its last. */
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t m = month <= 2 ? month + 9 : month - 3;
	int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 +
		       day - 1;

	/* 719468: the days from 0000-03-01 to 1970-01-01 */
	return (days - 719468) * 86400 + hour * 3600 + minute * 60 + second;
}

static bool two_digits(const uint8_t *s, int *ret)
{
	if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
		return false;
	*ret = (s[0] - '0') * 10 + s[1] - '0';
	return true;
}

static int days_of(int year, int month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30,
					31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* "YYMMDDHHMMSSZ", 1950 to 2049, or "YYYYMMDDHHMMSSZ": RFC 5280, 4.1.2.5 */
static bool read_time(struct nsmc_bytes *in, int64_t *ret)
{
	enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, PARTS };
	int part[PARTS], century = 0;
	struct nsmc_bytes t;
	const uint8_t *s;
	uint8_t tag;

	if (!next(in, &tag, &t) ||
	    !((tag == UTC_TIME && t.len == 13) ||
	      (tag == GENERALIZED_TIME && t.len == 15)) ||
	    t.data[t.len - 1] != 'Z')
		return false;
	s = t.data + t.len - 13;
	for (int i = 0; i < PARTS; i++)
		if (!two_digits(s + 2 * i, &part[i]))
			return false;
	if (tag == GENERALIZED_TIME && !two_digits(t.data, &century))
		return false;
	if (tag == UTC_TIME)
		century = part[YEAR] >= 50 ? 19 : 20;
	part[YEAR] += century * 100;
	if (part[MONTH] < 1 || part[MONTH] > 12 || part[DAY] < 1 ||
	    part[DAY] > days_of(part[YEAR], part[MONTH]) || part[HOUR] > 23 ||
	    part[MINUTE] > 59 || part[SECOND] > 59)
		return false;
	*ret = certificate_time(part[YEAR], part[MONTH], part[DAY], part[HOUR],
				part[MINUTE], part[SECOND]);
	return true;
}

/* --- extensions --- */

/* The last byte of the identifiers id-ce, 2.5.29 (RFC 5280, 4.2.1). */
enum {
	SUBJECT_KEY_ID = 14,
	KEY_USAGE = 15,
	BASIC_CONSTRAINTS = 19,
	NAME_CONSTRAINTS = 30,
	AUTHORITY_KEY_ID = 35,
	POLICY_CONSTRAINTS = 36,
	EXTENDED_KEY_USAGE = 37,
	INHIBIT_ANY_POLICY = 54,
};

/* SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL } */
static bool read_basic_constraints(struct nsmc_bytes in, struct certificate *c)
{
	struct nsmc_bytes all, v;

	if (!next_of(&in, SEQUENCE, &all) || in.len > 0)
		return false;
	if (is_next(&all, BOOLEAN)) {
		/* DER omits a default value (X.690, 11.5). */
		if (!next_of(&all, BOOLEAN, &v) || v.data[0] != 0xff)
			return false;
		c->is_ca = true;
	}
	if (is_next(&all, INTEGER)) {
		if (!next_of(&all, INTEGER, &v) || v.data[0] >= 0x80)
			return false;
		/* All lengths beyond what a chain can reach mean the same. */
		c->path_len = 0;
		for (size_t i = 0; i < v.len; i++)
			if (c->path_len < INT32_MAX)
				c->path_len = c->path_len << 8 | v.data[i];
	}
	return all.len == 0;
}

static bool read_key_usage(struct nsmc_bytes in, struct certificate *c)
{
	struct nsmc_bytes v;

	if (!next_of(&in, BIT_STRING, &v) || in.len > 0)
		return false;
	/* A list of named bits must not end in zeros (X.690, 11.2.2). */
	if (v.len > 1 && !(v.data[v.len - 1] >> v.data[0] & 1))
		return false;
	c->has_usage = true;
	for (size_t i = 0; i < 8 * (v.len - 1) && i < 16; i++)
		if (v.data[1 + i / 8] & 0x80 >> i % 8)
			c->usage |= 1u << i;
	return true;
}

static bool read_key_id(struct nsmc_bytes in, struct certificate *c)
{
	return next_of(&in, OCTET_STRING, &c->key_id) && in.len == 0;
}

/*
 * SEQUENCE { keyIdentifier [0] OPTIONAL, authorityCertIssuer [1] OPTIONAL,
 * authorityCertSerialNumber [2] OPTIONAL }, the last two together.
 */
static bool read_authority_key_id(struct nsmc_bytes in, struct certificate *c)
{
	struct nsmc_bytes all, names, name;
	uint8_t tag;

	if (!next_of(&in, SEQUENCE, &all) || in.len > 0)
		return false;
	if (is_next(&all, CONTEXT_0) &&
	    !next_of(&all, CONTEXT_0, &c->authority_key_id))
		return false;
	if (all.len == 0)
		return true;
	if (!next_of(&all, CONTEXT_1_OPEN, &names) || names.len == 0 ||
	    !next_of(&all, CONTEXT_2, &c->authority_serial))
		return false;
	/* Other forms of names are not compared. */
	while (names.len > 0) {
		if (!next(&names, &tag, &name))
			return false;
		if (tag == DIRECTORY_NAME)
			c->authority_issuer = name;
	}
	return all.len == 0;
}

/* VALUE is known to be DER if the extension is one of these. */
static bool read_extension(struct nsmc_bytes oid, bool critical,
			   struct nsmc_bytes value, struct certificate *c)
{
	static const uint8_t id_ce[] = { 0x55, 0x1d };

	if (oid.len != 3 || memcmp(oid.data, id_ce, sizeof(id_ce)) != 0)
		return !critical;
	switch (oid.data[2]) {
	case BASIC_CONSTRAINTS:
		return is_der(value) && read_basic_constraints(value, c);
	case KEY_USAGE:
		return is_der(value) && read_key_usage(value, c);
	case SUBJECT_KEY_ID:
		return is_der(value) && read_key_id(value, c);
	case AUTHORITY_KEY_ID:
		return is_der(value) && read_authority_key_id(value, c);
	case EXTENDED_KEY_USAGE:
		c->has_purpose = true;
		return true;
	case NAME_CONSTRAINTS:
	case POLICY_CONSTRAINTS:
	case INHIBIT_ANY_POLICY:
		/*
		 * They restrict certificates below, and this code does not
		 * check that.
		 */
		return false;
	default:
		return !critical;
	}
}

static bool read_extensions(struct nsmc_bytes in, struct certificate *c)
{
	struct nsmc_bytes oid[CERTIFICATE_EXTENSIONS_MAX], e, value;
	bool critical;
	size_t n = 0;

	if (in.len == 0)
		return false;
	for (; in.len > 0; n++) {
		if (n == CERTIFICATE_EXTENSIONS_MAX ||
		    !next_of(&in, SEQUENCE, &e) || !next_of(&e, OID, &oid[n]))
			return false;
		for (size_t i = 0; i < n; i++)
			if (equal(oid[i], oid[n].data, oid[n].len))
				return false;
		critical = is_next(&e, BOOLEAN);
		if (critical &&
		    (!next_of(&e, BOOLEAN, &value) || value.data[0] != 0xff))
			return false;
		if (!next_of(&e, OCTET_STRING, &value) || e.len > 0 ||
		    !read_extension(oid[n], critical, value, c))
			return false;
	}
	return true;
}

/* --- key and signature --- */

/* AlgorithmIdentifier of ecdsa-with-SHA384: no parameters (RFC 5758, 3.2). */
static bool is_ecdsa_sha384(struct nsmc_bytes *in)
{
	static const uint8_t wanted[] = { OID,	0x08, 0x2a, 0x86, 0x48,
					  0xce, 0x3d, 0x04, 0x03, 0x03 };
	struct nsmc_bytes v;

	return next_of(in, SEQUENCE, &v) && equal(v, wanted, sizeof(wanted));
}

/*
 * SubjectPublicKeyInfo of id-ecPublicKey on secp384r1, by name, with the point
 * uncompressed (RFC 5480, 2): all keys of NSMs have these first bytes.
 */
static bool read_spki(struct nsmc_bytes *in, const uint8_t **ret_point)
{
	static const uint8_t first[] = {
		SEQUENCE, 0x10, OID,	    0x07, 0x2a, 0x86, 0x48, 0xce,
		0x3d,	  0x02, 0x01,	    OID,  0x05, 0x2b, 0x81, 0x04,
		0x00,	  0x22, BIT_STRING, 0x62, 0x00, 0x04,
	};
	enum { BEFORE_POINT = sizeof(first) - 1 };
	struct nsmc_bytes v;

	if (!next_of(in, SEQUENCE, &v) ||
	    v.len != BEFORE_POINT + CERTIFICATE_POINT ||
	    memcmp(v.data, first, sizeof(first)) != 0)
		return false;
	*ret_point = v.data + BEFORE_POINT;
	return es384_is_key(*ret_point);
}

/* Copies a positive number to TO, right-aligned. */
static bool read_half(struct nsmc_bytes *in, uint8_t to[HALF])
{
	struct nsmc_bytes v;

	if (!next_of(in, INTEGER, &v) || !is_canonical(INTEGER, v) ||
	    v.data[0] >= 0x80)
		return false;
	if (v.data[0] == 0) {
		v.data++;
		v.len--;
	}
	if (v.len > HALF)
		return false;
	memset(to, 0, HALF - v.len);
	memcpy(to + HALF - v.len, v.data, v.len);
	return true;
}

/* ECDSA-Sig-Value (RFC 3279, 2.2.3) in a BIT STRING of whole bytes. */
static bool read_signature(struct nsmc_bytes bits, uint8_t *to)
{
	struct nsmc_bytes in = { bits.data + 1, bits.len - 1 }, both;

	return bits.data[0] == 0 && next_of(&in, SEQUENCE, &both) &&
	       in.len == 0 && read_half(&both, to) &&
	       read_half(&both, to + HALF) && both.len == 0;
}

/* --- the whole --- */

static int read_version(struct nsmc_bytes *in)
{
	struct nsmc_bytes explicit, v;

	/* Version 1 is the default, which DER omits. */
	if (is_next(in, INTEGER))
		return -NSMC_E_CERT_VERSION;
	if (!next_of(in, EXPLICIT_0, &explicit) ||
	    !next_of(&explicit, INTEGER, &v) || explicit.len > 0)
		return -NSMC_E_CERT_FORM;
	return equal(v, "\2", 1) ? 0 : -NSMC_E_CERT_VERSION;
}

/* SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }, not empty. */
static bool is_rdn(struct nsmc_bytes set)
{
	struct nsmc_bytes attribute, v;
	uint8_t tag;

	if (set.len == 0)
		return false;
	while (set.len > 0)
		if (!next_of(&set, SEQUENCE, &attribute) ||
		    !next_of(&attribute, OID, &v) ||
		    !next(&attribute, &tag, &v) || attribute.len > 0)
			return false;
	return true;
}

/* As encoded, with its head; not empty. */
static bool read_name(struct nsmc_bytes *in, struct nsmc_bytes *ret)
{
	const uint8_t *start = in->data;
	struct nsmc_bytes name, set;

	if (!next_of(in, SEQUENCE, &name) || name.len == 0)
		return false;
	*ret = (struct nsmc_bytes){ start, (size_t)(in->data - start) };
	while (name.len > 0)
		if (!next_of(&name, SET, &set) || !is_rdn(set))
			return false;
	return true;
}

static int read_tbs(struct nsmc_bytes in, struct certificate *c)
{
	struct nsmc_bytes validity, explicit, extensions;
	int e = read_version(&in);

	if (e < 0)
		return e;
	if (!next_of(&in, INTEGER, &c->serial))
		return -NSMC_E_CERT_FORM;
	if (!is_ecdsa_sha384(&in))
		return -NSMC_E_CERT_ALGORITHM;
	if (!read_name(&in, &c->issuer) || !next_of(&in, SEQUENCE, &validity) ||
	    !read_time(&validity, &c->not_before) ||
	    !read_time(&validity, &c->not_after) || validity.len > 0 ||
	    !read_name(&in, &c->subject))
		return -NSMC_E_CERT_FORM;
	if (!read_spki(&in, &c->point))
		return -NSMC_E_CERT_KEY;
	/* Unique identifiers, [1] and [2], are for CAs of 1988. */
	if (in.len == 0)
		return 0;
	if (!next_of(&in, EXPLICIT_3, &explicit) || in.len > 0)
		return -NSMC_E_CERT_FORM;
	return next_of(&explicit, SEQUENCE, &extensions) && explicit.len == 0 &&
			       read_extensions(extensions, c) ?
		       0 :
		       -NSMC_E_CERT_EXTENSION;
}

int certificate_read(struct nsmc_bytes der, struct certificate *ret)
{
	struct certificate c = { .der = der, .path_len = -1 };
	struct nsmc_bytes in = der, all, tbs, bits;
	const uint8_t *start;
	int e;

	/* Reads one certificate, and nothing may follow it. */
	if (!is_der(der) || !next_of(&in, SEQUENCE, &all) || in.len > 0)
		return -NSMC_E_CERT_FORM;
	start = all.data;
	if (!next_of(&all, SEQUENCE, &tbs))
		return -NSMC_E_CERT_FORM;
	c.tbs = (struct nsmc_bytes){ start, (size_t)(all.data - start) };
	e = read_tbs(tbs, &c);
	if (e < 0)
		return e;
	if (!is_ecdsa_sha384(&all))
		return -NSMC_E_CERT_ALGORITHM;
	if (!next_of(&all, BIT_STRING, &bits) || all.len > 0)
		return -NSMC_E_CERT_FORM;
	c.has_signature = read_signature(bits, c.signature);
	*ret = c;
	return 0;
}
