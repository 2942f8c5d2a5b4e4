#include "nsm/kms/credentials/shape.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/kms/credentials/credential.h"
#include "nsm/kms/credentials/reason.h"
#include "nsm/kms/wire/instant.h"
#include "nsm/kms/wire/json.h"

/* The parts before they are checked: "" and NULL are absent ones. */
struct parts {
	const char *id, *secret, *token, *expiration;
	size_t id_len, secret_len, token_len, expiration_len;
};

static int take(const struct parts *p, struct kmsc_credentials *ret,
		char words[KMSC_WORDS_SIZE])
{
	char when[sizeof("2026-01-02T03:04:05.123456789+00:00") + 1];
	int64_t expiration_s = 0;
	const char *why;

	if (p->expiration_len) {
		if (p->expiration_len >= sizeof(when))
			return reason(words, -KMSC_E_CREDENTIALS,
				      "the expiration is no time");
		memcpy(when, p->expiration, p->expiration_len);
		when[p->expiration_len] = '\0';
		if (instant_from_rfc3339(when, &expiration_s) < 0)
			return reason(words, -KMSC_E_CREDENTIALS,
				      "the expiration is no time");
	}
	why = credential_set(ret, p->id, p->id_len, p->secret, p->secret_len,
			     p->token, p->token_len, expiration_s);
	return why ? reason(words, -KMSC_E_CREDENTIALS, "%s", why) : 0;
}

/* --- JSON --- */

/* A member that is a string, or absent. */
static int take_member(const struct json *object, const char *name,
		       const char **ret, size_t *ret_len,
		       char words[KMSC_WORDS_SIZE])
{
	int r = json_member_text(object, name, 0, SHAPE_TEXT_MAX, ret);

	if (r < 0)
		return reason(words, -KMSC_E_CREDENTIALS,
			      "the member %s is no text", name);
	*ret_len = r ? strlen(*ret) : 0;
	return 0;
}

/* What the service says instead of credentials. */
static int check_code(const struct json *object, char words[KMSC_WORDS_SIZE])
{
	const char *code = NULL, *message = NULL;
	size_t code_len = 0, message_len = 0;
	int r = take_member(object, "Code", &code, &code_len, words);

	if (r < 0 || code_len == 0 || strcmp(code, "Success") == 0)
		return r;
	r = take_member(object, "Message", &message, &message_len, words);
	if (r < 0)
		return r;
	return reason(words, -KMSC_E_CREDENTIALS,
		      "no credentials but the code %.64s%s%.256s", code,
		      message_len ? ": " : "", message_len ? message : "");
}

static int take_object(const struct json *object, struct kmsc_credentials *ret,
		       char words[KMSC_WORDS_SIZE])
{
	struct parts p = { 0 };
	const struct json *inner = json_member(object, "Credentials");
	int r;

	if (json_kind(object) != JSON_OBJECT)
		return reason(words, -KMSC_E_CREDENTIALS,
			      "they are JSON, but no object");
	if (inner && json_kind(inner) == JSON_OBJECT)
		object = inner;
	r = check_code(object, words);
	if (r == 0)
		r = take_member(object, "AccessKeyId", &p.id, &p.id_len, words);
	if (r == 0)
		r = take_member(object, "SecretAccessKey", &p.secret,
				&p.secret_len, words);
	if (r == 0)
		r = take_member(object, "Token", &p.token, &p.token_len, words);
	if (r == 0 && p.token_len == 0)
		r = take_member(object, "SessionToken", &p.token, &p.token_len,
				words);
	if (r == 0)
		r = take_member(object, "Expiration", &p.expiration,
				&p.expiration_len, words);
	return r < 0 ? r : take(&p, ret, words);
}

int shape_read_json(const char *text, size_t len, struct kmsc_credentials *ret,
		    char words[KMSC_WORDS_SIZE])
{
	const struct json *object;
	struct json_fault fault;
	size_t cap;
	void *buf;
	int r;

	if (len > SHAPE_TEXT_MAX)
		return reason(words, -KMSC_E_CREDENTIALS,
			      "they are longer than %d bytes", SHAPE_TEXT_MAX);
	cap = json_room(len);
	buf = malloc(cap);
	if (!buf)
		return -ENOMEM;
	r = json_read(text, len, buf, cap, &object, &fault);
	r = r < 0 ? reason(words, -KMSC_E_CREDENTIALS,
			   "they are not JSON as expected: %s at byte %zu",
			   fault.what, fault.at) :
		    take_object(object, ret, words);
	explicit_bzero(buf, cap);
	free(buf);
	return r;
}

/* --- lines --- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_';
}

static void skip_blanks(const char **at, const char *end)
{
	while (*at < end && is_blank(**at))
		++*at;
}

/* The name that an assignment begins with, and what is after the '='. */
static bool take_name(const char **at, const char *end, const char **ret_name,
		      size_t *ret_len)
{
	static const char export[] = "export";
	size_t n = sizeof(export) - 1;

	skip_blanks(at, end);
	if ((size_t)(end - *at) > n && memcmp(*at, export, n) == 0 &&
	    is_blank((*at)[n])) {
		*at += n;
		skip_blanks(at, end);
	}
	*ret_name = *at;
	while (*at < end && is_name(**at))
		++*at;
	*ret_len = (size_t)(*at - *ret_name);
	if (*ret_len == 0 || *at == end || **at != '=')
		return false;
	++*at;
	return true;
}

/* One word of a shell in which nothing is expanded. Returns NULL, or why it is none. */
static const char *take_value(const char *at, const char *end, const char **ret,
			      size_t *ret_len)
{
	char quote = at < end && (*at == '"' || *at == '\'') ? *at++ : '\0';

	*ret = at;
	for (; at < end; at++) {
		if (quote ? *at == quote : is_blank(*at))
			break;
		if (quote != '\'' && strchr("$`\\", *at))
			return "its value has a character that a shell expands";
		if (!quote && strchr("\"';&|<>()", *at))
			return "its value has a character that needs quotes";
	}
	*ret_len = (size_t)(at - *ret);
	if (quote && at == end)
		return "a quote is not closed";
	at += quote ? 1 : 0;
	if (at < end && !is_blank(*at))
		return "something follows the quote";
	skip_blanks(&at, end);
	return at < end && *at != '#' ? "something follows the value" : NULL;
}

/* Where the value of a name goes; NULL: it does not count. */
static const char **place(struct parts *p, const char *name, size_t len,
			  size_t **ret_len)
{
	const struct {
		const char *name, **to;
		size_t *len;
	} names[] = {
		{ "AWS_ACCESS_KEY_ID", &p->id, &p->id_len },
		{ "AWS_SECRET_ACCESS_KEY", &p->secret, &p->secret_len },
		{ "AWS_SESSION_TOKEN", &p->token, &p->token_len },
		{ "AWS_CREDENTIAL_EXPIRATION", &p->expiration,
		  &p->expiration_len },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len == strlen(names[i].name) &&
		    memcmp(name, names[i].name, len) == 0) {
			*ret_len = names[i].len;
			return names[i].to;
		}
	return NULL;
}

static const char *take_line(const char *at, const char *end, struct parts *p)
{
	const char *name, **to;
	size_t len, *to_len;

	skip_blanks(&at, end);
	if (at == end || *at == '#')
		return NULL;
	if (!take_name(&at, end, &name, &len))
		return "it is not NAME=VALUE";
	to = place(p, name, len, &to_len);
	if (!to)
		return NULL;
	if (*to)
		return "this variable was set before";
	return take_value(at, end, to, to_len);
}

static int read_lines(const char *text, size_t len,
		      struct kmsc_credentials *ret, char words[KMSC_WORDS_SIZE])
{
	const char *at = text, *end = text + len, *line_end, *why;
	struct parts p = { 0 };

	if (memchr(text, '\0', len))
		return reason(words, -KMSC_E_CREDENTIALS,
			      "there is a NUL in them");
	for (unsigned line = 1; at < end; line++) {
		line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			line_end = end;
		why = take_line(at, line_end, &p);
		if (why)
			return reason(words, -KMSC_E_CREDENTIALS, "line %u: %s",
				      line, why);
		at = line_end < end ? line_end + 1 : end;
	}
	if (!p.id && !p.secret)
		return reason(
			words, -KMSC_E_CREDENTIALS,
			"neither a JSON object nor AWS_ACCESS_KEY_ID=... in them");
	return take(&p, ret, words);
}

int shape_read(const char *text, size_t len, struct kmsc_credentials *ret,
	       char words[KMSC_WORDS_SIZE])
{
	size_t blank = 0;

	if (len > SHAPE_TEXT_MAX)
		return reason(words, -KMSC_E_CREDENTIALS,
			      "they are longer than %d bytes", SHAPE_TEXT_MAX);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return reason(words, -KMSC_E_CREDENTIALS,
			      "they begin with a byte order mark");
	while (blank < len && (is_blank(text[blank]) || text[blank] == '\n'))
		blank++;
	if (blank == len)
		return reason(words, -KMSC_E_CREDENTIALS, "nothing is in them");
	if (text[blank] == '{')
		return shape_read_json(text, len, ret, words);
	return read_lines(text, len, ret, words);
}
