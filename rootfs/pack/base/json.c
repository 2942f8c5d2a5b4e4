#include "rootfs/pack/base/json.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/escape.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/strings.h"

static size_t digits(const char *text)
{
	return strspn(text, "0123456789");
}

/* Bytes of the number at TEXT, as RFC 8259 writes it; 0: it is none. */
static size_t number_len(const char *text)
{
	const char *at = text + (*text == '-');
	size_t n = digits(at);

	if (n == 0 || (n > 1 && *at == '0'))
		return 0;
	at += n;
	if (*at == '.') {
		n = digits(at + 1);
		if (n == 0)
			return 0;
		at += n + 1;
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '+' || *at == '-';
		n = digits(at);
		if (n == 0)
			return 0;
		at += n;
	}
	return (size_t)(at - text);
}

int json_check(const char *text, size_t len, struct fault *reterr)
{
	bool quoted = false;
	size_t depth = 0, n;

	if (!escape_is_utf8(text, len))
		return fault_refuse(reterr, "JSON: not UTF-8");

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\0')
			return fault_refuse(reterr, "JSON: a NUL at byte %zu",
					    i);
		if (quoted && text[i] == '\\') {
			/* LEN bytes and a NUL: no reading beyond. */
			if (strncmp(text + i, "\\u0000", 6) == 0)
				return fault_refuse(
					reterr, "JSON: a NUL at byte %zu", i);
			i++;
		} else if (quoted && (unsigned char)text[i] < ' ') {
			return fault_refuse(
				reterr, "JSON: a control character at byte %zu",
				i);
		} else if (!quoted && (text[i] == '-' ||
				       (text[i] >= '0' && text[i] <= '9'))) {
			n = number_len(text + i);
			if (n == 0 || isinf(strtod(text + i, NULL)))
				return fault_refuse(
					reterr, "JSON: no number at byte %zu",
					i);
			i += n - 1;
		} else if (text[i] == '"') {
			quoted = !quoted;
		} else if (!quoted && (text[i] == '{' || text[i] == '[')) {
			if (++depth > JSON_DEPTH_MAX)
				return fault_refuse(
					reterr,
					"JSON: more than %d deep at byte %zu",
					JSON_DEPTH_MAX, i);
		} else if (!quoted && (text[i] == '}' || text[i] == ']')) {
			depth -= depth > 0;
		}
	}
	return 0;
}

int json_parse(const char *text, size_t len, cJSON **ret, struct fault *reterr)
{
	const char *end = text;
	cJSON *json;

	if (len > JSON_TEXT_MAX)
		return fault_refuse(reterr, "JSON: more than %d bytes",
				    JSON_TEXT_MAX);
	if (json_check(text, len, reterr) < 0)
		return -1;
	json = cJSON_ParseWithLengthOpts(text, len + 1, &end, true);
	if (!json)
		return fault_refuse(reterr, "not JSON at byte %td", end - text);
	if (!cJSON_IsObject(json) && !cJSON_IsArray(json)) {
		cJSON_Delete(json);
		return fault_refuse(reterr, "JSON: no object");
	}
	*ret = json;
	return 0;
}

/*
 * The letter, in lower case, that Go's encoding/json sees at *AT: it takes two letters
 * beyond ASCII for their like, as Unicode folds them. Steps over it.
 */
static int fold(const char **at)
{
	static const struct {
		const char *bytes;
		char letter;
	} others[] = { { "\xc5\xbf", 's' }, { "\xe2\x84\xaa", 'k' } };
	int c;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		size_t len = strlen(others[i].bytes);

		if (strncmp(*at, others[i].bytes, len) == 0) {
			*at += len;
			return others[i].letter;
		}
	}
	c = (unsigned char)*(*at)++;
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool is_same_folded(const char *a, const char *b)
{
	int c;

	do {
		c = fold(&a);
		if (c != fold(&b))
			return false;
	} while (c);
	return true;
}

static bool is_exactly(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* An item of a type of which IS is true, under a key that is KEY by IS_KEY. */
static int get(const cJSON *object, const char *key,
	       bool (*is_key)(const char *, const char *),
	       cJSON_bool (*is)(const cJSON *), const char *type,
	       const cJSON **ret, struct fault *reterr)
{
	const cJSON *item, *found = NULL;

	if (!cJSON_IsObject(object))
		return fault_refuse(reterr,
				    "no object where one with \"%s\" "
				    "should be",
				    key);
	cJSON_ArrayForEach(item, object)
	{
		if (!item->string || !is_key(item->string, key))
			continue;
		/* Which one counts is for each reader to say. */
		if (found && strcmp(found->string, item->string) != 0)
			return fault_refuse(reterr,
					    "\"%s\" is there twice, as "
					    "\"%s\" and as \"%s\"",
					    key, found->string, item->string);
		if (found)
			return fault_refuse(reterr, "\"%s\" is there twice",
					    key);
		found = item;
	}
	if (found && cJSON_IsNull(found))
		found = NULL;
	if (found && !is(found))
		return fault_refuse(reterr, "\"%s\" is no %s", key, type);
	*ret = found;
	return 0;
}

int json_object(const cJSON *object, const char *key, const cJSON **ret,
		struct fault *reterr)
{
	return get(object, key, is_same_folded, cJSON_IsObject, "object", ret,
		   reterr);
}

int json_array(const cJSON *object, const char *key, const cJSON **ret,
	       struct fault *reterr)
{
	return get(object, key, is_same_folded, cJSON_IsArray, "array", ret,
		   reterr);
}

int json_string(const cJSON *object, const char *key, const char **ret,
		struct fault *reterr)
{
	const cJSON *item;

	if (get(object, key, is_same_folded, cJSON_IsString, "string", &item,
		reterr) < 0)
		return -1;
	*ret = item ? item->valuestring : NULL;
	return 0;
}

int json_entry(const cJSON *object, const char *key, const char **ret,
	       struct fault *reterr)
{
	const cJSON *item;

	if (get(object, key, is_exactly, cJSON_IsString, "string", &item,
		reterr) < 0)
		return -1;
	*ret = item ? item->valuestring : NULL;
	return 0;
}

int json_size(const cJSON *object, const char *key, uint64_t *ret,
	      struct fault *reterr)
{
	const double max = (double)(1ULL << 53);
	const cJSON *item;

	if (get(object, key, is_same_folded, cJSON_IsNumber, "number", &item,
		reterr) < 0)
		return -1;
	if (!item)
		return fault_refuse(reterr, "no \"%s\"", key);
	if (!(item->valuedouble >= 0 && item->valuedouble <= max) ||
	    (double)(uint64_t)item->valuedouble != item->valuedouble)
		return fault_refuse(reterr, "\"%s\" is no size", key);
	*ret = (uint64_t)item->valuedouble;
	return 0;
}

int json_strings(const cJSON *object, const char *key, struct strings *ret,
		 struct fault *reterr)
{
	const cJSON *array, *item;

	if (json_array(object, key, &array, reterr) < 0)
		return -1;
	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsString(item))
			return fault_refuse(
				reterr, "\"%s\" holds what is no string", key);
		if (strings_add(ret, item->valuestring, reterr) < 0)
			return -1;
	}
	return 0;
}

static cJSON_bool is_string_or_array(const cJSON *item)
{
	return cJSON_IsString(item) || cJSON_IsArray(item);
}

int json_words(const cJSON *object, const char *key, struct strings *ret,
	       struct fault *reterr)
{
	const cJSON *item = NULL;

	if (get(object, key, is_same_folded, is_string_or_array, "array", &item,
		reterr) < 0)
		return -1;
	return item && cJSON_IsString(item) ?
		       strings_add(ret, item->valuestring, reterr) :
		       json_strings(object, key, ret, reterr);
}
