#include "nsm/kms/net/chain.h"

#include <mbedtls/asn1.h>
#include <mbedtls/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NAME_SIZE = 160, NAMES_MAX = 3, TIME_SIZE = 32 };

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
	size_t at, n = 0;

	ret[0] = '\0';
	for (i = &crt->subject_alt_names; i && i->buf.p; i = i->next) {
		at = strlen(ret);
		if ((i->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) !=
			    MBEDTLS_X509_SAN_DNS_NAME ||
		    i->buf.len >= NAME_SIZE || at + i->buf.len + 8 > NAME_SIZE)
			continue;
		if (++n > NAMES_MAX) {
			(void)snprintf(ret + at, NAME_SIZE - at, " ...");
			break;
		}
		(void)snprintf(ret + at, NAME_SIZE - at, "%s%.*s",
			       n > 1 ? " " : "", (int)i->buf.len,
			       (const char *)i->buf.p);
	}
	if (n == 0)
		name_text(&crt->subject, ret);
	keep_printable(ret);
}

static void say_time(struct chain_check *check, const char *name,
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
static void say(struct chain_check *check, const mbedtls_x509_crt *crt,
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

bool chain_begin(struct chain_check *check, const char *host, int64_t now_s)
{
	time_t t = (time_t)now_s;
	struct tm tm;

	*check = (struct chain_check){ .host = host };
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

int chain_certificate(void *ctx, mbedtls_x509_crt *crt, int depth,
		      uint32_t *flags)
{
	struct chain_check *check = ctx;

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

void chain_words(struct chain_check *check, uint32_t flags)
{
	if (check->words[0])
		return;
	(void)snprintf(check->words, sizeof(check->words),
		       "the certificate of %s %s", check->host,
		       weakness(flags));
}
