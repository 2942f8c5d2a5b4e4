#include <errno.h>
#include <string.h>

#include "nsm/kms/wire/operations.h"
#include "nsm/kms/wire/operations_slot.h"

static int refuse(struct operations_fault *reterr, int code, const char *member,
		  const char *what)
{
	*reterr = (struct operations_fault){ .member = member ? member : "",
					     .what = what };
	return -code;
}

/* --- requests --- */

static bool has_slot(const struct operations_row *row, size_t offset)
{
	for (size_t i = 0; i < row->request_count; i++)
		if (row->request[i].offset == offset)
			return true;
	return false;
}

/* What the request has, but no member of its operation is of. */
static const struct operations_member *find_foreign(
	const struct operations_row *row, const struct kmsc_request *request)
{
	for (size_t i = 0; i < operations_count; i++)
		for (size_t j = 0; j < operations[i].request_count; j++) {
			const struct operations_member *m =
				&operations[i].request[j];

			if (operations_slot_is_set(m, request) &&
			    !has_slot(row, m->offset))
				return m;
		}
	return NULL;
}

/* Which keys there may be is the caller's to say, and ECDH is what is meant without a word. */
static bool may_be_missing(const struct operations_member *m)
{
	return !(m->flags & OPERATIONS_REQUIRED) ||
	       (m->flags & OPERATIONS_KEY) ||
	       m->offset ==
		       offsetof(struct kmsc_request, key_agreement_algorithm);
}

static int check_members(const struct operations_row *row,
			 const struct kmsc_request *request,
			 struct operations_fault *reterr)
{
	for (size_t i = 0; i < row->request_count; i++) {
		const struct operations_member *m = &row->request[i];
		const char *why = operations_slot_check(m, request);

		if (!why && !operations_slot_is_set(m, request) &&
		    !may_be_missing(m))
			why = "is missing";
		if (why)
			return refuse(reterr, KMSC_E_REQUEST, m->name, why);
	}
	return 0;
}

int operations_check(const struct kmsc_request *request,
		     struct operations_fault *reterr)
{
	const struct operations_row *row = operations_of(request->operation);
	const struct operations_member *foreign;
	int r;

	if (!row)
		return refuse(reterr, KMSC_E_REQUEST, NULL,
			      "there is no such operation");
	foreign = find_foreign(row, request);
	if (foreign)
		return refuse(reterr, KMSC_E_REQUEST, foreign->name,
			      "is no member of this operation");
	r = check_members(row, request, reterr);
	if (r < 0 || request->operation != KMSC_GENERATE_DATA_KEY)
		return r;
	if (!request->key_spec == !request->number_of_bytes)
		return refuse(reterr, KMSC_E_REQUEST, "KeySpec",
			      "or NumberOfBytes must be given, and not both");
	return 0;
}

static void write_recipient(struct nsmc_bytes document, struct json_out *out)
{
	json_put_object(out, "Recipient");
	json_put_text(out, "KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256");
	json_put_bytes(out, "AttestationDocument", document.data, document.len);
	json_put_object_end(out);
}

int operations_write_request(const struct kmsc_request *request,
			     struct nsmc_bytes document, char *buf, size_t cap,
			     size_t *ret_len, struct operations_fault *reterr)
{
	const struct operations_row *row = operations_of(request->operation);
	struct kmsc_request copy = *request;
	struct json_out out;
	int r = operations_check(request, reterr);

	if (r < 0)
		return r;
	if (request->operation == KMSC_DERIVE_SHARED_SECRET &&
	    !copy.key_agreement_algorithm)
		copy.key_agreement_algorithm = "ECDH";
	json_out_begin(&out, buf, cap);
	json_put_object(&out, NULL);
	for (size_t i = 0; i < row->request_count; i++)
		operations_slot_write(&row->request[i], row->request[i].name,
				      &copy, &out);
	if (document.data)
		write_recipient(document, &out);
	json_put_object_end(&out);
	r = json_out_end(&out, ret_len);
	if (r == -EILSEQ)
		return refuse(reterr, KMSC_E_REQUEST, NULL,
			      "a text is not UTF-8");
	return r;
}

/* --- answers --- */

static bool is_empty_text(const struct json *value)
{
	struct json_text text;

	return json_text(value, &text) == 0 && text.len == 0;
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static const char *read_member(const struct operations_member *m,
			       const struct json *value,
			       struct operations_answer *ret,
			       struct operations_arena *arena)
{
	/* KMS may shorten what it tells of a key. */
	struct operations_member wide = *m;
	const char *const *text;
	const char *why;

	if (m->type == OPERATIONS_TEXT)
		wide.min = 1;
	if (m->flags & OPERATIONS_RECIPIENT) {
		wide.offset = 0;
		return operations_slot_read(&wide, value, &ret->for_recipient,
					    arena);
	}
	if (m->offset == OPERATIONS_NOWHERE)
		return NULL;
	why = operations_slot_read(&wide, value, &ret->answer, arena);
	text = (const void *)((const char *)&ret->answer + m->offset);
	if (!why && m->type == OPERATIONS_TEXT && !is_printable(*text))
		why = "is not printable";
	return why;
}

static int read_members(const struct operations_row *row,
			const struct json *value, struct operations_answer *ret,
			struct operations_arena *arena,
			struct operations_fault *reterr)
{
	for (size_t i = 0; i < row->answer_count; i++) {
		const struct operations_member *m = &row->answer[i];
		const struct json *member = json_member(value, m->name);
		const char *why = NULL;

		if (member && !is_empty_text(member))
			why = read_member(m, member, ret, arena);
		else if (m->flags & OPERATIONS_REQUIRED)
			why = "is missing";
		if (why == operations_slot_no_room)
			return -ENOSPC;
		if (why)
			return refuse(reterr, KMSC_E_ANSWER, m->name, why);
	}
	return 0;
}

int operations_read_answer(enum kmsc_operation operation, const char *text,
			   size_t len, void *room, size_t cap,
			   struct operations_answer *ret,
			   struct operations_fault *reterr)
{
	const struct operations_row *row = operations_of(operation);
	struct operations_answer answer = { .for_recipient = NSMC_ABSENT };
	struct operations_arena arena;
	const struct json *value;
	struct json_fault fault;
	int r;

	if (!row)
		return refuse(reterr, KMSC_E_ANSWER, NULL,
			      "there is no such operation");
	if (len > OPERATIONS_BODY_MAX)
		return refuse(reterr, KMSC_E_ANSWER, NULL, "it is too long");
	if (cap < operations_room(len))
		return -ENOSPC;
	r = json_read(text, len, room, json_room(len), &value, &fault);
	if (r == -EINVAL)
		return refuse(reterr, KMSC_E_ANSWER, NULL, fault.what);
	if (r < 0)
		return r;
	if (json_kind(value) != JSON_OBJECT)
		return refuse(reterr, KMSC_E_ANSWER, NULL, "it is no object");
	arena = (struct operations_arena){ (uint8_t *)room + json_room(len),
					   cap - json_room(len) };
	r = read_members(row, value, &answer, &arena, reterr);
	if (r == 0)
		*ret = answer;
	return r;
}
