#include "nsm/nsm.h"

#include <string.h>

#include "nsm/object.h"

enum { MS = 1000 };

const char *nsm_check_text(enum nsm_check check)
{
	static const struct {
		enum nsm_check check;
		const char *text;
	} texts[] = {
		{ NSM_CHECK_FORM, "form" },
		{ NSM_CHECK_CHAIN, "chain" },
		{ NSM_CHECK_VALIDITY, "validity" },
		{ NSM_CHECK_SIGNATURE, "signature" },
		{ NSM_CHECK_DEBUG, "debug mode" },
		{ NSM_CHECK_PCRS, "PCRs" },
		{ NSM_CHECK_NONCE, "nonce" },
		{ NSM_CHECK_USER_DATA, "user_data" },
		{ NSM_CHECK_PUBLIC_KEY, "public_key" },
		{ NSM_CHECK_AGE, "age" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].check == check)
			return texts[i].text;
	return NULL;
}

static int check_debug(const struct nsm_doc *doc, bool allowed,
		       struct nsm_report *report)
{
	object_set(&report->object, "PCR0");
	report->debug = nsm_doc_is_debug(doc);
	/* Without PCR0 there is no telling. */
	if (!allowed && !doc->pcr[0].data)
		return -NSM_E_ABSENT;
	if (!allowed && report->debug)
		return -NSM_E_DEBUG;
	if (doc->pcr[0].data && !report->debug)
		report->checked |= NSM_CHECK_DEBUG;
	return 0;
}

/* Whether GOT is as WANTED. */
static int check_field(struct nsm_bytes got, const struct nsm_expect *wanted)
{
	switch (wanted->kind) {
	case NSM_ANY:
		return 0;
	case NSM_MISSING:
		return got.data ? -NSM_E_PRESENT : 0;
	case NSM_EQUAL:
		if (!got.data)
			return -NSM_E_ABSENT;
		if (got.len != wanted->value.len ||
		    (got.len > 0 &&
		     memcmp(got.data, wanted->value.data, got.len) != 0))
			return -NSM_E_OTHER;
		return 0;
	}
	return -NSM_E_POLICY;
}

static int check_pcrs(const struct nsm_doc *doc,
		      const struct nsm_policy *policy,
		      struct nsm_report *report)
{
	int r;

	for (unsigned i = 0; i < NSM_PCR_COUNT; i++) {
		if (policy->pcr[i].kind == NSM_ANY)
			continue;
		object_set_number(&report->object, "PCR", i, "");
		r = check_field(doc->pcr[i], &policy->pcr[i]);
		if (r < 0)
			return r;
		report->pcrs_checked |= UINT32_C(1) << i;
	}
	if (report->pcrs_checked)
		report->checked |= NSM_CHECK_PCRS;
	return 0;
}

static int check_fields(const struct nsm_doc *doc,
			const struct nsm_policy *policy,
			struct nsm_report *report)
{
	const struct {
		const char *name;
		struct nsm_bytes got;
		const struct nsm_expect *wanted;
		enum nsm_check check;
	} rows[] = {
		{ "nonce", doc->nonce, &policy->nonce, NSM_CHECK_NONCE },
		{ "user_data", doc->user_data, &policy->user_data,
		  NSM_CHECK_USER_DATA },
		{ "public_key", doc->public_key, &policy->public_key,
		  NSM_CHECK_PUBLIC_KEY },
	};
	int r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		object_set(&report->object, rows[i].name);
		r = check_field(rows[i].got, rows[i].wanted);
		if (r < 0)
			return r;
		if (rows[i].wanted->kind != NSM_ANY)
			report->checked |= rows[i].check;
	}
	return 0;
}

static int check_age(const struct nsm_doc *doc, const struct nsm_policy *policy,
		     struct nsm_report *report)
{
	uint64_t now = (uint64_t)policy->time_s * MS;

	if (!policy->age_asked)
		return 0;
	object_set(&report->object, "timestamp");
	if (doc->timestamp_ms + (uint64_t)policy->max_age_s * MS < now)
		return -NSM_E_TOO_OLD;
	if (doc->timestamp_ms > now + (uint64_t)policy->max_ahead_s * MS)
		return -NSM_E_IN_FUTURE;
	report->checked |= NSM_CHECK_AGE;
	return 0;
}

/* A value that was forgotten would be met by an empty one. */
static bool is_sensible(const struct nsm_expect *e)
{
	return e->kind == NSM_ANY || e->kind == NSM_MISSING ||
	       (e->kind == NSM_EQUAL && e->value.data);
}

/* What cannot be meant must not pass for a check. */
static int check_sense(const struct nsm_policy *policy,
		       struct nsm_object *object)
{
	object_set(object, "time");
	if (policy->time_s < 0 || policy->time_s > INT64_MAX / (2 * MS))
		return -NSM_E_POLICY;
	object_set(object, "age");
	if (policy->age_asked && policy->time_of_document)
		return -NSM_E_POLICY;
	for (unsigned i = 0; i < NSM_PCR_COUNT; i++) {
		object_set_number(object, "PCR", i, "");
		if (!is_sensible(&policy->pcr[i]) ||
		    (policy->pcr[i].kind == NSM_EQUAL &&
		     policy->pcr[i].value.len != NSM_PCR_SIZE))
			return -NSM_E_POLICY;
	}
	object_set(object, "nonce");
	if (!is_sensible(&policy->nonce))
		return -NSM_E_POLICY;
	object_set(object, "user_data");
	if (!is_sensible(&policy->user_data))
		return -NSM_E_POLICY;
	object_set(object, "public_key");
	if (!is_sensible(&policy->public_key))
		return -NSM_E_POLICY;
	object_set(object, "");
	return 0;
}

int nsm_doc_check_policy(const struct nsm_doc *doc,
			 const struct nsm_policy *policy,
			 struct nsm_report *ret_report)
{
	int r = check_sense(policy, &ret_report->object);

	ret_report->checked &= NSM_CHECK_FORM | NSM_CHECK_CHAIN |
			       NSM_CHECK_VALIDITY | NSM_CHECK_SIGNATURE;
	ret_report->pcrs_checked = 0;
	ret_report->debug = false;
	if (r == 0)
		r = check_debug(doc, policy->allow_debug, ret_report);
	if (r == 0)
		r = check_pcrs(doc, policy, ret_report);
	if (r == 0)
		r = check_fields(doc, policy, ret_report);
	if (r == 0)
		r = check_age(doc, policy, ret_report);
	if (r == 0)
		object_set(&ret_report->object, "");
	return r;
}

int nsm_doc_verify(const void *buf, size_t len, const struct nsm_policy *policy,
		   struct nsm_doc *ret_doc, struct nsm_report *ret_report)
{
	struct nsm_object *object = &ret_report->object;
	struct nsm_doc doc = { 0 };
	int64_t time_s;
	int r;

	memset(ret_report, 0, sizeof(*ret_report));
	r = check_sense(policy, object);
	if (r == 0)
		r = nsm_doc_parse(buf, len, &doc, object);
	if (r < 0)
		return r;
	if (ret_doc)
		*ret_doc = doc;

	r = nsm_doc_check_form(&doc, object);
	if (r < 0)
		return r;
	ret_report->checked |= NSM_CHECK_FORM;

	time_s = policy->time_of_document ? (int64_t)(doc.timestamp_ms / MS) :
					    policy->time_s;
	r = nsm_doc_check_chain(&doc, policy->root, time_s, object);
	if (r < 0)
		return r;
	ret_report->checked |= NSM_CHECK_CHAIN;
	/* That they were valid once says nothing of now. */
	if (!policy->time_of_document)
		ret_report->checked |= NSM_CHECK_VALIDITY;

	r = nsm_doc_check_signature(&doc, object);
	if (r < 0)
		return r;
	ret_report->checked |= NSM_CHECK_SIGNATURE;
	return nsm_doc_check_policy(&doc, policy, ret_report);
}
