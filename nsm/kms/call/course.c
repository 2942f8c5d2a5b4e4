#include "nsm/kms/call/course.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "nsm/kms/call/fault.h"
#include "nsm/kms/call/retry.h"
#include "nsm/kms/net/exchange.h"
#include "nsm/kms/wire/json.h"
#include "nsm/kms/wire/verdict.h"
#include "vsock/io.h"

enum { STATUS_OK = 200 };

struct course *course_new(struct kmsc_client *client, struct kmsc_error *error)
{
	struct course *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->client = client;
	c->error = error;
	c->deadline_ms = io_now_ms() + client->timeout_ms;
	return c;
}

void course_free(struct course *c)
{
	if (!c)
		return;
	attested_end(&c->attested);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

static uint32_t left_ms(const struct course *c)
{
	int64_t left = c->deadline_ms - io_now_ms();

	return left <= 0 ? 0 : (uint32_t)left;
}

/* --- what a request needs --- */

static int get_credentials(struct course *c, bool refused)
{
	char words[KMSC_WORDS_SIZE];
	int r;

	r = client_credentials(c->client, refused, left_ms(c), &c->credentials,
			       words);
	words[sizeof(words) - 1] = '\0';
	return r < 0 ? fault_set(c->error, r, KMSC_STEP_CREDENTIALS, "%s",
				 words) :
		       0;
}

/* A document, and the body that has it. */
static int get_document(struct course *c)
{
	int r;

	r = attested_get(&c->attested, c->client, c->wants_recipient,
			 left_ms(c), c->error);
	return r < 0 ? r : c->write(c);
}

/* --- one attempt --- */

static void forget_answer(struct course *c)
{
	struct kmsc_error *e = c->error;

	e->status = 0;
	e->aws_code[0] = e->message[0] = e->request_id[0] = '\0';
	memset(c->wanted, 0, sizeof(c->wanted));
	c->wanted[COURSE_REQUEST_ID].name = "x-amzn-requestid";
	c->wanted[COURSE_ERROR_TYPE].name = "x-amzn-errortype";
	http_answer_begin(&c->answer, c->wanted, COURSE_WANTED, c->answer_body,
			  sizeof(c->answer_body));
}

static int send_request(struct course *c, struct exchange *e,
			struct exchange_fault *f)
{
	const struct request_signed r = {
		.place = &c->place,
		.target = c->target,
		.user_agent = c->client->user_agent,
		.credentials = &c->credentials,
		.now_s = moment_now_ms(&c->attested.moment) / 1000,
		.body = c->body,
		.len = c->body_len,
	};
	size_t len;
	int result;

	result = request_head(&r, c->head, sizeof(c->head), &len);
	if (result < 0) {
		*f = (struct exchange_fault){ .step = KMSC_STEP_SEND };
		return result;
	}
	result = exchange_send(e, c->head, len, c->deadline_ms, f);
	explicit_bzero(c->head, len);
	if (result == 0)
		result = exchange_send(e, c->body, c->body_len, c->deadline_ms,
				       f);
	return result;
}

static int exchange(struct course *c, struct exchange_fault *f)
{
	const struct tls_setup setup = {
		.trust = c->client->trust,
		.host = c->place.host,
		.now_s = moment_now_ms(&c->attested.moment) / 1000,
		.nsm_fd = c->client->nsm_fd,
		.seed = NSMC_BYTES(c->client->seed, c->client->seed_len),
	};
	struct exchange e;
	int r;

	r = exchange_open(&e, &c->client->to, &setup, c->deadline_ms, f);
	if (r < 0)
		return r;
	r = send_request(c, &e, f);
	if (r == 0)
		r = exchange_receive(&e, &c->answer, c->deadline_ms, f);
	exchange_close(&e);
	return r;
}

static void keep_printable(char *to, size_t cap, const char *from)
{
	(void)snprintf(to, cap, "%s", from);
	for (; *to; to++)
		if (*to < ' ' || *to > '~')
			*to = '?';
}

/* Returns 0 with an answer of any status. */
static int attempt(struct course *c)
{
	struct exchange_fault f = { .words = "" };
	int r;

	forget_answer(c);
	c->error->attempts++;
	r = exchange(c, &f);
	if (r < 0)
		return fault_set(c->error, r, f.step, "%s", f.words);
	c->error->status = (int)c->answer.status;
	keep_printable(c->error->request_id, sizeof(c->error->request_id),
		       c->wanted[COURSE_REQUEST_ID].value);
	return 0;
}

/* --- what is done about it --- */

enum { TELLTALE = 16 }; /* characters by which a secret is found */

/*
 * AWS's words about a wrong signature quote what should have been signed, the token in it. They end
 * where SECRET begins.
 */
static void cut_before(char *words, const char *secret)
{
	char begin[TELLTALE + 1], *at;

	(void)snprintf(begin, sizeof(begin), "%s", secret);
	at = strlen(begin) == TELLTALE ? strstr(words, begin) : NULL;
	if (at)
		explicit_bzero(at, strlen(at));
	explicit_bzero(begin, sizeof(begin));
}

/* Of an answer that is none of status 200. */
static enum verdict_action judge(struct course *c)
{
	const struct http_wanted *type = &c->wanted[COURSE_ERROR_TYPE];
	size_t size = json_room(c->answer.body_len);
	void *room = malloc(size);
	struct verdict v;

	verdict_read(c->answer.status, type->is_there ? type->value : NULL,
		     c->answer_body, c->answer.body_len, room, room ? size : 0,
		     &v);
	if (room)
		explicit_bzero(room, size);
	free(room);
	cut_before(v.message, c->credentials.session_token);
	cut_before(v.message, c->credentials.secret_access_key);
	(void)fault_code(c->error, -v.code, KMSC_STEP_ANSWER);
	keep_printable(c->error->aws_code, sizeof(c->error->aws_code),
		       v.aws_code);
	keep_printable(c->error->message, sizeof(c->error->message), v.message);
	return v.action;
}

/* Of an attempt that failed with R, without an answer. */
static enum verdict_action judge_failure(const struct course *c, int r)
{
	if (c->is_forwarded)
		return r == -KMSC_E_CONNECT ? VERDICT_RETRY : VERDICT_STOP;
	return retry_is_passing(-r) ? VERDICT_RETRY : VERDICT_STOP;
}

/* False: the time of the call would be over before. */
static bool wait_for_next(const struct course *c, bool is_throttled)
{
	uint32_t random;
	int64_t delay, until;

	/* Without random bytes it waits the longest. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(random))
		random = UINT32_MAX;
	delay = retry_delay_ms(is_throttled, c->error->attempts, random);
	until = io_now_ms() + delay;
	if (until >= c->deadline_ms)
		return false;
	while ((delay = until - io_now_ms()) > 0)
		(void)poll(NULL, 0, (int)delay);
	return true;
}

/*
 * Fails with what KMS said, unless there are others. Where a source gives none, its words
 * follow those of KMS.
 */
static bool has_others(struct course *c)
{
	struct kmsc_error *e = c->error;
	char words[KMSC_WORDS_SIZE];
	int code = e->code, r;

	if (c->has_refreshed)
		return false;
	c->has_refreshed = true;
	r = get_credentials(c, true);
	if (r == 0)
		return true;
	if (r == -KMSC_E_CREDENTIALS_REFUSED) { /* there are no others */
		(void)fault_code(e, code, KMSC_STEP_ANSWER);
		return false;
	}
	keep_printable(words, sizeof(words),
		       e->words[0] ? e->words : kmsc_error_text(r));
	(void)fault_set(e, code, KMSC_STEP_ANSWER,
			"others could not be had: %.400s", words);
	return false;
}

/* True: the document is new. *RET_FATAL: another cannot be had. */
static bool has_reset_clock(struct course *c, int *ret_fatal)
{
	if (c->has_reset)
		return false;
	c->has_reset = true;
	*ret_fatal = get_document(c);
	return *ret_fatal == 0;
}

/* True: another attempt is to be made. False: the call ends with c->error or *RET_FATAL. */
static bool remedy(struct course *c, enum verdict_action action, int *ret_fatal)
{
	switch (action) {
	case VERDICT_CREDENTIALS:
		return has_others(c);
	case VERDICT_CLOCK:
		return has_reset_clock(c, ret_fatal);
	case VERDICT_RETRY:
	case VERDICT_THROTTLE:
		return c->error->attempts < c->client->attempts &&
		       wait_for_next(c, action == VERDICT_THROTTLE);
	case VERDICT_STOP:
	default:
		return false;
	}
}

/* KMS's errors are for the caller, but for those that this library can do something about. */
static bool is_for_caller(const struct course *c, enum verdict_action action)
{
	return c->is_forwarded && action != VERDICT_CREDENTIALS &&
	       action != VERDICT_CLOCK;
}

static int run_attempts(struct course *c)
{
	enum verdict_action action;
	int r, fatal = 0;

	do {
		r = attempt(c);
		if (r == 0 && c->answer.status == STATUS_OK)
			return 0;
		action = r < 0 ? judge_failure(c, r) : judge(c);
		if (r == 0 && is_for_caller(c, action))
			return 0;
	} while (remedy(c, action, &fatal));
	if (fatal < 0)
		return fatal;
	return r == 0 && c->is_forwarded ? 0 : c->error->code;
}

int course_run(struct course *c)
{
	struct kmsc_error *e = c->error;
	int r;

	if (c->key_arn)
		keep_printable(e->key, sizeof(e->key), c->key_arn);
	r = request_place(c->client, c->key_arn, &c->place, e);
	if (r == 0)
		r = get_credentials(c, false);
	if (r == 0)
		r = get_document(c);
	return r < 0 ? r : run_attempts(c);
}
