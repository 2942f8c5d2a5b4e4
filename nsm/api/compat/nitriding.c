#include "nsm/api/compat/nitriding.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "nsm/api/compat/paper.h"
#include "nsm/kms/wire/base64.h"

enum { HASH_SIZE = 32, NONCE_SIZE = 20 };

/* Of the application's key, which documents name. Zeros: it has given none. */
static uint8_t hash[HASH_SIZE];

/* --- inside --- */

/*
 * Nothing waits for it: whose service is ready is known by its NOTIFY_SOCKET alone. Programs want the 200, and 410 from then on.
 */
static void serve_ready(struct web *w)
{
	static bool is_ready;

	paper_tell(w, is_ready ? 410 : 200, "");
	is_ready = true;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void serve_hash(struct web *w)
{
	enum { CHARACTERS = (HASH_SIZE + 2) / 3 * 4 };
	const uint8_t *at = w->body, *end = w->body + w->body_len;
	uint8_t got[CHARACTERS + 4];
	size_t len = 0;

	/* One more for a line end. */
	if (w->body_len > CHARACTERS + 1) {
		paper_tell(w, 400, "reached read limit\n");
		return;
	}
	while (at < end && is_space(*at))
		at++;
	while (end > at && is_space(end[-1]))
		end--;
	if (base64_read((const char *)at, (size_t)(end - at), got, &len) < 0) {
		paper_tell(w, 400, "no Base64 given\n");
		return;
	}
	if (len != HASH_SIZE) {
		paper_tell(w, 400, "given hash is of invalid size\n");
		return;
	}
	memcpy(hash, got, HASH_SIZE);
	paper_tell(w, 200, "");
}

/* --- for others --- */

/* Two multihashes of SHA-256: of a TLS certificate, which there is none of here, and of the application's key. */
static void write_hashes(uint8_t to[2 * (2 + HASH_SIZE)])
{
	static const uint8_t prefix[] = { 0x12, HASH_SIZE };

	memset(to, 0, 2 * (2 + HASH_SIZE));
	memcpy(to, prefix, 2);
	memcpy(to + 2 + HASH_SIZE, prefix, 2);
	memcpy(to + 4 + HASH_SIZE, hash, HASH_SIZE);
}

static void run(struct job *j)
{
	static const char dummy[] = "dummy";
	static char answer[NSMC_DOCUMENT_MAX / 3 * 4 + 8];
	static struct paper p;
	struct nsmc_bytes document;
	char hex[2 * NONCE_SIZE + 1];
	size_t len = 0;
	int r = web_query(j->web, "nonce", hex, sizeof(hex));

	if (r <= 0 && r != -ENOSPC) {
		paper_say(j, 400,
			  "could not find nonce in URL query parameters\n");
		return;
	}
	if (r != 2 * NONCE_SIZE ||
	    paper_hex(hex, p.space[0], NONCE_SIZE, &len) < 0) {
		paper_say(
			j, 400,
			"unexpected nonce format; must be 40-digit hex string\n");
		return;
	}
	p.nonce = NSMC_BYTES(p.space[0], len);
	write_hashes(p.space[1]);
	p.user_data = NSMC_BYTES(p.space[1], 2 * (2 + HASH_SIZE));
	p.public_key = NSMC_BYTES((const uint8_t *)dummy, sizeof(dummy) - 1);
	if (paper_attest(j, &p, &document) < 0) {
		paper_say(
			j, 500,
			"failed to obtain attestation document from hypervisor\n");
		return;
	}
	base64_write(document.data, document.len, answer);
	len = base64_len(document.len);
	answer[len++] = '\n';
	job_answer(j, 200, "text/plain; charset=utf-8", answer, len);
}

static void serve_attestation(struct web *w)
{
	jobs_serve(w, JOB_NSM, run, NULL);
}

const struct web_route nitriding_routes[] = {
	{ SPEC_NITRIDING, WEB_GET, "/enclave/ready", SPEC_HEALTH, serve_ready,
	  NULL },
	{ SPEC_NITRIDING, WEB_POST, "/enclave/hash", SPEC_ATTESTATION,
	  serve_hash, NULL },
	{ SPEC_NITRIDING, WEB_GET, "/enclave/attestation", SPEC_ATTESTATION,
	  serve_attestation, NULL },
	{ .path = NULL },
};
