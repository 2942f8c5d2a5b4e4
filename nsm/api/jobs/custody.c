#include "nsm/api/jobs/custody.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "nsm/api/base/sandbox.h"
#include "nsm/api/http/connection.h"
#include "nsm/kms/credentials/fetch.h"
#include "nsm/kms/credentials/keeper.h"
#include "nsm/kms/kmsc.h"
#include "nsm/nsmc.h"
#include "vsock/io.h"
#include "vsock/relay/plan/address.h"

enum {
	KEY_BITS = 2048,
	KEY_MS = 180 * 1000, /* to make it: the NSM may take 120 s */
	FETCH_MS = 15 * 1000,
	AGAIN_MS = 5000,
};

/* So that what mkeif has accepted is accepted here. */
_Static_assert((int)SPEC_KMS_MS_MAX == (int)KMSC_TIMEOUT_MAX_MS &&
		       (int)SPEC_CONNECT_MAX == (int)KMSC_ADDRESS_MAX,
	       "one number each");

/* A child that waits, which may have ended when it comes. */
struct wisher {
	struct task *task; /* NULL: free */
	uint64_t id;
	uint32_t about;
};

/* What documents are over. */
struct public_half {
	uint32_t generation; /* of the recipient key; 0: none */
	uint8_t spki[NSMC_RECIPIENT_SPKI_MAX];
	size_t len;
};

static struct {
	struct loop *loop;
	const struct spec *spec;
	int nsm;
	void (*ready)(void);
	struct kmsc_client *client;
	bool looks_up; /* its address has a name */

	struct nsmc_recipient *key;
	/* The second one is that of the key before: calls that have begun with it end with it. */
	struct public_half half[2];
	bool is_making;
	int key_error; /* of the last attempt */
	struct timer key_timer, again_timer;

	struct source source;
	struct keeper keeper;
	uint32_t generation; /* of what the keeper has */
	bool is_fetching;
	int fetch_error; /* of the last attempt */
	char fetch_words[KMSC_WORDS_SIZE];
	struct timer fetch_timer;

	struct wisher for_document[SPEC_WORKERS_MAX];
	struct wisher for_credentials[SPEC_WORKERS_MAX];
} custody;

static int64_t after(int64_t ms)
{
	return loop_now_ms(custody.loop) + ms;
}

static struct wisher *note(struct wisher list[SPEC_WORKERS_MAX], struct task *t,
			   uint32_t about)
{
	for (size_t i = 0; i < SPEC_WORKERS_MAX; i++)
		if (!list[i].task) {
			list[i] = (struct wisher){ t, task_id(t), about };
			return &list[i];
		}
	task_give(t, task_id(t), -EBUSY, NULL, 0);
	return NULL;
}

static void grant(struct wisher *w, int r, const void *data, size_t len)
{
	if (w->task)
		task_give(w->task, w->id, r, data, len);
	w->task = NULL;
}

/* --- the recipient key --- */

/* In a child. */
static void make_key(struct job *j)
{
	uint8_t der[NSMC_RECIPIENT_KEY_MAX];
	struct nsmc_recipient *key = NULL;
	size_t len = 0;
	int r = nsmc_recipient_new(j->nsm, KEY_BITS, &key);

	if (r == 0)
		r = nsmc_recipient_export(key, der, sizeof(der), &len);
	if (r < 0)
		job_error_nsm(j, r);
	else
		job_answer(j, 200, "application/octet-stream", der, len);
	explicit_bzero(der, sizeof(der));
}

static int take_key(const uint8_t *der, size_t len)
{
	struct public_half half = { .generation =
					    custody.half[0].generation + 1 };
	struct nsmc_recipient *key = NULL;
	int r = nsmc_recipient_import(der, len, &key);

	if (r < 0)
		return r;
	r = nsmc_recipient_public_key(key, half.spki, sizeof(half.spki),
				      &half.len);
	if (r < 0) {
		nsmc_recipient_free(key);
		return r;
	}
	nsmc_recipient_free(custody.key);
	custody.key = key;
	custody.half[1] = custody.half[0];
	custody.half[0] = half;
	return 0;
}

static void got_key(struct web *web, void *ctx, const struct task_answer *a)
{
	(void)web;
	(void)ctx;
	custody.is_making = false;
	custody.key_error = a->status == 200 ? take_key(a->body, a->len) : -EIO;
	if (custody.key_error) {
		loop_timer(custody.loop, &custody.again_timer, after(AGAIN_MS));
	} else {
		loop_timer(custody.loop, &custody.key_timer,
			   after(custody.spec->recipient_max_ms));
		if (custody.ready)
			custody.ready();
		custody.ready = NULL;
	}
	task_start();
}

static void begin_key(void)
{
	if (custody.is_making)
		return;
	custody.is_making =
		task_add(TASK_KEY, NULL, make_key, NULL, KEY_MS, got_key) == 0;
	if (!custody.is_making)
		loop_timer(custody.loop, &custody.again_timer, after(AGAIN_MS));
}

/* At once: no call may use it any more. */
static void renew_key(void)
{
	nsmc_recipient_free(custody.key);
	custody.key = NULL;
	loop_untimer(custody.loop, &custody.key_timer);
	begin_key();
}

static void on_key_due(struct timer *t)
{
	(void)t;
	renew_key();
}

static void on_again(struct timer *t)
{
	(void)t;
	if (!custody.key)
		begin_key();
}

/* --- documents for children that call KMS --- */

/* In a child of the NSM, for the call whose key is of the generation that it says. */
static void attest(struct job *j)
{
	const struct wisher *w = j->ctx;
	const struct public_half *half =
		&custody.half[w->about != custody.half[0].generation];
	uint8_t document[NSMC_DOCUMENT_MAX];
	size_t len = 0;
	int r = -ESTALE;

	if (half->generation == w->about && half->len)
		r = nsmc_attest(j->nsm, NSMC_ABSENT, NSMC_ABSENT,
				NSMC_BYTES(half->spki, half->len), document,
				sizeof(document), &len);

	if (r < 0)
		job_answer(j, 502, "", &r, sizeof(r));
	else
		job_answer(j, 200, "", document, len);
}

static void got_document(struct web *web, void *ctx,
			 const struct task_answer *a)
{
	int r = a->status == 200 ? 0 : a->status == 504 ? -ETIMEDOUT : -EIO;

	(void)web;
	if (a->status == 502 && a->len == sizeof(r))
		memcpy(&r, a->body, sizeof(r));
	grant(ctx, r, a->body, a->len);
}

static void wish_document(struct task *t, uint32_t generation)
{
	struct wisher *w = note(custody.for_document, t, generation);

	if (w && task_add(TASK_NSM, NULL, attest, w,
			  custody.spec->nsm_timeout_ms, got_document) < 0)
		grant(w, -EBUSY, NULL, 0);
}

/* --- credentials --- */

static int64_t wall_ms(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint32_t random_bits(void)
{
	uint32_t bits = 0;

	/* They only spread retries. */
	return getrandom(&bits, sizeof(bits), GRND_NONBLOCK) < 0 ? 0 : bits;
}

/* In a child. */
static void fetch(struct job *j)
{
	struct kmsc_credentials c = { 0 };
	char words[KMSC_WORDS_SIZE] = "";
	int r = fetch_credentials(&custody.source, io_now_ms() + FETCH_MS, &c,
				  words);

	if (r < 0)
		job_answer(j, 502, "", words, strlen(words));
	else
		job_answer(j, 200, "", &c, sizeof(c));
	explicit_bzero(&c, sizeof(c));
}

static void plan_fetch(void);

static bool is_text(const char *text, size_t cap)
{
	return memchr(text, '\0', cap) != NULL;
}

static int take_credentials(const struct task_answer *a)
{
	struct kmsc_credentials c;

	if (a->status != 200 || a->len != sizeof(c))
		return -KMSC_E_NO_CREDENTIALS;
	memcpy(&c, a->body, sizeof(c));
	if (!is_text(c.access_key_id, sizeof(c.access_key_id)) ||
	    !is_text(c.secret_access_key, sizeof(c.secret_access_key)) ||
	    !is_text(c.session_token, sizeof(c.session_token)))
		return -KMSC_E_CREDENTIALS;
	keeper_take(&custody.keeper, &c, wall_ms(), random_bits());
	custody.generation++;
	explicit_bzero(&c, sizeof(c));
	return 0;
}

static void got_credentials(struct web *web, void *ctx,
			    const struct task_answer *a)
{
	size_t n = a->len < sizeof(custody.fetch_words) - 1 ?
			   a->len :
			   sizeof(custody.fetch_words) - 1;

	(void)web;
	(void)ctx;
	custody.is_fetching = false;
	custody.fetch_error = take_credentials(a);
	if (custody.fetch_error) {
		keeper_fail(&custody.keeper, wall_ms(), random_bits());
		if (a->status != 502)
			n = 0;
		memcpy(custody.fetch_words, a->body, n);
		custody.fetch_words[n] = '\0';
		(void)fprintf(stderr, "enclave-api: no credentials: %s\n",
			      custody.fetch_words);
	}
	for (size_t i = 0; i < SPEC_WORKERS_MAX; i++)
		grant(&custody.for_credentials[i], custody.fetch_error,
		      custody_credentials(), sizeof(struct kmsc_credentials));
	plan_fetch();
	task_start();
}

static void begin_fetch(void)
{
	if (custody.is_fetching)
		return;
	custody.is_fetching = task_add(TASK_CREDENTIALS, NULL, fetch, NULL,
				       2 * FETCH_MS, got_credentials) == 0;
	if (!custody.is_fetching)
		loop_timer(custody.loop, &custody.fetch_timer, after(AGAIN_MS));
}

/* Looks again after a minute at the latest: the wall clock may be set. */
static void plan_fetch(void)
{
	int64_t now = wall_ms(), at = keeper_wants_at(&custody.keeper, now);

	if (at <= now)
		begin_fetch();
	else
		loop_timer(custody.loop, &custody.fetch_timer,
			   after(at - now < 60000 ? at - now : 60000));
}

static void on_fetch_due(struct timer *t)
{
	(void)t;
	plan_fetch();
}

/* GENERATION: which were refused. */
static void wish_credentials(struct task *t, uint32_t generation)
{
	struct wisher *w = note(custody.for_credentials, t, generation);
	const struct kmsc_credentials *c = custody_credentials();

	if (!w)
		return;
	if (c && generation != custody.generation) {
		grant(w, 0, c, sizeof(*c));
		return;
	}
	if (c)
		keeper_refuse(&custody.keeper, c);
	begin_fetch();
	if (!custody.is_fetching)
		grant(w, -EBUSY, NULL, 0);
}

const struct kmsc_credentials *custody_credentials(void)
{
	return custody.spec->credentials ? keeper_current(&custody.keeper) :
					   NULL;
}

void custody_wish(struct task *t, enum job_wish wish, uint32_t about)
{
	if (wish == JOB_WANTS_DOCUMENT)
		wish_document(t, about);
	else if (wish == JOB_WANTS_CREDENTIALS)
		wish_credentials(t, about);
	else
		task_give(t, task_id(t), -EINVAL, NULL, 0);
}

/* --- what is started, what has ended --- */

int custody_gate(enum task_kind kind, const char **ret_code,
		 const char **ret_why)
{
	if (kind != TASK_KMS)
		return 0;
	*ret_code = "no_kms";
	*ret_why = "the configuration has no region";
	if (!custody.spec->region)
		return 503;
	*ret_code = "no_recipient_key";
	*ret_why = "no recipient key can be made";
	if (!custody.key)
		return custody.key_error ? 503 : 1;
	*ret_code = "no_credentials";
	*ret_why = custody.fetch_words;
	if (!custody_credentials())
		return custody.fetch_error ? 503 : 1;
	return 0;
}

void custody_ended(enum task_kind kind, const struct task_answer *a)
{
	if (kind == TASK_KMS && a->has_failed_opening && custody.key)
		renew_key();
}

/* --- in a child --- */

static int ask_document(void *ctx, struct nsmc_bytes public_key,
			uint32_t timeout_ms, void *buf, size_t cap,
			size_t *ret_len)
{
	/* The parent knows which key that is, and has a deadline. */
	(void)public_key;
	(void)timeout_ms;
	return job_ask(ctx, JOB_WANTS_DOCUMENT, custody.half[0].generation, buf,
		       cap, ret_len);
}

static int ask_credentials(void *ctx, bool refused, uint32_t timeout_ms,
			   struct kmsc_credentials *ret,
			   char words[KMSC_WORDS_SIZE])
{
	const struct kmsc_credentials *c = custody_credentials();
	size_t len = 0;
	int r;

	(void)timeout_ms;
	if (!refused && c) {
		*ret = *c;
		return 0;
	}
	r = job_ask(ctx, JOB_WANTS_CREDENTIALS, custody.generation, ret,
		    sizeof(*ret), &len);
	if (r == 0 && len != sizeof(*ret))
		r = -KMSC_E_CREDENTIALS;
	if (r < 0)
		(void)snprintf(words, KMSC_WORDS_SIZE,
			       "others could not be fetched");
	return r;
}

void custody_prepare(enum task_kind kind, struct job *j)
{
	connection_forget(j->web);
	if (kind == TASK_NSM || kind == TASK_KEY)
		j->nsm = custody.nsm;
	if (kind == TASK_KMS) {
		(void)kmsc_client_attester(custody.client, ask_document, j,
					   custody.key);
		(void)kmsc_client_credentials(custody.client, ask_credentials,
					      j);
		j->client = custody.client;
	} else {
		nsmc_recipient_free(custody.key);
		custody.key = NULL;
		keeper_wipe(&custody.keeper);
	}
}

static unsigned needs_of(enum task_kind kind)
{
	unsigned names = custody.looks_up ? SANDBOX_LOOKS_UP : 0;

	switch (kind) {
	case TASK_NSM:
	case TASK_KEY:
		return SANDBOX_NSM;
	case TASK_KMS:
		return SANDBOX_CONNECTS | names;
	case TASK_CREDENTIALS:
		return SANDBOX_CONNECTS | SANDBOX_READS | SANDBOX_LOOKS_UP;
	case TASK_LOCAL:
		return SANDBOX_NOTIFIES;
	case TASK_KINDS:
	default:
		return 0;
	}
}

void custody_enter(enum task_kind kind, struct job *j)
{
	int r = sandbox_enter(needs_of(kind));

	(void)j;
	/* Without filters, on a kernel that has none, all the rest still holds. */
	if (r < 0 && r != -EINVAL && r != -ENOSYS)
		_exit(1);
}

/* --- the beginning --- */

static int read_ca(const char *path)
{
	static uint8_t ca[KMSC_CA_MAX + 1];
	ssize_t len = io_read_file(path, 0, ca, sizeof(ca));

	return len < 0 ? (int)len :
			 kmsc_client_ca(custody.client, ca, (size_t)len);
}

static int fail(struct spec_fault *f, const char *key, const char *value, int r)
{
	(void)snprintf(f->words, sizeof(f->words), "%s %s: %s", key, value,
		       kmsc_error_text(r));
	return r;
}

static int make_client(const struct spec *s, struct spec_fault *reterr)
{
	struct address a;
	int r = kmsc_client_new(&custody.client);

	if (r < 0)
		return fail(reterr, "region", s->region, r);
	r = kmsc_client_region(custody.client, s->region);
	if (r < 0)
		return fail(reterr, "region", s->region, r);
	r = kmsc_client_connect(custody.client, s->connect);
	if (r < 0)
		return fail(reterr, "connect", s->connect, r);
	if (s->endpoint)
		r = kmsc_client_endpoint(custody.client, s->endpoint);
	if (r < 0)
		return fail(reterr, "endpoint", s->endpoint, r);
	if (s->ca)
		r = read_ca(s->ca);
	if (r < 0)
		return fail(reterr, "ca", s->ca, r);
	custody.looks_up = !address_read(s->connect, strlen(s->connect),
					 ADDRESS_SINGLE, &a) &&
			   a.kind == ADDRESS_NAME;
	return kmsc_client_timeout(custody.client, (uint32_t)s->kms_timeout_ms);
}

int custody_open(struct loop *loop, const struct spec *spec, int nsm,
		 struct spec_fault *reterr)
{
	custody.loop = loop;
	custody.nsm = nsm;
	custody.spec = spec;
	custody.key_timer.due = on_key_due;
	custody.again_timer.due = on_again;
	custody.fetch_timer.due = on_fetch_due;
	if (spec->credentials)
		(void)source_read(spec->credentials, strlen(spec->credentials),
				  &custody.source);
	return spec->region ? make_client(spec, reterr) : 0;
}

void custody_begin(void (*ready)(void))
{
	if (custody.spec->credentials)
		plan_fetch();
	if (!custody.spec->region) {
		ready();
		return;
	}
	custody.ready = ready;
	begin_key();
}
