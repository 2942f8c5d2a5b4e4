#include "nsm/nsmc.h"

#include <string.h>

#include "nsm/object.h"

enum { MS = 1000 };

const char *nsmc_check_text(enum nsmc_check check)
{
	static const struct {
		enum nsmc_check check;
		const char *text;
	} texts[] = {
		{ NSMC_CHECK_FORM, "form" },
		{ NSMC_CHECK_CHAIN, "chain" },
		{ NSMC_CHECK_VALIDITY, "validity" },
		{ NSMC_CHECK_SIGNATURE, "signature" },
		{ NSMC_CHECK_DEBUG, "debug mode" },
		{ NSMC_CHECK_PCRS, "PCRs" },
		{ NSMC_CHECK_NONCE, "nonce" },
		{ NSMC_CHECK_USER_DATA, "user_data" },
		{ NSMC_CHECK_PUBLIC_KEY, "public_key" },
		{ NSMC_CHECK_AGE, "age" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].check == check)
			return texts[i].text;
	return NULL;
}

static int check_debug(const struct nsmc_doc *doc, bool allowed,
		       struct nsmc_report *report)
{
	object_set(&report->object, "PCR0");
	report->debug = nsmc_doc_is_debug(doc);
	/* Without PCR0 there is no telling. */
	if (!allowed && !doc->pcr[0].data)
		return -NSMC_E_ABSENT;
	if (!allowed && report->debug)
		return -NSMC_E_DEBUG;
	if (doc->pcr[0].data && !report->debug)
		report->checked |= NSMC_CHECK_DEBUG;
	return 0;
}

/* Whether GOT is as WANTED. */
static int check_field(struct nsmc_bytes got, const struct nsmc_expect *wanted)
{
	switch (wanted->kind) {
	case NSMC_ANY:
		return 0;
	case NSMC_MISSING:
		return got.data ? -NSMC_E_PRESENT : 0;
	case NSMC_EQUAL:
		if (!got.data)
			return -NSMC_E_ABSENT;
		if (got.len != wanted->value.len ||
		    (got.len > 0 &&
		     memcmp(got.data, wanted->value.data, got.len) != 0))
			return -NSMC_E_OTHER;
		return 0;
	}
	return -NSMC_E_POLICY;
}

static int check_pcrs(const struct nsmc_doc *doc,
		      const struct nsmc_policy *policy,
		      struct nsmc_report *report)
{
	int r;

	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++) {
		if (policy->pcr[i].kind == NSMC_ANY)
			continue;
		object_set_number(&report->object, "PCR", i, "");
		r = check_field(doc->pcr[i], &policy->pcr[i]);
		if (r < 0)
			return r;
		report->pcrs_checked |= UINT32_C(1) << i;
	}
	if (report->pcrs_checked)
		report->checked |= NSMC_CHECK_PCRS;
	return 0;
}

static int check_fields(const struct nsmc_doc *doc,
			const struct nsmc_policy *policy,
			struct nsmc_report *report)
{
	const struct {
		const char *name;
		struct nsmc_bytes got;
		const struct nsmc_expect *wanted;
		enum nsmc_check check;
	} rows[] = {
		{ "nonce", doc->nonce, &policy->nonce, NSMC_CHECK_NONCE },
		{ "user_data", doc->user_data, &policy->user_data,
		  NSMC_CHECK_USER_DATA },
		{ "public_key", doc->public_key, &policy->public_key,
		  NSMC_CHECK_PUBLIC_KEY },
	};
	int r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		object_set(&report->object, rows[i].name);
		r = check_field(rows[i].got, rows[i].wanted);
		if (r < 0)
			return r;
		if (rows[i].wanted->kind != NSMC_ANY)
			report->checked |= rows[i].check;
	}
	return 0;
}

static int check_age(const struct nsmc_doc *doc,
		     const struct nsmc_policy *policy,
		     struct nsmc_report *report)
{
	uint64_t now = (uint64_t)policy->time_s * MS;

	if (!policy->age_asked)
		return 0;
	object_set(&report->object, "timestamp");
	if (doc->timestamp_ms + (uint64_t)policy->max_age_s * MS < now)
		return -NSMC_E_TOO_OLD;
	if (doc->timestamp_ms > now + (uint64_t)policy->max_ahead_s * MS)
		return -NSMC_E_IN_FUTURE;
	report->checked |= NSMC_CHECK_AGE;
	return 0;
}

/* A value that was forgotten would be met by an empty one. */
static bool is_sensible(const struct nsmc_expect *e)
{
	return e->kind == NSMC_ANY || e->kind == NSMC_MISSING ||
	       (e->kind == NSMC_EQUAL && e->value.data);
}

/* What cannot be meant must not pass for a check. */
static int check_sense(const struct nsmc_policy *policy,
		       struct nsmc_object *object)
{
	object_set(object, "time");
	if (policy->time_s < 0 || policy->time_s > INT64_MAX / (2 * MS))
		return -NSMC_E_POLICY;
	object_set(object, "age");
	if (policy->age_asked && policy->time_of_document)
		return -NSMC_E_POLICY;
	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++) {
		object_set_number(object, "PCR", i, "");
		if (!is_sensible(&policy->pcr[i]) ||
		    (policy->pcr[i].kind == NSMC_EQUAL &&
		     policy->pcr[i].value.len != NSMC_PCR_SIZE))
			return -NSMC_E_POLICY;
	}
	object_set(object, "nonce");
	if (!is_sensible(&policy->nonce))
		return -NSMC_E_POLICY;
	object_set(object, "user_data");
	if (!is_sensible(&policy->user_data))
		return -NSMC_E_POLICY;
	object_set(object, "public_key");
	if (!is_sensible(&policy->public_key))
		return -NSMC_E_POLICY;
	object_set(object, "");
	return 0;
}

int nsmc_doc_check_policy(const struct nsmc_doc *doc,
			  const struct nsmc_policy *policy,
			  struct nsmc_report *ret_report)
{
	int r = check_sense(policy, &ret_report->object);

	ret_report->checked &= NSMC_CHECK_FORM | NSMC_CHECK_CHAIN |
			       NSMC_CHECK_VALIDITY | NSMC_CHECK_SIGNATURE;
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

int nsmc_doc_verify(const void *buf, size_t len,
		    const struct nsmc_policy *policy, struct nsmc_doc *ret_doc,
		    struct nsmc_report *ret_report)
{
	struct nsmc_object *object = &ret_report->object;
	struct nsmc_doc doc = { 0 };
	int64_t time_s;
	int r;

	memset(ret_report, 0, sizeof(*ret_report));
	r = check_sense(policy, object);
	if (r == 0)
		r = nsmc_doc_parse(buf, len, &doc, object);
	if (r < 0)
		return r;
	if (ret_doc)
		*ret_doc = doc;

	r = nsmc_doc_check_form(&doc, object);
	if (r < 0)
		return r;
	ret_report->checked |= NSMC_CHECK_FORM;

	time_s = policy->time_of_document ? (int64_t)(doc.timestamp_ms / MS) :
					    policy->time_s;
	r = nsmc_doc_check_chain(&doc, policy->root, time_s, object);
	if (r < 0)
		return r;
	ret_report->checked |= NSMC_CHECK_CHAIN;
	/* That they were valid once says nothing of now. */
	if (!policy->time_of_document)
		ret_report->checked |= NSMC_CHECK_VALIDITY;

	r = nsmc_doc_check_signature(&doc, object);
	if (r < 0)
		return r;
	ret_report->checked |= NSMC_CHECK_SIGNATURE;
	return nsmc_doc_check_policy(&doc, policy, ret_report);
}
