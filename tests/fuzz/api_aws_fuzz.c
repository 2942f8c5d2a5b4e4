/*
 * A program's request of KMS, as POST / and /v1/kms take it: the first byte says which operation and dialect, the rest is the
 * body. What is accepted is of a configured key, and has what the configuration pins.
 */

#include <stdlib.h>
#include <string.h>

#include "nsm/api/routes/ask.h"
#include "nsm/kms/wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARN_1 \
	"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#define ARN_2 \
	"arn:aws:kms:eu-west-1:111122223333:key/aaaaaaaa-12ab-34cd-56ef-1234567890ab"

static const struct spec s = {
	.keys = 2,
	.key = {
		{ .name = "orders", .arn = ARN_1, .pairs = 2,
		  .pair = { { "app", "orders" }, { "a", "b" } } },
		{ .name = "logs", .arn = ARN_2 },
	},
};

static void require(bool truth)
{
	if (!truth)
		abort();
}

static bool may(const void *ctx, const struct spec_key *key)
{
	(void)ctx;
	(void)key;
	return true;
}

static bool is_pinned(const struct kmsc_pair *pairs, size_t count)
{
	unsigned found = 0;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(pairs[i].name, "app") == 0) {
			require(strcmp(pairs[i].value, "orders") == 0);
			found |= 1;
		} else if (strcmp(pairs[i].name, "a") == 0) {
			require(strcmp(pairs[i].value, "b") == 0);
			found |= 2;
		}
	}
	return found == 3;
}

static bool has_context(const struct operations_row *row)
{
	for (size_t i = 0; i < row->request_count; i++)
		if (row->request[i].type == OPERATIONS_CONTEXT)
			return true;
	return false;
}

static void look_attested(const struct ask *a)
{
	const struct kmsc_request *q = &a->request;
	struct operations_fault fault;

	require(operations_check(q, &fault) == 0);
	if (q->operation == KMSC_GENERATE_RANDOM) {
		require(a->keys == 0);
		return;
	}
	/* The two pin different pairs, so that one must be named. */
	require(a->keys == 1 && !q->any_key);
	require(strcmp(q->key_arn, a->key[0]->arn) == 0);
	if (a->key[0] == &s.key[0] && has_context(a->row))
		require(is_pinned(q->context, q->context_count));
}

static const char *text_of(const struct json *object, const char *name)
{
	const char *text = NULL;

	require(json_member_text(object, name, 1, KMSC_KEY_ARN_MAX, &text) ==
		1);
	return text;
}

/* What is sent is read as KMS reads it. */
static void look_forwarded(const struct ask *a)
{
	size_t cap = json_room(a->body_len);
	void *room = malloc(cap);
	const struct json *v = NULL;
	struct json_fault fault;

	require(room &&
		json_read(a->body, a->body_len, room, cap, &v, &fault) == 0);
	if (a->keys == 1) {
		const struct json *context =
			json_member(v, "EncryptionContext");

		require(strcmp(text_of(v, "KeyId"), a->key[0]->arn) == 0);
		if (a->key[0] == &s.key[0] && has_context(a->row)) {
			require(strcmp(text_of(context, "app"), "orders") == 0);
			require(strcmp(text_of(context, "a"), "b") == 0);
		}
	} else {
		require(strcmp(text_of(v, "SourceKeyId"), a->key[0]->arn) == 0);
		require(strcmp(text_of(v, "DestinationKeyId"),
			       a->key[1]->arn) == 0);
		if (a->key[0] == &s.key[0])
			require(strcmp(text_of(json_member(
						       v,
						       "SourceEncryptionContext"),
					       "app"),
				       "orders") == 0);
		if (a->key[1] == &s.key[0])
			require(strcmp(text_of(json_member(
						       v,
						       "DestinationEncryptionContext"),
					       "app"),
				       "orders") == 0);
	}
	free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ask_fault fault = { .words = "" };
	const struct operations_row *row;
	enum operations_dialect dialect;
	struct ask *a = NULL;
	char *text;

	if (size == 0 || size > OPERATIONS_BODY_MAX)
		return 0;
	row = &operations[(data[0] & 0x7f) % operations_count];
	dialect = row->is_attested && data[0] & 0x80 ? OPERATIONS_LOWER :
						       OPERATIONS_AWS;
	text = malloc(size - 1 ? size - 1 : 1);
	require(text);
	memcpy(text, data + 1, size - 1);
	if (ask_read(&s, row, dialect, text, size - 1, may, NULL, &a, &fault) <
	    0) {
		require(!a && fault.words[0]);
		for (const char *c = fault.words; *c; c++)
			require(*c >= ' ' && *c <= '~');
	} else if (row->is_attested) {
		look_attested(a);
	} else {
		look_forwarded(a);
	}
	ask_free(a);
	free(text);
	return 0;
}
