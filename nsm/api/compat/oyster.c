#include "nsm/api/compat/oyster.h"

#include <errno.h>
#include <string.h>

#include "nsm/api/compat/paper.h"

/* Without the parameter *RET stays absent. 0, or -EINVAL: it was answered. */
static int read_field(struct job *j, const char *name, uint8_t *space,
		      struct nsmc_bytes *ret)
{
	static char hex[2 * PAPER_FIELD_MAX + 1];
	size_t len = 0;
	int r = web_query(j->web, name, hex, sizeof(hex));

	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = paper_hex(hex, space, PAPER_FIELD_MAX, &len);
	if (r < 0) {
		paper_say(j, 400, "Failed to decode %s: %s", name,
			  r == -ENOSPC ? "too long" : "not hex");
		return -EINVAL;
	}
	*ret = NSMC_BYTES(space, len);
	return 0;
}

/* The document, or NULL: it was answered. */
static const struct nsmc_bytes *attest(struct job *j)
{
	static struct paper p;
	static struct nsmc_bytes document;
	int r;

	if (read_field(j, "public_key", p.space[0], &p.public_key) < 0 ||
	    read_field(j, "user_data", p.space[1], &p.user_data) < 0 ||
	    read_field(j, "nonce", p.space[2], &p.nonce) < 0)
		return NULL;
	r = paper_attest(j, &p, &document);
	if (r == 0)
		return &document;
	paper_say(j, 500, "Failed to generate attestation doc: %s",
		  nsmc_error_text(r));
	return NULL;
}

static void run_raw(struct job *j)
{
	const struct nsmc_bytes *d = attest(j);

	if (d)
		job_answer(j, 200, "application/octet-stream", d->data, d->len);
}

static void run_hex(struct job *j)
{
	static const char digits[] = "0123456789abcdef";
	static char hex[2 * NSMC_DOCUMENT_MAX];
	const struct nsmc_bytes *d = attest(j);

	if (!d)
		return;
	for (size_t i = 0; i < d->len; i++) {
		hex[2 * i] = digits[d->data[i] >> 4];
		hex[2 * i + 1] = digits[d->data[i] & 15];
	}
	job_answer(j, 200, "text/plain; charset=utf-8", hex, 2 * d->len);
}

static void serve_raw(struct web *w)
{
	jobs_serve(w, JOB_NSM, run_raw, NULL);
}

static void serve_hex(struct web *w)
{
	jobs_serve(w, JOB_NSM, run_hex, NULL);
}

const struct web_route oyster_routes[] = {
	{ SPEC_OYSTER, WEB_GET, "/attestation/raw", SPEC_ATTESTATION, serve_raw,
	  NULL },
	{ SPEC_OYSTER, WEB_GET, "/attestation/hex", SPEC_ATTESTATION, serve_hex,
	  NULL },
	{ .path = NULL },
};
