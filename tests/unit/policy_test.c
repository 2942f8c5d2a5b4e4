/* What makes no sense to ask for, and reports of steps that were called alone. */

#include "nsm/nsmc.h"

#include "tests/unit/check.h"

static const uint8_t value[NSMC_PCR_SIZE] = { 1 };

/* A document of a production enclave with an empty nonce. */
static struct nsmc_doc a_doc(void)
{
	struct nsmc_doc doc = { .timestamp_ms = 1000000 };

	doc.pcr[0] = (struct nsmc_bytes){ value, sizeof(value) };
	doc.nonce = (struct nsmc_bytes){ (const uint8_t *)"", 0 };
	return doc;
}

static void check_senseless(const struct nsmc_policy *policy,
			    const char *object)
{
	struct nsmc_report report = { 0 };
	struct nsmc_doc doc = a_doc();

	CHECK_INT(nsmc_doc_check_policy(&doc, policy, &report), -NSMC_E_POLICY);
	CHECK_STR(report.object.name, object);
	CHECK_INT(report.checked, 0);
	/* Nothing of the document is looked at. */
	CHECK_INT(nsmc_doc_verify("", 0, policy, NULL, &report),
		  -NSMC_E_POLICY);
	CHECK_STR(report.object.name, object);
}

/* As a caller forgets it; an empty nonce would match. */
TEST(a_value_that_was_forgotten_is_met_by_nothing)
{
	const struct nsmc_expect forgotten = { .kind = NSMC_EQUAL };
	struct nsmc_policy policy;

	policy = (struct nsmc_policy){ .nonce = forgotten };
	check_senseless(&policy, "nonce");
	policy = (struct nsmc_policy){ .user_data = forgotten };
	check_senseless(&policy, "user_data");
	policy = (struct nsmc_policy){ .public_key = forgotten };
	check_senseless(&policy, "public_key");
	policy = (struct nsmc_policy){ .time_s = 0 };
	policy.pcr[31] = forgotten;
	policy.pcr[31].value.len = NSMC_PCR_SIZE;
	check_senseless(&policy, "PCR31");
}

TEST(values_and_kinds_that_cannot_be_meant_are_refused)
{
	struct nsmc_policy policy = { 0 };

	policy.pcr[3] = (struct nsmc_expect){ NSMC_EQUAL, { value, 32 } };
	check_senseless(&policy, "PCR3");
	policy = (struct nsmc_policy){
		.nonce = { .kind = (enum nsmc_expect_kind)3 }
	};
	check_senseless(&policy, "nonce");
	policy = (struct nsmc_policy){ .time_s = -1 };
	check_senseless(&policy, "time");
	policy = (struct nsmc_policy){ .time_s = INT64_MAX };
	check_senseless(&policy, "time");
	policy = (struct nsmc_policy){ .age_asked = true,
				       .time_of_document = true };
	check_senseless(&policy, "age");
}

TEST(an_empty_value_is_met_by_an_empty_one)
{
	struct nsmc_policy policy = { .nonce = { NSMC_EQUAL,
						 { (const uint8_t *)"", 0 } } };
	struct nsmc_report report = { 0 };
	struct nsmc_doc doc = a_doc();

	CHECK_INT(nsmc_doc_check_policy(&doc, &policy, &report), 0);
	CHECK_INT(report.checked, NSMC_CHECK_DEBUG | NSMC_CHECK_NONCE);
	doc.nonce.data = NULL;
	CHECK_INT(nsmc_doc_check_policy(&doc, &policy, &report),
		  -NSMC_E_ABSENT);
}

/* What is left from before is of the steps before, or of nothing. */
TEST(a_report_keeps_only_the_steps_before)
{
	const struct nsmc_policy policy = { 0 };
	struct nsmc_report report;
	struct nsmc_doc doc = a_doc();

	memset(&report, 0xff, sizeof(report));
	CHECK_INT(nsmc_doc_check_policy(&doc, &policy, &report), 0);
	CHECK_INT(report.checked,
		  NSMC_CHECK_FORM | NSMC_CHECK_CHAIN | NSMC_CHECK_VALIDITY |
			  NSMC_CHECK_SIGNATURE | NSMC_CHECK_DEBUG);
	CHECK_INT(report.pcrs_checked, 0);
	CHECK(!report.debug);
}

TEST(a_bundle_of_none_is_no_chain)
{
	const struct nsmc_bytes none = { NULL, 0 };
	struct nsmc_object object;
	struct nsmc_doc doc = a_doc();

	doc.cabundle[0] = nsmc_aws_root();
	CHECK_INT(nsmc_doc_check_chain(&doc, none, 1657117102, &object),
		  -NSMC_E_DOC_RANGE);
	CHECK_STR(object.name, "cabundle");
	doc.cabundle_count = NSMC_CABUNDLE_MAX + 1;
	CHECK_INT(nsmc_doc_check_chain(&doc, none, 1657117102, NULL),
		  -NSMC_E_DOC_RANGE);
}

CHECK_MAIN("policy")
