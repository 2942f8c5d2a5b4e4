#include "rootfs/pack/sign/cert.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "rootfs/pack/base/escape.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/hash.h"
#include "rootfs/pack/eif/measure.h"
#include "rootfs/pack/sign/ossl.h"

/* What people hand over instead: the words that lead on. */
static const char *other_form(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;

	if (len == 0)
		return "empty, not a PEM certificate";
	if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		return "begins with a byte order mark, which not all readers "
		       "of PEM take";
	if (len >= 2 &&
	    (memcmp(s, "\xff\xfe", 2) == 0 || memcmp(s, "\xfe\xff", 2) == 0))
		return "UTF-16, not a PEM certificate";
	if (len >= 4 && memcmp(s, "\xfe\xed\xfe\xed", 4) == 0)
		return "a Java key store, not a PEM certificate (keytool "
		       "-exportcert -rfc)";
	/* SEQUENCE { INTEGER 3 }: PFX; { SEQUENCE }: a certificate */
	if (len >= 7 && s[0] == 0x30 && s[1] == 0x82 && s[4] == 2 && s[6] == 3)
		return "PKCS #12, not a PEM certificate (openssl pkcs12 -in "
		       "FILE -nokeys -clcerts)";
	if (len >= 5 && s[0] == 0x30 && s[1] == 0x82 && s[4] == 0x30)
		return "DER, not a PEM certificate (openssl x509 -inform DER "
		       "-in FILE)";
	return NULL;
}

/* Of a line that begins with "-----BEGIN ". */
static int label_len(const char *begin)
{
	size_t len = strcspn(begin, "\r\n");

	return len < 60 ? (int)len : 60;
}

int cert_read(const char *text, size_t len, X509 **ret, struct fault *reterr)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	const char *first, *other = other_form(text, len);
	X509 *cert = NULL;
	BIO *bio;

	if (other)
		return fault_refuse(reterr, "%s", other);
	if (strlen(text) != len)
		return fault_refuse(reterr,
				    "not a PEM certificate: a NUL byte at "
				    "offset %zu",
				    strlen(text));
	/* OpenSSL has other names for some, and passes over a block of any other kind. */
	first = strstr(text, "-----BEGIN ");
	if (!first)
		return fault_refuse(reterr, "does not begin with a PEM "
					    "certificate");
	if (strncmp(first, begin, sizeof(begin) - 1) != 0 ||
	    (first > text && first[-1] != '\n'))
		return fault_refuse(reterr,
				    "does not begin with a PEM certificate, "
				    "but with %.*s",
				    label_len(first), first);
	ERR_clear_error();
	bio = BIO_new_mem_buf(text, (int)len);
	if (bio)
		cert = PEM_read_bio_X509(bio, NULL, ossl_no_passphrase, NULL);
	BIO_free(bio);
	if (!cert)
		return ossl_refuse(reterr, "not a certificate");
	*ret = cert;
	return 0;
}

int cert_pcr8(const X509 *cert, uint8_t ret[EIF_HASH], struct fault *reterr)
{
	struct hash hash = HASH_NONE;
	uint8_t fingerprint[EIF_HASH];
	uint8_t *der = NULL;
	int len = i2d_X509(cert, &der), r;

	if (len < 0)
		return ossl_refuse(reterr, "not a certificate");
	r = hash_begin(&hash, HASH_SHA384, reterr);
	if (r == 0) {
		hash_add(&hash, der, (size_t)len);
		r = hash_end(&hash, fingerprint, reterr);
	}
	OPENSSL_free(der);
	return r < 0 ? -1 : measure_extend(fingerprint, EIF_HASH, ret, reterr);
}

/* --- validity --- */

struct validity {
	int64_t not_before, not_after;
	char from[CERT_TIME_CAP], to[CERT_TIME_CAP];
};

static bool read_time(const ASN1_TIME *t, int64_t *ret,
		      char text[CERT_TIME_CAP])
{
	struct tm tm = { 0 };

	if (!t || !ASN1_TIME_to_tm(t, &tm))
		return false;
	(void)snprintf(text, CERT_TIME_CAP, "%04d-%02d-%02dT%02d:%02d:%02dZ",
		       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		       tm.tm_min, tm.tm_sec);
	*ret = timegm(&tm);
	return true;
}

static int read_validity(const X509 *cert, struct validity *ret,
			 struct fault *reterr)
{
	if (!read_time(X509_get0_notBefore(cert), &ret->not_before,
		       ret->from) ||
	    !read_time(X509_get0_notAfter(cert), &ret->not_after, ret->to))
		return ossl_refuse(reterr, "not a certificate: no validity "
					   "that can be read");
	return 0;
}

int cert_check_time(const X509 *cert, time_t now, struct fault *reterr)
{
	struct validity v;

	if (read_validity(cert, &v, reterr) < 0)
		return -1;
	if (now < v.not_before)
		return fault_refuse(reterr,
				    "not yet valid: from %s to %s; no enclave "
				    "would start before",
				    v.from, v.to);
	if (now > v.not_after)
		return fault_refuse(reterr,
				    "expired: from %s to %s; no enclave would "
				    "start",
				    v.from, v.to);
	return 0;
}

/* --- names --- */

/* As "C=NO, O=Example": other characters than ASCII's escaped. */
static void set_name(char ret[CERT_NAME_CAP], const X509_NAME *name)
{
	const unsigned long flags =
		(XN_FLAG_RFC2253 & ~XN_FLAG_SEP_MASK & ~XN_FLAG_DN_REV) |
		XN_FLAG_SEP_CPLUS_SPC;
	BIO *bio = BIO_new(BIO_s_mem());
	const char *text;
	long len;

	if (bio && X509_NAME_print_ex(bio, name, 0, flags) >= 0) {
		len = BIO_get_mem_data(bio, &text);
		(void)snprintf(ret, CERT_NAME_CAP, "%.*s", (int)len, text);
		if (len >= CERT_NAME_CAP)
			(void)snprintf(ret, CERT_NAME_CAP,
				       "(longer than %d bytes)",
				       CERT_NAME_CAP - 1);
	} else {
		(void)snprintf(ret, CERT_NAME_CAP, "(cannot be read)");
	}
	BIO_free(bio);
	for (; *ret; ret++)
		if ((unsigned char)*ret < ' ' || *ret == 0x7f)
			*ret = '?';
}

static void set_part(struct cert_part *part, const X509_NAME_ENTRY *entry)
{
	const ASN1_OBJECT *type = X509_NAME_ENTRY_get_object(entry);
	unsigned char *utf8 = NULL;
	size_t at = 0, len = 0, step;
	const char *text;
	int n;

	/* The long name, as OpenSSL has it and AWS's tools print it, or the OID. */
	if (OBJ_obj2txt(part->key, sizeof(part->key), type, 0) <= 0)
		(void)snprintf(part->key, sizeof(part->key), "unknown");
	n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
	text = (const char *)utf8;
	for (; n > 0 && at < (size_t)n && len + 4 < sizeof(part->value);
	     at += step) {
		step = escape_character(text + at, (size_t)n - at);
		if (step == 0) {
			part->value[len++] = '?';
			step = 1;
			continue;
		}
		memcpy(part->value + len, text + at, step);
		len += step;
	}
	part->value[len] = '\0';
	OPENSSL_free(utf8);
}

/* Of an attribute that is there several times the last one, as in nitro-cli's map. */
static void set_issuer_parts(struct cert_info *i, const X509_NAME *name)
{
	int count = X509_NAME_entry_count(name);

	for (int n = 0; n < count; n++) {
		struct cert_part part;
		size_t at = 0;

		set_part(&part, X509_NAME_get_entry(name, n));
		while (at < i->issuer_part_count &&
		       strcmp(i->issuer_parts[at].key, part.key) != 0)
			at++;
		if (at == CERT_PARTS_MAX)
			continue;
		i->issuer_parts[at] = part;
		if (at == i->issuer_part_count)
			i->issuer_part_count++;
	}
}

int cert_info(const X509 *cert, time_t now, struct cert_info *ret,
	      struct fault *reterr)
{
	struct cert_info i = { 0 };
	const ASN1_BIT_STRING *value;
	struct validity v;

	if (read_validity(cert, &v, reterr) < 0 ||
	    cert_pcr8(cert, i.pcr8, reterr) < 0)
		return -1;
	X509_get0_signature(&value, NULL, cert);
	if (ASN1_STRING_length(value) > (int)sizeof(i.cert_signature))
		return fault_refuse(reterr, "the certificate's signature: "
					    "too long");
	i.cert_signature_len = (size_t)ASN1_STRING_length(value);
	if (i.cert_signature_len > 0)
		memcpy(i.cert_signature, ASN1_STRING_get0_data(value),
		       i.cert_signature_len);
	set_issuer_parts(&i, X509_get_issuer_name(cert));
	set_name(i.issuer, X509_get_issuer_name(cert));
	set_name(i.subject, X509_get_subject_name(cert));
	memcpy(i.from, v.from, sizeof(i.from));
	memcpy(i.to, v.to, sizeof(i.to));
	i.not_before = v.not_before;
	i.not_after = v.not_after;
	i.is_cert_in_time = i.not_before <= now && now <= i.not_after;
	(void)snprintf(i.algorithm, sizeof(i.algorithm), "%s",
		       OBJ_nid2ln(X509_get_signature_nid(cert)));
	*ret = i;
	/* Names of odd content leave words behind. */
	ERR_clear_error();
	return 0;
}
