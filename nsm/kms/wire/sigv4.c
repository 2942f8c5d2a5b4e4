#include "nsm/kms/wire/sigv4.h"

#include <errno.h>
#include <mbedtls/md.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "nsm/kms/wire/instant.h"

enum { DATE_LEN = 8, SECRET_MAX = 256, ID_MAX = 128 };

static const char algorithm[] = "AWS4-HMAC-SHA256";

/* --- texts --- */

struct sheet {
	char *at;
	size_t len, cap;
	bool is_full;
};

static void put_char(struct sheet *s, char c)
{
	if (s->len == s->cap)
		s->is_full = true;
	else
		s->at[s->len++] = c;
}

static void put(struct sheet *s, const char *text)
{
	for (; *text; text++)
		put_char(s, *text);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static void put_lower(struct sheet *s, const char *text)
{
	for (; *text; text++)
		put_char(s, lower(*text));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Runs of blanks become one; http_is_field saw to those at the ends. */
static void put_value(struct sheet *s, const char *text)
{
	for (; *text; text++)
		if (!is_blank(*text))
			put_char(s, *text);
		else if (!is_blank(text[1]))
			put_char(s, ' ');
}

static void hex(const uint8_t *bytes, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*ret++ = digits[bytes[i] >> 4];
		*ret++ = digits[bytes[i] & 15];
	}
	*ret = '\0';
}

void sigv4_hash_hex(const void *data, size_t len, char ret[SIGV4_HEX + 1])
{
	uint8_t hash[SIGV4_HASH];

	(void)mbedtls_sha256(data, len, hash, 0);
	hex(hash, sizeof(hash), ret);
}

/* --- what may be signed --- */

static bool is_name_of(const char *s, const char *others, size_t max)
{
	size_t len = strlen(s);

	if (len == 0 || len > max)
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') ||
		      strchr(others, *s)))
			return false;
	return true;
}

static bool is_key(const struct sigv4_key *k)
{
	size_t len = strlen(k->secret_access_key);

	return is_name_of(k->access_key_id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-.",
			  ID_MAX) &&
	       is_name_of(k->region, "-", 32) &&
	       is_name_of(k->service, "-", 32) && len > 0 && len <= SECRET_MAX;
}

/* No path that AWS would rewrite or encode before it hashes it. */
static bool is_path(const char *s)
{
	static const char others[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-._~/";

	if (*s != '/' || !is_name_of(s, others, HTTP_HEAD_MAX) ||
	    strstr(s, "//") || strstr(s, "/./") || strstr(s, "/../"))
		return false;
	s = strrchr(s, '/');
	return strcmp(s, "/.") != 0 && strcmp(s, "/..") != 0;
}

/* The value of a field that is there exactly once, or NULL. */
static const char *only(const struct sigv4_request *r, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < r->count; i++) {
		if (strcasecmp(r->fields[i].name, name) != 0)
			continue;
		if (value)
			return NULL;
		value = r->fields[i].value;
	}
	return value;
}

static int check(const struct sigv4_request *r)
{
	const char *date = only(r, "x-amz-date");
	int64_t s;

	if (r->count > SIGV4_FIELDS_MAX)
		return -ENOSPC;
	if (!r->method[0] || strspn(r->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") !=
				     strlen(r->method))
		return -EINVAL;
	for (size_t i = 0; i < r->count; i++)
		if (!http_is_field(r->fields[i].name, r->fields[i].value))
			return -EINVAL;
	if (!is_path(r->path) || !only(r, "host") || !date ||
	    instant_from_amz(date, &s) < 0)
		return -EINVAL;
	return 0;
}

/* --- the canonical request --- */

/* Sorts by names in lower case, those of one name in their order. */
static void sort(const struct sigv4_request *r,
		 const struct http_field *ret[SIGV4_FIELDS_MAX])
{
	for (size_t i = 0; i < r->count; i++) {
		size_t at = i;

		for (; at > 0 &&
		       strcasecmp(ret[at - 1]->name, r->fields[i].name) > 0;
		     at--)
			ret[at] = ret[at - 1];
		ret[at] = &r->fields[i];
	}
}

static bool is_same(const struct http_field *const *fields, size_t i)
{
	return i > 0 && strcasecmp(fields[i - 1]->name, fields[i]->name) == 0;
}

static void put_fields(struct sheet *s, const struct http_field *const *fields,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_same(fields, i)) {
			put(s, ",");
		} else {
			put(s, i > 0 ? "\n" : "");
			put_lower(s, fields[i]->name);
			put(s, ":");
		}
		put_value(s, fields[i]->value);
	}
	put(s, "\n");
}

static void put_names(struct sheet *s, const struct http_field *const *fields,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_same(fields, i))
			continue;
		put(s, i > 0 ? ";" : "");
		put_lower(s, fields[i]->name);
	}
}

int sigv4_canonical(const struct sigv4_request *request,
		    char ret[SIGV4_CANONICAL_MAX], size_t *ret_len)
{
	const struct http_field *fields[SIGV4_FIELDS_MAX];
	struct sheet s = { .at = ret, .cap = SIGV4_CANONICAL_MAX };
	char hash[SIGV4_HEX + 1];
	int r = check(request);

	if (r < 0)
		return r;
	sort(request, fields);
	put(&s, request->method);
	put(&s, "\n");
	put(&s, request->path);
	put(&s, "\n\n"); /* no query */
	put_fields(&s, fields, request->count);
	put(&s, "\n");
	put_names(&s, fields, request->count);
	put(&s, "\n");
	sigv4_hash_hex(request->body, request->body_len, hash);
	put(&s, hash);
	if (s.is_full)
		return -ENOSPC;
	*ret_len = s.len;
	return 0;
}

/* --- the signature --- */

int sigv4_scope(const char *date, const struct sigv4_key *key,
		char ret[SIGV4_SCOPE_SIZE])
{
	int64_t s;

	if (instant_from_amz(date, &s) < 0 || !is_key(key))
		return -EINVAL;
	(void)snprintf(ret, SIGV4_SCOPE_SIZE, "%.*s/%s/%s/aws4_request",
		       DATE_LEN, date, key->region, key->service);
	return 0;
}

int sigv4_to_sign(const char *date, const struct sigv4_key *key,
		  const uint8_t hash[SIGV4_HASH], char ret[SIGV4_TO_SIGN_SIZE])
{
	char scope[SIGV4_SCOPE_SIZE], digits[SIGV4_HEX + 1];
	int r = sigv4_scope(date, key, scope);

	if (r < 0)
		return r;
	hex(hash, SIGV4_HASH, digits);
	(void)snprintf(ret, SIGV4_TO_SIGN_SIZE, "%s\n%s\n%s\n%s", algorithm,
		       date, scope, digits);
	return 0;
}

static void hmac(const void *key, size_t key_len, const char *text, size_t len,
		 uint8_t ret[SIGV4_HASH])
{
	(void)mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key,
			      key_len, (const uint8_t *)text, len, ret);
}

int sigv4_derive(const char *date, const struct sigv4_key *key,
		 uint8_t ret[4][SIGV4_HASH])
{
	char secret[4 + SECRET_MAX + 1];
	int64_t s;
	int n;

	if (instant_from_amz(date, &s) < 0 || !is_key(key))
		return -EINVAL;
	n = snprintf(secret, sizeof(secret), "AWS4%s", key->secret_access_key);
	hmac(secret, (size_t)n, date, DATE_LEN, ret[0]);
	hmac(ret[0], SIGV4_HASH, key->region, strlen(key->region), ret[1]);
	hmac(ret[1], SIGV4_HASH, key->service, strlen(key->service), ret[2]);
	hmac(ret[2], SIGV4_HASH, "aws4_request", strlen("aws4_request"),
	     ret[3]);
	explicit_bzero(secret, sizeof(secret));
	return 0;
}

/* The canonical request is as long as a token: it is hashed and wiped. */
static int hash_canonical(const struct sigv4_request *request,
			  uint8_t ret[SIGV4_HASH])
{
	char canonical[SIGV4_CANONICAL_MAX];
	size_t len;
	int r = sigv4_canonical(request, canonical, &len);

	if (r == 0)
		(void)mbedtls_sha256((const uint8_t *)canonical, len, ret, 0);
	explicit_bzero(canonical, sizeof(canonical));
	return r;
}

static int authorize(const struct sigv4_request *request,
		     const struct sigv4_key *key, const char *scope,
		     const uint8_t signature[SIGV4_HASH],
		     char ret[SIGV4_AUTHORIZATION_SIZE])
{
	const struct http_field *fields[SIGV4_FIELDS_MAX];
	struct sheet s = { .at = ret, .cap = SIGV4_AUTHORIZATION_SIZE - 1 };
	char digits[SIGV4_HEX + 1];

	sort(request, fields);
	hex(signature, SIGV4_HASH, digits);
	put(&s, algorithm);
	put(&s, " Credential=");
	put(&s, key->access_key_id);
	put(&s, "/");
	put(&s, scope);
	put(&s, ", SignedHeaders=");
	put_names(&s, fields, request->count);
	put(&s, ", Signature=");
	put(&s, digits);
	ret[s.len] = '\0';
	return s.is_full ? -ENOSPC : 0;
}

int sigv4_sign(const struct sigv4_request *request, const struct sigv4_key *key,
	       char ret[SIGV4_AUTHORIZATION_SIZE])
{
	const char *date = only(request, "x-amz-date");
	uint8_t keys[4][SIGV4_HASH], hash[SIGV4_HASH];
	char scope[SIGV4_SCOPE_SIZE], to_sign[SIGV4_TO_SIGN_SIZE];
	int r = hash_canonical(request, hash);

	if (r < 0)
		return r;
	if (sigv4_scope(date, key, scope) < 0 ||
	    sigv4_to_sign(date, key, hash, to_sign) < 0 ||
	    sigv4_derive(date, key, keys) < 0)
		return -EINVAL;
	hmac(keys[3], SIGV4_HASH, to_sign, strlen(to_sign), hash);
	explicit_bzero(keys, sizeof(keys));
	return authorize(request, key, scope, hash, ret);
}
