/* What makes no sense to ask for, and reports of steps that were called alone. */

#include "nsm/nsm.h"

#include "tests/unit/check.h"

static const uint8_t value[NSM_PCR_SIZE] = { 1 };

/* A document of a production enclave with an empty nonce. */
static struct nsm_doc a_doc(void)
{
	struct nsm_doc doc = { .timestamp_ms = 1000000 };

	doc.pcr[0] = (struct nsm_bytes){ value, sizeof(value) };
	doc.nonce = (struct nsm_bytes){ (const uint8_t *)"", 0 };
	return doc;
}

static void check_senseless(const struct nsm_policy *policy, const char *object)
{
	struct nsm_report report = { 0 };
	struct nsm_doc doc = a_doc();

	CHECK_INT(nsm_doc_check_policy(&doc, policy, &report), -NSM_E_POLICY);
	CHECK_STR(report.object.name, object);
	CHECK_INT(report.checked, 0);
	/* Nothing of the document is looked at. */
	CHECK_INT(nsm_doc_verify("", 0, policy, NULL, &report), -NSM_E_POLICY);
	CHECK_STR(report.object.name, object);
}

/* As a caller forgets it; an empty nonce would match. */
TEST(a_value_that_was_forgotten_is_met_by_nothing)
{
	const struct nsm_expect forgotten = { .kind = NSM_EQUAL };
	struct nsm_policy policy;

	policy = (struct nsm_policy){ .nonce = forgotten };
	check_senseless(&policy, "nonce");
	policy = (struct nsm_policy){ .user_data = forgotten };
	check_senseless(&policy, "user_data");
	policy = (struct nsm_policy){ .public_key = forgotten };
	check_senseless(&policy, "public_key");
	policy = (struct nsm_policy){ .time_s = 0 };
	policy.pcr[31] = forgotten;
	policy.pcr[31].value.len = NSM_PCR_SIZE;
	check_senseless(&policy, "PCR31");
}

TEST(values_and_kinds_that_cannot_be_meant_are_refused)
{
	struct nsm_policy policy = { 0 };

	policy.pcr[3] = (struct nsm_expect){ NSM_EQUAL, { value, 32 } };
	check_senseless(&policy, "PCR3");
	policy = (struct nsm_policy){
		.nonce = { .kind = (enum nsm_expect_kind)3 }
	};
	check_senseless(&policy, "nonce");
	policy = (struct nsm_policy){ .time_s = -1 };
	check_senseless(&policy, "time");
	policy = (struct nsm_policy){ .time_s = INT64_MAX };
	check_senseless(&policy, "time");
	policy = (struct nsm_policy){ .age_asked = true,
				      .time_of_document = true };
	check_senseless(&policy, "age");
}

TEST(an_empty_value_is_met_by_an_empty_one)
{
	struct nsm_policy policy = { .nonce = { NSM_EQUAL,
						{ (const uint8_t *)"", 0 } } };
	struct nsm_report report = { 0 };
	struct nsm_doc doc = a_doc();

	CHECK_INT(nsm_doc_check_policy(&doc, &policy, &report), 0);
	CHECK_INT(report.checked, NSM_CHECK_DEBUG | NSM_CHECK_NONCE);
	doc.nonce.data = NULL;
	CHECK_INT(nsm_doc_check_policy(&doc, &policy, &report), -NSM_E_ABSENT);
}

/* What is left from before is of the steps before, or of nothing. */
TEST(a_report_keeps_only_the_steps_before)
{
	const struct nsm_policy policy = { 0 };
	struct nsm_report report;
	struct nsm_doc doc = a_doc();

	memset(&report, 0xff, sizeof(report));
	CHECK_INT(nsm_doc_check_policy(&doc, &policy, &report), 0);
	CHECK_INT(report.checked,
		  NSM_CHECK_FORM | NSM_CHECK_CHAIN | NSM_CHECK_VALIDITY |
			  NSM_CHECK_SIGNATURE | NSM_CHECK_DEBUG);
	CHECK_INT(report.pcrs_checked, 0);
	CHECK(!report.debug);
}

TEST(a_bundle_of_none_is_no_chain)
{
	const struct nsm_bytes none = { NULL, 0 };
	struct nsm_object object;
	struct nsm_doc doc = a_doc();

	doc.cabundle[0] = nsm_aws_root();
	CHECK_INT(nsm_doc_check_chain(&doc, none, 1657117102, &object),
		  -NSM_E_DOC_RANGE);
	CHECK_STR(object.name, "cabundle");
	doc.cabundle_count = NSM_CABUNDLE_MAX + 1;
	CHECK_INT(nsm_doc_check_chain(&doc, none, 1657117102, NULL),
		  -NSM_E_DOC_RANGE);
}

CHECK_MAIN("policy")
