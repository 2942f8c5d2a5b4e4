#include "nsm/kms/wire/verdict.h"

#include <stdbool.h>
#include <string.h>

#include "nsm/kms/wire/json.h"

/* Codes, each with a blank behind it. */
static const struct {
	enum verdict_action action;
	int code;
	const char *names;
} meanings[] = {
	{ VERDICT_STOP, KMSC_E_DENIED, "AccessDeniedException AccessDenied " },
	{ VERDICT_STOP, KMSC_E_CIPHERTEXT, "InvalidCiphertextException " },
	{ VERDICT_STOP, KMSC_E_OTHER_KEY, "IncorrectKeyException " },
	{ VERDICT_STOP, KMSC_E_NOT_FOUND, "NotFoundException " },
	{ VERDICT_STOP, KMSC_E_DRY_RUN, "DryRunOperationException " },
	{ VERDICT_STOP, KMSC_E_REFUSED,
	  "DisabledException KMSInvalidStateException "
	  "InvalidKeyUsageException InvalidGrantTokenException "
	  "UnsupportedOperationException ValidationException "
	  "SerializationException UnknownOperationException " },
	{ VERDICT_STOP, KMSC_E_SIGNATURE,
	  "InvalidSignatureException SignatureDoesNotMatch "
	  "IncompleteSignature IncompleteSignatureException " },
	{ VERDICT_CLOCK, KMSC_E_CLOCK,
	  "RequestExpired RequestExpiredException RequestTimeTooSkewed "
	  "RequestInTheFuture " },
	{ VERDICT_CREDENTIALS, KMSC_E_CREDENTIALS_REFUSED,
	  "ExpiredTokenException ExpiredToken UnrecognizedClientException "
	  "InvalidClientTokenId MissingAuthenticationToken "
	  "MissingAuthenticationTokenException " },
	{ VERDICT_THROTTLE, KMSC_E_THROTTLED,
	  "Throttling ThrottlingException ThrottledException "
	  "RequestThrottledException RequestThrottled "
	  "TooManyRequestsException RequestLimitExceeded "
	  "LimitExceededException ProvisionedThroughputExceededException "
	  "TransactionInProgressException BandwidthLimitExceeded SlowDown "
	  "PriorRequestNotComplete EC2ThrottledException " },
	{ VERDICT_RETRY, KMSC_E_UNAVAILABLE,
	  "KMSInternalException DependencyTimeoutException "
	  "KeyUnavailableException InternalFailure InternalError "
	  "ServiceUnavailable ServiceUnavailableException "
	  "RequestTimeout RequestTimeoutException " },
};

static void copy_printable(char *to, size_t cap, const char *from, size_t len)
{
	size_t n = len < cap - 1 ? len : cap - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = from[i] < ' ' || from[i] > '~' ? '?' : from[i];
	to[n] = '\0';
}

/* "prefix#Code:url" is Code. */
static void take_code(const char *at, size_t len, struct verdict *v)
{
	const char *end = memchr(at, ':', len), *hash;

	if (end)
		len = (size_t)(end - at);
	hash = memrchr(at, '#', len);
	if (hash) {
		len -= (size_t)(hash + 1 - at);
		at = hash + 1;
	}
	copy_printable(v->aws_code, sizeof(v->aws_code), at, len);
}

static void read_body(const char *body, size_t len, void *room, size_t cap,
		      struct verdict *v)
{
	static const char *const codes[] = { "__type", "code" };
	static const char *const messages[] = { "message", "Message" };
	const struct json *value;
	struct json_fault fault;
	struct json_text text;

	if (json_read(body, len, room, cap, &value, &fault) < 0)
		return;
	for (size_t i = 0; i < 2 && !v->aws_code[0]; i++)
		if (json_text(json_member(value, codes[i]), &text) == 0)
			take_code(text.at, text.len, v);
	for (size_t i = 0; i < 2 && !v->message[0]; i++)
		if (json_text(json_member(value, messages[i]), &text) == 0)
			copy_printable(v->message, sizeof(v->message), text.at,
				       text.len);
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	while (*words) {
		size_t n = strcspn(words, " ");

		if (n == len && memcmp(words, word, n) == 0)
			return true;
		words += n + 1;
	}
	return false;
}

static void judge_status(unsigned status, struct verdict *v)
{
	v->action = VERDICT_STOP;
	v->code = KMSC_E_REFUSED;
	if (status == 429) {
		v->action = VERDICT_THROTTLE;
		v->code = KMSC_E_THROTTLED;
	} else if (status == 408 ||
		   (status >= 500 && status <= 504 && status != 501)) {
		v->action = VERDICT_RETRY;
		v->code = KMSC_E_UNAVAILABLE;
	}
}

/*
 * Of the time: "Signature expired: 20260102T030405Z is now earlier than ..." and "Signature not
 * yet current: ... is still later than ...".
 */
static bool is_of_clock(const struct verdict *v)
{
	return v->code == KMSC_E_SIGNATURE &&
	       (strstr(v->message, "Signature expired") ||
		strstr(v->message, "not yet current") ||
		strstr(v->message, "is now earlier than") ||
		strstr(v->message, "is still later than"));
}

void verdict_read(unsigned status, const char *type, const char *body,
		  size_t len, void *room, size_t cap, struct verdict *ret)
{
	*ret = (struct verdict){ .aws_code = "" };
	read_body(body, len, room, cap, ret);
	if (!ret->aws_code[0] && type)
		take_code(type, strlen(type), ret);
	judge_status(status, ret);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (has_word(meanings[i].names, ret->aws_code)) {
			ret->action = meanings[i].action;
			ret->code = meanings[i].code;
		}
	if (is_of_clock(ret)) {
		ret->action = VERDICT_CLOCK;
		ret->code = KMSC_E_CLOCK;
	}
}
