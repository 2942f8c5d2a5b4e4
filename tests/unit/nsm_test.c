/* The public calls and the seeding, over a device and a pool made here. */

#include "nsm/nsmc.h"

#include <errno.h>
#include <limits.h>

#include "nsm/dev.h"
#include "nsm/entropy.h"
#include "nsm/pool.h"
#include "tests/unit/check.h"

/* --- the seams --- */

static struct {
	int exchanges, fail_at; /* the exchange that fails, from 1 */
	int error;
	size_t chunk;	       /* random bytes an answer */
	const uint8_t *answer; /* instead */
	size_t answer_len;
	uint8_t next;
} dev;

static struct {
	int calls, error;
	uint8_t data[POOL_CREDIT_MAX];
	size_t len;
} pool;

int dev_open(void)
{
	return dev.error ? dev.error : 77;
}

int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len)
{
	static const uint8_t head[] = "\xa1\x69GetRandom\xa1\x66random\x59";
	uint8_t *out = resp;
	size_t at = sizeof(head) - 1;

	CHECK_INT(fd, 77);
	CHECK(len > 0 && req);
	if (++dev.exchanges == dev.fail_at)
		return dev.error;
	if (dev.answer) {
		memcpy(out, dev.answer, dev.answer_len);
		*ret_len = dev.answer_len;
		return 0;
	}
	memcpy(out, head, at);
	out[at++] = (uint8_t)(dev.chunk >> 8);
	out[at++] = (uint8_t)dev.chunk;
	for (size_t i = 0; i < dev.chunk; i++)
		out[at++] = dev.next++;
	*ret_len = at;
	return 0;
}

int pool_credit(const uint8_t *buf, size_t len)
{
	pool.calls++;
	memcpy(pool.data, buf, len);
	pool.len = len;
	return pool.error;
}

/* --- random --- */

static void check_counted(const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!CHECK_INT(buf[i], (uint8_t)i))
			return;
}

TEST(random_bytes_are_put_together)
{
	static const struct {
		size_t chunk, len;
		int exchanges;
	} cases[] = {
		{ 256, 256, 1 }, { 256, 1, 1 },	  { 256, 257, 2 },
		{ 1, 40, 40 },	 { 100, 256, 3 }, { 256, 0, 0 },
	};
	uint8_t buf[300];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		dev.exchanges = 0;
		dev.next = 0;
		dev.chunk = cases[i].chunk;
		memset(buf, 0xee, sizeof(buf));
		CHECK_INT(nsmc_get_random(77, buf, cases[i].len), 0);
		CHECK_INT(dev.exchanges, cases[i].exchanges);
		check_counted(buf, cases[i].len);
		CHECK_INT(buf[cases[i].len], 0xee);
	}
}

TEST(random_failing_midway_leaves_nothing)
{
	uint8_t buf[256] = { 0 };

	dev.chunk = 100;
	dev.next = 1;
	dev.fail_at = 3;
	dev.error = -EIO;
	CHECK_INT(nsmc_get_random(77, buf, sizeof(buf)), -EIO);
	for (size_t i = 0; i < sizeof(buf); i++)
		CHECK_INT(buf[i], 0);
}

TEST(random_refused_or_malformed_is_an_error)
{
	static const uint8_t refusal[] = "\xa1\x65"
					 "Error\x6dInternalError";
	static const uint8_t nothing[] = "";
	uint8_t buf[8];

	dev.answer = refusal;
	dev.answer_len = sizeof(refusal) - 1;
	CHECK_STR(nsmc_error_text(nsmc_get_random(77, buf, 8)),
		  "InternalError");
	dev.answer_len--;
	CHECK_STR(nsmc_error_text(nsmc_get_random(77, buf, 8)),
		  "the NSM's answer is cut short");
	dev.answer = nothing;
	dev.answer_len = 0;
	CHECK_STR(nsmc_error_text(nsmc_get_random(77, buf, 8)),
		  "the NSM's answer is cut short");
	dev.answer_len = 1;
	CHECK_STR(nsmc_error_text(nsmc_get_random(77, buf, 8)),
		  "the NSM's answer is malformed");
	CHECK_STR(nsmc_error_text(-ENODEV), "No such device");
}

/* --- the other requests --- */

static void answer(const char *text, size_t len)
{
	dev.answer = (const uint8_t *)text;
	dev.answer_len = len;
}

TEST(a_document_is_copied_whole_or_not_at_all)
{
	static const char with_doc[] = "\xa1\x6b"
				       "Attestation\xa1\x68"
				       "document\x44\x84\x01\x02\x03";
	const struct nsmc_bytes none = { NULL, 0 };
	uint8_t buf[8];
	size_t len = 77;

	answer(with_doc, sizeof(with_doc) - 1);
	memset(buf, 0xee, sizeof(buf));
	CHECK_INT(nsmc_attest(77, none, none, none, buf, 3, &len), -ENOBUFS);
	CHECK_INT(buf[0], 0xee);
	CHECK_INT(len, 77);
	CHECK_INT(nsmc_attest(77, none, none, none, buf, 4, &len), 0);
	CHECK_INT(len, 4);
	CHECK_MEM(buf, "\x84\x01\x02\x03\xee", 5);
}

TEST(more_than_a_request_holds_is_not_sent)
{
	static const uint8_t data[4096];
	const struct nsmc_bytes none = { NULL, 0 }, big = { data, 4051 };
	uint8_t buf[8];
	size_t len;

	CHECK_INT(nsmc_attest(77, big, none, none, buf, 8, &len), -EMSGSIZE);
	CHECK_INT(dev.exchanges, 0);
}

TEST(an_answer_to_another_request_is_malformed)
{
	static const char lock[] = "\x67LockPCR";
	struct nsmc_description d;
	struct nsmc_pcr pcr;

	answer(lock, sizeof(lock) - 1);
	CHECK_INT(nsmc_lock_pcr(77, 16), 0);
	CHECK_INT(nsmc_lock_pcrs_below(77, 16), -NSMC_E_MALFORMED);
	CHECK_INT(nsmc_describe(77, &d), -NSMC_E_MALFORMED);
	CHECK_INT(nsmc_describe_pcr(77, 0, &pcr), -NSMC_E_MALFORMED);
	CHECK_INT(nsmc_extend_pcr(77, 16, "", 0, &pcr), -NSMC_E_MALFORMED);
}

TEST(each_failure_of_the_device_is_its_own)
{
	static const int errors[] = { -EIO, -ETIMEDOUT, -ENODATA, -EMSGSIZE };
	const struct nsmc_bytes none = { NULL, 0 };
	struct nsmc_description d;
	struct nsmc_pcr pcr;
	uint8_t buf[8];
	size_t len;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		dev.error = errors[i];
		for (int call = 0; call < 6; call++) {
			dev.fail_at = dev.exchanges + 1;
			CHECK_INT(call == 0 ? nsmc_describe(77, &d) :
				  call == 1 ? nsmc_describe_pcr(77, 0, &pcr) :
				  call == 2 ? nsmc_extend_pcr(77, 16, "", 0,
							      NULL) :
				  call == 3 ? nsmc_lock_pcr(77, 16) :
				  call == 4 ? nsmc_lock_pcrs_below(77, 16) :
					      nsmc_attest(77, none, none, none,
							  buf, 8, &len),
				  errors[i]);
		}
	}
}

/* A pointer that was lost is no absence. */
TEST(lengths_without_bytes_are_refused)
{
	static const uint8_t bytes[1];
	const struct nsmc_bytes lost = { NULL, 32 }, good = { bytes, 1 };
	uint8_t buf[8];
	size_t len = 77;

	CHECK_INT(nsmc_attest(77, lost, NSMC_ABSENT, NSMC_ABSENT, buf, 8, &len),
		  -EINVAL);
	CHECK_INT(nsmc_attest(77, NSMC_ABSENT, lost, NSMC_ABSENT, buf, 8, &len),
		  -EINVAL);
	CHECK_INT(nsmc_attest(77, NSMC_EMPTY, good, lost, buf, 8, &len),
		  -EINVAL);
	CHECK_INT(len, 77);
	CHECK_INT(dev.exchanges, 0);
	CHECK(!NSMC_ABSENT.data && NSMC_ABSENT.len == 0);
	CHECK(NSMC_EMPTY.data && NSMC_EMPTY.len == 0);
}

/* --- errors --- */

/* The numbers are part of the interface: by hand, not by the header. */
static const struct {
	int number, code;
	const char *name;
} errors[] = {
	{ 5001, NSMC_E_INVALID_ARGUMENT, "NSMC_E_INVALID_ARGUMENT" },
	{ 5002, NSMC_E_INVALID_INDEX, "NSMC_E_INVALID_INDEX" },
	{ 5003, NSMC_E_INVALID_RESPONSE, "NSMC_E_INVALID_RESPONSE" },
	{ 5004, NSMC_E_READ_ONLY_INDEX, "NSMC_E_READ_ONLY_INDEX" },
	{ 5005, NSMC_E_INVALID_OPERATION, "NSMC_E_INVALID_OPERATION" },
	{ 5006, NSMC_E_BUFFER_TOO_SMALL, "NSMC_E_BUFFER_TOO_SMALL" },
	{ 5007, NSMC_E_INPUT_TOO_LARGE, "NSMC_E_INPUT_TOO_LARGE" },
	{ 5008, NSMC_E_INTERNAL_ERROR, "NSMC_E_INTERNAL_ERROR" },
	{ 5009, NSMC_E_UNKNOWN, "NSMC_E_UNKNOWN" },
	{ 5010, NSMC_E_TRUNCATED, "NSMC_E_TRUNCATED" },
	{ 5011, NSMC_E_MALFORMED, "NSMC_E_MALFORMED" },
	{ 5012, NSMC_E_NOT_EXTENDED, "NSMC_E_NOT_EXTENDED" },
	{ 5013, NSMC_E_NOT_LOCKED, "NSMC_E_NOT_LOCKED" },
	{ 5100, NSMC_E_DOC_CUT, "NSMC_E_DOC_CUT" },
	{ 5101, NSMC_E_DOC_TRAILING, "NSMC_E_DOC_TRAILING" },
	{ 5102, NSMC_E_DOC_CBOR, "NSMC_E_DOC_CBOR" },
	{ 5103, NSMC_E_DOC_COSE, "NSMC_E_DOC_COSE" },
	{ 5104, NSMC_E_DOC_TWICE, "NSMC_E_DOC_TWICE" },
	{ 5105, NSMC_E_DOC_MISSING, "NSMC_E_DOC_MISSING" },
	{ 5106, NSMC_E_DOC_TYPE, "NSMC_E_DOC_TYPE" },
	{ 5107, NSMC_E_DOC_LENGTH, "NSMC_E_DOC_LENGTH" },
	{ 5108, NSMC_E_DOC_RANGE, "NSMC_E_DOC_RANGE" },
	{ 5200, NSMC_E_ALGORITHM, "NSMC_E_ALGORITHM" },
	{ 5201, NSMC_E_SIGNATURE_LENGTH, "NSMC_E_SIGNATURE_LENGTH" },
	{ 5202, NSMC_E_DIGEST, "NSMC_E_DIGEST" },
	{ 5203, NSMC_E_ROOT, "NSMC_E_ROOT" },
	{ 5204, NSMC_E_ROOT_OTHER, "NSMC_E_ROOT_OTHER" },
	{ 5205, NSMC_E_CERT_FORM, "NSMC_E_CERT_FORM" },
	{ 5206, NSMC_E_CERT_VERSION, "NSMC_E_CERT_VERSION" },
	{ 5207, NSMC_E_CERT_ALGORITHM, "NSMC_E_CERT_ALGORITHM" },
	{ 5208, NSMC_E_CERT_KEY, "NSMC_E_CERT_KEY" },
	{ 5209, NSMC_E_CERT_ISSUER, "NSMC_E_CERT_ISSUER" },
	{ 5210, NSMC_E_CERT_SIGNATURE, "NSMC_E_CERT_SIGNATURE" },
	{ 5211, NSMC_E_CERT_NOT_YET, "NSMC_E_CERT_NOT_YET" },
	{ 5212, NSMC_E_CERT_EXPIRED, "NSMC_E_CERT_EXPIRED" },
	{ 5213, NSMC_E_CERT_NOT_CA, "NSMC_E_CERT_NOT_CA" },
	{ 5214, NSMC_E_CERT_KEY_USAGE, "NSMC_E_CERT_KEY_USAGE" },
	{ 5215, NSMC_E_CERT_PATH_LENGTH, "NSMC_E_CERT_PATH_LENGTH" },
	{ 5216, NSMC_E_CERT_IS_CA, "NSMC_E_CERT_IS_CA" },
	{ 5217, NSMC_E_CERT_EXTENSION, "NSMC_E_CERT_EXTENSION" },
	{ 5218, NSMC_E_SIGNATURE, "NSMC_E_SIGNATURE" },
	{ 5219, NSMC_E_LEAF_TIME, "NSMC_E_LEAF_TIME" },
	{ 5300, NSMC_E_POLICY, "NSMC_E_POLICY" },
	{ 5301, NSMC_E_DEBUG, "NSMC_E_DEBUG" },
	{ 5302, NSMC_E_ABSENT, "NSMC_E_ABSENT" },
	{ 5303, NSMC_E_PRESENT, "NSMC_E_PRESENT" },
	{ 5304, NSMC_E_OTHER, "NSMC_E_OTHER" },
	{ 5305, NSMC_E_TOO_OLD, "NSMC_E_TOO_OLD" },
	{ 5306, NSMC_E_IN_FUTURE, "NSMC_E_IN_FUTURE" },
	{ 5307, NSMC_E_KIND, "NSMC_E_KIND" },
	{ 5400, NSMC_E_CMS_CUT, "NSMC_E_CMS_CUT" },
	{ 5401, NSMC_E_CMS_TRAILING, "NSMC_E_CMS_TRAILING" },
	{ 5402, NSMC_E_CMS_FORM, "NSMC_E_CMS_FORM" },
	{ 5403, NSMC_E_CMS_VERSION, "NSMC_E_CMS_VERSION" },
	{ 5404, NSMC_E_CMS_RECIPIENTS, "NSMC_E_CMS_RECIPIENTS" },
	{ 5405, NSMC_E_CMS_ALGORITHM, "NSMC_E_CMS_ALGORITHM" },
	{ 5406, NSMC_E_CMS_LENGTH, "NSMC_E_CMS_LENGTH" },
	{ 5407, NSMC_E_CMS_OTHER_KEY, "NSMC_E_CMS_OTHER_KEY" },
	{ 5408, NSMC_E_DECRYPT, "NSMC_E_DECRYPT" },
	{ 5409, NSMC_E_KEY, "NSMC_E_KEY" },
	{ 5410, NSMC_E_KEY_MAKE, "NSMC_E_KEY_MAKE" },
	{ 5411, NSMC_E_KEY_SPENT, "NSMC_E_KEY_SPENT" },
};

enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

TEST(the_numbers_of_errors_do_not_change)
{
	size_t at = 0;

	/* These numbers, and no other, have names. */
	for (int e = 1; e < 10000; e++) {
		const char *name = nsmc_error_name(-e);

		if (at < ERRORS && errors[at].number == e) {
			CHECK_INT(errors[at].code, e);
			CHECK_STR(name, errors[at].name);
			at++;
		} else if (name) {
			CHECK_FAIL("%d is %s", e, name);
		}
	}
	CHECK_INT(at, ERRORS);
}

TEST(every_error_has_words_of_its_own)
{
	const char *seen[ERRORS];

	for (size_t i = 0; i < ERRORS; i++) {
		const char *text = nsmc_error_text(-errors[i].number);

		if (!CHECK(text && *text))
			continue;
		CHECK(strcmp(text, "an unknown error") != 0);
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(text, seen[k]) != 0);
		seen[i] = text;
	}
}

/* Those that the man pages have, and logs that people search. */
TEST(known_texts_stay_as_they_are)
{
	static const struct {
		int code;
		const char *text;
	} known[] = {
		{ NSMC_E_READ_ONLY_INDEX, "ReadOnlyIndex" },
		{ NSMC_E_DOC_CUT, "the document ends too early" },
		{ NSMC_E_ROOT_OTHER, "the chain begins with another root" },
		{ NSMC_E_CERT_EXPIRED, "it has expired" },
		{ NSMC_E_SIGNATURE, "the signature is wrong" },
		{ NSMC_E_DEBUG, "the enclave is in debug mode" },
		{ NSMC_E_OTHER, "it is not the one expected" },
		{ NSMC_E_TOO_OLD, "the document is too old" },
		{ NSMC_E_DECRYPT, "the message does not decrypt" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		CHECK_STR(nsmc_error_text(-known[i].code), known[i].text);
}

TEST(what_is_no_error_has_words_too)
{
	static const int unknown[] = { -5000, -5014, -5099, -5109,   -5220,
				       -5308, -5412, -9999, INT_MIN, -INT_MAX };

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		CHECK_STR(nsmc_error_text(unknown[i]), "an unknown error");
		CHECK(!nsmc_error_name(unknown[i]));
	}
	CHECK_STR(nsmc_error_text(0), "no error");
	CHECK_STR(nsmc_error_text(7), "no error");
	CHECK_STR(nsmc_error_text(INT_MAX), "no error");
	CHECK_STR(nsmc_error_text(5304), "no error");
	CHECK(!nsmc_error_name(-EIO) && !nsmc_error_name(0) &&
	      !nsmc_error_name(7) && !nsmc_error_name(5304) &&
	      !nsmc_error_name(INT_MAX));
}

/* --- debug mode --- */

static void check_debug(const char *lock, uint8_t last, enum nsmc_debug wanted)
{
	uint8_t answer[200];
	enum nsmc_debug debug = (enum nsmc_debug)77;
	size_t at;

	at = (size_t)snprintf((char *)answer, sizeof(answer),
			      "\xa1\x6b"
			      "DescribePCR\xa2\x64"
			      "lock%s\x64"
			      "data\x58\x30",
			      lock);
	memset(answer + at, 0, 48);
	answer[at + 47] = last;
	dev.answer = answer;
	dev.answer_len = at + 48;
	CHECK_INT(nsmc_get_debug(77, &debug), 0);
	CHECK_INT(debug, wanted);
}

TEST(debug_mode_is_pcr0_locked_and_zero)
{
	CHECK_INT(NSMC_DEBUG_UNKNOWN, 0);
	CHECK_INT(NSMC_DEBUG_NO, 1);
	CHECK_INT(NSMC_DEBUG_YES, 2);
	check_debug("\xf5", 0, NSMC_DEBUG_YES);
	check_debug("\xf5", 1, NSMC_DEBUG_NO);
	/* Not locked it measures nothing: a bare emulated device. */
	check_debug("\xf4", 0, NSMC_DEBUG_UNKNOWN);
	check_debug("\xf4", 1, NSMC_DEBUG_UNKNOWN);
}

TEST(debug_mode_that_cannot_be_asked_leaves_the_answer_alone)
{
	enum nsmc_debug debug = NSMC_DEBUG_YES;

	dev.fail_at = 1;
	dev.error = -ETIMEDOUT;
	CHECK_INT(nsmc_get_debug(77, &debug), -ETIMEDOUT);
	CHECK_INT(debug, NSMC_DEBUG_YES);
}

/* --- entropy --- */

TEST(the_seed_is_256_bytes_of_the_nsm)
{
	const char *device = NULL;

	dev.chunk = 100;
	CHECK_INT(entropy_seed(77, &device), 0);
	CHECK_INT(pool.calls, 1);
	CHECK_INT(pool.len, 256);
	check_counted(pool.data, 256);
}

TEST(nothing_is_credited_when_the_nsm_fails)
{
	const char *device = NULL;

	dev.chunk = 100;
	dev.fail_at = 2;
	dev.error = -ENODATA;
	CHECK_INT(entropy_seed(77, &device), -ENODATA);
	CHECK_STR(device, "/dev/nsm");
	CHECK_INT(pool.calls, 0);
}

TEST(a_pool_that_refuses_is_an_error)
{
	const char *device = NULL;

	dev.chunk = 256;
	pool.error = -EPERM;
	CHECK_INT(entropy_seed(77, &device), -EPERM);
	CHECK_STR(device, "/dev/urandom");
}

TEST(no_device_is_its_errno)
{
	CHECK_INT(nsmc_open(), 77);
	dev.error = -ENOENT;
	CHECK_INT(nsmc_open(), -ENOENT);
}

CHECK_MAIN("nsm")
