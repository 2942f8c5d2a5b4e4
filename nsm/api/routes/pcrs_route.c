#include "nsm/api/routes/pcrs_route.h"

#include <stddef.h>
#include <string.h>

#include "nsm/api/routes/body.h"
#include "nsm/tool/code.h"

enum { NAME_MAX_BYTES = 255 };

static void put_pcr(struct json_out *out, unsigned index,
		    const struct nsmc_pcr *pcr)
{
	json_put_object(out, NULL);
	json_put_number(out, "index", index);
	json_put_bool(out, "lock", pcr->locked);
	body_put_hex(out, "data", NSMC_BYTES(pcr->value, pcr->len));
	json_put_object_end(out);
}

static void fail(struct job *j, unsigned index, int r)
{
	job_error(j, web_status_of(r), web_code_of(r), "PCR%u: %s", index,
		  nsmc_error_text(r));
}

static void answer_pcr(struct job *j, unsigned index, int r,
		       const struct nsmc_pcr *pcr)
{
	struct json_out *out;

	if (r < 0) {
		fail(j, index, r);
	} else if (j->web->form == WEB_OCTETS) {
		job_answer(j, 200, "application/octet-stream", pcr->value,
			   pcr->len);
	} else {
		out = body_begin();
		put_pcr(out, index, pcr);
		body_end(j, out);
	}
}

/* N of /v1/pcrs/N... */
static bool read_index(struct job *j, uint8_t *ret)
{
	const char *rest = "";
	char text[4] = "";
	uint64_t n = 0;
	size_t len;

	(void)web_after(j->web, "/v1/pcrs/", &rest);
	len = strcspn(rest, "/");
	if (len < sizeof(text))
		memcpy(text, rest, len);
	if (code_number(text, NSMC_PCR_COUNT - 1, &n) < 0) {
		job_error(j, 404, "no_pcr", "there are PCRs 0 to %d",
			  NSMC_PCR_COUNT - 1);
		return false;
	}
	*ret = (uint8_t)n;
	return true;
}

static void answer_list(struct job *j, const uint8_t *index, size_t count)
{
	struct json_out *out = body_begin();
	struct nsmc_pcr pcr;
	int r;

	json_put_object(out, NULL);
	json_put_array(out, "pcrs");
	for (size_t i = 0; i < count; i++) {
		r = nsmc_describe_pcr(j->nsm, index[i], &pcr);
		if (r < 0) {
			fail(j, index[i], r);
			return;
		}
		put_pcr(out, index[i], &pcr);
	}
	json_put_array_end(out);
	json_put_object_end(out);
	body_end(j, out);
}

static void run_list(struct job *j)
{
	uint8_t index[NSMC_PCR_COUNT];
	struct nsmc_description d;
	size_t count = NSMC_PCR_COUNT;
	int r = nsmc_describe(j->nsm, &d);

	if (r < 0) {
		job_error_nsm(j, r);
		return;
	}
	if (d.max_pcrs < count)
		count = d.max_pcrs;
	for (size_t i = 0; i < count; i++)
		index[i] = (uint8_t)i;
	answer_list(j, index, count);
}

static void run_get(struct job *j)
{
	struct nsmc_pcr pcr = { 0 };
	uint8_t index;

	if (read_index(j, &index))
		answer_pcr(j, index, nsmc_describe_pcr(j->nsm, index, &pcr),
			   &pcr);
}

/* With a name, the data are measured; without one they are what the PCR is extended with. */
static void run_extend(struct job *j)
{
	static const char *const names[] = { "name", "data", NULL };
	const struct json *object;
	uint8_t index, measured[NSMC_PCR_SIZE];
	struct nsmc_pcr pcr = { 0 };
	struct nsmc_bytes data;
	const char *name = NULL;

	if (!read_index(j, &index))
		return;
	object = body_object(j);
	if (!object || !body_has_only(j, object, names))
		return;
	if (json_member_text(object, "name", 1, NAME_MAX_BYTES, &name) < 0) {
		body_refuse(j, "name", "a text of 1 to 255 bytes");
		return;
	}
	if (!body_bytes(j, object, "data", name ? 0 : 1,
			name ? WEB_BODY_MAX : NSMC_EXTEND_MAX, &data))
		return;
	if (!data.data) {
		body_refuse(j, "data", "there");
		return;
	}
	if (name) {
		nsmc_measure(name, strlen(name), data.data, data.len, measured);
		data = NSMC_BYTES(measured, sizeof(measured));
	}
	answer_pcr(j, index,
		   nsmc_extend_pcr_checked(j->nsm, index, data.data, data.len,
					   &pcr),
		   &pcr);
}

static void run_lock(struct job *j)
{
	struct nsmc_pcr pcr = { 0 };
	uint8_t index;

	if (read_index(j, &index))
		answer_pcr(j, index, nsmc_lock_pcr_checked(j->nsm, index, &pcr),
			   &pcr);
}

/* Reads all before the first one is locked. */
static bool read_indexes(struct job *j, uint8_t ret[NSMC_PCR_COUNT],
			 size_t *ret_count)
{
	static const char *const names[] = { "indexes", NULL };
	static const char must[] = "an array of 1 to 32 numbers from 0 to 31";
	const struct json *object = body_object(j), *value;
	struct json_walk walk;
	uint64_t n;

	if (!object || !body_has_only(j, object, names))
		return false;
	walk = (struct json_walk){ .of = json_member(object, "indexes") };
	if (!walk.of || json_kind(walk.of) != JSON_ARRAY ||
	    json_count(walk.of) == 0)
		return body_refuse(j, "indexes", must);
	for (*ret_count = 0; json_next(&walk, NULL, &value); ++*ret_count) {
		if (*ret_count == NSMC_PCR_COUNT ||
		    json_number(value, &n) < 0 || n >= NSMC_PCR_COUNT)
			return body_refuse(j, "indexes", must);
		ret[*ret_count] = (uint8_t)n;
	}
	return true;
}

static void run_lock_all(struct job *j)
{
	uint8_t index[NSMC_PCR_COUNT];
	struct nsmc_pcr pcr;
	size_t count = 0;
	int r;

	if (!read_indexes(j, index, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		r = nsmc_lock_pcr_checked(j->nsm, index[i], &pcr);
		if (r < 0) {
			fail(j, index[i], r);
			return;
		}
	}
	answer_list(j, index, count);
}

static void serve_list(struct web *w)
{
	jobs_serve(w, JOB_NSM, run_list, NULL);
}

static void serve_get(struct web *w)
{
	jobs_serve(w, JOB_NSM, run_get, NULL);
}

static void serve_extend(struct web *w)
{
	jobs_serve(w, JOB_NSM, run_extend, NULL);
}

static void serve_lock(struct web *w)
{
	jobs_serve(w, JOB_NSM, run_lock, NULL);
}

static void serve_lock_all(struct web *w)
{
	jobs_serve(w, JOB_NSM, run_lock_all, NULL);
}

const struct web_route pcrs_route[] = {
	{ .method = WEB_GET,
	  .path = "/v1/pcrs",
	  .subject = SPEC_PCRS,
	  .serve = serve_list },
	{ .method = WEB_POST,
	  .path = "/v1/pcrs/lock",
	  .subject = SPEC_EXTEND,
	  .serve = serve_lock_all },
	{ .method = WEB_GET,
	  .path = "/v1/pcrs/{n}",
	  .subject = SPEC_PCRS,
	  .serve = serve_get },
	{ .method = WEB_POST,
	  .path = "/v1/pcrs/{n}/extend",
	  .subject = SPEC_EXTEND,
	  .serve = serve_extend },
	{ .method = WEB_POST,
	  .path = "/v1/pcrs/{n}/lock",
	  .subject = SPEC_EXTEND,
	  .serve = serve_lock },
	{ .path = NULL },
};
