#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nsm/kms/call/answer.h"
#include "nsm/kms/call/course.h"
#include "nsm/kms/call/fault.h"
#include "nsm/kms/wire/endpoint.h"

/* --- operations with a recipient --- */

static int write_attested(struct course *c)
{
	struct operations_fault f = { .member = "", .what = "" };
	struct nsmc_bytes document =
		NSMC_BYTES(c->attested.document, c->attested.len);
	int r;

	r = operations_write_request(c->ctx, document, c->body, sizeof(c->body),
				     &c->body_len, &f);
	return r < 0 ? fault_set(c->error, r == -ENOSPC ? -KMSC_E_REQUEST : r,
				 KMSC_STEP_REQUEST, "%s%s%s", f.member,
				 f.member[0] ? " " : "",
				 r == -ENOSPC ? "it is too long" : f.what) :
		       0;
}

static int check(const struct kmsc_request *request, struct kmsc_error *e)
{
	struct operations_fault f = { .member = "", .what = "" };
	int r;

	if (!operations_of(request->operation))
		return fault_set(e, -KMSC_E_REQUEST, KMSC_STEP_REQUEST,
				 "there is no such operation");
	r = request_check_key(request, e);
	if (r < 0)
		return r;
	r = operations_check(request, &f);
	return r < 0 ? fault_set(e, r, KMSC_STEP_REQUEST, "%s %s", f.member,
				 f.what) :
		       0;
}

static int run(struct course *c, const struct kmsc_request *request,
	       struct kmsc_answer **ret)
{
	struct kmsc_answer *answer;
	int r;

	c->target = operations_of(request->operation)->target;
	c->key_arn = request->key_arn;
	c->write = write_attested;
	c->ctx = request;
	c->wants_recipient = true;
	r = course_run(c);
	if (r < 0)
		return r;
	r = answer_take(request, c->attested.recipient, c->answer_body,
			c->answer.body_len, &answer, c->error);
	if (r < 0)
		return r;
	answer_complete(answer, c->error->request_id, c->error->attempts,
			c->error->time_ms);
	*ret = answer;
	return 0;
}

static int call(struct kmsc_client *client, const struct kmsc_request *request,
		struct kmsc_answer **ret, struct kmsc_error *e)
{
	struct course *c;
	int r = check(request, e);

	if (r < 0)
		return r;
	c = course_new(client, e);
	if (!c)
		return fault_code(e, -ENOMEM, KMSC_STEP_REQUEST);
	r = run(c, request, ret);
	course_free(c);
	return r;
}

int kmsc_call(struct kmsc_client *client, const struct kmsc_request *request,
	      struct kmsc_answer **ret, struct kmsc_error *reterr)
{
	struct kmsc_error e = { 0 };
	int r;

	if (client && request && ret)
		r = call(client, request, ret, &e);
	else
		r = fault_code(&e, -EINVAL, KMSC_STEP_REQUEST);
	if (r < 0 && reterr)
		*reterr = e;
	return r;
}

/* --- forwarding --- */

struct forwarded {
	const char *operation, *key_arn;
	const void *body;
	size_t len;
};

static int write_forwarded(struct course *c)
{
	const struct forwarded *f = c->ctx;

	memcpy(c->body, f->body, f->len);
	c->body_len = f->len;
	return 0;
}

enum { OPERATION_MAX = 64 };

static const char prefix[] = "TrentService.";

/* Letters alone: it becomes part of a header. */
static bool is_forwardable(const char *operation)
{
	size_t i;

	/* In any case of its letters: whether KMS tells them is not known. */
	for (i = 0; i < operations_count; i++)
		if (operations[i].is_attested &&
		    strcasecmp(operations[i].name, operation) == 0)
			return false;

	for (i = 0; operation[i]; i++)
		if (i >= OPERATION_MAX ||
		    !((operation[i] >= 'a' && operation[i] <= 'z') ||
		      (operation[i] >= 'A' && operation[i] <= 'Z')))
			return false;
	return i > 0;
}

/* The KeyId of an answer, if it has one, is KEY_ARN. */
static int compare_key(const struct course *c, const char *key_arn)
{
	size_t len = c->answer.body_len, cap = json_room(len);
	struct json_fault fault = { .what = "" };
	const struct json *value;
	const char *named = NULL;
	void *room = malloc(cap);
	int r;

	if (!room)
		return fault_code(c->error, -ENOMEM, KMSC_STEP_ANSWER);
	if (json_read(c->answer_body, len, room, cap, &value, &fault) < 0)
		r = fault_set(c->error, -KMSC_E_ANSWER, KMSC_STEP_ANSWER, "%s",
			      fault.what);
	else if (json_member_text(value, "KeyId", 1, KMSC_KEY_ARN_MAX, &named) <
			 0 ||
		 (named && strcmp(named, key_arn) != 0))
		r = fault_set(c->error, -KMSC_E_ANSWER_KEY, KMSC_STEP_ANSWER,
			      "its KeyId is %s", named ? named : "no text");
	else
		r = 0;
	explicit_bzero(room, cap);
	free(room);
	return r;
}

static int check_forward(const struct forwarded *f, struct kmsc_error *e)
{
	if (!is_forwardable(f->operation))
		return fault_code(e, -KMSC_E_OPERATION, KMSC_STEP_REQUEST);
	if (f->key_arn && !endpoint_is_key_arn(f->key_arn))
		return fault_set(e, -KMSC_E_KEY_ARN, KMSC_STEP_REQUEST, "%s",
				 f->key_arn);
	if (f->len == 0 || f->len > KMSC_FORWARD_MAX)
		return fault_set(e, -KMSC_E_REQUEST, KMSC_STEP_REQUEST,
				 "it is empty or too long");
	return 0;
}

/* To an answer of any status, in c->answer. */
static int run_forward(struct course *c, const struct forwarded *f,
		       const char *target)
{
	int r;

	c->target = target;
	c->key_arn = f->key_arn;
	c->write = write_forwarded;
	c->ctx = f;
	c->is_forwarded = true;
	r = course_run(c);
	/* EnableKey and others that are in no table answer with nothing. */
	if (r == 0 && c->key_arn && c->answer.status == 200 &&
	    (c->answer.body_len > 0 || operations_by_name(f->operation)))
		r = compare_key(c, c->key_arn);
	return r;
}

static int forward(struct kmsc_client *client, const struct forwarded *f,
		   void *buf, size_t cap, size_t *ret_len, int *ret_status,
		   struct kmsc_error *e)
{
	char target[sizeof(prefix) + OPERATION_MAX];
	struct course *c;
	int r = check_forward(f, e);

	if (r < 0)
		return r;
	c = course_new(client, e);
	if (!c)
		return fault_code(e, -ENOMEM, KMSC_STEP_REQUEST);
	(void)snprintf(target, sizeof(target), "%s%s", prefix, f->operation);
	r = run_forward(c, f, target);
	if (r == 0 && c->answer.body_len > cap)
		r = fault_code(e, -ENOBUFS, KMSC_STEP_ANSWER);
	if (r == 0) {
		memcpy(buf, c->answer_body, c->answer.body_len);
		*ret_len = c->answer.body_len;
		*ret_status = (int)c->answer.status;
	}
	course_free(c);
	return r;
}

int kmsc_forward(struct kmsc_client *client, const char *operation,
		 const char *key_arn, const void *body, size_t len, void *buf,
		 size_t cap, size_t *ret_len, int *ret_status,
		 struct kmsc_error *reterr)
{
	const struct forwarded f = { operation, key_arn, body, len };
	struct kmsc_error e = { 0 };
	int r;

	if (client && operation && body && buf && ret_len && ret_status)
		r = forward(client, &f, buf, cap, ret_len, ret_status, &e);
	else
		r = fault_code(&e, -EINVAL, KMSC_STEP_REQUEST);
	/* The errors of KMS that are passed on have theirs, too. */
	if (reterr && (r < 0 || e.aws_code[0]))
		*reterr = e;
	return r;
}
