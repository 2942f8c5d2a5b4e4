#include "nsm/kms/credentials/credential.h"

#include <string.h>

#include "nsm/kms/wire/instant.h"

static bool is_header_text(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < '!' || s[i] > '~')
			return false;
	return true;
}

static const char *check_id(const char *s, size_t len)
{
	if (len == 0)
		return "the access key id is empty";
	if (len > KMSC_ACCESS_KEY_ID_MAX)
		return "the access key id is longer than 128 characters";
	if (!is_header_text(s, len) || memchr(s, '/', len) ||
	    memchr(s, ',', len))
		return "the access key id has characters that no id has";
	return NULL;
}

static const char *check_secret(const char *s, size_t len)
{
	if (len == 0)
		return "the secret access key is empty";
	if (len > KMSC_SECRET_ACCESS_KEY_MAX)
		return "the secret access key is longer than 128 characters";
	if (!is_header_text(s, len))
		return "the secret access key has characters that no key has";
	return NULL;
}

static const char *check_token(const char *s, size_t len)
{
	if (len > KMSC_SESSION_TOKEN_MAX)
		return "the session token is longer than 8192 characters";
	if (!is_header_text(s, len))
		return "the session token has characters that no token has";
	return NULL;
}

const char *credential_set(struct kmsc_credentials *ret, const char *id,
			   size_t id_len, const char *secret, size_t secret_len,
			   const char *token, size_t token_len,
			   int64_t expires_s)
{
	const char *why = check_id(id, id_len);

	if (!why)
		why = check_secret(secret, secret_len);
	if (!why)
		why = check_token(token, token_len);
	credential_wipe(ret);
	if (why)
		return why;
	memcpy(ret->access_key_id, id, id_len);
	memcpy(ret->secret_access_key, secret, secret_len);
	if (token_len)
		memcpy(ret->session_token, token, token_len);
	ret->expiration_s = expires_s;
	return NULL;
}

bool credential_is_same(const struct kmsc_credentials *a,
			const struct kmsc_credentials *b)
{
	return strcmp(a->access_key_id, b->access_key_id) == 0 &&
	       strcmp(a->secret_access_key, b->secret_access_key) == 0 &&
	       strcmp(a->session_token, b->session_token) == 0;
}

static char *put(char *at, const char *text)
{
	return stpcpy(at, text);
}

/* The only characters of a part that JSON has escapes for. */
static char *put_string(char *at, const char *text)
{
	*at++ = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			*at++ = '\\';
		*at++ = *text;
	}
	*at++ = '"';
	*at = '\0';
	return at;
}

size_t credential_write(const struct kmsc_credentials *c, int64_t now_s,
			char buf[CREDENTIAL_JSON_CAP])
{
	int64_t end_s = c->expiration_s ? c->expiration_s :
					  now_s + CREDENTIAL_LASTS_S;
	char when[INSTANT_RFC3339_SIZE];
	char *at = put(buf, "{\"AccessKeyId\":");

	at = put_string(at, c->access_key_id);
	at = put(at, ",\"SecretAccessKey\":");
	at = put_string(at, c->secret_access_key);
	at = put(at, ",\"Token\":");
	at = put_string(at, c->session_token);
	if (instant_rfc3339(end_s, when) == 0) {
		at = put(at, ",\"Expiration\":");
		at = put_string(at, when);
	}
	at = put(at, "}");
	return (size_t)(at - buf);
}

void credential_wipe(struct kmsc_credentials *c)
{
	explicit_bzero(c, sizeof(*c));
}
