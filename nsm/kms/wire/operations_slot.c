#include "nsm/kms/wire/operations_slot.h"

#include <string.h>

#include "nsm/kms/wire/base64.h"

const char operations_slot_no_room[] = "needs too much memory";

static const char is_empty[] = "is empty";
static const char is_too_long[] = "is too long";
static const char has_nul[] = "has a NUL character in it";
static const char wrong_number[] = "is out of range";
static const char wrong_text[] = "is not a string";
static const char wrong_base64[] = "is not base64";
static const char too_many[] = "has too many elements";

/* What stands at its offset, by its type. */
union slot {
	const void *at;
	const char *const *text;
	const struct nsmc_bytes *bytes;
	const uint32_t *number;
	const bool *is;
	const struct kmsc_pair *const *pairs;
	const char *const *const *texts;
};

static union slot slot_of(const struct operations_member *m, const void *at)
{
	return (union slot){ m->offset == OPERATIONS_NOWHERE ?
				     NULL :
				     (const char *)at + m->offset };
}

/* The number of pairs or texts stands in a member of its own; answers have neither. */
static size_t count_of(const struct operations_member *m, const void *at)
{
	const struct kmsc_request *r = at;

	if (m->type == OPERATIONS_CONTEXT)
		return r->context_count;
	return m->type == OPERATIONS_TEXTS ? r->grant_token_count : 0;
}

bool operations_slot_is_set(const struct operations_member *m, const void *at)
{
	union slot s = slot_of(m, at);

	if (m->offset == OPERATIONS_NOWHERE)
		return false;
	switch (m->type) {
	case OPERATIONS_TEXT:
		return *s.text;
	case OPERATIONS_BYTES:
		return s.bytes->data || s.bytes->len > 0;
	case OPERATIONS_NUMBER:
		return *s.number != 0;
	case OPERATIONS_BOOL:
		return *s.is;
	case OPERATIONS_CONTEXT:
	case OPERATIONS_TEXTS:
		return count_of(m, at) > 0;
	case OPERATIONS_OTHER:
		break;
	}
	return false;
}

/* --- limits --- */

static const char *check_len(const struct operations_member *m, size_t len)
{
	if (len < m->min)
		return len == 0 ? is_empty : "is too short";
	return m->max && len > m->max ? is_too_long : NULL;
}

static const char *check_pairs(const struct kmsc_pair *pairs, size_t count)
{
	size_t len = 0;

	if (count > KMSC_CONTEXT_MAX)
		return too_many;
	for (size_t i = 0; i < count; i++) {
		if (!pairs[i].name || !pairs[i].value)
			return "has a pair without name or value";
		if (!pairs[i].name[0])
			return "has a pair whose name is empty";
		len += strlen(pairs[i].name) + strlen(pairs[i].value);
		for (size_t j = 0; j < i; j++)
			if (strcmp(pairs[i].name, pairs[j].name) == 0)
				return "has a name twice";
	}
	return len > KMSC_CONTEXT_BYTES_MAX ? is_too_long : NULL;
}

static const char *check_texts(const struct operations_member *m,
			       const char *const *texts, size_t count)
{
	const char *why = NULL;

	if (count > KMSC_GRANT_TOKENS_MAX)
		return too_many;
	for (size_t i = 0; i < count && !why; i++)
		why = texts[i] ? check_len(m, strlen(texts[i])) : is_empty;
	return why;
}

static const char *check_number(const struct operations_member *m, uint64_t n)
{
	return n < m->min || (m->max && n > m->max) ? wrong_number : NULL;
}

const char *operations_slot_check(const struct operations_member *m,
				  const void *at)
{
	union slot s = slot_of(m, at);

	if (!operations_slot_is_set(m, at))
		return NULL;
	switch (m->type) {
	case OPERATIONS_TEXT:
		return check_len(m, strlen(*s.text));
	case OPERATIONS_BYTES:
		if (!s.bytes->data)
			return "has a length, but no bytes";
		return check_len(m, s.bytes->len);
	case OPERATIONS_NUMBER:
		return check_number(m, *s.number);
	case OPERATIONS_CONTEXT:
		return *s.pairs ? check_pairs(*s.pairs, count_of(m, at)) :
				  is_empty;
	case OPERATIONS_TEXTS:
		return *s.texts ? check_texts(m, *s.texts, count_of(m, at)) :
				  is_empty;
	case OPERATIONS_BOOL:
	case OPERATIONS_OTHER:
		break;
	}
	return NULL;
}

/* --- writing --- */

static void write_pairs(const struct kmsc_pair *pairs, size_t count,
			const char *name, struct json_out *out)
{
	json_put_object(out, name);
	for (size_t i = 0; i < count; i++)
		json_put_text(out, pairs[i].name, pairs[i].value);
	json_put_object_end(out);
}

static void write_texts(const char *const *texts, size_t count,
			const char *name, struct json_out *out)
{
	json_put_array(out, name);
	for (size_t i = 0; i < count; i++)
		json_put_text(out, NULL, texts[i]);
	json_put_array_end(out);
}

void operations_slot_write(const struct operations_member *m, const char *name,
			   const void *at, struct json_out *out)
{
	union slot s = slot_of(m, at);

	if (!operations_slot_is_set(m, at))
		return;
	switch (m->type) {
	case OPERATIONS_TEXT:
		json_put_text(out, name, *s.text);
		break;
	case OPERATIONS_BYTES:
		json_put_bytes(out, name, s.bytes->data, s.bytes->len);
		break;
	case OPERATIONS_NUMBER:
		json_put_number(out, name, *s.number);
		break;
	case OPERATIONS_BOOL:
		json_put_bool(out, name, *s.is);
		break;
	case OPERATIONS_CONTEXT:
		write_pairs(*s.pairs, count_of(m, at), name, out);
		break;
	case OPERATIONS_TEXTS:
		write_texts(*s.texts, count_of(m, at), name, out);
		break;
	case OPERATIONS_OTHER:
		break;
	}
}

/* --- reading --- */

static void *take(struct operations_arena *a, size_t len)
{
	size_t padding = -(uintptr_t)a->at % _Alignof(max_align_t);
	void *at = a->at + padding;

	if (padding > a->left || len > a->left - padding)
		return NULL;
	a->at += padding + len;
	a->left -= padding + len;
	return at;
}

/* Texts stay where they were read: a NUL stands behind them. */
static const char *read_text(const struct operations_member *m,
			     const struct json *value, const char **ret)
{
	struct json_text text;
	const char *why;

	if (json_text(value, &text) < 0)
		return wrong_text;
	if (memchr(text.at, '\0', text.len))
		return has_nul;
	why = check_len(m, text.len);
	if (!why)
		*ret = text.at;
	return why;
}

/* How many bytes of base64 there are, and whether they are within the limits. */
static const char *measure(const struct operations_member *m,
			   const struct json *value, struct json_text *ret_text,
			   size_t *ret_len)
{
	if (json_text(value, ret_text) < 0)
		return wrong_text;
	if (base64_read(ret_text->at, ret_text->len, NULL, ret_len) < 0)
		return wrong_base64;
	return check_len(m, *ret_len);
}

static const char *read_bytes(const struct operations_member *m,
			      const struct json *value, struct nsmc_bytes *ret,
			      struct operations_arena *arena)
{
	struct json_text text;
	size_t len;
	const char *why = measure(m, value, &text, &len);
	uint8_t *to;

	if (why)
		return why;
	to = take(arena, len);
	if (!to)
		return operations_slot_no_room;
	(void)base64_read(text.at, text.len, to, &len);
	*ret = NSMC_BYTES(to, len);
	return NULL;
}

static const char *read_number(const struct operations_member *m,
			       const struct json *value, uint32_t *ret)
{
	const char *why;
	uint64_t n;

	if (json_number(value, &n) < 0 || n > UINT32_MAX)
		return json_kind(value) == JSON_NUMBER ? wrong_number :
							 "is not a number";
	why = check_number(m, n);
	if (!why)
		*ret = (uint32_t)n;
	return why;
}

static const char *read_pair(const struct json *value,
			     const struct json_text *name,
			     struct kmsc_pair *ret)
{
	struct json_text text;

	if (json_text(value, &text) < 0)
		return "has a value that is not a string";
	if (memchr(text.at, '\0', text.len) ||
	    memchr(name->at, '\0', name->len))
		return has_nul;
	*ret = (struct kmsc_pair){ name->at, text.at };
	return NULL;
}

static const char *read_pairs(const struct json *value, struct kmsc_pair *ret)
{
	struct json_walk w = { .of = value };
	struct json_text name;
	const char *why = NULL;
	size_t n = 0;

	while (!why && json_next(&w, &name, &value))
		why = read_pair(value, &name, &ret[n++]);
	return why ? why : check_pairs(ret, n);
}

static const char *read_context(const struct json *value,
				struct kmsc_request *ret,
				struct operations_arena *arena)
{
	size_t count = json_count(value);
	struct kmsc_pair *pairs;

	if (json_kind(value) != JSON_OBJECT)
		return "is not an object";
	if (count > KMSC_CONTEXT_MAX)
		return too_many;
	pairs = take(arena, count * sizeof(*pairs));
	if (!pairs)
		return operations_slot_no_room;
	ret->context = pairs;
	ret->context_count = count;
	return read_pairs(value, pairs);
}

static const char *read_texts(const struct operations_member *m,
			      const struct json *value, const char **ret)
{
	struct json_walk w = { .of = value };
	const char *why = NULL;
	size_t n = 0;

	while (!why && json_next(&w, NULL, &value))
		why = read_text(m, value, &ret[n++]);
	return why;
}

static const char *read_tokens(const struct operations_member *m,
			       const struct json *value,
			       struct kmsc_request *ret,
			       struct operations_arena *arena)
{
	size_t count = json_count(value);
	const char **texts;

	if (json_kind(value) != JSON_ARRAY)
		return "is not an array";
	if (count > KMSC_GRANT_TOKENS_MAX)
		return too_many;
	texts = take(arena, count * sizeof(*texts));
	if (!texts)
		return operations_slot_no_room;
	ret->grant_tokens = texts;
	ret->grant_token_count = count;
	return read_texts(m, value, texts);
}

static const char *read_bool(const struct json *value, bool *ret)
{
	return json_bool(value, ret) < 0 ? "is neither true nor false" : NULL;
}

const char *operations_slot_read(const struct operations_member *m,
				 const struct json *value, void *at,
				 struct operations_arena *arena)
{
	void *slot = (char *)at + m->offset;

	switch (m->type) {
	case OPERATIONS_TEXT:
		return read_text(m, value, slot);
	case OPERATIONS_BYTES:
		return read_bytes(m, value, slot, arena);
	case OPERATIONS_NUMBER:
		return read_number(m, value, slot);
	case OPERATIONS_BOOL:
		return read_bool(value, slot);
	case OPERATIONS_CONTEXT:
		return read_context(value, at, arena);
	case OPERATIONS_TEXTS:
		return read_tokens(m, value, at, arena);
	case OPERATIONS_OTHER:
		break;
	}
	return NULL;
}

const char *operations_slot_check_json(const struct operations_member *m,
				       const struct json *value)
{
	struct kmsc_pair pairs[KMSC_CONTEXT_MAX];
	const char *texts[KMSC_GRANT_TOKENS_MAX];
	struct json_text text;
	uint32_t number;
	size_t len;
	bool is;

	switch (m->type) {
	case OPERATIONS_TEXT:
		return read_text(m, value, texts);
	case OPERATIONS_BYTES:
		return measure(m, value, &text, &len);
	case OPERATIONS_NUMBER:
		return read_number(m, value, &number);
	case OPERATIONS_BOOL:
		return read_bool(value, &is);
	case OPERATIONS_CONTEXT:
		if (json_kind(value) != JSON_OBJECT)
			return "is not an object";
		return json_count(value) > KMSC_CONTEXT_MAX ?
			       too_many :
			       read_pairs(value, pairs);
	case OPERATIONS_TEXTS:
		if (json_kind(value) != JSON_ARRAY)
			return "is not an array";
		return json_count(value) > KMSC_GRANT_TOKENS_MAX ?
			       too_many :
			       read_texts(m, value, texts);
	case OPERATIONS_OTHER:
		break;
	}
	return NULL;
}
