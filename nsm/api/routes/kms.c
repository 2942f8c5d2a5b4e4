#include "nsm/api/routes/kms.h"

#include <string.h>

#include "nsm/api/http/access.h"
#include "nsm/api/jobs/jobs.h"
#include "nsm/api/routes/ask.h"

static const char prefix[] = "/v1/kms/";

/* --- in the child --- */

static bool may_use(const void *ctx, const struct spec_key *key)
{
	const struct web *w = ctx;

	return access_may_use_key(&w->peer, key);
}

static int status_of(int code)
{
	switch (code) {
	case KMSC_E_REQUEST:
	case KMSC_E_KEY_REGION:
	case KMSC_E_CIPHERTEXT:
	case KMSC_E_OTHER_KEY:
	case KMSC_E_NOT_FOUND:
	case KMSC_E_REFUSED:
		return 400;
	case KMSC_E_DENIED:
		return 403;
	case KMSC_E_DRY_RUN:
		return 412;
	case KMSC_E_THROTTLED:
		return 429;
	case KMSC_E_NO_CREDENTIALS:
	case KMSC_E_UNAVAILABLE:
		return 503;
	case KMSC_E_TIMEOUT:
		return 504;
	default:
		return 502;
	}
}

static void fail(struct job *j, const struct kmsc_error *e)
{
	static char words[KMSC_ERROR_LINE_SIZE];
	const char *name = kmsc_error_name(e->code);

	j->has_failed_opening = e->step == KMSC_STEP_OPEN;
	(void)kmsc_error_print(e, words, sizeof(words));
	job_error(j, status_of(-e->code),
		  e->aws_code[0] ? e->aws_code :
		  name		 ? name :
				   "kms_failed",
		  "%s", words);
}

static void answer_json(struct job *j, const struct ask *a,
			const struct kmsc_answer *answer)
{
	static char body[OPERATIONS_BODY_MAX];
	size_t len = 0;

	if (operations_write_answer(a->row, OPERATIONS_LOWER, answer, body,
				    sizeof(body), &len) < 0)
		job_error(j, 502, "KMSC_E_ANSWER", "the answer is too long");
	else
		job_answer(j, 200, "application/json", body, len);
}

static void refuse(struct job *j, const struct ask_fault *f)
{
	static const struct {
		int status;
		const char *code;
	} of[] = {
		[ASK_NO_MEMORY] = { 503, "no_memory" },
		[ASK_NOT_JSON] = { 400, "not_json" },
		[ASK_MEMBER] = { 400, "bad_member" },
		[ASK_RECIPIENT] = { 400, "bad_member" },
		[ASK_NO_KEY] = { 403, "key_not_configured" },
		[ASK_WHICH_KEY] = { 400, "key_ambiguous" },
		[ASK_NOT_YOURS] = { 403, "key_not_allowed" },
		[ASK_CONTEXT] = { 403, "context_pinned" },
	};

	job_error(j, of[f->why].status, of[f->why].code, "%s", f->words);
}

static void call(struct job *j, const struct ask *a)
{
	struct kmsc_answer *answer = NULL;
	static struct kmsc_error error;

	if (kmsc_call(j->client, &a->request, &answer, &error) < 0)
		fail(j, &error);
	else if (!ask_is_answer_key(j->spec, a, answer->key_id, may_use,
				    j->web))
		job_error(
			j, 403, "key_not_allowed",
			"the ciphertext is of a key that is not configured, or not for this caller");
	else if (j->web->form == WEB_OCTETS)
		job_answer(j, 200, "application/octet-stream",
			   answer->plaintext.data, answer->plaintext.len);
	else
		answer_json(j, a, answer);
	kmsc_answer_free(answer);
}

static void run(struct job *j)
{
	const struct web *w = j->web;
	struct ask_fault fault = { .why = ASK_NO_MEMORY };
	struct ask *a = NULL;

	if (ask_read(j->spec, j->ctx, OPERATIONS_LOWER, (const char *)w->body,
		     w->body_len, may_use, w, &a, &fault) < 0)
		refuse(j, &fault);
	else
		call(j, a);
	ask_free(a);
}

/* --- in the service --- */

/* Those with more than one result have no bytes that would be all of it. */
static bool has_one_result(const struct operations_row *row)
{
	return row->operation != KMSC_GENERATE_DATA_KEY &&
	       row->operation != KMSC_GENERATE_DATA_KEY_PAIR;
}

static void serve(struct web *w)
{
	const struct operations_row *row = NULL;
	const char *path = NULL;

	if (web_after(w, prefix, &path))
		row = operations_by_path(path);
	if (!row || !row->is_attested)
		web_error(w, 404, "no_route", "%s has no such operation",
			  prefix);
	else if (web_header(w, "content-type") &&
		 !web_is_type(w, "application/json"))
		web_error(w, 415, "media_type",
			  "Content-Type must be application/json");
	else if (w->form != WEB_JSON &&
		 (w->form != WEB_OCTETS || !has_one_result(row)))
		web_error(w, 406, "not_acceptable", "the answer is JSON");
	else
		/* Tables are not changed: the job's context is only read. */
		jobs_serve(w, JOB_KMS, run, (void *)(uintptr_t)row);
}

const struct web_route kms_routes[] = {
	{ SPEC_OWN, WEB_POST, "/v1/kms/*", SPEC_KMS, serve, NULL },
	{ .path = NULL },
};
