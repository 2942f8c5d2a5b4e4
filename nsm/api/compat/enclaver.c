#include "nsm/api/compat/enclaver.h"

#include <errno.h>

#include "nsm/api/compat/paper.h"
#include "nsm/kms/wire/base64.h"
#include "nsm/kms/wire/json.h"

/* A decoder: TO has as many bytes as there are characters. */
typedef int decode_fn(const char *text, size_t len, uint8_t *to,
		      size_t *ret_len);

/* Without the member *RET stays absent. 0, or -EINVAL: it was answered. */
static int read_field(struct job *j, const struct json *value, const char *name,
		      decode_fn *decode, uint8_t *space, struct nsmc_bytes *ret)
{
	const struct json *member = json_member(value, name);
	struct json_text text;
	size_t len = 0;

	if (!member)
		return 0;
	if (json_text(member, &text) < 0) {
		paper_say(j, 400, "%s: invalid type: expected a string", name);
		return -EINVAL;
	}
	if (text.len > PAPER_FIELD_MAX) {
		paper_say(j, 400, "%s: too long", name);
		return -EINVAL;
	}
	if (decode(text.at, text.len, space, &len) < 0) {
		paper_say(j, 400, "%s: %s", name,
			  decode == paper_pem ? "not PEM" : "not base64");
		return -EINVAL;
	}
	*ret = NSMC_BYTES(space, len);
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
	if (read_field(j, value, "nonce", base64_read, p.space[0], &p.nonce) <
		    0 ||
	    read_field(j, value, "user_data", base64_read, p.space[1],
		       &p.user_data) < 0 ||
	    read_field(j, value, "public_key", paper_pem, p.space[2],
		       &p.public_key) < 0)
		return;
	r = paper_attest(j, &p, &document);
	if (r < 0)
		paper_say(j, r == -EMSGSIZE ? 400 : 500, "attestation: %s",
			  nsmc_error_text(r));
	else
		job_answer(j, 200, "application/cbor", document.data,
			   document.len);
}

static void serve(struct web *w)
{
	jobs_serve(w, JOB_NSM, run, NULL);
}

const struct web_route enclaver_routes[] = {
	{ SPEC_ENCLAVER, WEB_POST, "/v1/attestation", SPEC_ATTESTATION, serve,
	  NULL },
	{ .path = NULL },
};
