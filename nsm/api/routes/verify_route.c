#include "nsm/api/routes/verify_route.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nsm/api/routes/body.h"
#include "nsm/tool/code.h"

struct verification {
	struct nsmc_policy *policy;
	struct nsmc_bytes document;
	bool has_image, has_freshness;
	bool time_of_document;
	int64_t time_s;
};

static const char *const members[] = {
	"document", "pcrs",	    "nonce",	     "user_data", "public_key",
	"no_nonce", "no_user_data", "no_public_key", "max_age",	  "time",
	"leeway",   "roots",	    "any_image",     "any_age",	  "allow_debug",
	"nitrotpm", NULL,
};

static const char *const fields[] = { [NSMC_FIELD_NONCE] = "nonce",
				      [NSMC_FIELD_USER_DATA] = "user_data",
				      [NSMC_FIELD_PUBLIC_KEY] = "public_key" };

/* --- what is expected --- */

static bool read_pcr(struct job *j, struct verification *v,
		     const struct json_text *name, const struct json *value)
{
	struct json_text text;
	struct nsmc_bytes pcr;
	char what[24];
	uint64_t n;

	if (code_number(name->at, NSMC_PCR_COUNT - 1, &n) < 0)
		return body_refuse(j, "pcrs",
				   "an object whose names are 0 to 31");
	v->has_image = true;
	(void)snprintf(what, sizeof(what), "pcrs.%u", (unsigned)n);
	if (json_kind(value) == JSON_NULL)
		return nsmc_policy_pcr_absent(v->policy, (unsigned)n) == 0;
	if (json_text(value, &text) < 0)
		return body_refuse(j, what, "hex, or null for an absent one");
	return body_hex(j, what, text.at, text.len, NSMC_PCR_SIZE,
			NSMC_PCR_SIZE, &pcr) &&
	       nsmc_policy_pcr(v->policy, (unsigned)n, pcr.data, pcr.len) == 0;
}

static bool read_pcrs(struct job *j, struct verification *v,
		      const struct json *object)
{
	struct json_walk walk = { .of = json_member(object, "pcrs") };
	const struct json *value;
	struct json_text name;

	if (walk.of && json_kind(walk.of) != JSON_OBJECT)
		return body_refuse(j, "pcrs", "an object");
	while (walk.of && json_next(&walk, &name, &value))
		if (!read_pcr(j, v, &name, value))
			return false;
	return true;
}

static bool read_fields(struct job *j, struct verification *v,
			const struct json *object)
{
	char name[24];
	struct nsmc_bytes b;
	bool absent;

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		enum nsmc_field field = (enum nsmc_field)i;

		(void)snprintf(name, sizeof(name), "no_%s", fields[i]);
		if (!body_bytes(j, object, fields[i], 0, NSMC_FIELD_MAX, &b) ||
		    !body_flag(j, object, name, &absent))
			return false;
		if (b.data && absent)
			return body_refuse(j, name, "without the value");
		if (b.data)
			(void)nsmc_policy_field(v->policy, field, b.data,
						b.len);
		if (absent)
			(void)nsmc_policy_field_absent(v->policy, field);
		v->has_freshness = v->has_freshness ||
				   (field == NSMC_FIELD_NONCE && b.len > 0);
	}
	return true;
}

/* A number of seconds since 1970, "document", or nothing: now. */
static bool read_time(struct job *j, struct verification *v,
		      const struct json *object)
{
	const struct json *value = json_member(object, "time");
	struct json_text text = { "", 0 };
	struct timespec now = { 0 };
	uint64_t n = 0;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	v->time_s = now.tv_sec;
	if (value && json_text(value, &text) == 0 &&
	    strcmp(text.at, "document") == 0) {
		v->time_of_document = v->has_freshness = true;
		nsmc_policy_time_of_document(v->policy);
		return true;
	}
	if (value && (json_number(value, &n) < 0 || n > INT64_MAX / 1000))
		return body_refuse(j, "time",
				   "seconds since 1970, or \"document\"");
	if (value)
		v->time_s = (int64_t)n;
	return nsmc_policy_time(v->policy, v->time_s) == 0 ||
	       body_refuse(j, "time", "a time");
}

static bool read_age(struct job *j, struct verification *v,
		     const struct json *object)
{
	uint64_t n = 0;
	bool is;

	if (!body_number(j, object, "max_age", UINT32_MAX, &is, &n))
		return false;
	if (is && v->time_of_document)
		return body_refuse(j, "max_age",
				   "without \"time\": \"document\"");
	if (is)
		(void)nsmc_policy_max_age(v->policy, (uint32_t)n);
	v->has_freshness = v->has_freshness || is;
	if (!body_number(j, object, "leeway", NSMC_LEEWAY_MAX_S, &is, &n))
		return false;
	return !is || nsmc_policy_leeway(v->policy, (uint32_t)n) == 0;
}

static bool read_flags(struct job *j, struct verification *v,
		       const struct json *object)
{
	bool image, age, debug, tpm;

	if (!body_flag(j, object, "any_image", &image) ||
	    !body_flag(j, object, "any_age", &age) ||
	    !body_flag(j, object, "allow_debug", &debug) ||
	    !body_flag(j, object, "nitrotpm", &tpm))
		return false;
	if (image)
		nsmc_policy_any_image(v->policy);
	if (age)
		nsmc_policy_any_age(v->policy);
	if (debug)
		nsmc_policy_allow_debug(v->policy);
	if (tpm)
		(void)nsmc_policy_kind(v->policy, NSMC_KIND_NITROTPM);
	v->has_image = v->has_image || image;
	v->has_freshness = v->has_freshness || age;
	return true;
}

static bool read_roots(struct job *j, struct verification *v,
		       const struct json *object)
{
	struct json_walk walk = { .of = json_member(object, "roots") };
	uint8_t der[2 * NSMC_CERTIFICATE_MAX];
	const struct json *value;
	struct json_text text;
	size_t len;

	if (walk.of && json_kind(walk.of) != JSON_ARRAY)
		return body_refuse(j, "roots", "an array of base64");
	while (walk.of && json_next(&walk, NULL, &value))
		if (json_text(value, &text) < 0 ||
		    text.len > sizeof(der) / 3 * 4 ||
		    code_from_base64(text.at, text.len, der, &len) < 0 ||
		    nsmc_policy_root(v->policy, der, len) < 0)
			return body_refuse(j, "roots",
					   "up to 8 certificates on P-384, DER "
					   "in base64");
	return true;
}

static bool read_all(struct job *j, struct verification *v)
{
	const struct json *object = body_object(j);

	if (!object || !body_has_only(j, object, members) ||
	    !body_bytes(j, object, "document", 1, WEB_BODY_MAX, &v->document))
		return false;
	if (!v->document.data)
		return body_refuse(j, "document", "there");
	if (!read_pcrs(j, v, object) || !read_fields(j, v, object) ||
	    !read_time(j, v, object) || !read_age(j, v, object) ||
	    !read_flags(j, v, object) || !read_roots(j, v, object))
		return false;
	if (!v->has_image)
		return body_refuse(j, "pcrs",
				   "there, or \"any_image\": true, which is "
				   "anybody's");
	return v->has_freshness ||
	       body_refuse(j, "nonce",
			   "there, or max_age, \"time\": \"document\" or "
			   "\"any_age\": true");
}

/* --- what was found --- */

/* As nsm/tool/document.c has them. */
static void put_checks(struct json_out *out, const char *name, unsigned set)
{
	static const char *const words[] = {
		"form", "chain", "validity",  "signature",  "debug",
		"pcrs", "nonce", "user_data", "public_key", "age",
	};
	enum { WORDS = sizeof(words) / sizeof(words[0]) };

	_Static_assert(NSMC_CHECK_ALL == (1 << WORDS) - 1, "a word each");
	json_put_array(out, name);
	for (unsigned i = 0; i < WORDS; i++)
		if (set >> i & 1)
			json_put_text(out, NULL, words[i]);
	json_put_array_end(out);
}

/* Text of a document, which nobody has checked for UTF-8. */
static void put_plain(struct json_out *out, const char *name,
		      struct nsmc_bytes b)
{
	char text[NSMC_MODULE_ID_MAX + 1];
	size_t len = b.len < sizeof(text) ? b.len : sizeof(text);

	for (size_t i = 0; i < len; i++)
		text[i] = b.data[i] >= ' ' && b.data[i] <= '~' ?
				  (char)b.data[i] :
				  '?';
	json_put_text_of(out, name, text, len);
}

static void put_document(struct json_out *out, const struct nsmc_doc *d)
{
	char number[4];

	json_put_object(out, "document");
	json_put_text(out, "kind",
		      d->kind == NSMC_KIND_NITROTPM ? "nitrotpm" : "enclave");
	put_plain(out, "module_id", d->module_id);
	put_plain(out, "digest", d->digest);
	json_put_number(out, "timestamp", d->timestamp_ms);
	body_put_debug(out, nsmc_doc_debug(d));
	json_put_object(out, "pcrs");
	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++) {
		(void)snprintf(number, sizeof(number), "%u", i);
		if (d->pcr[i].data)
			body_put_hex(out, number, d->pcr[i]);
	}
	json_put_object_end(out);
	body_put_bytes(out, "certificate", d->certificate);
	json_put_array(out, "cabundle");
	for (size_t i = 0; i < d->cabundle_count; i++)
		body_put_bytes(out, NULL, d->cabundle[i]);
	json_put_array_end(out);
	body_put_bytes(out, "public_key", d->public_key);
	body_put_bytes(out, "user_data", d->user_data);
	body_put_bytes(out, "nonce", d->nonce);
	body_put_bytes(out, "signature", d->signature);
	json_put_object_end(out);
}

static uint32_t pcrs_of(const struct nsmc_doc *d)
{
	uint32_t set = 0;

	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++)
		if (d->pcr[i].data)
			set |= UINT32_C(1) << i;
	return set;
}

static void put_good(struct json_out *out, const struct verification *v,
		     const struct nsmc_doc *d, const struct nsmc_report *report)
{
	body_put_debug(out, report->debug);
	put_checks(out, "checked", report->checked);
	body_put_set(out, "pcrs_checked", report->pcrs_checked);
	put_checks(out, "not_checked", ~report->checked);
	body_put_set(out, "pcrs_not_checked",
		     pcrs_of(d) & ~report->pcrs_checked);
	json_put_number(out, "time",
			v->time_of_document ? d->timestamp_ms / 1000 :
					      (uint64_t)v->time_s);
	json_put_bool(out, "time_of_document", v->time_of_document);
	put_document(out, d);
}

static void put_refusal(struct json_out *out, int r,
			const struct nsmc_report *report)
{
	json_put_text(out, "code", nsmc_error_name(r));
	json_put_text(out, "error", nsmc_error_text(r));
	json_put_text(out, "object", report->object.name);
	put_checks(out, "checked", report->checked);
	body_put_set(out, "pcrs_checked", report->pcrs_checked);
}

static void run(struct job *j)
{
	struct verification v = { 0 };
	struct nsmc_report report;
	struct json_out *out;
	struct nsmc_doc doc;
	int r = nsmc_policy_new(&v.policy);

	if (r < 0) {
		job_error_nsm(j, r);
		return;
	}
	if (!read_all(j, &v)) {
		/* A setter that refuses what was checked is a fault of ours. */
		job_error(j, 400, "bad_request",
			  "what is expected makes no sense");
		return;
	}
	r = nsmc_doc_verify(v.document.data, v.document.len, v.policy, NULL,
			    &doc, &report);
	out = body_begin();
	json_put_object(out, NULL);
	json_put_bool(out, "verified", r == 0);
	if (r == 0)
		put_good(out, &v, &doc, &report);
	else
		put_refusal(out, r, &report);
	json_put_object_end(out);
	body_end_with(j, r == 0 ? 200 : 422, out);
}

static void serve(struct web *w)
{
	jobs_serve(w, JOB_LOCAL, run, NULL);
}

const struct web_route verify_route[] = {
	{ .method = WEB_POST,
	  .path = "/v1/verify",
	  .subject = SPEC_VERIFY,
	  .serve = serve },
	{ .path = NULL },
};
