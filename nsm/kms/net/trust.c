#include "nsm/kms/net/trust.h"

#include <errno.h>
#include <mbedtls/asn1.h>
#include <mbedtls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nsm/kms/kmsc.h"
#include "nsm/kms/net/roots.h"

enum { NAME_SIZE = 160, NAMES_MAX = 3, TIME_SIZE = 32 };

/* --- roots --- */

static int add_amazon(mbedtls_x509_crt *roots)
{
	for (size_t i = 0; i < ROOTS_AMAZON_COUNT; i++) {
		struct nsmc_bytes der = roots_amazon(i);

		if (mbedtls_x509_crt_parse_der_nocopy(roots, der.data,
						      der.len) < 0)
			return -ENOMEM; /* they parse */
	}
	return 0;
}

static bool is_pem(const void *data, size_t len)
{
	return memmem(data, len, "-----BEGIN", 10) != NULL;
}

/* mbedTLS knows PEM by the NUL after it. */
static int add_pem(mbedtls_x509_crt *roots, const void *data, size_t len)
{
	unsigned char *text = malloc(len + 1);
	int r;

	if (!text)
		return -ENOMEM;
	memcpy(text, data, len);
	text[len] = '\0';
	r = mbedtls_x509_crt_parse(roots, text, len + 1);
	free(text);
	return r == 0 ? 0 : -KMSC_E_CA; /* positive: so many are none */
}

static int add_der(mbedtls_x509_crt *roots, const void *data, size_t len)
{
	int r = mbedtls_x509_crt_parse_der(roots, data, len);

	if (r == MBEDTLS_ERR_X509_ALLOC_FAILED)
		return -ENOMEM;
	/* mbedTLS leaves off at the certificate's end. */
	return r == 0 && roots->raw.len == len ? 0 : -KMSC_E_CA;
}

static bool are_few(const mbedtls_x509_crt *roots)
{
	size_t n = 0;

	for (; roots; roots = roots->next)
		n++;
	return n <= KMSC_CA_COUNT_MAX;
}

int trust_new(const void *data, size_t len, struct trust **ret)
{
	struct trust *t;
	int r;

	if (data && (len == 0 || len > KMSC_CA_MAX))
		return -KMSC_E_CA;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	mbedtls_x509_crt_init(&t->roots);
	if (!data)
		r = add_amazon(&t->roots);
	else if (is_pem(data, len))
		r = add_pem(&t->roots, data, len);
	else
		r = add_der(&t->roots, data, len);
	if (r == 0 && !are_few(&t->roots))
		r = -KMSC_E_CA;
	if (r == 0)
		*ret = t;
	else
		trust_free(t);
	return r;
}

void trust_free(struct trust *trust)
{
	if (!trust)
		return;
	mbedtls_x509_crt_free(&trust->roots);
	free(trust);
}

/* --- words --- */

static void keep_printable(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

static void name_text(const mbedtls_x509_name *name, char ret[NAME_SIZE])
{
	if (mbedtls_x509_dn_gets(ret, NAME_SIZE, name) < 0)
		(void)snprintf(ret, NAME_SIZE, "a name that is too long");
	keep_printable(ret);
}

static void time_text(const mbedtls_x509_time *t, char ret[TIME_SIZE])
{
	(void)snprintf(ret, TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ",
		       t->year % 10000, t->mon % 100, t->day % 100,
		       t->hour % 100, t->min % 100, t->sec % 100);
}

/* The names that a certificate is for, the first of them. */
static void hosts_text(const mbedtls_x509_crt *crt, char ret[NAME_SIZE])
{
	const mbedtls_x509_sequence *i;
	size_t at = 0, n = 0;

	ret[0] = '\0';
	for (i = &crt->subject_alt_names; i && i->buf.p; i = i->next) {
		if ((i->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) !=
			    MBEDTLS_X509_SAN_DNS_NAME ||
		    i->buf.len > NAME_SIZE - at - 8)
			continue;
		if (++n > NAMES_MAX) {
			(void)snprintf(ret + at, NAME_SIZE - at, " ...");
			break;
		}
		at += (size_t)snprintf(ret + at, NAME_SIZE - at, "%s%.*s",
				       n > 1 ? " " : "", (int)i->buf.len,
				       (const char *)i->buf.p);
		at = strlen(ret);
	}
	if (n == 0)
		name_text(&crt->subject, ret);
	keep_printable(ret);
}

static void say_time(struct trust_check *check, const char *name,
		     const char *what, const mbedtls_x509_time *t)
{
	char then[TIME_SIZE], now[TIME_SIZE];

	time_text(t, then);
	time_text(&check->now, now);
	(void)snprintf(
		check->words, sizeof(check->words),
		"the certificate of \"%s\" %s %s, and the NSM's time is %s",
		name, what, then, now);
}

static const struct {
	uint32_t flag;
	const char *text;
} weaknesses[] = {
	{ MBEDTLS_X509_BADCERT_BAD_MD, "is signed with a weak hash" },
	{ MBEDTLS_X509_BADCERT_BAD_PK,
	  "is signed with a kind of key that is not accepted" },
	{ MBEDTLS_X509_BADCERT_BAD_KEY,
	  "has a key that is too weak, or of a kind that is not accepted" },
	{ MBEDTLS_X509_BADCERT_KEY_USAGE,
	  "has a key that must not be used for this" },
	{ MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "is not one for TLS servers" },
};

static const char *weakness(uint32_t flags)
{
	for (size_t i = 0; i < sizeof(weaknesses) / sizeof(weaknesses[0]); i++)
		if (flags & weaknesses[i].flag)
			return weaknesses[i].text;
	return "is not acceptable";
}

/* What is wrong with CRT by itself, or else with its chain or host. */
static void say(struct trust_check *check, const mbedtls_x509_crt *crt,
		uint32_t flags)
{
	char name[NAME_SIZE], more[NAME_SIZE];

	name_text(&crt->subject, name);
	if (flags & MBEDTLS_X509_BADCERT_EXPIRED) {
		say_time(check, name, "expired at", &crt->valid_to);
	} else if (flags & MBEDTLS_X509_BADCERT_FUTURE) {
		say_time(check, name, "is not valid before", &crt->valid_from);
	} else if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
		name_text(&crt->issuer, more);
		(void)snprintf(
			check->words, sizeof(check->words),
			"no trusted root signed the certificate of \"%s\": its issuer is \"%s\"",
			name, more);
	} else if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
		hosts_text(crt, more);
		(void)snprintf(check->words, sizeof(check->words),
			       "the certificate is for %s, not for %s", more,
			       check->host);
	} else {
		(void)snprintf(check->words, sizeof(check->words),
			       "the certificate of \"%s\" %s", name,
			       weakness(flags));
	}
}

/* --- the check --- */

bool trust_begin(struct trust_check *check, const char *host, int64_t now_s)
{
	time_t t = (time_t)now_s;
	struct tm tm;

	*check = (struct trust_check){ .host = host, .now_s = now_s };
	if (!gmtime_r(&t, &tm) || tm.tm_year < 70 || tm.tm_year > 8099)
		return false;
	check->now = (mbedtls_x509_time){
		.year = tm.tm_year + 1900,
		.mon = tm.tm_mon + 1,
		.day = tm.tm_mday,
		.hour = tm.tm_hour,
		.min = tm.tm_min,
		.sec = tm.tm_sec,
	};
	return true;
}

int trust_certificate(void *ctx, mbedtls_x509_crt *crt, int depth,
		      uint32_t *flags)
{
	struct trust_check *check = ctx;

	if (mbedtls_x509_time_cmp(&crt->valid_to, &check->now) < 0)
		*flags |= MBEDTLS_X509_BADCERT_EXPIRED;
	if (mbedtls_x509_time_cmp(&crt->valid_from, &check->now) > 0)
		*flags |= MBEDTLS_X509_BADCERT_FUTURE;
	if (depth == 0)
		check->is_leaf_checked = true;
	if (*flags != 0 && !check->words[0])
		say(check, crt, *flags);
	return 0;
}

void trust_words(struct trust_check *check, uint32_t flags)
{
	if (check->words[0])
		return;
	(void)snprintf(check->words, sizeof(check->words),
		       "the certificate of %s %s", check->host,
		       weakness(flags));
}
