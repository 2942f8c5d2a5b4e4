#include "nsm/kms/call/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/kms/call/fault.h"
#include "nsm/kms/wire/endpoint.h"
#include "nsm/kms/wire/operations.h"

/* An answer with the memory of its views. */
struct answer_whole {
	struct kmsc_answer answer; /* the first: what the caller has */
	size_t size;		   /* of all of it */
	char request_id[KMSC_REQUEST_ID_SIZE];
	size_t used, cap;
	uint8_t data[];
};

/* --- judging --- */

static int refuse_clear(const struct operations_row *row, struct kmsc_error *e)
{
	const char *name = "the plaintext";

	for (size_t i = 0; i < row->answer_count; i++)
		if (row->answer[i].flags & OPERATIONS_CLEAR)
			name = row->answer[i].name;
	return fault_set(e, -KMSC_E_PLAINTEXT, KMSC_STEP_ANSWER,
			 "its %s was not encrypted for this enclave: is this "
			 "a test server that ignores Recipient, or an attack?",
			 name);
}

static int judge(const struct kmsc_request *request,
		 const struct operations_answer *got, struct kmsc_error *e)
{
	const char *key = request->key_arn, *named = got->answer.key_id;

	if (got->answer.plaintext.data)
		return refuse_clear(operations_of(request->operation), e);
	if (!got->for_recipient.data)
		return fault_set(e, -KMSC_E_NO_RECIPIENT, KMSC_STEP_ANSWER,
				 "CiphertextForRecipient is missing");
	if (!key || !endpoint_is_key_arn(key) ||
	    (named && strcmp(named, key) == 0))
		return 0;
	return fault_set(e, -KMSC_E_ANSWER_KEY, KMSC_STEP_ANSWER,
			 "its KeyId is %s", named ? named : "missing");
}

/* --- keeping --- */

static size_t text_size(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

static size_t views_size(const struct kmsc_answer *a)
{
	return a->ciphertext_blob.len + a->public_key.len +
	       text_size(a->key_id) + text_size(a->key_material_id) +
	       text_size(a->encryption_algorithm) +
	       text_size(a->key_pair_spec) +
	       text_size(a->key_agreement_algorithm) + text_size(a->key_origin);
}

static void *keep(struct answer_whole *w, const void *data, size_t len)
{
	uint8_t *to = w->data + w->used;

	memcpy(to, data, len);
	w->used += len;
	return to;
}

static const char *keep_text(struct answer_whole *w, const char *s)
{
	char *to;

	if (!s)
		return NULL;
	to = keep(w, s, strlen(s) + 1);
	for (char *c = to; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return to;
}

static struct nsmc_bytes keep_bytes(struct answer_whole *w, struct nsmc_bytes b)
{
	if (!b.data)
		return NSMC_ABSENT;
	return NSMC_BYTES(keep(w, b.data, b.len), b.len);
}

static void keep_all(struct answer_whole *w, const struct kmsc_answer *from)
{
	struct kmsc_answer *to = &w->answer;

	to->ciphertext_blob = keep_bytes(w, from->ciphertext_blob);
	to->public_key = keep_bytes(w, from->public_key);
	to->key_id = keep_text(w, from->key_id);
	to->key_material_id = keep_text(w, from->key_material_id);
	to->encryption_algorithm = keep_text(w, from->encryption_algorithm);
	to->key_pair_spec = keep_text(w, from->key_pair_spec);
	to->key_agreement_algorithm =
		keep_text(w, from->key_agreement_algorithm);
	to->key_origin = keep_text(w, from->key_origin);
}

/* --- opening --- */

/* The plaintext goes behind the views, where there is room for all of the message. */
static int open_message(struct answer_whole *w,
			struct nsmc_recipient *recipient, struct nsmc_bytes cms,
			struct kmsc_error *e)
{
	struct nsmc_object object = { 0 };
	uint8_t *to = w->data + w->used;
	size_t len;
	int r;

	r = nsmc_recipient_open(recipient, cms.data, cms.len, to,
				w->cap - w->used, &len, &object);
	if (r < 0)
		return fault_set(e, r, KMSC_STEP_OPEN,
				 object.name[0] ? "CiphertextForRecipient: %s" :
						  "CiphertextForRecipient%s",
				 object.name);
	w->answer.plaintext = NSMC_BYTES(to, len);
	w->used += len;
	return 0;
}

/* How long the secret must be: 0: that is KMS's to say. */
static size_t wanted_len(const struct kmsc_request *request)
{
	if (request->operation != KMSC_GENERATE_DATA_KEY &&
	    request->operation != KMSC_GENERATE_RANDOM)
		return 0;
	if (!request->key_spec)
		return request->number_of_bytes;
	if (strcmp(request->key_spec, "AES_256") == 0)
		return 32;
	return strcmp(request->key_spec, "AES_128") == 0 ? 16 : 0;
}

/* Of one that is shorter nobody would see how weak it is. */
static int check_len(const struct kmsc_request *request,
		     const struct kmsc_answer *answer, struct kmsc_error *e)
{
	size_t len = answer->plaintext.len, wanted = wanted_len(request);

	if (len > 0 && (wanted == 0 || len == wanted))
		return 0;
	return fault_set(e, -KMSC_E_ANSWER, KMSC_STEP_OPEN,
			 "its secret has %zu bytes%s", len,
			 len > 0 ? ", others than were asked for" : "");
}

static int keep_and_open(const struct kmsc_request *request,
			 const struct operations_answer *got,
			 struct nsmc_recipient *recipient,
			 struct kmsc_answer **ret, struct kmsc_error *e)
{
	size_t cap = views_size(&got->answer) + got->for_recipient.len;
	struct answer_whole *w = calloc(1, sizeof(*w) + cap);
	int r;

	if (!w)
		return fault_code(e, -ENOMEM, KMSC_STEP_ANSWER);
	w->size = sizeof(*w) + cap;
	w->cap = cap;
	keep_all(w, &got->answer);
	r = open_message(w, recipient, got->for_recipient, e);
	if (r == 0)
		r = check_len(request, &w->answer, e);
	if (r == 0)
		*ret = &w->answer;
	else
		kmsc_answer_free(&w->answer);
	return r;
}

int answer_take(const struct kmsc_request *request,
		struct nsmc_recipient *recipient, const char *body, size_t len,
		struct kmsc_answer **ret, struct kmsc_error *e)
{
	struct operations_fault fault = { .member = "", .what = "" };
	size_t room_size = operations_room(len);
	struct operations_answer got;
	void *room = malloc(room_size);
	int r;

	if (!room)
		return fault_code(e, -ENOMEM, KMSC_STEP_ANSWER);
	r = operations_read_answer(request->operation, body, len, room,
				   room_size, &got, &fault);
	if (r < 0)
		r = fault_set(e, r, KMSC_STEP_ANSWER, "%s%s%s", fault.member,
			      fault.member[0] ? " " : "", fault.what);
	else
		r = judge(request, &got, e);
	if (r == 0)
		r = keep_and_open(request, &got, recipient, ret, e);
	explicit_bzero(room, room_size);
	free(room);
	return r;
}

void answer_complete(struct kmsc_answer *answer, const char *request_id,
		     int attempts, int64_t time_ms)
{
	struct answer_whole *w = (struct answer_whole *)answer;

	(void)snprintf(w->request_id, sizeof(w->request_id), "%s", request_id);
	if (request_id[0])
		answer->request_id = w->request_id;
	answer->attempts = attempts;
	answer->time_ms = time_ms;
}

void kmsc_answer_free(struct kmsc_answer *answer)
{
	struct answer_whole *w = (struct answer_whole *)answer;

	if (!w)
		return;
	explicit_bzero(w, w->size);
	free(w);
}
