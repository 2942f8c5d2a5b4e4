#include "nsm/tool/json.h"

#include <string.h>

#include "nsm/tool/out.h"
#include "nsm/utf8.h"

static void escape(struct out *o, uint32_t unit)
{
	const uint8_t two[] = { (uint8_t)(unit >> 8), (uint8_t)unit };

	out_text(o, "\\u");
	out_hex(o, two, sizeof(two));
}

/* Everything but ASCII is escaped, so that no reader can stumble over it. */
static void quoted(struct out *o, const uint8_t *s, size_t len)
{
	size_t n;
	int32_t c;

	out_text(o, "\"");
	for (; len > 0; s += n, len -= n) {
		c = utf8_decode(s, len, &n);
		if (c < 0)
			c = 0xfffd;
		if (c == '"' || c == '\\') {
			out_text(o, "\\");
			out_bytes(o, s, 1);
		} else if (c >= 0x20 && c < 0x7f) {
			out_bytes(o, s, 1);
		} else if (c < 0x10000) {
			escape(o, (uint32_t)c);
		} else {
			escape(o, 0xd7c0 + ((uint32_t)c >> 10));
			escape(o, 0xdc00 + ((uint32_t)c & 0x3ff));
		}
	}
	out_text(o, "\"");
}

void json_key(struct out *o, const char *key)
{
	char last = o->len > 0 ? o->buf[o->len - 1] : '{';

	/* A full buffer was flushed before something was added. */
	if (last != '{' && last != '[')
		out_text(o, ", ");
	if (key) {
		quoted(o, (const uint8_t *)key, strlen(key));
		out_text(o, ": ");
	}
}

void json_open(struct out *o, const char *key, char bracket)
{
	json_key(o, key);
	out_bytes(o, &bracket, 1);
}

void json_close(struct out *o, char bracket)
{
	out_bytes(o, &bracket, 1);
}

void json_text(struct out *o, const char *key, struct nsmc_bytes text)
{
	json_key(o, key);
	if (text.data)
		quoted(o, text.data, text.len);
	else
		out_text(o, "null");
}

void json_string(struct out *o, const char *key, const char *text)
{
	json_text(o, key,
		  (struct nsmc_bytes){ (const uint8_t *)text,
				       text ? strlen(text) : 0 });
}

void json_number(struct out *o, const char *key, uint64_t n)
{
	json_key(o, key);
	out_number(o, n);
}

void json_signed(struct out *o, const char *key, int64_t n)
{
	json_key(o, key);
	if (n < 0)
		out_text(o, "-");
	out_number(o, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void json_bool(struct out *o, const char *key, bool b)
{
	json_key(o, key);
	out_text(o, b ? "true" : "false");
}

void json_hex(struct out *o, const char *key, struct nsmc_bytes bytes)
{
	json_key(o, key);
	if (!bytes.data) {
		out_text(o, "null");
		return;
	}
	out_text(o, "\"");
	out_hex(o, bytes.data, bytes.len);
	out_text(o, "\"");
}

void json_base64(struct out *o, const char *key, struct nsmc_bytes bytes)
{
	json_key(o, key);
	if (!bytes.data) {
		out_text(o, "null");
		return;
	}
	out_text(o, "\"");
	out_base64(o, bytes.data, bytes.len);
	out_text(o, "\"");
}

void json_refusal(struct out *o, int error, const char *text,
		  const char *object)
{
	json_string(o, "code", nsmc_error_name(error));
	json_string(o, "error", text ? text : nsmc_error_text(error));
	json_string(o, "object", object);
}
