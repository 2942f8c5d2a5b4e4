#include "nsm/kms/wire/json.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <yyjson.h>

#include "nsm/kms/wire/base64.h"
#include "nsm/utf8.h"

/* --- reading --- */

/* Its functions take values that are not const, and change none. */
static yyjson_val *val_of(const struct json *value)
{
	return (yyjson_val *)(uintptr_t)value;
}

static const struct json *of_val(const yyjson_val *val)
{
	return (const struct json *)val;
}

static int refuse(struct json_fault *reterr, const char *what, size_t at)
{
	*reterr = (struct json_fault){ what, at };
	return -EINVAL;
}

/*
 * Depth and number of values, before memory is taken for them. What is well-formed is counted
 * right; all else is refused in any case.
 */
static int count(const char *text, size_t len, struct json_fault *reterr)
{
	size_t depth = 0, values = 1;
	bool is_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '"')
			is_string = !is_string;
		else if (is_string && c == '\\')
			i++;
		if (is_string || !c || !strchr("[]{},:", c))
			continue;
		if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
		if (depth > JSON_DEPTH_MAX)
			return refuse(reterr, "it is nested too deep", i);
		if (c != ']' && c != '}' && ++values > JSON_VALUES_MAX)
			return refuse(reterr, "it has too many values", i);
	}
	return 0;
}

static bool is_twice(const yyjson_val *object, yyjson_val *name)
{
	yyjson_val *other = unsafe_yyjson_get_first(val_of(of_val(object)));

	for (; other != name; other = unsafe_yyjson_get_next(other + 1))
		if (unsafe_yyjson_get_len(other) ==
			    unsafe_yyjson_get_len(name) &&
		    memcmp(unsafe_yyjson_get_str(other),
			   unsafe_yyjson_get_str(name),
			   unsafe_yyjson_get_len(name)) == 0)
			return true;
	return false;
}

/* All values stand behind each other, an object before its members. */
static bool has_twice(const yyjson_doc *doc)
{
	yyjson_val *val = doc->root;

	for (size_t i = 0; i < doc->val_read; i++, val++) {
		yyjson_val *name;

		if (!yyjson_is_obj(val))
			continue;
		name = unsafe_yyjson_get_first(val);
		for (size_t n = yyjson_obj_size(val); n > 0; n--) {
			if (is_twice(val, name))
				return true;
			name = unsafe_yyjson_get_next(name + 1);
		}
	}
	return false;
}

int json_read(const char *text, size_t len, void *buf, size_t cap,
	      const struct json **ret, struct json_fault *reterr)
{
	yyjson_read_err err;
	yyjson_doc *doc;
	yyjson_alc alc;
	int r;

	if (len == 0)
		return refuse(reterr, "it is empty", 0);
	if (len > JSON_TEXT_MAX)
		return refuse(reterr, "it is too long", JSON_TEXT_MAX);
	r = count(text, len, reterr);
	if (r < 0)
		return r;
	if (!yyjson_alc_pool_init(&alc, buf, cap))
		return -ENOSPC;
	/* It is copied: without YYJSON_READ_INSITU the text is not changed. */
	doc = yyjson_read_opts((char *)(uintptr_t)text, len,
			       YYJSON_READ_NUMBER_AS_RAW, &alc, &err);
	if (!doc && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return -ENOSPC;
	if (!doc)
		return refuse(reterr, err.msg, err.pos);
	if (has_twice(doc))
		return refuse(reterr, "an object has a member twice", 0);
	*ret = of_val(doc->root);
	return 0;
}

enum json_kind json_kind(const struct json *value)
{
	switch (yyjson_get_type(val_of(value))) {
	case YYJSON_TYPE_BOOL:
		return JSON_BOOL;
	case YYJSON_TYPE_RAW:
	case YYJSON_TYPE_NUM:
		return JSON_NUMBER;
	case YYJSON_TYPE_STR:
		return JSON_STRING;
	case YYJSON_TYPE_ARR:
		return JSON_ARRAY;
	case YYJSON_TYPE_OBJ:
		return JSON_OBJECT;
	default:
		return JSON_NULL;
	}
}

const struct json *json_member(const struct json *value, const char *name)
{
	yyjson_val *val = yyjson_obj_get(val_of(value), name);

	return yyjson_is_null(val) ? NULL : of_val(val);
}

size_t json_count(const struct json *value)
{
	return yyjson_is_ctn(val_of(value)) ?
		       unsafe_yyjson_get_len(val_of(value)) :
		       0;
}

bool json_next(struct json_walk *walk, struct json_text *ret_name,
	       const struct json **ret)
{
	yyjson_val *val;

	if (walk->done >= json_count(walk->of))
		return false;
	val = walk->done++ ? val_of(walk->next) :
			     unsafe_yyjson_get_first(val_of(walk->of));
	if (yyjson_is_obj(val_of(walk->of))) {
		if (ret_name)
			*ret_name = (struct json_text){
				unsafe_yyjson_get_str(val),
				unsafe_yyjson_get_len(val)
			};
		val++;
	}
	walk->next = of_val(unsafe_yyjson_get_next(val));
	*ret = of_val(val);
	return true;
}

int json_text(const struct json *value, struct json_text *ret)
{
	yyjson_val *val = val_of(value);

	if (!yyjson_is_str(val))
		return -EPROTO;
	*ret = (struct json_text){ unsafe_yyjson_get_str(val),
				   unsafe_yyjson_get_len(val) };
	return 0;
}

int json_bool(const struct json *value, bool *ret)
{
	if (!yyjson_is_bool(val_of(value)))
		return -EPROTO;
	*ret = yyjson_is_true(val_of(value));
	return 0;
}

int json_number(const struct json *value, uint64_t *ret)
{
	const char *at = yyjson_get_raw(val_of(value));
	uint64_t n = 0;

	if (!at)
		return -EPROTO;
	for (size_t i = 0; i < yyjson_get_len(val_of(value)); i++)
		if (at[i] < '0' || at[i] > '9' ||
		    __builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (unsigned)(at[i] - '0'), &n))
			return -EPROTO;
	*ret = n;
	return 0;
}

int json_member_text(const struct json *object, const char *name, size_t min,
		     size_t max, const char **ret)
{
	const struct json *value = json_member(object, name);
	struct json_text text;

	if (!value)
		return 0;
	if (json_text(value, &text) < 0)
		return -EPROTO;
	if (memchr(text.at, '\0', text.len))
		return -EILSEQ;
	if (text.len < min || text.len > max)
		return -ERANGE;
	*ret = text.at;
	return 1;
}

int json_member_number(const struct json *object, const char *name,
		       uint64_t min, uint64_t max, uint64_t *ret)
{
	const struct json *value = json_member(object, name);
	uint64_t n;

	if (!value)
		return 0;
	if (json_number(value, &n) < 0)
		return -EPROTO;
	if (n < min || n > max)
		return -ERANGE;
	*ret = n;
	return 1;
}

int json_member_bool(const struct json *object, const char *name, bool *ret)
{
	const struct json *value = json_member(object, name);

	if (!value)
		return 0;
	return json_bool(value, ret) < 0 ? -EPROTO : 1;
}

int json_member_bytes(const struct json *object, const char *name, size_t min,
		      size_t max, uint8_t *to, size_t *ret_len)
{
	const struct json *value = json_member(object, name);
	struct json_text text;
	size_t len, padding = 0;

	if (!value)
		return 0;
	if (json_text(value, &text) < 0)
		return -EPROTO;
	while (padding < 2 && padding < text.len &&
	       text.at[text.len - 1 - padding] == '=')
		padding++;
	if (text.len % 4 != 0)
		return -EILSEQ;
	len = text.len / 4 * 3 - padding;
	if (len < min || len > max)
		return -ERANGE;
	if (base64_read(text.at, text.len, to, ret_len) < 0)
		return -EILSEQ;
	return 1;
}

/* --- writing --- */

static void put(struct json_out *out, const char *at, size_t len)
{
	if (!out->error && len > out->cap - out->len)
		out->error = -ENOSPC;
	if (out->error || len == 0)
		return;
	memcpy(out->at + out->len, at, len);
	out->len += len;
}

/* One character of a text that is not itself in JSON. */
static void put_escaped(struct json_out *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char plain[] = "\"\\\b\f\n\r\t", by[] = "\"\\bfnrt";
	const char *at = c ? strchr(plain, c) : NULL;
	char long_form[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	if (at)
		put(out, (char[]){ '\\', by[at - plain] }, 2);
	else
		put(out, long_form, sizeof(long_form));
}

static bool is_utf8(const char *text, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n)
		if (utf8_decode(text + i, len - i, &n) < 0)
			return false;
	return true;
}

static void put_quoted(struct json_out *out, const char *text, size_t len)
{
	size_t done = 0;

	if (!out->error && !is_utf8(text, len))
		out->error = -EILSEQ;
	put(out, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= ' ' && c != '"' && c != '\\')
			continue;
		put(out, text + done, i - done);
		put_escaped(out, c);
		done = i + 1;
	}
	put(out, text + done, len - done);
	put(out, "\"", 1);
}

/* What stands before each value. */
static void begin(struct json_out *out, const char *name, size_t name_len)
{
	if (out->has_member)
		put(out, ",", 1);
	out->has_member = true;
	if (!name)
		return;
	put_quoted(out, name, name_len);
	put(out, ":", 1);
}

static void begin_named(struct json_out *out, const char *name)
{
	begin(out, name, name ? strlen(name) : 0);
}

static void open_one(struct json_out *out, const char *bracket)
{
	put(out, bracket, 1);
	out->depth++;
	out->has_member = false;
}

static void close_one(struct json_out *out, const char *bracket)
{
	put(out, bracket, 1);
	out->depth--;
	out->has_member = true;
}

void json_out_begin(struct json_out *out, char *buf, size_t cap)
{
	*out = (struct json_out){ .at = buf, .cap = cap };
}

int json_out_end(const struct json_out *out, size_t *ret_len)
{
	if (out->error)
		return out->error;
	if (out->depth != 0 || out->len == 0)
		return -EINVAL;
	*ret_len = out->len;
	return 0;
}

void json_put_object(struct json_out *out, const char *name)
{
	begin_named(out, name);
	open_one(out, "{");
}

void json_put_object_end(struct json_out *out)
{
	close_one(out, "}");
}

void json_put_array(struct json_out *out, const char *name)
{
	begin_named(out, name);
	open_one(out, "[");
}

void json_put_array_end(struct json_out *out)
{
	close_one(out, "]");
}

void json_put_text_of(struct json_out *out, const char *name, const char *text,
		      size_t len)
{
	begin_named(out, name);
	put_quoted(out, text, len);
}

void json_put_text(struct json_out *out, const char *name, const char *text)
{
	json_put_text_of(out, name, text, strlen(text));
}

void json_put_bytes(struct json_out *out, const char *name, const void *data,
		    size_t len)
{
	size_t chars = len < out->cap ? base64_len(len) : SIZE_MAX;

	begin_named(out, name);
	put(out, "\"", 1);
	if (!out->error && chars > out->cap - out->len)
		out->error = -ENOSPC;
	if (out->error)
		return;
	base64_write(data, len, out->at + out->len);
	out->len += chars;
	put(out, "\"", 1);
}

void json_put_number(struct json_out *out, const char *name, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	begin_named(out, name);
	put(out, digits + at, sizeof(digits) - at);
}

void json_put_bool(struct json_out *out, const char *name, bool is)
{
	begin_named(out, name);
	put(out, is ? "true" : "false", is ? 4 : 5);
}

void json_put_null(struct json_out *out, const char *name)
{
	begin_named(out, name);
	put(out, "null", 4);
}

/* A value that has no others in it; or the beginning of one that has. */
static void put_one(struct json_out *out, const struct json *value)
{
	yyjson_val *val = val_of(value);

	switch (json_kind(value)) {
	case JSON_STRING:
		put_quoted(out, unsafe_yyjson_get_str(val),
			   unsafe_yyjson_get_len(val));
		break;
	case JSON_NUMBER:
		put(out, unsafe_yyjson_get_raw(val),
		    unsafe_yyjson_get_len(val));
		break;
	case JSON_BOOL:
		put(out, yyjson_is_true(val) ? "true" : "false",
		    yyjson_is_true(val) ? 4 : 5);
		break;
	case JSON_OBJECT:
		open_one(out, "{");
		break;
	case JSON_ARRAY:
		open_one(out, "[");
		break;
	case JSON_NULL:
		put(out, "null", 4);
		break;
	}
}

static bool is_container(const struct json *value)
{
	return yyjson_is_ctn(val_of(value));
}

void json_put_value(struct json_out *out, const char *name,
		    const struct json *value)
{
	struct json_walk walks[JSON_DEPTH_MAX];
	struct json_text inner;
	size_t depth = 0;

	begin_named(out, name);
	put_one(out, value);
	if (!is_container(value))
		return;
	walks[depth++] = (struct json_walk){ .of = value };
	while (depth > 0) {
		struct json_walk *w = &walks[depth - 1];

		inner.at = NULL;
		if (!json_next(w, &inner, &value)) {
			close_one(out,
				  json_kind(w->of) == JSON_OBJECT ? "}" : "]");
			depth--;
			continue;
		}
		begin(out, inner.at, inner.at ? inner.len : 0);
		put_one(out, value);
		if (is_container(value) && depth < JSON_DEPTH_MAX)
			walks[depth++] = (struct json_walk){ .of = value };
	}
}
