/*
 * What a document is held against: policies that pin nothing, and whole documents
 * of a CA made here, each held against one policy.
 */

#include "nsm/nsmc.h"

#include <errno.h>

#include "tests/unit/authority.h"
#include "tests/unit/memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- policies --- */

static const uint8_t a_nonce[] = "a nonce of 32 bytes, more or less";

static void trust(struct nsmc_policy *policy, unsigned key)
{
	struct data root = authority_root(key);

	REQUIRE(nsmc_policy_root(policy, root.bytes, root.len) == 0);
	/* Setters copy. */
	memset(root.bytes, 0, root.len);
	free(root.bytes);
}

static void pin_pcr(struct nsmc_policy *policy, unsigned index)
{
	uint8_t value[NSMC_PCR_SIZE];

	document_pcr(index, value);
	REQUIRE(nsmc_policy_pcr(policy, index, value, sizeof(value)) == 0);
	memset(value, 0, sizeof(value));
}

static struct nsmc_policy *empty_policy(void)
{
	struct nsmc_policy *policy = NULL;

	REQUIRE(nsmc_policy_new(&policy) == 0 && policy);
	return policy;
}

/* Trusts the root here and nothing else, now. */
static struct nsmc_policy *bare_policy(void)
{
	struct nsmc_policy *policy = empty_policy();

	trust(policy, AUTHORITY_ROOT);
	REQUIRE(nsmc_policy_time(policy, authority_now()) == 0);
	return policy;
}

/* The same, of a kind that every good document here meets. */
static struct nsmc_policy *loose_policy(void)
{
	struct nsmc_policy *policy = bare_policy();

	nsmc_policy_any_image(policy);
	nsmc_policy_any_age(policy);
	return policy;
}

static bool is_zero(const void *p, size_t len)
{
	const uint8_t *bytes = p;

	while (len > 0)
		if (bytes[--len] != 0)
			return false;
	return true;
}

/*
 * Verifies; that what comes of it follows the header's rules is seen to here: a
 * document that is refused is all zero, a report is set in any case, and neither
 * needs to be asked for.
 */
static int verify(struct data d, const struct nsmc_policy *policy,
		  struct nsmc_report *ret)
{
	struct nsmc_report report;
	struct nsmc_doc doc, parsed;
	int r;

	memset(&doc, 0xee, sizeof(doc));
	memset(&report, 0xee, sizeof(report));
	r = nsmc_doc_verify(d.bytes, d.len, policy, NULL, &doc, &report);
	CHECK_INT(report.checked & ~(uint32_t)NSMC_CHECK_ALL, 0);
	CHECK(is_zero(report.reserved, sizeof(report.reserved)));
	CHECK(memchr(report.object.name, '\0', sizeof(report.object.name)));
	if (r == 0) {
		CHECK_STR(report.object.name, "");
		REQUIRE(nsmc_doc_parse(d.bytes, d.len, &parsed, NULL) == 0);
		CHECK_MEM(&doc, &parsed, sizeof(doc));
		CHECK(is_zero(doc.reserved, sizeof(doc.reserved)));
	} else {
		CHECK(report.object.name[0] != '\0');
		CHECK(is_zero(&doc, sizeof(doc)));
	}
	if (ret)
		*ret = report;
	return r;
}

static void check(const struct document *plan, const struct nsmc_policy *policy,
		  int error, const char *object)
{
	struct data d = document_make(plan);
	struct nsmc_report report;

	CHECK_INT(verify(d, policy, &report), -error);
	CHECK_STR(report.object.name, object);
	free(d.bytes);
}

static const struct document usual = { 0 };

enum {
	CHAIN_CHECKS = NSMC_CHECK_FORM | NSMC_CHECK_CHAIN |
		       NSMC_CHECK_VALIDITY | NSMC_CHECK_SIGNATURE
};

/* --- what pins nothing --- */

static void check_senseless(const struct nsmc_policy *policy,
			    const char *object)
{
	struct data d = document_make(&usual);
	struct nsmc_report report;

	CHECK_INT(verify(d, policy, &report), -NSMC_E_POLICY);
	CHECK_STR(report.object.name, object);
	CHECK_INT(report.checked, 0);
	CHECK_INT(report.debug, NSMC_DEBUG_UNKNOWN);
	/* Nothing of the document is looked at. */
	CHECK_INT(nsmc_doc_verify("", 0, policy, NULL, NULL, &report),
		  -NSMC_E_POLICY);
	CHECK_STR(report.object.name, object);
	free(d.bytes);
}

TEST(a_policy_that_pins_nothing_is_refused)
{
	const uint8_t empty[1] = { 0 };
	struct nsmc_policy *policy = empty_policy();

	/* A time, a PCR, and what makes it new; in that order. */
	check_senseless(policy, "time");
	trust(policy, AUTHORITY_ROOT);
	check_senseless(policy, "time");
	CHECK_INT(nsmc_policy_time(policy, authority_now()), 0);
	check_senseless(policy, "PCRs");
	CHECK_INT(nsmc_policy_max_age(policy, 60), 0);
	check_senseless(policy, "PCRs");
	/* What is not there pins nothing. */
	CHECK_INT(nsmc_policy_pcr_absent(policy, 31), 0);
	check_senseless(policy, "PCRs");
	pin_pcr(policy, 0);
	check(&usual, policy, 0, "");
	nsmc_policy_free(policy);

	policy = bare_policy();
	nsmc_policy_any_image(policy);
	check_senseless(policy, "age");
	/* Fields but the nonce, no nonce, and an empty one say nothing of age. */
	CHECK_INT(nsmc_policy_field_absent(policy, NSMC_FIELD_USER_DATA), 0);
	CHECK_INT(nsmc_policy_field_absent(policy, NSMC_FIELD_NONCE), 0);
	check_senseless(policy, "age");
	CHECK_INT(nsmc_policy_field(policy, NSMC_FIELD_NONCE, empty, 0), 0);
	check_senseless(policy, "age");
	CHECK_INT(nsmc_policy_field(policy, NSMC_FIELD_PUBLIC_KEY, empty, 1),
		  0);
	check_senseless(policy, "age");
	nsmc_policy_free(policy);
}

TEST(each_way_to_pin_is_enough)
{
	const struct document with_nonce = { .nonce = { a_nonce,
							sizeof(a_nonce) } };

	for (int pcr = 0; pcr < 2; pcr++)
		for (int age = 0; age < 4; age++) {
			struct nsmc_policy *policy = bare_policy();

			if (pcr)
				pin_pcr(policy, 15);
			else
				nsmc_policy_any_image(policy);
			if (age == 0)
				nsmc_policy_any_age(policy);
			else if (age == 1)
				CHECK_INT(nsmc_policy_max_age(policy, 0), 0);
			else if (age == 2)
				CHECK_INT(nsmc_policy_field(
						  policy, NSMC_FIELD_NONCE,
						  a_nonce, sizeof(a_nonce)),
					  0);
			else
				nsmc_policy_time_of_document(policy);
			check(&with_nonce, policy, 0, "");
			nsmc_policy_free(policy);
		}
}

TEST(no_age_can_be_asked_for_at_the_documents_own_time)
{
	struct nsmc_policy *policy = bare_policy();

	nsmc_policy_any_image(policy);
	nsmc_policy_any_age(policy);
	CHECK_INT(nsmc_policy_max_age(policy, 60), 0);
	check(&usual, policy, 0, "");
	nsmc_policy_time_of_document(policy);
	check_senseless(policy, "age");
	/* The last that was said of the time counts. */
	CHECK_INT(nsmc_policy_time(policy, authority_now()), 0);
	check(&usual, policy, 0, "");
	nsmc_policy_free(policy);
}

/* --- setters --- */

TEST(setters_take_no_nonsense)
{
	static const uint8_t bytes[NSMC_FIELD_MAX + 1];
	const struct document plan = { .nonce = { bytes, NSMC_FIELD_MAX } };
	struct nsmc_policy *policy = loose_policy();
	struct data d = document_make(&plan);

	CHECK_INT(nsmc_policy_new(NULL), -EINVAL);
	CHECK_INT(nsmc_policy_time(policy, -1), -EINVAL);
	CHECK_INT(nsmc_policy_time(policy, INT64_MIN), -EINVAL);
	CHECK_INT(nsmc_policy_time(policy, INT64_MAX), -EINVAL);
	CHECK_INT(nsmc_policy_time(NULL, 0), -EINVAL);
	CHECK_INT(NSMC_LEEWAY_MAX_S, 3600);
	CHECK_INT(nsmc_policy_leeway(policy, NSMC_LEEWAY_MAX_S + 1), -EINVAL);
	CHECK_INT(nsmc_policy_leeway(policy, UINT32_MAX), -EINVAL);
	CHECK_INT(nsmc_policy_leeway(NULL, 0), -EINVAL);
	CHECK_INT(nsmc_policy_max_age(NULL, 0), -EINVAL);
	CHECK_INT(nsmc_policy_pcr(policy, 32, bytes, 48), -EINVAL);
	CHECK_INT(nsmc_policy_pcr(policy, UINT32_MAX, bytes, 48), -EINVAL);
	CHECK_INT(nsmc_policy_pcr(policy, 0, bytes, 47), -EINVAL);
	CHECK_INT(nsmc_policy_pcr(policy, 0, bytes, 49), -EINVAL);
	CHECK_INT(nsmc_policy_pcr(policy, 0, bytes, 0), -EINVAL);
	CHECK_INT(nsmc_policy_pcr(policy, 0, NULL, 48), -EINVAL);
	CHECK_INT(nsmc_policy_pcr(policy, 0, NULL, 0), -EINVAL);
	CHECK_INT(nsmc_policy_pcr(NULL, 0, bytes, 48), -EINVAL);
	CHECK_INT(nsmc_policy_pcr_absent(policy, 32), -EINVAL);
	CHECK_INT(nsmc_policy_pcr_absent(NULL, 0), -EINVAL);
	for (int f = -1; f <= 3; f++) {
		bool good = f >= 0 && f < 3;
		enum nsmc_field field = (enum nsmc_field)f;

		CHECK_INT(nsmc_policy_field(policy, field, bytes,
					    NSMC_FIELD_MAX + 1),
			  -EINVAL);
		CHECK_INT(nsmc_policy_field(policy, field, bytes, SIZE_MAX),
			  -EINVAL);
		CHECK_INT(nsmc_policy_field(policy, field, NULL, 1), -EINVAL);
		CHECK_INT(nsmc_policy_field(policy, field, NULL, 0), -EINVAL);
		CHECK_INT(nsmc_policy_field(NULL, field, bytes, 1), -EINVAL);
		CHECK_INT(nsmc_policy_field_absent(NULL, field), -EINVAL);
		if (!good) {
			CHECK_INT(nsmc_policy_field(policy, field, bytes, 1),
				  -EINVAL);
			CHECK_INT(nsmc_policy_field_absent(policy, field),
				  -EINVAL);
		}
	}
	CHECK_INT(nsmc_policy_kind(policy, (enum nsmc_kind)2), -EINVAL);
	CHECK_INT(nsmc_policy_kind(policy, (enum nsmc_kind) - 1), -EINVAL);
	CHECK_INT(nsmc_policy_kind(NULL, NSMC_KIND_ENCLAVE), -EINVAL);
	CHECK_INT(nsmc_policy_root(policy, NULL, 533), -EINVAL);
	CHECK_INT(nsmc_policy_root(NULL, bytes, 1), -EINVAL);
	CHECK_INT(nsmc_policy_root(policy, NULL, 0), -NSMC_E_ROOT);
	/* Nothing of it has changed the policy. */
	CHECK_INT(verify(d, policy, NULL), 0);

	CHECK_INT(nsmc_policy_leeway(policy, NSMC_LEEWAY_MAX_S), 0);
	CHECK_INT(nsmc_policy_leeway(policy, 0), 0);
	CHECK_INT(nsmc_policy_max_age(policy, UINT32_MAX), 0);
	CHECK_INT(nsmc_policy_field(policy, NSMC_FIELD_NONCE, bytes,
				    NSMC_FIELD_MAX),
		  0);
	CHECK_INT(nsmc_policy_pcr_absent(policy, 31), 0);
	CHECK_INT(nsmc_policy_time(policy, authority_now()), 0);
	CHECK_INT(verify(d, policy, NULL), 0);
	CHECK_INT(nsmc_policy_time(policy, 0), 0);
	CHECK_INT(verify(d, policy, NULL), -NSMC_E_CERT_NOT_YET);
	nsmc_policy_free(policy);
	nsmc_policy_free(NULL);
	free(d.bytes);
}

TEST(verifying_without_a_policy_or_bytes_is_refused)
{
	struct nsmc_policy *policy = loose_policy();
	struct data d = document_make(&usual);
	struct nsmc_report report;
	struct nsmc_doc doc;

	memset(&doc, 0xee, sizeof(doc));
	memset(&report, 0xee, sizeof(report));
	CHECK_INT(nsmc_doc_verify(d.bytes, d.len, NULL, NULL, &doc, &report),
		  -EINVAL);
	CHECK(is_zero(&doc, sizeof(doc)) && is_zero(&report, sizeof(report)));
	memset(&doc, 0xee, sizeof(doc));
	memset(&report, 0xee, sizeof(report));
	CHECK_INT(nsmc_doc_verify(NULL, 32, policy, NULL, &doc, &report),
		  -EINVAL);
	CHECK(is_zero(&doc, sizeof(doc)) && is_zero(&report, sizeof(report)));
	CHECK_INT(nsmc_doc_verify(NULL, 0, policy, NULL, &doc, &report),
		  -NSMC_E_DOC_CUT);
	/* Neither document nor report needs to be asked for. */
	CHECK_INT(nsmc_doc_verify(d.bytes, d.len, policy, NULL, NULL, NULL), 0);
	CHECK_INT(nsmc_doc_verify(d.bytes, d.len, policy, NULL, &doc, NULL), 0);
	CHECK_INT(nsmc_doc_verify(d.bytes, d.len - 1, policy, NULL, NULL, NULL),
		  -NSMC_E_DOC_CUT);
	CHECK_INT(nsmc_doc_verify(d.bytes, d.len, NULL, NULL, NULL, NULL),
		  -EINVAL);
	nsmc_policy_free(policy);
	free(d.bytes);
}

TEST(setters_copy_what_they_are_given)
{
	const struct document plan = { .nonce = { a_nonce, sizeof(a_nonce) },
				       .user_data = { a_nonce, 3 },
				       .public_key = { a_nonce, 5 } };
	struct nsmc_policy *policy = bare_policy();
	uint8_t value[NSMC_PCR_SIZE], field[sizeof(a_nonce)];
	struct nsmc_report report;
	struct data d = document_make(&plan);

	for (unsigned i = 0; i < 16; i++) {
		document_pcr(i, value);
		CHECK_INT(nsmc_policy_pcr(policy, i, value, sizeof(value)), 0);
	}
	memset(value, 0xee, sizeof(value));
	memcpy(field, a_nonce, sizeof(field));
	CHECK_INT(nsmc_policy_field(policy, NSMC_FIELD_NONCE, field,
				    sizeof(field)),
		  0);
	CHECK_INT(nsmc_policy_field(policy, NSMC_FIELD_USER_DATA, field, 3), 0);
	CHECK_INT(nsmc_policy_field(policy, NSMC_FIELD_PUBLIC_KEY, field, 5),
		  0);
	memset(field, 0xee, sizeof(field));
	CHECK_INT(nsmc_policy_max_age(policy, 60), 0);
	CHECK_INT(verify(d, policy, &report), 0);
	CHECK_INT(report.checked, NSMC_CHECK_ALL);
	CHECK_INT(report.pcrs_checked, 0xffff);
	CHECK_INT(report.debug, NSMC_DEBUG_NO);
	nsmc_policy_free(policy);
	free(d.bytes);
}

/* --- roots --- */

TEST(roots_are_certificates_on_p384)
{
	static const char *const files[] = { "cms/key.der", "cms/ec.der",
					     "sign/p384-cert.pem",
					     "README.md" };
	struct nsmc_policy *policy = empty_policy();
	static struct out o;
	struct data d;

	for (size_t i = 0; i < COUNT(files); i++) {
		d = data_load(files[i]);
		CHECK_INT(nsmc_policy_root(policy, d.bytes, d.len),
			  -NSMC_E_ROOT);
		free(d.bytes);
	}
	d = data_load("doc/root.der");
	CHECK_INT(nsmc_policy_root(policy, d.bytes, d.len - 1), -NSMC_E_ROOT);
	CHECK_INT(nsmc_policy_root(policy, d.bytes, 0), -NSMC_E_ROOT);
	free(d.bytes);
	/* 1024 bytes, and one more, which could begin no bundle. */
	for (size_t more = 0, fill = 600; more < 2; more++) {
		char extension[100];

		for (int i = 0; i < 2; i++) {
			(void)snprintf(extension, sizeof(extension),
				       "3082%04zx 06032a0304 0482%04zx [%zu]",
				       fill + 9, fill, fill);
			cert_make(&(struct cert){ .extensions = extension },
				  &o);
			if (i == 0)
				fill += NSMC_CERTIFICATE_MAX + more - o.len;
		}
		REQUIRE(o.len == NSMC_CERTIFICATE_MAX + more);
		CHECK_INT(nsmc_policy_root(policy, o.at, o.len),
			  more ? -NSMC_E_ROOT : 0);
	}
	nsmc_policy_free(policy);
}

TEST(there_are_eight_roots_and_no_more)
{
	struct nsmc_policy *policy = empty_policy();
	struct data root = authority_root(AUTHORITY_ROOT);
	struct data d = document_make(&usual);

	nsmc_policy_any_image(policy);
	nsmc_policy_any_age(policy);
	CHECK_INT(nsmc_policy_time(policy, authority_now()), 0);
	CHECK_INT(NSMC_ROOTS_MAX, 8);
	for (unsigned i = 0; i < NSMC_ROOTS_MAX - 1; i++)
		trust(policy, 100 + i);
	CHECK_INT(verify(d, policy, NULL), -NSMC_E_ROOT_OTHER);
	CHECK_INT(nsmc_policy_root(policy, root.bytes, root.len), 0);
	CHECK_INT(verify(d, policy, NULL), 0);
	CHECK_INT(nsmc_policy_root(policy, root.bytes, root.len), -ENOSPC);
	CHECK_INT(verify(d, policy, NULL), 0);
	free(d.bytes);
	free(root.bytes);
	nsmc_policy_free(policy);
}

TEST(each_root_given_is_trusted_and_no_other)
{
	const struct document other = { .root = AUTHORITY_OTHER_ROOT };
	struct nsmc_policy *policy = empty_policy();

	nsmc_policy_any_image(policy);
	nsmc_policy_any_age(policy);
	CHECK_INT(nsmc_policy_time(policy, authority_now()), 0);
	/* Without one it is AWS's, which signed neither. */
	check(&usual, policy, NSMC_E_ROOT_OTHER, "cabundle[0]");
	check(&other, policy, NSMC_E_ROOT_OTHER, "cabundle[0]");
	trust(policy, AUTHORITY_OTHER_ROOT);
	check(&usual, policy, NSMC_E_ROOT_OTHER, "cabundle[0]");
	check(&other, policy, 0, "");
	trust(policy, AUTHORITY_ROOT);
	check(&usual, policy, 0, "");
	check(&other, policy, 0, "");
	nsmc_policy_free(policy);
}

/* --- what is refused, and its report --- */

TEST(what_is_refused_gives_nothing_out)
{
	static const struct {
		struct document plan;
		int error;
		const char *object;
		uint32_t checked;
	} rows[] = {
		{ { .bad_leaf = true },
		  NSMC_E_CERT_SIGNATURE,
		  "certificate",
		  NSMC_CHECK_FORM },
		{ { .bad_signature = true },
		  NSMC_E_SIGNATURE,
		  "signature",
		  NSMC_CHECK_FORM | NSMC_CHECK_CHAIN | NSMC_CHECK_VALIDITY },
		{ { .debug = true }, NSMC_E_DEBUG, "PCR0", CHAIN_CHECKS },
		{ { .tpm = true }, NSMC_E_KIND, "nitrotpm_pcrs", CHAIN_CHECKS },
		{ { .no_pcrs = 0xffff }, NSMC_E_DOC_RANGE, "pcrs", 0 },
		{ { .no_pcrs = 0xff00ffff, .tpm = true },
		  NSMC_E_KIND,
		  "nitrotpm_pcrs",
		  CHAIN_CHECKS },
	};

	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		struct nsmc_policy *policy = loose_policy();
		struct document plan = rows[i / 2].plan;
		struct nsmc_report report;
		struct data d;

		plan.definite = i % 2;
		d = document_make(&plan);
		CHECK_INT(verify(d, policy, &report), -rows[i / 2].error);
		CHECK_STR(report.object.name, rows[i / 2].object);
		CHECK_INT(report.checked, rows[i / 2].checked);
		CHECK_INT(report.pcrs_checked, 0);
		free(d.bytes);
		nsmc_policy_free(policy);
	}
}

TEST(flipped_bits_and_prefixes_are_refused)
{
	struct nsmc_policy *policy = loose_policy();
	struct data d = document_make(&usual);
	struct nsmc_report report;

	CHECK_INT(verify(d, policy, &report), 0);
	CHECK_INT(report.checked, CHAIN_CHECKS | NSMC_CHECK_DEBUG);
	for (size_t i = 0; i < d.len; i += 41) {
		d.bytes[i] ^= (uint8_t)(1 << i % 8);
		CHECK(verify(d, policy, NULL) < 0);
		d.bytes[i] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < d.len; n += n < 40 ? 1 : 37)
		CHECK_INT(verify((struct data){ d.bytes, n }, policy, NULL),
			  -NSMC_E_DOC_CUT);
	CHECK_INT(verify(d, policy, NULL), 0);
	free(d.bytes);
	nsmc_policy_free(policy);
}

TEST(both_forms_of_payloads_are_good)
{
	for (int definite = 0; definite < 2; definite++) {
		const struct document plan = { .definite = definite };
		struct nsmc_policy *policy = loose_policy();

		check(&plan, policy, 0, "");
		nsmc_policy_free(policy);
	}
}

/* --- PCRs and fields --- */

TEST(pcrs_are_as_asked_for)
{
	struct nsmc_policy *policy = bare_policy();
	uint8_t value[NSMC_PCR_SIZE];
	struct data d = document_make(&usual);
	struct nsmc_report report;

	nsmc_policy_any_age(policy);
	pin_pcr(policy, 0);
	pin_pcr(policy, 8);
	CHECK_INT(nsmc_policy_pcr_absent(policy, 16), 0);
	CHECK_INT(verify(d, policy, &report), 0);
	CHECK_INT(report.pcrs_checked, 1 << 0 | 1 << 8 | 1 << 16);
	CHECK_INT(report.checked,
		  CHAIN_CHECKS | NSMC_CHECK_DEBUG | NSMC_CHECK_PCRS);
	/* One bit of one of them. */
	document_pcr(8, value);
	value[47] ^= 1;
	CHECK_INT(nsmc_policy_pcr(policy, 8, value, sizeof(value)), 0);
	CHECK_INT(verify(d, policy, &report), -NSMC_E_OTHER);
	CHECK_STR(report.object.name, "PCR8");
	/* What was seen before it holds; PCRs as a whole do not. */
	CHECK_INT(report.pcrs_checked, 1 << 0);
	CHECK_INT(report.checked, CHAIN_CHECKS | NSMC_CHECK_DEBUG);
	/* The last that was said of a PCR counts. */
	CHECK_INT(nsmc_policy_pcr_absent(policy, 8), 0);
	CHECK_INT(verify(d, policy, &report), -NSMC_E_PRESENT);
	CHECK_STR(report.object.name, "PCR8");
	pin_pcr(policy, 8);
	CHECK_INT(nsmc_policy_pcr(policy, 31, value, sizeof(value)), 0);
	CHECK_INT(verify(d, policy, &report), -NSMC_E_ABSENT);
	CHECK_STR(report.object.name, "PCR31");
	free(d.bytes);
	nsmc_policy_free(policy);
}

TEST(fields_are_as_asked_for)
{
	static const struct {
		enum nsmc_field field;
		const char *name;
		uint32_t check;
	} fields[] = {
		{ NSMC_FIELD_NONCE, "nonce", NSMC_CHECK_NONCE },
		{ NSMC_FIELD_USER_DATA, "user_data", NSMC_CHECK_USER_DATA },
		{ NSMC_FIELD_PUBLIC_KEY, "public_key", NSMC_CHECK_PUBLIC_KEY },
	};
	/* What is there, what is asked for (-1: absence), what comes of it. */
	static const struct {
		struct nsmc_bytes there;
		int asked;
		int error;
	} rows[] = {
		{ { NULL, 0 }, -1, 0 },
		{ { NULL, 0 }, 0, NSMC_E_ABSENT },
		{ { NULL, 0 }, 5, NSMC_E_ABSENT },
		{ { a_nonce, 0 }, -1, NSMC_E_PRESENT },
		{ { a_nonce, 0 }, 0, 0 },
		{ { a_nonce, 0 }, 5, NSMC_E_OTHER },
		{ { a_nonce, 5 }, -1, NSMC_E_PRESENT },
		{ { a_nonce, 5 }, 0, NSMC_E_OTHER },
		{ { a_nonce, 5 }, 4, NSMC_E_OTHER },
		{ { a_nonce, 5 }, 5, 0 },
		{ { a_nonce, 5 }, 6, NSMC_E_OTHER },
		{ { a_nonce + 1, 5 }, 5, NSMC_E_OTHER },
	};

	for (size_t i = 0; i < COUNT(fields); i++)
		for (size_t k = 0; k < COUNT(rows); k++) {
			struct nsmc_policy *policy = loose_policy();
			struct document plan = { 0 };
			struct nsmc_report report;
			struct data d;

			*(i == 0 ? &plan.nonce :
			  i == 1 ? &plan.user_data :
				   &plan.public_key) = rows[k].there;
			d = document_make(&plan);
			CHECK_INT(rows[k].asked < 0 ?
					  nsmc_policy_field_absent(
						  policy, fields[i].field) :
					  nsmc_policy_field(
						  policy, fields[i].field,
						  a_nonce,
						  (size_t)rows[k].asked),
				  0);
			CHECK_INT(verify(d, policy, &report), -rows[k].error);
			CHECK_STR(report.object.name,
				  rows[k].error ? fields[i].name : "");
			CHECK_INT(report.checked,
				  CHAIN_CHECKS | NSMC_CHECK_DEBUG |
					  (rows[k].error ? 0 :
							   fields[i].check));
			free(d.bytes);
			nsmc_policy_free(policy);
		}
}

/* --- debug mode and kinds --- */

TEST(debug_mode_is_refused_unless_it_is_allowed)
{
	static const struct {
		struct document plan;
		enum nsmc_debug debug;
		int error; /* without being allowed */
	} rows[] = {
		{ { 0 }, NSMC_DEBUG_NO, 0 },
		{ { .debug = true }, NSMC_DEBUG_YES, NSMC_E_DEBUG },
		{ { .no_pcrs = 1 }, NSMC_DEBUG_UNKNOWN, NSMC_E_ABSENT },
		{ { .no_pcrs = 1, .debug = true },
		  NSMC_DEBUG_YES,
		  NSMC_E_DEBUG },
		{ { .no_pcrs = 3, .debug = true },
		  NSMC_DEBUG_YES,
		  NSMC_E_DEBUG },
		{ { .no_pcrs = 7, .debug = true },
		  NSMC_DEBUG_UNKNOWN,
		  NSMC_E_ABSENT },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nsmc_policy *policy = loose_policy();
		struct data d = document_make(&rows[i].plan);
		uint32_t no_debug =
			rows[i].debug == NSMC_DEBUG_NO ? NSMC_CHECK_DEBUG : 0;
		struct nsmc_report report;

		CHECK_INT(verify(d, policy, &report), -rows[i].error);
		CHECK_STR(report.object.name, rows[i].error ? "PCR0" : "");
		CHECK_INT(report.debug, rows[i].debug);
		nsmc_policy_allow_debug(policy);
		CHECK_INT(verify(d, policy, &report), 0);
		CHECK_INT(report.debug, rows[i].debug);
		CHECK_INT(report.checked, CHAIN_CHECKS | no_debug);
		free(d.bytes);
		nsmc_policy_free(policy);
	}
}

TEST(kinds_are_not_taken_for_each_other)
{
	const struct document tpm = { .tpm = true },
			      zeros = { .tpm = true, .debug = true };
	struct nsmc_policy *policy = loose_policy();
	struct nsmc_report report;
	struct data d;

	check(&usual, policy, 0, "");
	check(&tpm, policy, NSMC_E_KIND, "nitrotpm_pcrs");
	CHECK_INT(nsmc_policy_kind(policy, NSMC_KIND_NITROTPM), 0);
	check(&usual, policy, NSMC_E_KIND, "pcrs");
	/* A NitroTPM has no debug mode, whatever its PCRs are. */
	d = document_make(&zeros);
	pin_pcr(policy, 23);
	CHECK_INT(verify(d, policy, &report), 0);
	CHECK_INT(report.debug, NSMC_DEBUG_UNKNOWN);
	CHECK_INT(report.checked, CHAIN_CHECKS | NSMC_CHECK_PCRS);
	CHECK_INT(report.pcrs_checked, 1 << 23);
	free(d.bytes);
	CHECK_INT(nsmc_policy_kind(policy, NSMC_KIND_ENCLAVE), 0);
	check(&tpm, policy, NSMC_E_KIND, "nitrotpm_pcrs");
	nsmc_policy_free(policy);
}

/* --- time --- */

TEST(certificates_are_of_the_time_of_the_policy)
{
	const int64_t begin = authority_leaf_begin(),
		      end = authority_leaf_end();
	const struct {
		int leeway; /* -1: the default */
		int64_t time_s;
		int error;
	} rows[] = {
		{ -1, begin, 0 },
		{ -1, begin - 5, 0 },
		{ -1, begin - 6, NSMC_E_CERT_NOT_YET },
		{ -1, end, 0 },
		{ -1, end + 1, NSMC_E_CERT_EXPIRED },
		{ 0, begin, 0 },
		{ 0, begin - 1, NSMC_E_CERT_NOT_YET },
		{ 3600, begin - 3600, 0 },
		{ 3600, begin - 3601, NSMC_E_CERT_NOT_YET },
		{ 3600, end + 1, NSMC_E_CERT_EXPIRED },
	};

	CHECK_INT(NSMC_LEEWAY_DEFAULT_S, 5);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nsmc_policy *policy = loose_policy();

		if (rows[i].leeway >= 0)
			CHECK_INT(nsmc_policy_leeway(policy,
						     (uint32_t)rows[i].leeway),
				  0);
		CHECK_INT(nsmc_policy_time(policy, rows[i].time_s), 0);
		check(&usual, policy, rows[i].error,
		      rows[i].error ? "certificate" : "");
		nsmc_policy_free(policy);
	}
}

/* "At most three hours old" is true of every policy without the document's time. */
TEST(documents_are_of_their_leafs_time)
{
	const int64_t begin = authority_leaf_begin() * 1000,
		      end = authority_leaf_end() * 1000;
	const struct {
		int64_t made_ms;
		int error;
	} rows[] = {
		{ begin, 0 },
		{ begin - 5000, 0 },
		{ begin - 5001, NSMC_E_LEAF_TIME },
		{ end + 5999, 0 },
		{ end + 6000, NSMC_E_LEAF_TIME },
		{ begin - INT64_C(400) * 86400000, NSMC_E_LEAF_TIME },
		{ INT64_MAX / 2, NSMC_E_LEAF_TIME },
		{ 1, NSMC_E_LEAF_TIME },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct document plan = { .timestamp_ms =
						       rows[i].made_ms };
		struct nsmc_policy *policy = loose_policy();

		check(&plan, policy, rows[i].error,
		      rows[i].error ? "timestamp" : "");
		nsmc_policy_free(policy);
	}
}

TEST(stored_documents_are_of_their_own_time)
{
	const struct {
		int64_t made_ms;
		int error;
		const char *object;
	} rows[] = {
		{ authority_now() * 1000, 0, "" },
		{ authority_leaf_begin() * 1000, 0, "" },
		{ (authority_leaf_begin() - 6) * 1000, NSMC_E_CERT_NOT_YET,
		  "certificate" },
		{ authority_leaf_end() * 1000 + 999, 0, "" },
		{ authority_leaf_end() * 1000 + 1000, NSMC_E_CERT_EXPIRED,
		  "certificate" },
		{ 1, NSMC_E_CERT_NOT_YET, "cabundle[0]" },
		{ INT64_MAX / 2, NSMC_E_CERT_EXPIRED, "cabundle[0]" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct document plan = { .timestamp_ms =
						       rows[i].made_ms };
		struct nsmc_policy *policy = empty_policy();
		struct data d = document_make(&plan);
		struct nsmc_report report;

		trust(policy, AUTHORITY_ROOT);
		nsmc_policy_time_of_document(policy);
		nsmc_policy_any_image(policy);
		CHECK_INT(verify(d, policy, &report), -rows[i].error);
		CHECK_STR(report.object.name, rows[i].object);
		/* That it was valid then says nothing of now. */
		if (rows[i].error == 0)
			CHECK_INT(report.checked, NSMC_CHECK_FORM |
							  NSMC_CHECK_CHAIN |
							  NSMC_CHECK_SIGNATURE |
							  NSMC_CHECK_DEBUG);
		free(d.bytes);
		nsmc_policy_free(policy);
	}
}

TEST(ages_have_a_window)
{
	const int64_t now = authority_now() * 1000;
	const struct {
		int leeway; /* -1: the default */
		uint32_t max_age;
		int64_t made_ms;
		int error;
	} rows[] = {
		/* Made within the very second in which it is checked. */
		{ 0, 60, now, 0 },
		{ 0, 60, now + 500, 0 },
		{ 0, 60, now + 999, 0 },
		{ 0, 60, now + 1000, NSMC_E_IN_FUTURE },
		{ 0, 0, now + 500, 0 },
		{ 0, 0, now, 0 },
		{ 0, 0, now - 1, NSMC_E_TOO_OLD },
		{ -1, 60, now + 5999, 0 },
		{ -1, 60, now + 6000, NSMC_E_IN_FUTURE },
		{ 10, 60, now + 10999, 0 },
		{ 10, 60, now + 11000, NSMC_E_IN_FUTURE },
		{ -1, 60, now - 60000, 0 },
		{ -1, 60, now - 60001, NSMC_E_TOO_OLD },
		{ -1, 0, now + 500, 0 },
		{ 3600, 1, now - 1000, 0 },
		{ 3600, 1, now - 1001, NSMC_E_TOO_OLD },
		{ 3600, UINT32_MAX, now - 1800000, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct document plan = { .timestamp_ms =
						       rows[i].made_ms };
		struct nsmc_policy *policy = bare_policy();
		struct data d = document_make(&plan);
		struct nsmc_report report;

		nsmc_policy_any_image(policy);
		if (rows[i].leeway >= 0)
			CHECK_INT(nsmc_policy_leeway(policy,
						     (uint32_t)rows[i].leeway),
				  0);
		CHECK_INT(nsmc_policy_max_age(policy, rows[i].max_age), 0);
		if (verify(d, policy, &report) != -rows[i].error)
			CHECK_FAIL("row %zu", i);
		CHECK_STR(report.object.name, rows[i].error ? "timestamp" : "");
		CHECK_INT(report.checked,
			  CHAIN_CHECKS | NSMC_CHECK_DEBUG |
				  (rows[i].error ? 0 : NSMC_CHECK_AGE));
		free(d.bytes);
		nsmc_policy_free(policy);
	}
}

/* --- with a cache, and without memory --- */

TEST(a_cache_changes_no_answer)
{
	static const struct document plans[] = {
		{ 0 },
		{ .definite = true },
		{ .bad_signature = true },
		{ .bad_leaf = true },
		{ .debug = true },
		{ .timestamp_ms = 1 },
		{ .root = AUTHORITY_OTHER_ROOT },
	};
	struct nsmc_policy *policy = loose_policy();
	struct nsmc_report with, without;
	struct nsmc_cache *cache = NULL;
	struct nsmc_doc doc;
	int first;

	REQUIRE(nsmc_cache_new(8, &cache) == 0);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < COUNT(plans); i++) {
			struct data d = document_make(&plans[i]);

			first = verify(d, policy, &without);
			memset(&doc, 0xee, sizeof(doc));
			CHECK_INT(nsmc_doc_verify(d.bytes, d.len, policy, cache,
						  &doc, &with),
				  first);
			CHECK_MEM(&with, &without, sizeof(with));
			CHECK_INT(is_zero(&doc, sizeof(doc)), first < 0);
			free(d.bytes);
		}
	nsmc_cache_free(cache);
	nsmc_policy_free(policy);
}

TEST(verifying_takes_no_memory)
{
	const struct document bad = { .bad_signature = true };
	struct nsmc_policy *policy = loose_policy(), *other = NULL;
	struct data good = document_make(&usual), forged = document_make(&bad);
	struct nsmc_cache *cache = NULL;

	allocations = 0;
	CHECK_INT(nsmc_doc_verify(good.bytes, good.len, policy, NULL, NULL,
				  NULL),
		  0);
	CHECK_INT(nsmc_doc_verify(forged.bytes, forged.len, policy, NULL, NULL,
				  NULL),
		  -NSMC_E_SIGNATURE);
	/* None has been asked for: what does ask gets none. */
	CHECK_INT(allocations, 0);
	CHECK_INT(nsmc_policy_new(&other), -ENOMEM);
	allocations = 0;
	CHECK_INT(nsmc_cache_new(1, &cache), -ENOMEM);
	allocations = -1;
	CHECK(!other && !cache);
	free(good.bytes);
	free(forged.bytes);
	nsmc_policy_free(policy);
}

CHECK_MAIN("policy")
