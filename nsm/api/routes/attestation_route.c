#include "nsm/api/routes/attestation_route.h"

#include <stdlib.h>
#include <string.h>

#include "nsm/api/routes/body.h"
#include "nsm/item.h"
#include "nsm/tool/code.h"

enum { FIELDS = 3, PEM_MAX = 4096 };

static const char *const names[FIELDS + 1] = { "user_data", "nonce",
					       "public_key", NULL };
enum field { USER_DATA, NONCE, PUBLIC_KEY };

/* --- PEM --- */

/* The bytes of the only block of TEXT, SubjectPublicKeyInfo. */
static bool read_pem(struct job *j, const char *text, struct nsmc_bytes *ret)
{
	static const char begin[] = "-----BEGIN PUBLIC KEY-----";
	static const char end[] = "-----END PUBLIC KEY-----";
	static const char must[] = "base64 of 0 to 1024 bytes, or PEM of one "
				   "PUBLIC KEY";
	const char *at = text + sizeof(begin) - 1, *stop;
	uint8_t *to = malloc(PEM_MAX);
	size_t len = 0;

	stop = strncmp(text, begin, sizeof(begin) - 1) == 0 ? strstr(at, end) :
							      NULL;
	if (!to || !stop || stop - at > PEM_MAX ||
	    stop[sizeof(end) - 1 + strspn(stop + sizeof(end) - 1, "\r\n")] ||
	    code_from_base64(at, (size_t)(stop - at), to, &len) < 0 ||
	    len == 0 || len > NSMC_FIELD_MAX) {
		free(to);
		return body_refuse(j, names[PUBLIC_KEY], must);
	}
	*ret = NSMC_BYTES(to, len);
	return true;
}

/* --- the request --- */

static bool read_json(struct job *j, struct nsmc_bytes fields[FIELDS])
{
	const struct json *object;
	const char *text = NULL;

	if (j->web->body_len == 0)
		return true;
	object = body_object(j);
	if (!object || !body_has_only(j, object, names))
		return false;
	if (json_member_text(object, names[PUBLIC_KEY], 0, PEM_MAX, &text) < 0)
		return body_refuse(j, names[PUBLIC_KEY], "a text");
	for (size_t i = 0; i < FIELDS; i++) {
		bool is_pem = i == PUBLIC_KEY && text &&
			      strncmp(text, "-----", 5) == 0;

		if (is_pem ? !read_pem(j, text, &fields[i]) :
			     !body_bytes(j, object, names[i], 0, NSMC_FIELD_MAX,
					 &fields[i]))
			return false;
	}
	return true;
}

static bool refuse_cbor(struct job *j)
{
	job_error(j, 400, "bad_cbor",
		  "the body must be a map of user_data, nonce and public_key, "
		  "each a byte string of up to 1024 bytes or null");
	return false;
}

static bool read_member(struct item_reader *r, struct nsmc_bytes fields[FIELDS])
{
	struct item key, value;
	size_t i = 0;

	if (item_next_of(r, ITEM_TEXT, &key) < 0 || item_next(r, &value) < 0)
		return false;
	while (i < FIELDS && !item_is_text(&key, names[i]))
		i++;
	if (i == FIELDS || fields[i].data)
		return false;
	if (value.type == ITEM_NULL)
		return true;
	if (value.type != ITEM_BYTES || value.len > NSMC_FIELD_MAX)
		return false;
	fields[i] = value.len ? NSMC_BYTES(value.data, value.len) : NSMC_EMPTY;
	return true;
}

static bool read_cbor(struct job *j, struct nsmc_bytes fields[FIELDS])
{
	struct item_reader r = { j->web->body, j->web->body_len };
	struct item_list list;
	int more;

	if (item_enter(&r, ITEM_MAP, &list) < 0)
		return refuse_cbor(j);
	while ((more = item_more(&r, &list)) > 0)
		if (!read_member(&r, fields))
			return refuse_cbor(j);
	return (more == 0 && r.left == 0) || refuse_cbor(j);
}

/* --- the answer --- */

static void answer(struct job *j, const uint8_t *document, size_t len)
{
	struct json_out *out;

	if (!j->web->has_accept || j->web->form != WEB_JSON) {
		job_answer(j, 200,
			   j->web->form == WEB_OCTETS ?
				   "application/octet-stream" :
				   "application/cbor",
			   document, len);
		return;
	}
	out = body_begin();
	json_put_object(out, NULL);
	json_put_bytes(out, "document", document, len);
	json_put_object_end(out);
	body_end(j, out);
}

static void run(struct job *j)
{
	struct nsmc_bytes fields[FIELDS] = { NSMC_ABSENT, NSMC_ABSENT,
					     NSMC_ABSENT };
	static uint8_t document[NSMC_DOCUMENT_MAX];
	size_t len = 0;
	int r;

	if (web_is_type(j->web, "application/cbor") ? !read_cbor(j, fields) :
						      !read_json(j, fields))
		return;
	if (!job_may_attest(fields[USER_DATA])) {
		job_error(
			j, 403, "reserved",
			"user_data: what begins with \"enclave-init/\" is said "
			"by the runtime alone");
		return;
	}
	r = nsmc_attest(j->nsm, fields[USER_DATA], fields[NONCE],
			fields[PUBLIC_KEY], document, sizeof(document), &len);
	if (r < 0)
		job_error_nsm(j, r);
	else
		answer(j, document, len);
}

static void serve(struct web *w)
{
	jobs_serve(w, JOB_NSM, run, NULL);
}

const struct web_route attestation_route[] = {
	{ .method = WEB_POST,
	  .path = "/v1/attestation",
	  .subject = SPEC_ATTESTATION,
	  .serve = serve },
	{ .path = NULL },
};
