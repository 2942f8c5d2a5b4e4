#include "nsm/api/routes/ask.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct ask_fault *f, enum ask_why why, const char *format,
		  ...) __attribute__((format(printf, 3, 4)));

static int refuse(struct ask_fault *f, enum ask_why why, const char *format,
		  ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(f->words, sizeof(f->words), format, args); // NOLINT
	va_end(args);
	for (char *c = f->words; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	f->why = why;
	return -EINVAL;
}

static int refuse_member(struct ask_fault *f, const struct operations_fault *o)
{
	if (o->unknown[0])
		return refuse(f, ASK_MEMBER, "%s %s", o->unknown, o->what);
	if (o->member[0])
		return refuse(f, ASK_MEMBER, "%s %s", o->member, o->what);
	return refuse(f, ASK_NOT_JSON, "%s", o->what);
}

/* --- keys --- */

static int refuse_key(struct ask_fault *f, int r, const char *key_id)
{
	if (r == -ENOTUNIQ)
		return refuse(f, ASK_WHICH_KEY,
			      "several configured keys have the id %.64s",
			      key_id);
	return refuse(f, ASK_NO_KEY,
		      "the enclave's configuration has no key %.128s", key_id);
}

/* KEY_ID as the caller wrote it; *RET is one that MAY be used. */
static int find(const struct spec *s, const char *key_id, ask_may_fn *may,
		const void *ctx, const struct spec_key **ret,
		struct ask_fault *reterr)
{
	const struct spec_key *key = NULL;
	int r = keys_find(s, key_id, &key);

	if (r < 0)
		return refuse_key(reterr, r, key_id);
	if (!may(ctx, key))
		return refuse(reterr, ASK_NOT_YOURS,
			      "the key %.64s is not for this caller",
			      key->name);
	*ret = key;
	return 0;
}

static int bind(const struct spec_key *key, const struct kmsc_pair *pairs,
		size_t count, struct keys_context *ret,
		struct ask_fault *reterr)
{
	const char *name = NULL;
	int r = keys_bind(key, pairs, count, ret, &name);

	if (r == -EEXIST)
		return refuse(
			reterr, ASK_CONTEXT,
			"the configuration of the key %.64s has another value for %.64s in the encryption context",
			key->name, name);
	if (r < 0)
		return refuse(reterr, ASK_MEMBER,
			      "the encryption context has too many pairs");
	return 0;
}

/* --- attested operations --- */

static bool has_context(const struct operations_row *row)
{
	for (size_t i = 0; i < row->request_count; i++)
		if (row->request[i].type == OPERATIONS_CONTEXT)
			return true;
	return false;
}

/* Of a request that names no key: only KMS knows which one a ciphertext is of. */
static int choose(const struct spec *s, struct ask *a, ask_may_fn *may,
		  const void *ctx, const struct spec_key **ret,
		  struct ask_fault *reterr)
{
	int r;

	if (s->keys == 1)
		return find(s, s->key[0].name, may, ctx, ret, reterr);
	if (a->request.operation != KMSC_DECRYPT)
		return refuse(reterr, ASK_MEMBER, "a key must be named");
	r = keys_default(s, ret);
	if (r == -ENOENT)
		return refuse(reterr, ASK_NO_KEY,
			      "the enclave's configuration has no key");
	if (r < 0)
		return refuse(
			reterr, ASK_WHICH_KEY,
			"a key must be named, since the configured ones pin different encryption contexts");
	a->request.any_key = true;
	return 0;
}

static int attested(const struct spec *s, struct ask *a, ask_may_fn *may,
		    const void *ctx, struct ask_fault *reterr)
{
	struct kmsc_request *q = &a->request;
	const struct spec_key *key = NULL;
	int r;

	if (q->operation == KMSC_GENERATE_RANDOM)
		return 0;
	r = q->key_arn ? find(s, q->key_arn, may, ctx, &key, reterr) :
			 choose(s, a, may, ctx, &key, reterr);
	if (r < 0 || !key)
		return r < 0 ? r : -EINVAL;
	if (!q->any_key) {
		a->key[a->keys++] = key;
		q->key_arn = key->arn;
	}
	if (!has_context(a->row))
		return 0;
	r = bind(key, q->context, q->context_count, &a->context[0], reterr);
	if (r < 0)
		return r;
	q->context = a->context[0].pair;
	q->context_count = a->context[0].count;
	return 0;
}

static int read_attested(const struct spec *s, struct ask *a,
			 enum operations_dialect dialect, const char *text,
			 size_t len, ask_may_fn *may, const void *ctx,
			 struct ask_fault *reterr)
{
	struct operations_request read = { 0 };
	struct operations_fault fault = { .member = "", .what = "" };
	int r = operations_read_request(a->row, dialect, text, len, a->room,
					a->room_size, &read, &fault);

	if (r == -KMSC_E_REQUEST)
		return refuse_member(reterr, &fault);
	if (r < 0)
		return refuse(reterr, ASK_NO_MEMORY, "no memory");
	if (read.has_recipient)
		return refuse(
			reterr, ASK_RECIPIENT,
			"Recipient is not taken: the enclave's own is sent, and the answer has what it was opened to");
	a->request = read.request;
	return attested(s, a, may, ctx, reterr);
}

/* --- forwarded operations --- */

/* What is put in the place of a forwarded request's own members. */
struct changes {
	struct operations_patch patch[2 * ASK_KEYS_MAX];
	size_t count;
};

/* The encryption context that goes with a key; NULL: the operation has none. */
static const char *context_name(const struct operations_row *row,
				const char *key)
{
	static const char *const names[][2] = {
		{ "KeyId", "EncryptionContext" },
		{ "SourceKeyId", "SourceEncryptionContext" },
		{ "DestinationKeyId", "DestinationEncryptionContext" },
	};

	for (size_t i = 0; i < row->request_count; i++)
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (row->request[i].type == OPERATIONS_CONTEXT &&
			    strcmp(names[k][0], key) == 0 &&
			    strcmp(names[k][1], row->request[i].name) == 0)
				return names[k][1];
	return NULL;
}

/* The pairs of a caller, which were checked to be texts. */
static int read_context(const struct json *context, struct keys_context *ret)
{
	struct json_walk w = { .of = context };
	const struct json *at = NULL;
	struct json_text name = { 0 }, text = { 0 };

	while (json_next(&w, &name, &at)) {
		if (json_kind(at) == JSON_NULL)
			continue;
		if (json_text(at, &text) < 0 || strlen(text.at) != text.len ||
		    strlen(name.at) != name.len ||
		    ret->count == KMSC_CONTEXT_MAX)
			return -EINVAL;
		ret->pair[ret->count++] =
			(struct kmsc_pair){ name.at, text.at };
	}
	return 0;
}

/* What KEY pins, in the context NAME of the request. */
static int bind_forwarded(struct ask *a, const struct json *value,
			  const char *name, const struct spec_key *key,
			  struct changes *ret, struct ask_fault *reterr)
{
	struct keys_context own = { 0 };
	struct keys_context *all = &a->context[a->keys];
	int r;

	if (read_context(json_member(value, name), &own) < 0)
		return refuse(reterr, ASK_MEMBER,
			      "%s has too many pairs, or a NUL in one", name);
	r = bind(key, own.pair, own.count, all, reterr);
	if (r == 0)
		ret->patch[ret->count++] =
			(struct operations_patch){ .member = name,
						   .context = all->pair,
						   .context_count =
							   all->count };
	return r;
}

/* A member that names a key. */
static int change_key(const struct spec *s, struct ask *a,
		      const struct json *value, const char *member,
		      ask_may_fn *may, const void *ctx, struct changes *ret,
		      struct ask_fault *reterr)
{
	const char *named = NULL, *context = context_name(a->row, member);
	const struct spec_key *key = NULL;
	int r;

	if (a->keys == ASK_KEYS_MAX)
		return refuse(reterr, ASK_MEMBER, "there are too many keys");
	if (json_member_text(value, member, 1, KMSC_KEY_ARN_MAX, &named) <= 0) {
		/* Which one it is KMS would find in the ciphertext. */
		if (s->keys != 1)
			return refuse(reterr, ASK_WHICH_KEY,
				      "%s must name a configured key", member);
		named = s->key[0].arn;
	}
	r = find(s, named, may, ctx, &key, reterr);
	if (r < 0 || !key)
		return r < 0 ? r : -EINVAL;
	if (context && key->pairs)
		r = bind_forwarded(a, value, context, key, ret, reterr);
	if (r < 0)
		return r;
	a->key[a->keys++] = key;
	ret->patch[ret->count++] =
		(struct operations_patch){ .member = member, .text = key->arn };
	return 0;
}

static int write_forwarded(struct ask *a, const struct json *value,
			   const struct changes *changes,
			   struct ask_fault *reterr)
{
	a->body_cap = OPERATIONS_BODY_MAX;
	a->body = malloc(a->body_cap);
	if (!a->body)
		return refuse(reterr, ASK_NO_MEMORY, "no memory");
	if (operations_write_forward(a->row, value, changes->patch,
				     changes->count, a->body, a->body_cap,
				     &a->body_len) < 0)
		return refuse(reterr, ASK_MEMBER, "the request is too long");
	return 0;
}

static int read_forwarded(const struct spec *s, struct ask *a, const char *text,
			  size_t len, ask_may_fn *may, const void *ctx,
			  struct ask_fault *reterr)
{
	struct operations_fault fault = { .member = "", .what = "" };
	struct json_fault bad = { .what = "" };
	const struct json *value = NULL;
	struct changes changes = { .count = 0 };
	int r;

	r = json_read(text, len, a->room, a->room_size, &value, &bad);
	if (r == -EINVAL)
		return refuse(reterr, ASK_NOT_JSON, "%s", bad.what);
	if (r < 0)
		return refuse(reterr, ASK_NO_MEMORY, "no memory");
	if (operations_check_forward(a->row, value, &fault) < 0)
		return refuse_member(reterr, &fault);
	for (size_t i = 0; i < a->row->request_count; i++) {
		const struct operations_member *m = &a->row->request[i];

		if (m->flags & OPERATIONS_KEY)
			r = change_key(s, a, value, m->name, may, ctx, &changes,
				       reterr);
		if (r < 0)
			return r;
	}
	if (a->keys == 0)
		return refuse(reterr, ASK_NO_KEY, "%s names no key",
			      a->row->name);
	return write_forwarded(a, value, &changes, reterr);
}

/* --- both --- */

int ask_read(const struct spec *s, const struct operations_row *row,
	     enum operations_dialect dialect, const char *text, size_t len,
	     ask_may_fn *may, const void *ctx, struct ask **ret,
	     struct ask_fault *reterr)
{
	struct ask *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return refuse(reterr, ASK_NO_MEMORY, "no memory");
	a->row = row;
	a->room_size = operations_room(len);
	a->room = malloc(a->room_size);
	if (!a->room)
		r = refuse(reterr, ASK_NO_MEMORY, "no memory");
	else if (row->is_attested)
		r = read_attested(s, a, dialect, text, len, may, ctx, reterr);
	else
		r = read_forwarded(s, a, text, len, may, ctx, reterr);
	if (r < 0) {
		ask_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void ask_free(struct ask *a)
{
	if (!a)
		return;
	if (a->room)
		explicit_bzero(a->room, a->room_size);
	free(a->room);
	if (a->body)
		explicit_bzero(a->body, a->body_cap);
	free(a->body);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

bool ask_is_answer_key(const struct spec *s, const struct ask *a,
		       const char *key_arn, ask_may_fn *may, const void *ctx)
{
	const struct spec_key *key;

	/* Of a named key the client has compared it. */
	if (a->keys || a->request.operation == KMSC_GENERATE_RANDOM)
		return true;
	if (!key_arn)
		return false;
	key = conf_find_key(s, key_arn, strlen(key_arn));
	return key && strcmp(key->arn, key_arn) == 0 && may(ctx, key);
}
