#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/nsmc.h"
#include "nsm/object.h"
#include "nsm/verify.h"

enum { MS = 1000, FIELDS = 3 };

/*
 * Bounded so that no sum of a time and a window overflows, in milliseconds
 * either.
 */
static const int64_t time_max_s = INT64_MAX / (4 * MS);

/* What is expected of a field or PCR. */
enum expected {
	ANYTHING = 0, /* not asked for, not checked */
	NOTHING,      /* absent */
	A_VALUE,      /* there, and these bytes */
};

struct root {
	size_t len;
	uint8_t der[NSMC_CERTIFICATE_MAX];
};

struct policy_field {
	enum expected expected;
	size_t len;
	uint8_t value[NSMC_FIELD_MAX];
};

struct nsmc_policy {
	size_t root_count;
	struct root root[NSMC_ROOTS_MAX];
	enum nsmc_kind kind;
	bool has_time, time_of_document;
	int64_t time_s;
	uint32_t leeway_s;
	bool has_max_age;
	uint32_t max_age_s;
	bool any_image, any_age, allow_debug;
	enum expected pcr_expected[NSMC_PCR_COUNT];
	uint8_t pcr[NSMC_PCR_COUNT][NSMC_PCR_SIZE];
	struct policy_field field[FIELDS]; /* by enum nsmc_field */
};

/* --- making one --- */

int nsmc_policy_new(struct nsmc_policy **ret)
{
	struct nsmc_policy *policy;

	if (!ret)
		return -EINVAL;
	policy = calloc(1, sizeof(*policy));
	if (!policy)
		return -ENOMEM;
	policy->leeway_s = NSMC_LEEWAY_DEFAULT_S;
	*ret = policy;
	return 0;
}

void nsmc_policy_free(struct nsmc_policy *policy)
{
	free(policy);
}

int nsmc_policy_root(struct nsmc_policy *policy, const void *der, size_t len)
{
	struct certificate c;
	struct root *root;

	if (!policy || (!der && len > 0))
		return -EINVAL;
	if (policy->root_count == NSMC_ROOTS_MAX)
		return -ENOSPC;
	/* No bundle could begin with a longer one. */
	if (len == 0 || len > NSMC_CERTIFICATE_MAX ||
	    certificate_read((struct nsmc_bytes){ der, len }, &c) < 0)
		return -NSMC_E_ROOT;
	root = &policy->root[policy->root_count++];
	memcpy(root->der, der, len);
	root->len = len;
	return 0;
}

int nsmc_policy_time(struct nsmc_policy *policy, int64_t time_s)
{
	if (!policy || time_s < 0 || time_s > time_max_s)
		return -EINVAL;
	policy->time_s = time_s;
	policy->has_time = true;
	policy->time_of_document = false;
	return 0;
}

void nsmc_policy_time_of_document(struct nsmc_policy *policy)
{
	policy->time_of_document = true;
	policy->has_time = false;
}

int nsmc_policy_leeway(struct nsmc_policy *policy, uint32_t seconds)
{
	if (!policy || seconds > NSMC_LEEWAY_MAX_S)
		return -EINVAL;
	policy->leeway_s = seconds;
	return 0;
}

int nsmc_policy_max_age(struct nsmc_policy *policy, uint32_t seconds)
{
	if (!policy)
		return -EINVAL;
	policy->max_age_s = seconds;
	policy->has_max_age = true;
	return 0;
}

int nsmc_policy_pcr(struct nsmc_policy *policy, unsigned index,
		    const void *value, size_t len)
{
	if (!policy || index >= NSMC_PCR_COUNT || !value ||
	    len != NSMC_PCR_SIZE)
		return -EINVAL;
	memcpy(policy->pcr[index], value, len);
	policy->pcr_expected[index] = A_VALUE;
	return 0;
}

int nsmc_policy_pcr_absent(struct nsmc_policy *policy, unsigned index)
{
	if (!policy || index >= NSMC_PCR_COUNT)
		return -EINVAL;
	policy->pcr_expected[index] = NOTHING;
	return 0;
}

int nsmc_policy_field(struct nsmc_policy *policy, enum nsmc_field field,
		      const void *value, size_t len)
{
	struct policy_field *f;

	if (!policy || (unsigned)field >= FIELDS || !value ||
	    len > NSMC_FIELD_MAX)
		return -EINVAL;
	f = &policy->field[field];
	memcpy(f->value, value, len);
	f->len = len;
	f->expected = A_VALUE;
	return 0;
}

int nsmc_policy_field_absent(struct nsmc_policy *policy, enum nsmc_field field)
{
	if (!policy || (unsigned)field >= FIELDS)
		return -EINVAL;
	policy->field[field].expected = NOTHING;
	return 0;
}

int nsmc_policy_kind(struct nsmc_policy *policy, enum nsmc_kind kind)
{
	if (!policy ||
	    (kind != NSMC_KIND_ENCLAVE && kind != NSMC_KIND_NITROTPM))
		return -EINVAL;
	policy->kind = kind;
	return 0;
}

void nsmc_policy_allow_debug(struct nsmc_policy *policy)
{
	policy->allow_debug = true;
}

void nsmc_policy_any_image(struct nsmc_policy *policy)
{
	policy->any_image = true;
}

void nsmc_policy_any_age(struct nsmc_policy *policy)
{
	policy->any_age = true;
}

/* A policy that pins nothing must not look like a check. */
static int check_sense(const struct nsmc_policy *policy,
		       struct nsmc_object *object)
{
	const struct policy_field *nonce = &policy->field[NSMC_FIELD_NONCE];
	bool any_pcr = policy->any_image;

	object_set(object, "time");
	if (!policy->has_time && !policy->time_of_document)
		return -NSMC_E_POLICY;
	for (size_t i = 0; i < NSMC_PCR_COUNT; i++)
		any_pcr = any_pcr || policy->pcr_expected[i] == A_VALUE;
	object_set(object, "PCRs");
	if (!any_pcr)
		return -NSMC_E_POLICY;
	object_set(object, "age");
	if (policy->has_max_age && policy->time_of_document)
		return -NSMC_E_POLICY;
	if (!policy->has_max_age && !policy->any_age &&
	    !policy->time_of_document &&
	    (nonce->expected != A_VALUE || nonce->len == 0))
		return -NSMC_E_POLICY;
	object_set(object, "");
	return 0;
}

/* --- checking a document --- */

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

static int check_kind(const struct nsmc_doc *doc,
		      const struct nsmc_policy *policy,
		      struct nsmc_report *report)
{
	object_set(&report->object,
		   doc->kind == NSMC_KIND_NITROTPM ? "nitrotpm_pcrs" : "pcrs");
	return doc->kind == policy->kind ? 0 : -NSMC_E_KIND;
}

static int check_debug(const struct nsmc_doc *doc, bool allowed,
		       struct nsmc_report *report)
{
	/* A NitroTPM has no such mode. */
	if (doc->kind != NSMC_KIND_ENCLAVE)
		return 0;
	object_set(&report->object, "PCR0");
	report->debug = nsmc_doc_debug(doc);
	if (report->debug == NSMC_DEBUG_NO)
		report->checked |= NSMC_CHECK_DEBUG;
	if (allowed || report->debug == NSMC_DEBUG_NO)
		return 0;
	return report->debug == NSMC_DEBUG_YES ? -NSMC_E_DEBUG : -NSMC_E_ABSENT;
}

/* True if GOT is as EXPECTED, with VALUE of LEN bytes. */
static int check_value(struct nsmc_bytes got, enum expected expected,
		       const uint8_t *value, size_t len)
{
	if (expected == ANYTHING)
		return 0;
	if (expected == NOTHING)
		return got.data ? -NSMC_E_PRESENT : 0;
	if (!got.data)
		return -NSMC_E_ABSENT;
	return got.len != len ||
			       (len > 0 && memcmp(got.data, value, len) != 0) ?
		       -NSMC_E_OTHER :
		       0;
}

static int check_pcrs(const struct nsmc_doc *doc,
		      const struct nsmc_policy *policy,
		      struct nsmc_report *report)
{
	int r;

	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++) {
		if (policy->pcr_expected[i] == ANYTHING)
			continue;
		object_set_number(&report->object, "PCR", i, "");
		r = check_value(doc->pcr[i], policy->pcr_expected[i],
				policy->pcr[i], NSMC_PCR_SIZE);
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
		enum nsmc_check check;
	} rows[FIELDS] = {
		[NSMC_FIELD_NONCE] = { "nonce", doc->nonce, NSMC_CHECK_NONCE },
		[NSMC_FIELD_USER_DATA] = { "user_data", doc->user_data,
					   NSMC_CHECK_USER_DATA },
		[NSMC_FIELD_PUBLIC_KEY] = { "public_key", doc->public_key,
					    NSMC_CHECK_PUBLIC_KEY },
	};
	const struct policy_field *f;
	int r;

	for (size_t i = 0; i < FIELDS; i++) {
		f = &policy->field[i];
		object_set(&report->object, rows[i].name);
		r = check_value(rows[i].got, f->expected, f->value, f->len);
		if (r < 0)
			return r;
		if (f->expected != ANYTHING)
			report->checked |= rows[i].check;
	}
	return 0;
}

static int check_age(const struct nsmc_doc *doc,
		     const struct nsmc_policy *policy,
		     struct nsmc_report *report)
{
	uint64_t now = (uint64_t)policy->time_s * MS;

	if (!policy->has_max_age)
		return 0;
	object_set(&report->object, "timestamp");
	/*
	 * The time has whole seconds: a document of the same second is not
	 * ahead.
	 */
	if (doc->timestamp_ms >= now + ((uint64_t)policy->leeway_s + 1) * MS)
		return -NSMC_E_IN_FUTURE;
	if (doc->timestamp_ms + (uint64_t)policy->max_age_s * MS < now)
		return -NSMC_E_TOO_OLD;
	report->checked |= NSMC_CHECK_AGE;
	return 0;
}

static int check_policy(const struct nsmc_doc *doc,
			const struct nsmc_policy *policy,
			struct nsmc_report *report)
{
	int r = check_kind(doc, policy, report);

	if (r == 0)
		r = check_debug(doc, policy->allow_debug, report);
	if (r == 0)
		r = check_pcrs(doc, policy, report);
	if (r == 0)
		r = check_fields(doc, policy, report);
	return r == 0 ? check_age(doc, policy, report) : r;
}

static int verify(const void *buf, size_t len, const struct nsmc_policy *policy,
		  struct nsmc_cache *cache, struct nsmc_doc *ret,
		  struct nsmc_report *report)
{
	struct nsmc_bytes roots[NSMC_ROOTS_MAX] = { nsmc_aws_root() };
	struct verify_chain by = {
		.roots = roots,
		.root_count = policy->root_count > 0 ? policy->root_count : 1,
		.leeway_s = policy->leeway_s,
		.cache = cache,
	};
	struct nsmc_object *object = &report->object;
	struct certificate leaf;
	int r = check_sense(policy, object);

	if (r == 0)
		r = nsmc_doc_parse(buf, len, ret, object);
	if (r == 0)
		r = verify_form(ret, object);
	if (r < 0)
		return r;
	report->checked |= NSMC_CHECK_FORM;

	for (size_t i = 0; i < policy->root_count; i++)
		roots[i] = (struct nsmc_bytes){ policy->root[i].der,
						policy->root[i].len };
	by.time_s = policy->time_of_document ?
			    (int64_t)(ret->timestamp_ms / MS) :
			    policy->time_s;
	r = verify_chain(ret, &by, &leaf, object);
	if (r < 0)
		return r;
	report->checked |= NSMC_CHECK_CHAIN;
	/* That they were valid once does not show that they are valid now. */
	if (!policy->time_of_document)
		report->checked |= NSMC_CHECK_VALIDITY;

	r = verify_signature(ret, &leaf, object);
	if (r < 0)
		return r;
	report->checked |= NSMC_CHECK_SIGNATURE;
	return check_policy(ret, policy, report);
}

int nsmc_doc_verify(const void *buf, size_t len,
		    const struct nsmc_policy *policy, struct nsmc_cache *cache,
		    struct nsmc_doc *ret_doc, struct nsmc_report *ret_report)
{
	struct nsmc_report report = { 0 };
	struct nsmc_doc doc = { 0 };
	int r = -EINVAL;

	/* In any case nothing of an earlier call remains there. */
	if (ret_doc)
		memset(ret_doc, 0, sizeof(*ret_doc));
	if (policy && (buf || len == 0))
		r = verify(buf, len, policy, cache, &doc, &report);
	if (r == 0) {
		object_set(&report.object, "");
		if (ret_doc)
			*ret_doc = doc;
	}
	if (ret_report)
		*ret_report = report;
	return r;
}
