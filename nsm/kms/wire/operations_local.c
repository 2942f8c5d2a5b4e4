#include <errno.h>
#include <string.h>

#include "nsm/kms/wire/operations.h"
#include "nsm/kms/wire/operations_slot.h"

static const char *name_in(const struct operations_member *m,
			   enum operations_dialect dialect)
{
	return dialect == OPERATIONS_AWS ? m->name : m->lower;
}

static int refuse(struct operations_fault *reterr, const char *member,
		  const char *what)
{
	*reterr = (struct operations_fault){ .member = member, .what = what };
	return -KMSC_E_REQUEST;
}

static int refuse_name(struct operations_fault *reterr,
		       const struct json_text *name)
{
	size_t max = sizeof(reterr->unknown) - 1;

	*reterr = (struct operations_fault){
		.member = "",
		.what = "is no member of this operation; openapi.yaml lists them"
	};
	for (size_t i = 0; i < name->len && i < max; i++)
		reterr->unknown[i] = name->at[i] < ' ' || name->at[i] > '~' ?
					     '?' :
					     name->at[i];
	return -KMSC_E_REQUEST;
}

static const struct operations_member *find(const struct operations_row *row,
					    enum operations_dialect dialect,
					    const struct json_text *name)
{
	for (size_t i = 0; i < row->request_count; i++) {
		const char *own = name_in(&row->request[i], dialect);

		if (own && strlen(own) == name->len &&
		    memcmp(own, name->at, name->len) == 0)
			return &row->request[i];
	}
	return NULL;
}

/* --- requests --- */

static int read_member(const struct operations_member *m, const char *name,
		       const struct json *value, struct operations_request *ret,
		       struct operations_arena *arena,
		       struct operations_fault *reterr)
{
	const char *why;

	if (json_kind(value) == JSON_NULL)
		return 0;
	if (m->flags & OPERATIONS_FOREIGN)
		return refuse(reterr, name, "is not supported");
	if (m->flags & OPERATIONS_RECIPIENT) {
		ret->has_recipient = true;
		return 0;
	}
	why = operations_slot_read(m, value, &ret->request, arena);
	if (why == operations_slot_no_room)
		return -ENOSPC;
	return why ? refuse(reterr, name, why) : 0;
}

/* operations_check names members as AWS does. */
static int check(const struct operations_row *row,
		 enum operations_dialect dialect,
		 const struct kmsc_request *request,
		 struct operations_fault *reterr)
{
	int r = operations_check(request, reterr);
	struct json_text name;

	if (r == 0 || dialect == OPERATIONS_AWS)
		return r;
	name = (struct json_text){ reterr->member, strlen(reterr->member) };
	if (find(row, OPERATIONS_AWS, &name))
		reterr->member =
			name_in(find(row, OPERATIONS_AWS, &name), dialect);
	return r;
}

static int read_members(const struct operations_row *row,
			enum operations_dialect dialect,
			const struct json *value,
			struct operations_request *ret,
			struct operations_arena *arena,
			struct operations_fault *reterr)
{
	struct json_walk w = { .of = value };
	struct json_text name;
	int r = 0;

	while (r == 0 && json_next(&w, &name, &value)) {
		const struct operations_member *m = find(row, dialect, &name);

		if (!m)
			return refuse_name(reterr, &name);
		r = read_member(m, name_in(m, dialect), value, ret, arena,
				reterr);
	}
	return r;
}

int operations_read_request(const struct operations_row *row,
			    enum operations_dialect dialect, const char *text,
			    size_t len, void *room, size_t cap,
			    struct operations_request *ret,
			    struct operations_fault *reterr)
{
	struct operations_request request = {
		.request = { .operation = row->operation }
	};
	struct operations_arena arena;
	const struct json *value;
	struct json_fault fault;
	int r;

	if (!row->is_attested)
		return refuse(reterr, "", "the operation takes no Recipient");
	if (len > OPERATIONS_BODY_MAX)
		return refuse(reterr, "", "it is too long");
	if (cap < operations_room(len))
		return -ENOSPC;
	r = json_read(len ? text : "{}", len ? len : 2, room, json_room(len),
		      &value, &fault);
	if (r == -EINVAL)
		return refuse(reterr, "", fault.what);
	if (r < 0)
		return r;
	if (json_kind(value) != JSON_OBJECT)
		return refuse(reterr, "", "it is no object");
	arena = (struct operations_arena){ (uint8_t *)room + json_room(len),
					   cap - json_room(len) };
	r = read_members(row, dialect, value, &request, &arena, reterr);
	if (r == 0)
		r = check(row, dialect, &request.request, reterr);
	if (r == 0)
		*ret = request;
	return r;
}

int operations_write_answer(const struct operations_row *row,
			    enum operations_dialect dialect,
			    const struct kmsc_answer *answer, char *buf,
			    size_t cap, size_t *ret_len)
{
	struct json_out out;

	json_out_begin(&out, buf, cap);
	json_put_object(&out, NULL);
	for (size_t i = 0; i < row->answer_count; i++)
		operations_slot_write(&row->answer[i],
				      name_in(&row->answer[i], dialect), answer,
				      &out);
	json_put_object_end(&out);
	return json_out_end(&out, ret_len);
}

/* --- what is forwarded --- */

int operations_check_forward(const struct operations_row *row,
			     const struct json *value,
			     struct operations_fault *reterr)
{
	struct json_walk w = { .of = value };
	const struct json *member;
	struct json_text name;

	if (json_kind(value) != JSON_OBJECT)
		return refuse(reterr, "", "it is no object");
	while (json_next(&w, &name, &member)) {
		const struct operations_member *m =
			find(row, OPERATIONS_AWS, &name);
		const char *why = NULL;

		if (!m)
			return refuse_name(reterr, &name);
		if (json_kind(member) != JSON_NULL)
			why = operations_slot_check_json(m, member);
		if (why)
			return refuse(reterr, m->name, why);
	}
	for (size_t i = 0; i < row->request_count; i++)
		if ((row->request[i].flags & OPERATIONS_REQUIRED) &&
		    !json_member(value, row->request[i].name))
			return refuse(reterr, row->request[i].name,
				      "is missing");
	return 0;
}

static const struct operations_patch *patch_of(
	const char *member, const struct operations_patch *patches,
	size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(patches[i].member, member) == 0)
			return &patches[i];
	return NULL;
}

static bool has_pair(const struct operations_patch *p, const char *name,
		     size_t len)
{
	for (size_t i = 0; i < p->context_count; i++)
		if (strlen(p->context[i].name) == len &&
		    memcmp(p->context[i].name, name, len) == 0)
			return true;
	return false;
}

/* The pairs of VALUE (may be NULL), but those that the patch has; then these. */
static void write_context(const struct operations_member *m,
			  const struct json *value,
			  const struct operations_patch *p,
			  struct json_out *out)
{
	struct json_walk w = { .of = value };
	struct json_text name;

	json_put_object(out, m->name);
	while (json_next(&w, &name, &value))
		if (!has_pair(p, name.at, name.len))
			json_put_value(out, name.at, value);
	for (size_t i = 0; i < p->context_count; i++)
		json_put_text(out, p->context[i].name, p->context[i].value);
	json_put_object_end(out);
}

static void write_patched(const struct operations_member *m,
			  const struct json *value,
			  const struct operations_patch *p,
			  struct json_out *out)
{
	if (!p && value)
		json_put_value(out, m->name, value);
	else if (p && p->text)
		json_put_text(out, m->name, p->text);
	else if (p && p->context_count > 0)
		write_context(m, value, p, out);
}

int operations_write_forward(const struct operations_row *row,
			     const struct json *value,
			     const struct operations_patch *patches,
			     size_t patches_count, char *buf, size_t cap,
			     size_t *ret_len)
{
	struct json_out out;
	int r;

	json_out_begin(&out, buf, cap);
	json_put_object(&out, NULL);
	for (size_t i = 0; i < row->request_count; i++) {
		const struct operations_member *m = &row->request[i];

		write_patched(m, json_member(value, m->name),
			      patch_of(m->name, patches, patches_count), &out);
	}
	json_put_object_end(&out);
	r = json_out_end(&out, ret_len);
	return r == -EILSEQ ? -KMSC_E_REQUEST : r;
}
