#include "nsm/api/compat/evervault.h"

#include <string.h>

#include "nsm/api/compat/paper.h"
#include "nsm/kms/wire/json.h"

enum { RANDOM_SIZE = 256 };

/* The string's own bytes. 0; -1: it was answered. */
static int read_text(struct job *j, const struct json *value, const char *name,
		     struct nsmc_bytes *ret)
{
	const struct json *member = json_member(value, name);
	struct json_text text;

	if (!member)
		return 0;
	if (json_text(member, &text) < 0) {
		paper_say(j, 400, "%s: invalid type, expected a string", name);
		return -1;
	}
	*ret = NSMC_BYTES((const uint8_t *)text.at, text.len);
	return 0;
}

static int read_key(struct job *j, const struct json *value, struct paper *p)
{
	struct nsmc_bytes text = NSMC_ABSENT;
	size_t len = 0;

	if (read_text(j, value, "publicKey", &text) < 0)
		return -1;
	if (!text.data)
		return 0;
	if (text.len > PAPER_FIELD_MAX ||
	    paper_base64((const char *)text.data, text.len, p->space[0], &len) <
		    0) {
		paper_say(j, 500, "Error decoding base64 value");
		return -1;
	}
	p->public_key = NSMC_BYTES(p->space[0], len);
	return 0;
}

static int read_all(struct job *j, const struct json *value, struct paper *p)
{
	int r;

	if (read_text(j, value, "challenge", &p->user_data) < 0 ||
	    read_text(j, value, "nonce", &p->nonce) < 0 ||
	    read_key(j, value, p) < 0)
		return -1;
	if (p->nonce.data)
		return 0;
	r = nsmc_get_random(j->nsm, p->space[1], RANDOM_SIZE);
	if (r < 0) {
		paper_say(j, 500, "Attestation Error: %s", nsmc_error_text(r));
		return -1;
	}
	p->nonce = NSMC_BYTES(p->space[1], RANDOM_SIZE);
	return 0;
}

static void run(struct job *j)
{
	static struct paper p;
	const struct json *value = paper_object(j);
	struct nsmc_bytes document;
	int r;

	if (!value)
		return;
	if (read_all(j, value, &p) < 0)
		return;
	r = paper_attest(j, &p, &document);
	if (r < 0)
		paper_say(j, 500, "Attestation Error: %s", nsmc_error_text(r));
	else
		job_answer(j, 200, "application/octet-stream", document.data,
			   document.len);
}

static void serve(struct web *w)
{
	jobs_serve(w, JOB_NSM, run, NULL);
}

static void serve_nothing(struct web *w)
{
	paper_tell(w, 500, "Not Found");
}

const struct web_route evervault_routes[] = {
	{ SPEC_EVERVAULT, WEB_POST, "/attestation-doc", SPEC_ATTESTATION, serve,
	  NULL },
	{ SPEC_EVERVAULT, WEB_GET, "*", SPEC_HEALTH, serve_nothing, NULL },
	{ SPEC_EVERVAULT, WEB_POST, "*", SPEC_HEALTH, serve_nothing, NULL },
	{ SPEC_EVERVAULT, WEB_PUT, "*", SPEC_HEALTH, serve_nothing, NULL },
	{ .path = NULL },
};
