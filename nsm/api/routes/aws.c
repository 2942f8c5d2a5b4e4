#include "nsm/api/routes/aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "nsm/api/http/access.h"
#include "nsm/api/jobs/jobs.h"
#include "nsm/api/jobs/task.h"
#include "nsm/api/routes/ask.h"
#include "nsm/kms/wire/json.h"

enum {
	ID_SIZE = KMSC_REQUEST_ID_SIZE,
	LINES_SIZE = 512,
	MESSAGE_SIZE = KMSC_ERROR_LINE_SIZE,
	ERROR_SIZE = 6 * MESSAGE_SIZE + 256,
};

static const char type_json[] = "application/x-amz-json-1.1";

/* --- answers --- */

/* A request id as AWS's, for answers that are not of KMS. */
static void make_id(char ret[ID_SIZE])
{
	unsigned char b[16] = { 0 };

	/* It finds a line in a log, and protects nothing. */
	if (getrandom(b, sizeof(b), GRND_NONBLOCK) != (ssize_t)sizeof(b))
		memset(b, 0, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(
		ret, ID_SIZE,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		b[10], b[11], b[12], b[13], b[14], b[15]);
}

static void make_lines(char ret[LINES_SIZE], const char *id,
		       const char *error_type)
{
	char own[ID_SIZE];

	if (!id || !*id) {
		make_id(own);
		id = own;
	}
	(void)snprintf(ret, LINES_SIZE, "x-amzn-RequestId: %s\r\n%s%s%s", id,
		       error_type ? "x-amzn-ErrorType: " : "",
		       error_type ? error_type : "", error_type ? "\r\n" : "");
}

/* {"__type": CODE, "message": MESSAGE}; the length, or 0. */
static size_t make_error(char *buf, size_t cap, const char *code,
			 const char *message)
{
	struct json_out out;
	size_t len = 0;

	json_out_begin(&out, buf, cap);
	json_put_object(&out, NULL);
	json_put_text(&out, "__type", code);
	json_put_text(&out, "message", message);
	json_put_object_end(&out);
	return json_out_end(&out, &len) < 0 ? 0 : len;
}

static void answer_error(struct web *w, int status, const char *code,
			 const char *message)
{
	char lines[LINES_SIZE], body[ERROR_SIZE];

	make_lines(lines, NULL, code);
	web_answer_with(w, status, type_json, lines, body,
			make_error(body, sizeof(body), code, message));
}

/* KMS's name for what http/ and jobs/ say by a status. */
static const char *code_of(int status)
{
	switch (status) {
	case 403:
		return "AccessDeniedException";
	case 404:
	case 405:
		return "UnknownOperationException";
	case 429:
		return "ThrottlingException";
	case 500:
		return "KMSInternalException";
	case 503:
		return "ServiceUnavailableException";
	case 504:
		return "DependencyTimeoutException";
	default:
		return "SerializationException";
	}
}

static void refuse_early(struct web *w, int status, const char *code,
			 const char *message)
{
	(void)code;
	answer_error(w, status, code_of(status), message);
}

/* --- in the child --- */

static bool may_use(const void *ctx, const struct spec_key *key)
{
	const struct web *w = ctx;

	return access_may_use_key(&w->peer, key);
}

static void fail(struct job *j, int status, const char *code,
		 const char *message, const char *id)
{
	static char body[ERROR_SIZE];
	char lines[LINES_SIZE];

	make_lines(lines, id, code);
	job_answer_with(j, status, type_json, lines, body,
			make_error(body, sizeof(body), code, message));
}

/*
 * What happened before KMS answered, or with an answer that must not be used. An SDK repeats what has status 500 by itself, and
 * nothing of 400.
 */
static void fail_own(struct job *j, const struct kmsc_error *e)
{
	char message[KMSC_WORDS_SIZE + 128];
	const char *name = kmsc_error_name(e->code);
	int code = -e->code;

	(void)snprintf(message, sizeof(message), "%s%s%s",
		       kmsc_error_text(e->code), e->words[0] ? ": " : "",
		       e->words);
	switch (code) {
	case KMSC_E_TIMEOUT:
		fail(j, 500, "DependencyTimeoutException", message, NULL);
		return;
	case KMSC_E_CONNECT:
	case KMSC_E_CLOSED:
	case KMSC_E_UNAVAILABLE:
	case KMSC_E_NO_CREDENTIALS:
		fail(j, 500, "KMSInternalException", message, NULL);
		return;
	case KMSC_E_THROTTLED:
		fail(j, 400, "ThrottlingException", message, NULL);
		return;
	case KMSC_E_REQUEST:
		fail(j, 400, "ValidationException", message, NULL);
		return;
	default:
		fail(j, 400, name ? name : "KMSInternalException", message,
		     NULL);
		return;
	}
}

/* What the document carried, for who does not know why a policy refuses it: the further lines of the error. */
static void explain(const struct kmsc_error *e, char to[MESSAGE_SIZE])
{
	static char all[KMSC_ERROR_LINE_SIZE];
	const char *more;

	(void)kmsc_error_print(e, all, sizeof(all));
	more = strchr(all, '\n');
	(void)snprintf(to, MESSAGE_SIZE, "%s%s", e->message, more ? more : "");
}

static void fail_call(struct job *j, const struct kmsc_error *e)
{
	static char text[MESSAGE_SIZE];

	j->has_failed_opening = e->step == KMSC_STEP_OPEN;
	if (!e->aws_code[0] || e->status < 400 || e->status > 599) {
		fail_own(j, e);
		return;
	}
	if (e->code == -KMSC_E_DENIED)
		explain(e, text);
	else
		(void)snprintf(text, sizeof(text), "%s", e->message);
	fail(j, e->status, e->aws_code, text, e->request_id);
}

static void answer_attested(struct job *j, const struct ask *a,
			    const struct kmsc_answer *answer)
{
	static char body[OPERATIONS_BODY_MAX];
	char lines[LINES_SIZE];
	size_t len = 0;

	if (!ask_is_answer_key(j->spec, a, answer->key_id, may_use, j->web)) {
		fail(j, 400, "AccessDeniedException",
		     "the ciphertext is of a key that the enclave's configuration does not have, or not for this caller",
		     answer->request_id);
		return;
	}
	if (operations_write_answer(a->row, OPERATIONS_AWS, answer, body,
				    sizeof(body), &len) < 0) {
		fail(j, 400, "KMSC_E_ANSWER", "the answer is too long",
		     answer->request_id);
		return;
	}
	make_lines(lines, answer->request_id, NULL);
	job_answer_with(j, 200, type_json, lines, body, len);
}

static void call_attested(struct job *j, const struct ask *a)
{
	struct kmsc_answer *answer = NULL;
	static struct kmsc_error error;

	if (kmsc_call(j->client, &a->request, &answer, &error) < 0)
		fail_call(j, &error);
	else
		answer_attested(j, a, answer);
}

static void call_forwarded(struct job *j, const struct ask *a)
{
	static char body[KMSC_FORWARD_MAX];
	static struct kmsc_error error;
	char lines[LINES_SIZE];
	size_t len = 0;
	int status = 0;

	/* ReEncrypt's answer has the KeyId of its second key. */
	if (kmsc_forward(j->client, a->row->name, a->key[a->keys - 1]->arn,
			 a->body, a->body_len, body, sizeof(body), &len,
			 &status, &error) < 0) {
		fail_call(j, &error);
		return;
	}
	make_lines(lines, error.request_id,
		   error.aws_code[0] ? error.aws_code : NULL);
	job_answer_with(j, status, type_json, lines, body, len);
}

static void refuse(struct job *j, const struct ask_fault *f)
{
	static const struct {
		int status;
		const char *code;
	} of[] = {
		[ASK_NO_MEMORY] = { 503, "ServiceUnavailableException" },
		[ASK_NOT_JSON] = { 400, "SerializationException" },
		[ASK_MEMBER] = { 400, "ValidationException" },
		[ASK_RECIPIENT] = { 400, "ValidationException" },
		[ASK_NO_KEY] = { 400, "AccessDeniedException" },
		[ASK_WHICH_KEY] = { 400, "ValidationException" },
		[ASK_NOT_YOURS] = { 400, "AccessDeniedException" },
		[ASK_CONTEXT] = { 400, "AccessDeniedException" },
	};

	fail(j, of[f->why].status, of[f->why].code, f->words, NULL);
}

static void run(struct job *j)
{
	const struct web *w = j->web;
	const struct operations_row *row = j->ctx;
	struct ask_fault fault = { .why = ASK_NO_MEMORY };
	struct ask *a = NULL;

	if (ask_read(j->spec, row, OPERATIONS_AWS, (const char *)w->body,
		     w->body_len, may_use, w, &a, &fault) < 0) {
		refuse(j, &fault);
		return;
	}
	/* SDKs repeat by themselves: what we repeated, too, would be squared. */
	(void)kmsc_client_attempts(j->client, 1);
	if (row->is_attested)
		call_attested(j, a);
	else
		call_forwarded(j, a);
	ask_free(a);
}

/* --- in the service --- */

/* What jobs/ says in its own form: no credentials, no room, a child that died. */
static void answer_failed(struct web *w, const struct task_answer *a)
{
	const char *message = "the call was not made";
	size_t cap = json_room(a->len);
	struct json_fault fault;
	const struct json *value = NULL;
	void *room = malloc(cap);

	if (room && json_read((const char *)a->body, a->len, room, cap, &value,
			      &fault) == 0)
		(void)json_member_text(json_member(value, "error"), "message",
				       1, MESSAGE_SIZE - 1, &message);
	answer_error(w, a->status, code_of(a->status), message);
	free(room);
}

static void done(struct web *w, void *ctx, const struct task_answer *a)
{
	(void)ctx;
	if (strcmp(a->type, type_json) == 0)
		web_answer_with(w, a->status, a->type, a->lines, a->body,
				a->len);
	else
		answer_failed(w, a);
}

static void serve(struct web *w)
{
	const char *target = web_header(w, "x-amz-target");
	const struct operations_row *row =
		target ? operations_by_target(target) : NULL;

	if (!row)
		answer_error(
			w, 400, "UnknownOperationException",
			target ?
				"X-Amz-Target: not an operation of KMS that is passed on" :
				"there is no X-Amz-Target: this is where AWS's SDKs find KMS");
	else if (!web_is_type(w, type_json))
		answer_error(w, 400, "SerializationException",
			     "Content-Type must be application/x-amz-json-1.1");
	else
		/* Tables are not changed: the job's context is only read. */
		jobs_serve_then(w, JOB_KMS, run, (void *)(uintptr_t)row, done);
}

const struct web_route aws_routes[] = {
	{ SPEC_OWN, WEB_POST, "/", SPEC_KMS, serve, refuse_early },
	{ SPEC_ENCLAVER, WEB_POST, "/", SPEC_KMS, serve, refuse_early },
	{ .path = NULL },
};
