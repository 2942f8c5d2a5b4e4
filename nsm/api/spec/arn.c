#include "nsm/api/spec/arn.h"

#include <stdbool.h>
#include <string.h>

#include "nsm/api/spec/spec.h"

enum { PARTS = 6, ACCOUNT_LEN = 12 };

static bool is_word_of(const char *s, size_t len, const char *also)
{
	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') ||
		      (s[i] >= '0' && s[i] <= '9') || strchr(also, s[i])))
			return false;
	return true;
}

static bool is_account(const char *s, size_t len)
{
	if (len != ACCOUNT_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

const char *arn_check(const char *arn, const char *region)
{
	static const char form[] = "it must be a key's full ARN, "
				   "arn:aws:kms:REGION:ACCOUNT:key/ID";
	const char *part[PARTS], *end;
	size_t len[PARTS];

	if (strlen(arn) > SPEC_ARN_MAX)
		return form;
	for (size_t i = 0; i < PARTS; i++) {
		part[i] = arn;
		end = i + 1 < PARTS ? strchr(arn, ':') : arn + strlen(arn);
		if (!end)
			return form;
		len[i] = (size_t)(end - arn);
		arn = end + 1;
	}
	if (strncmp(part[5], "alias/", 6) == 0)
		return "an alias can be pointed at any key: it must be the key's "
		       "full ARN";
	if (len[0] != 3 || memcmp(part[0], "arn", 3) != 0 ||
	    strncmp(part[1], "aws", 3) != 0 ||
	    !is_word_of(part[1], len[1], "-") || len[2] != 3 ||
	    memcmp(part[2], "kms", 3) != 0 ||
	    !is_word_of(part[3], len[3], "-") || !is_account(part[4], len[4]) ||
	    strncmp(part[5], "key/", 4) != 0 ||
	    !is_word_of(part[5] + 4, len[5] - 4, "-"))
		return form;
	if (region &&
	    (len[3] != strlen(region) || memcmp(part[3], region, len[3]) != 0))
		return "it is a key of another region";
	return NULL;
}
