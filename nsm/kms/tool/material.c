#include "nsm/kms/tool/material.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsm/kms/kmsc.h"
#include "nsm/tool/blob.h"
#include "nsm/tool/code.h"
#include "nsm/tool/input.h"
#include "nsm/tool/tool.h"

enum {
	TEXT_MAX = 32768,   /* bytes of a file with base64 in it */
	BASE64_LIKELY = 40, /* characters of a name that is no file's */
};

static const char base64_prefix[] = "base64:";

int material_file(struct tool *t, const char *what, const char *path,
		  size_t max, struct blob *ret)
{
	int r = input_file(t, path, max, ret);

	if (r == INPUT_LONG)
		return tool_fail(t, TOOL_REFUSED, what,
				 "it has more than %zu bytes", max);
	return r;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Takes blanks away at both ends, then a pair of quotes, as a value copied out of JSON has. */
static void strip(struct nsmc_bytes *text)
{
	for (; text->len > 0 && is_blank(text->data[0]); text->data++)
		text->len--;
	while (text->len > 0 && is_blank(text->data[text->len - 1]))
		text->len--;
	if (text->len >= 2 && text->data[0] == '"' &&
	    text->data[text->len - 1] == '"') {
		text->data++;
		text->len -= 2;
	}
}

/*
 * Decodes B if all of it is base64. What KMS encrypted is so only by writing: it has many bytes
 * that are no text. Some of them may come after text, so that nothing is decoded in place.
 */
static void decode(struct blob *b)
{
	struct nsmc_bytes text = blob_view(b);
	uint8_t to[TEXT_MAX];
	size_t len = 0;

	strip(&text);
	if (text.len == 0 || text.len > sizeof(to) ||
	    code_from_base64((const char *)text.data, text.len, to, &len) < 0)
		return;
	memcpy(b->data, to, len);
	b->len = len;
}

/* Reads ARG, of which the form base64:TEXT is done here. */
static int from_argument(const struct tool *t, const char *what,
			 const char *arg, struct blob *ret)
{
	const char *text = arg + sizeof(base64_prefix) - 1;
	const size_t len = strlen(text);
	struct blob b = { malloc(len + 1), len };

	if (!b.data)
		return tool_fail(t, TOOL_FILE, NULL, "%s", strerror(ENOMEM));
	if (code_from_base64(text, len, b.data, &b.len) < 0) {
		blob_free(&b);
		return tool_usage(t, what, "that is not base64");
	}
	*ret = b;
	return 0;
}

static bool is_missing_base64(const char *arg)
{
	return strlen(arg) >= BASE64_LIKELY && access(arg, F_OK) < 0 &&
	       strspn(arg, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvw"
			   "xyz0123456789+/=") == strlen(arg);
}

static int check_length(const struct tool *t, const char *what, size_t max,
			struct blob *b)
{
	const size_t len = b->len;

	if (len > 0 && len <= max)
		return 0;
	blob_free(b);
	if (len == 0)
		return tool_fail(t, TOOL_REFUSED, what, "it is empty");
	return tool_fail(t, TOOL_REFUSED, what,
			 "it has %zu bytes, and KMS takes %zu", len, max);
}

int material_ciphertext(struct tool *t, const char *arg, struct blob *ret)
{
	static const char what[] = "ciphertext";
	struct blob b = { 0 };
	int r;

	if (!arg && isatty(STDIN_FILENO))
		return tool_usage(t, NULL,
				  "which ciphertext? FILE, - for "
				  "stdin, or base64:...");
	if (!arg)
		arg = "-";
	if (strncmp(arg, base64_prefix, sizeof(base64_prefix) - 1) == 0) {
		r = from_argument(t, what, arg, &b);
	} else if (is_missing_base64(arg)) {
		return tool_usage(t, what,
				  "there is no such file; base64 is "
				  "base64:TEXT");
	} else {
		r = material_file(t, what, arg, TEXT_MAX, &b);
		if (r == 0)
			decode(&b);
	}
	if (r == 0)
		r = check_length(t, what, KMSC_CIPHERTEXT_MAX, &b);
	if (r == 0)
		*ret = b;
	return r;
}

/* Finds what is between PEM's lines of a public key; -EINVAL: it is other PEM. */
static int take_pem(struct blob *b)
{
	static const char begin[] = "-----BEGIN PUBLIC KEY-----";
	static const char end[] = "-----END PUBLIC KEY-----";
	const char *from, *to;

	if (!memmem(b->data, b->len, "-----BEGIN ", 11)) {
		decode(b);
		return 0;
	}
	from = memmem(b->data, b->len, begin, sizeof(begin) - 1);
	if (!from)
		return -EINVAL;
	from += sizeof(begin) - 1;
	to = memmem(from, b->len - (size_t)(from - (char *)b->data), end,
		    sizeof(end) - 1);
	if (!to)
		return -EINVAL;
	return code_from_base64(from, (size_t)(to - from), b->data, &b->len);
}

int material_public_key(struct tool *t, const char *arg, struct blob *ret)
{
	static const char what[] = "--public-key";
	struct blob b = { 0 };
	int r;

	if (strncmp(arg, base64_prefix, sizeof(base64_prefix) - 1) == 0) {
		r = from_argument(t, what, arg, &b);
	} else {
		r = material_file(t, what, arg, TEXT_MAX, &b);
		if (r == 0 && take_pem(&b) < 0) {
			blob_free(&b);
			return tool_fail(t, TOOL_REFUSED, what,
					 "it is not PEM of a public key "
					 "(BEGIN PUBLIC KEY)");
		}
	}
	if (r == 0)
		r = check_length(t, what, KMSC_PUBLIC_KEY_MAX, &b);
	if (r == 0)
		*ret = b;
	return r;
}
