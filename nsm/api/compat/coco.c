#include "nsm/api/compat/coco.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/api/compat/paper.h"
#include "nsm/api/http/access.h"
#include "nsm/kms/kmsc.h"
#include "nsm/tool/code.h"
#include "vsock/io.h"

static const char octets[] = "application/octet-stream";
static const char prefix[] = "/cdh/resource/";

/* --- secrets --- */

/* What is in the files of the configuration's secrets, in its order. */
static struct nsmc_bytes blobs[SPEC_SECRETS_MAX];

/*
 * A CiphertextBlob as KMS returns it, or as AWS's CLI prints it: in base64, which has none of the bytes that a blob begins
 * with.
 */
static int read_blob(const char *path, struct nsmc_bytes *ret)
{
	static uint8_t raw[2 * KMSC_CIPHERTEXT_MAX + 1], blob[sizeof(raw)];
	ssize_t n = io_read_file(path, O_NOCTTY | O_NONBLOCK, raw, sizeof(raw));
	size_t len = (size_t)n, decoded = 0;
	uint8_t *kept;

	if (n < 0)
		return (int)n;
	if (len == sizeof(raw))
		return -EFBIG;
	if (code_from_base64((const char *)raw, len, blob, &decoded) == 0)
		len = decoded;
	else
		memcpy(blob, raw, len);
	if (len == 0 || len > KMSC_CIPHERTEXT_MAX)
		return len ? -EFBIG : -ENODATA;
	kept = malloc(len);
	if (!kept)
		return -ENOMEM;
	memcpy(kept, blob, len);
	ret->data = kept;
	ret->len = len;
	return 0;
}

int coco_open(const struct spec *spec, struct spec_fault *reterr)
{
	for (size_t i = 0; i < spec->secrets; i++) {
		int r = read_blob(spec->secret[i].path, &blobs[i]);

		if (r == 0)
			continue;
		reterr->line = spec->secret[i].line;
		(void)snprintf(reterr->words, sizeof(reterr->words),
			       "secret: %s: %s", spec->secret[i].path,
			       strerror(-r));
		return r;
	}
	return 0;
}

static const struct spec_secret *find(const struct spec *s, const char *name)
{
	for (size_t i = 0; i < s->secrets; i++)
		if (strcmp(s->secret[i].name, name) == 0)
			return &s->secret[i];
	return NULL;
}

static void decrypt(struct job *j, const struct spec_secret *secret)
{
	struct kmsc_pair context[SPEC_CONTEXT_MAX];
	const struct spec_key *key = secret->key;
	struct kmsc_request q = {
		.operation = KMSC_DECRYPT,
		.key_arn = key->arn,
		.ciphertext = blobs[secret - j->spec->secret],
		.context = context,
		.context_count = key->pairs,
	};
	struct kmsc_answer *answer = NULL;
	static struct kmsc_error error;
	static char words[KMSC_ERROR_LINE_SIZE];

	for (size_t i = 0; i < key->pairs; i++)
		context[i] = (struct kmsc_pair){ key->pair[i].name,
						 key->pair[i].value };
	if (kmsc_call(j->client, &q, &answer, &error) == 0) {
		job_answer(j, 200, octets, answer->plaintext.data,
			   answer->plaintext.len);
	} else {
		j->has_failed_opening = error.step == KMSC_STEP_OPEN;
		(void)kmsc_error_print(&error, words, sizeof(words));
		job_answer(j, 500, "text/plain; charset=utf-8", words,
			   strlen(words));
	}
	kmsc_answer_free(answer);
}

static void run_resource(struct job *j)
{
	decrypt(j, j->ctx);
}

static void serve_resource(struct web *w)
{
	const struct spec_secret *secret = NULL;
	const char *name = NULL;

	if (web_after(w, prefix, &name))
		secret = find(jobs_spec(), name);
	if (!secret)
		paper_tell(w, 404, "there is no such resource");
	else if (!access_may_use_key(&w->peer, secret->key))
		paper_tell(w, 403, "Forbidden");
	else
		jobs_serve(w, JOB_KMS, run_resource, (void *)(uintptr_t)secret);
}

/* --- evidence --- */

/* The bytes of the value itself, or of what is the URL's base64 without padding. 0; -1: it was answered. */
static int read_data(struct job *j, struct paper *p)
{
	static char data[PAPER_FIELD_MAX + 1];
	char encoding[16];
	size_t decoded = 0;
	int len = web_query(j->web, "runtime_data", data, sizeof(data));
	int r = web_query(j->web, "encoding", encoding, sizeof(encoding));

	if (len >= 0 && r == -ENOENT) {
		p->user_data = NSMC_BYTES((const uint8_t *)data, (size_t)len);
		return 0;
	}
	/* Of the usual alphabet two characters are not the URL's. */
	if (len < 0 || r < 0 || strcmp(encoding, "base64") != 0 ||
	    strpbrk(data, "+/= \n\r\t") ||
	    code_from_base64(data, (size_t)len, p->space[0], &decoded) < 0) {
		paper_say(j, 400, "BAD REQUEST");
		return -1;
	}
	p->user_data = NSMC_BYTES(p->space[0], decoded);
	return 0;
}

static void run_evidence(struct job *j)
{
	static struct paper p;
	struct nsmc_bytes document;
	int r;

	if (read_data(j, &p) < 0)
		return;
	r = paper_attest(j, &p, &document);
	if (r < 0)
		paper_say(j, 500, "%s", nsmc_error_text(r));
	else
		job_answer(j, 200, octets, document.data, document.len);
}

static void serve_evidence(struct web *w)
{
	jobs_serve(w, JOB_NSM, run_evidence, NULL);
}

static void serve_nothing(struct web *w)
{
	paper_tell(w, 404, "URL NOT FOUND");
}

const struct web_route coco_routes[] = {
	{ SPEC_COCO, WEB_GET, "/cdh/resource/*", SPEC_KMS, serve_resource,
	  NULL },
	{ SPEC_COCO, WEB_GET, "/aa/evidence", SPEC_ATTESTATION, serve_evidence,
	  NULL },
	{ SPEC_COCO, WEB_GET, "*", SPEC_HEALTH, serve_nothing, NULL },
	{ .path = NULL },
};
