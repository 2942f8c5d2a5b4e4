/* What KMS's errors mean. */

#include "check.h"
#include "nsm/kms/wire/json.h"
#include "nsm/kms/wire/verdict.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct verdict v;
static char room[VERDICT_ROOM];

static void judge(unsigned status, const char *body)
{
	verdict_read(status, NULL, body, strlen(body), room, sizeof(room), &v);
}

TEST(codes_have_their_meanings)
{
	static const struct {
		const char *code;
		enum verdict_action action;
		int e;
	} codes[] = {
		{ "AccessDeniedException", VERDICT_STOP, KMSC_E_DENIED },
		{ "InvalidCiphertextException", VERDICT_STOP,
		  KMSC_E_CIPHERTEXT },
		{ "IncorrectKeyException", VERDICT_STOP, KMSC_E_OTHER_KEY },
		{ "NotFoundException", VERDICT_STOP, KMSC_E_NOT_FOUND },
		{ "DryRunOperationException", VERDICT_STOP, KMSC_E_DRY_RUN },
		{ "DisabledException", VERDICT_STOP, KMSC_E_REFUSED },
		{ "KMSInvalidStateException", VERDICT_STOP, KMSC_E_REFUSED },
		{ "InvalidKeyUsageException", VERDICT_STOP, KMSC_E_REFUSED },
		{ "InvalidGrantTokenException", VERDICT_STOP, KMSC_E_REFUSED },
		{ "UnsupportedOperationException", VERDICT_STOP,
		  KMSC_E_REFUSED },
		{ "ValidationException", VERDICT_STOP, KMSC_E_REFUSED },
		{ "InvalidSignatureException", VERDICT_STOP, KMSC_E_SIGNATURE },
		{ "IncompleteSignature", VERDICT_STOP, KMSC_E_SIGNATURE },
		{ "RequestExpired", VERDICT_CLOCK, KMSC_E_CLOCK },
		{ "ExpiredTokenException", VERDICT_CREDENTIALS,
		  KMSC_E_CREDENTIALS_REFUSED },
		{ "UnrecognizedClientException", VERDICT_CREDENTIALS,
		  KMSC_E_CREDENTIALS_REFUSED },
		{ "InvalidClientTokenId", VERDICT_CREDENTIALS,
		  KMSC_E_CREDENTIALS_REFUSED },
		{ "MissingAuthenticationToken", VERDICT_CREDENTIALS,
		  KMSC_E_CREDENTIALS_REFUSED },
		{ "ThrottlingException", VERDICT_THROTTLE, KMSC_E_THROTTLED },
		{ "Throttling", VERDICT_THROTTLE, KMSC_E_THROTTLED },
		{ "ThrottledException", VERDICT_THROTTLE, KMSC_E_THROTTLED },
		{ "RequestThrottled", VERDICT_THROTTLE, KMSC_E_THROTTLED },
		{ "RequestThrottledException", VERDICT_THROTTLE,
		  KMSC_E_THROTTLED },
		{ "TooManyRequestsException", VERDICT_THROTTLE,
		  KMSC_E_THROTTLED },
		{ "RequestLimitExceeded", VERDICT_THROTTLE, KMSC_E_THROTTLED },
		{ "LimitExceededException", VERDICT_THROTTLE,
		  KMSC_E_THROTTLED },
		{ "KMSInternalException", VERDICT_RETRY, KMSC_E_UNAVAILABLE },
		{ "DependencyTimeoutException", VERDICT_RETRY,
		  KMSC_E_UNAVAILABLE },
		{ "KeyUnavailableException", VERDICT_RETRY,
		  KMSC_E_UNAVAILABLE },
		{ "InternalFailure", VERDICT_RETRY, KMSC_E_UNAVAILABLE },
		{ "ServiceUnavailable", VERDICT_RETRY, KMSC_E_UNAVAILABLE },
		{ "RequestTimeout", VERDICT_RETRY, KMSC_E_UNAVAILABLE },
		{ "RequestTimeoutException", VERDICT_RETRY,
		  KMSC_E_UNAVAILABLE },
	};
	/* What stands before and behind the code. */
	static const char *const forms[][2] = {
		{ "{\"__type\":\"", "\",\"message\":\"because\"}" },
		{ "{\"Message\":\"because\",\"__type\":\"com.amazonaws.kms#",
		  "\"}" },
		{ "{\"__type\":\"",
		  ":http://internal.amazon.com/x#y\",\"message\":\"because\","
		  "\"Message\":\"other\"}" },
		{ "{\"__type\":\"a#b#",
		  ":c:d\",\"message\":null,\"Message\":\"because\",\"more\":"
		  "[1,{}]}" },
	};
	char body[400];

	for (size_t i = 0; i < COUNT(codes); i++)
		for (size_t j = 0; j < COUNT(forms); j++) {
			snprintf(body, sizeof(body), "%s%s%s", forms[j][0],
				 codes[i].code, forms[j][1]);
			judge(400, body);
			CHECK_STR(v.aws_code, codes[i].code);
			CHECK_STR(v.message, "because");
			if (!CHECK_INT(v.action, codes[i].action) ||
			    !CHECK_INT(v.code, codes[i].e))
				CHECK_FAIL("%s", body);
		}
}

TEST(a_signature_of_another_time_is_the_clocks_fault)
{
	judge(400, "{\"__type\":\"InvalidSignatureException\",\"message\":"
		   "\"Signature expired: 20260102T030405Z is now earlier than "
		   "20260102T040405Z (20260102T040905Z - 5 min.)\"}");
	CHECK_INT(v.action, VERDICT_CLOCK);
	CHECK_INT(v.code, KMSC_E_CLOCK);
	judge(400, "{\"__type\":\"InvalidSignatureException\",\"message\":"
		   "\"Signature not yet current: 20260102T050405Z is still "
		   "later than 20260102T040905Z (20260102T040405Z + 5 "
		   "min.)\"}");
	CHECK_INT(v.action, VERDICT_CLOCK);
	judge(400,
	      "{\"__type\":\"InvalidSignatureException\",\"message\":\"The "
	      "request signature we calculated does not match the "
	      "signature you provided.\"}");
	CHECK_INT(v.action, VERDICT_STOP);
	CHECK_INT(v.code, KMSC_E_SIGNATURE);
	/* Words of another error mean nothing. */
	judge(400, "{\"__type\":\"AccessDeniedException\",\"message\":"
		   "\"Signature expired\"}");
	CHECK_INT(v.code, KMSC_E_DENIED);
}

TEST(without_a_code_the_status_decides)
{
	static const char *const bodies[] = {
		"",
		"<html><body>Service Unavailable</body></html>",
		"{}",
		"[]",
		"\"AccessDeniedException\"",
		"{\"__type\":",
		"{\"__type\":null}",
		"{\"__type\":5,\"message\":{}}",
		"{\"__type\":\"\"}",
		"{\"__type\":\"a#\"}",
		"{\"__type\":\":AccessDeniedException\"}",
		"{\"__type\":\"accessdeniedexception\"}",
		"{\"__type\":\"AccessDeniedException\",\"__type\":\"x\"}",
	};
	static const struct {
		unsigned status;
		enum verdict_action action;
		int e;
	} statuses[] = {
		{ 400, VERDICT_STOP, KMSC_E_REFUSED },
		{ 403, VERDICT_STOP, KMSC_E_REFUSED },
		{ 404, VERDICT_STOP, KMSC_E_REFUSED },
		{ 408, VERDICT_RETRY, KMSC_E_UNAVAILABLE },
		{ 429, VERDICT_THROTTLE, KMSC_E_THROTTLED },
		{ 500, VERDICT_RETRY, KMSC_E_UNAVAILABLE },
		{ 501, VERDICT_STOP, KMSC_E_REFUSED },
		{ 502, VERDICT_RETRY, KMSC_E_UNAVAILABLE },
		{ 503, VERDICT_RETRY, KMSC_E_UNAVAILABLE },
		{ 504, VERDICT_RETRY, KMSC_E_UNAVAILABLE },
		{ 301, VERDICT_STOP, KMSC_E_REFUSED },
	};

	for (size_t i = 0; i < COUNT(bodies); i++)
		for (size_t j = 0; j < COUNT(statuses); j++) {
			judge(statuses[j].status, bodies[i]);
			CHECK_INT(v.action, statuses[j].action);
			CHECK_INT(v.code, statuses[j].e);
			CHECK_STR(v.message, "");
		}
	judge(400, "{\"__type\":\"FutureException\",\"message\":\"m\"}");
	CHECK_STR(v.aws_code, "FutureException");
	CHECK_STR(v.message, "m");
	CHECK_INT(v.code, KMSC_E_REFUSED);
}

TEST(the_header_has_the_code_if_the_body_has_none)
{
	static const char type[] = "ThrottlingException:http://a/b#c";

	verdict_read(400, type, "", 0, room, sizeof(room), &v);
	CHECK_STR(v.aws_code, "ThrottlingException");
	CHECK_INT(v.action, VERDICT_THROTTLE);
	verdict_read(400, type, "{\"__type\":\"NotFoundException\"}", 30, room,
		     sizeof(room), &v);
	CHECK_STR(v.aws_code, "NotFoundException");
	verdict_read(400, type, "{\"code\":\"NotFoundException\"}", 28, room,
		     sizeof(room), &v);
	CHECK_STR(v.aws_code, "NotFoundException");
}

TEST(what_is_told_is_printable_and_short)
{
	static char body[JSON_TEXT_MAX + 1];
	size_t at = (size_t)sprintf(body, "{\"__type\":\"\\u001b[31m\\u00e4"
					  "\\ud83d\\ude00\",\"message\":\"");

	memset(body + at, 'm', sizeof(body) - at);
	memcpy(body + at, "\\n\\u0000\\u009b", 14);
	memcpy(body + sizeof(body) - 3, "\"}", 3);
	judge(400, body);
	CHECK_STR(v.aws_code, "?[31m??????");
	CHECK_INT(strlen(v.message), KMSC_MESSAGE_SIZE - 1);
	CHECK(strncmp(v.message, "????mmm", 7) == 0);
}

TEST(a_body_too_large_for_the_room_is_no_json)
{
	static const char body[] = "{\"__type\":\"AccessDeniedException\"}";

	verdict_read(400, NULL, body, strlen(body), room, 100, &v);
	CHECK_INT(v.code, KMSC_E_REFUSED);
	verdict_read(500, NULL, body, strlen(body), NULL, 0, &v);
	CHECK_INT(v.code, KMSC_E_UNAVAILABLE);
}

CHECK_MAIN("kms_verdict")
