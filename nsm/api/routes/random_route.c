#include "nsm/api/routes/random_route.h"

#include <errno.h>
#include <stddef.h>

#include "nsm/api/routes/body.h"
#include "nsm/tool/code.h"

enum { RANDOM_MAX = 65536, RANDOM_DEFAULT = 32, CBOR_HEAD = 5 };

static bool read_count(struct job *j, size_t *ret)
{
	char text[8];
	uint64_t n = RANDOM_DEFAULT;
	int r = web_query(j->web, "bytes", text, sizeof(text));

	if (r != -ENOENT &&
	    (r < 0 || code_number(text, RANDOM_MAX, &n) < 0 || n == 0))
		return body_refuse(j, "bytes", "a number from 1 to 65536");
	*ret = (size_t)n;
	return true;
}

/* A byte string of CBOR whose length has four bytes: RFC 8949, 3.1. */
static void put_head(uint8_t to[CBOR_HEAD], size_t len)
{
	to[0] = 0x5a;
	for (int i = 0; i < 4; i++)
		to[1 + i] = (uint8_t)(len >> (24 - 8 * i));
}

static void run(struct job *j)
{
	static uint8_t bytes[CBOR_HEAD + RANDOM_MAX];
	struct json_out *out;
	size_t len;
	int r;

	if (!read_count(j, &len))
		return;
	r = nsmc_get_random(j->nsm, bytes + CBOR_HEAD, len);
	if (r < 0) {
		job_error_nsm(j, r);
	} else if (j->web->form == WEB_OCTETS) {
		job_answer(j, 200, "application/octet-stream",
			   bytes + CBOR_HEAD, len);
	} else if (j->web->form == WEB_CBOR) {
		put_head(bytes, len);
		job_answer(j, 200, "application/cbor", bytes, CBOR_HEAD + len);
	} else {
		out = body_begin();
		json_put_object(out, NULL);
		body_put_hex(out, "random", NSMC_BYTES(bytes + CBOR_HEAD, len));
		json_put_object_end(out);
		body_end(j, out);
	}
}

static void serve(struct web *w)
{
	jobs_serve(w, JOB_NSM, run, NULL);
}

const struct web_route random_route[] = {
	{ .method = WEB_GET,
	  .path = "/v1/random",
	  .subject = SPEC_RANDOM,
	  .serve = serve },
	{ .path = NULL },
};
