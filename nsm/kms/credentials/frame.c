#include "nsm/kms/credentials/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/kms/credentials/credential.h"
#include "nsm/kms/wire/base64.h"
#include "nsm/kms/wire/json.h"

/* A member that is a string; -EPROTO: it is none; NULL in *RET: absent. */
static int take_text(const struct json *object, const char *name,
		     const char **ret)
{
	*ret = NULL;
	return json_member_text(object, name, 0, FRAME_MAX, ret);
}

static const char *read_set_client(const struct json *object, struct frame *ret)
{
	static const char no[] = "Could not read credentials";
	const char *id, *secret, *token, *region;

	if (take_text(object, "AwsAccessKeyId", &id) <= 0 ||
	    take_text(object, "AwsSecretAccessKey", &secret) <= 0 ||
	    take_text(object, "AwsSessionToken", &token) < 0)
		return no;
	if (!token)
		token = "";
	if (credential_set(&ret->credentials, id, strlen(id), secret,
			   strlen(secret), token, strlen(token), 0))
		return no;
	if (take_text(object, "AwsRegion", &region) < 0 ||
	    (region && (!*region || strlen(region) > FRAME_REGION_MAX)))
		return "Could not set region correctly, check configuration.";
	if (region)
		memcpy(ret->region, region, strlen(region));
	ret->kind = FRAME_SET_CLIENT;
	return NULL;
}

static const char *read_ciphertext(const struct json *object, struct frame *ret)
{
	static const char no[] = "Ciphertext not a base64 string";
	const struct json *member = json_member(object, "Ciphertext");
	struct json_text text;

	if (!member)
		return "Message does not contain a Ciphertext";
	if (json_text(member, &text) < 0)
		return no;
	if (text.len > base64_len(KMSC_CIPHERTEXT_MAX))
		return "Ciphertext too long";
	return base64_read(text.at, text.len, ret->ciphertext,
			   &ret->ciphertext_len) < 0 ?
		       no :
		       NULL;
}

/* The pairs as NUL-terminated texts of their own: the buffer of the reader goes. */
static const char *read_context(const struct json *object, struct frame *ret)
{
	static const char no[] = "EncryptionContext not an object of strings";
	const struct json *context = json_member(object, "EncryptionContext"),
			  *value;
	struct json_walk w = { .of = context };
	struct json_text name, text;
	char *at;

	if (!context)
		return NULL;
	if (json_kind(context) != JSON_OBJECT)
		return no;
	if (json_count(context) > KMSC_CONTEXT_MAX)
		return "EncryptionContext too long";
	/* Each text is shorter than what it was read from, where it had quotes. */
	ret->memory_len = FRAME_MAX;
	ret->memory = at = calloc(1, FRAME_MAX);
	if (!at)
		return "Memory allocation error";
	while (json_next(&w, &name, &value)) {
		if (json_text(value, &text) < 0 || name.len == 0 ||
		    memchr(name.at, '\0', name.len) ||
		    memchr(text.at, '\0', text.len))
			return no;
		ret->context[ret->context_count].name = at;
		at = (char *)memcpy(at, name.at, name.len) + name.len + 1;
		ret->context[ret->context_count++].value = at;
		at = (char *)memcpy(at, text.at, text.len) + text.len + 1;
	}
	return NULL;
}

static const char *read_decrypt(const struct json *object, bool has_client,
				struct frame *ret)
{
	const char *why;

	ret->kind = FRAME_DECRYPT;
	if (!has_client)
		return "Client not initialized";
	why = read_ciphertext(object, ret);
	return why ? why : read_context(object, ret);
}

static const char *read_object(const struct json *object, bool has_client,
			       struct frame *ret)
{
	const struct json *operation;
	struct json_text text;

	if (json_kind(object) == JSON_NULL)
		return "Error reading JSON object";
	if (json_kind(object) != JSON_OBJECT)
		return "JSON is wrong type";
	operation = json_member(object, "Operation");
	if (!operation)
		return "JSON structure incomplete";
	if (json_text(operation, &text) < 0)
		return "Operation is wrong type";
	if (strcmp(text.at, "SetClient") == 0)
		return read_set_client(object, ret);
	if (strcmp(text.at, "Decrypt") == 0)
		return read_decrypt(object, has_client, ret);
	ret->kind = FRAME_OTHER;
	return NULL;
}

const char *frame_read(const char *text, size_t len, bool has_client,
		       struct frame *ret)
{
	const struct json *object;
	struct json_fault fault;
	const char *why;
	size_t cap;
	void *buf;

	memset(ret, 0, sizeof(*ret));
	if (len > FRAME_MAX)
		return "Message size too large.";
	cap = json_room(len);
	buf = malloc(cap);
	if (!buf)
		return "Memory allocation error";
	why = json_read(text, len, buf, cap, &object, &fault) < 0 ?
		      "Error reading JSON object" :
		      read_object(object, has_client, ret);
	explicit_bzero(buf, cap);
	free(buf);
	if (why)
		frame_free(ret);
	return why;
}

void frame_free(struct frame *f)
{
	if (f->memory)
		explicit_bzero(f->memory, f->memory_len);
	free(f->memory);
	explicit_bzero(f, sizeof(*f));
}

/* --- answers --- */

static size_t put(char *buf, size_t len, const char *text)
{
	size_t n = strlen(text);

	memcpy(buf + len, text, n);
	return len + n;
}

/* As json-c does by itself. MESSAGE is of ours, or base64: nothing else needs an escape. */
static size_t put_message(char *buf, size_t len, const char *message)
{
	static const size_t left_over = sizeof("\" }");

	for (; *message && len + 2 + left_over < FRAME_STATUS_CAP; message++) {
		if (*message == '/' || *message == '"' || *message == '\\')
			buf[len++] = '\\';
		buf[len++] = *message;
	}
	return len;
}

size_t frame_status(bool is_ok, const char *message, char buf[FRAME_STATUS_CAP])
{
	size_t len = put(buf, 0, "{ \"Status\": \"");

	len = put(buf, len, is_ok ? "Ok" : "Error");
	len = put(buf, len, "\"");
	if (message) {
		len = put(buf, len, ", \"Message\": \"");
		len = put_message(buf, len, message);
		len = put(buf, len, "\"");
	}
	len = put(buf, len, " }");
	buf[len++] = '\0';
	return len;
}
