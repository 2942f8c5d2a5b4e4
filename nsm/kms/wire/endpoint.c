#include "nsm/kms/wire/endpoint.h"

#include <errno.h>
#include <string.h>

struct partition {
	const char *name;
	const char *prefixes; /* of regions, each with a blank behind it */
	const char *suffix, *dual_stack_suffix;
};

static const struct partition partitions[] = {
	{ "aws", "us eu ap sa ca me af il mx ", "amazonaws.com", "api.aws" },
	{ "aws-cn", "cn ", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
	{ "aws-eusc", "eusc-de ", "amazonaws.eu", "api.amazonwebservices.eu" },
	{ "aws-us-gov", "us-gov ", "amazonaws.com", "api.aws" },
	{ "aws-iso", "us-iso ", "c2s.ic.gov", "api.aws.ic.gov" },
	{ "aws-iso-b", "us-isob ", "sc2s.sgov.gov", "api.aws.scloud" },
	{ "aws-iso-e", "eu-isoe ", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk" },
	{ "aws-iso-f", "us-isof ", "csp.hci.ic.gov", "api.aws.hci.ic.gov" },
};

static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
static const char digits[] = "0123456789";

/* "-WORD-NUMBER", and no more. */
static bool is_place(const char *s)
{
	size_t len;

	if (*s++ != '-')
		return false;
	len = strspn(s, lower);
	if (len == 0 || s[len] != '-')
		return false;
	s += len + 1;
	len = strspn(s, digits);
	return len >= 1 && len <= 2 && s[0] != '0' && !s[len];
}

static const struct partition *partition_of(const char *region)
{
	if (strlen(region) > ENDPOINT_REGION_MAX)
		return NULL;
	for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++)
		for (const char *p = partitions[i].prefixes; *p;) {
			size_t len = strcspn(p, " ");

			if (strncmp(region, p, len) == 0 &&
			    is_place(region + len))
				return &partitions[i];
			p += len + 1;
		}
	return NULL;
}

const char *endpoint_partition(const char *region)
{
	const struct partition *p = partition_of(region);

	return p ? p->name : NULL;
}

/* There is room: a region is short. */
static void append(char *to, const char *s)
{
	size_t len = strlen(to);

	memcpy(to + len, s, strlen(s) + 1);
}

int endpoint_host(const char *region, unsigned flags,
		  char ret[ENDPOINT_HOST_MAX + 1])
{
	const struct partition *p = partition_of(region);

	if (!p)
		return -EINVAL;
	ret[0] = '\0';
	append(ret, flags & ENDPOINT_FIPS ? "kms-fips." : "kms.");
	append(ret, region);
	append(ret, ".");
	append(ret,
	       flags & ENDPOINT_DUAL_STACK ? p->dual_stack_suffix : p->suffix);
	return 0;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

/* True: the LEN characters are letters, digits and OTHERS. */
static bool is_of(const char *s, size_t len, const char *others)
{
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(s[i]) && (!s[i] || !strchr(others, s[i])))
			return false;
	return true;
}

bool endpoint_is_host(const char *text)
{
	size_t len = strlen(text), label;

	if (len == 0 || len > ENDPOINT_HOST_MAX)
		return false;
	for (;; text += label + 1) {
		label = strcspn(text, ".");
		if (label == 0 || label > 63 || !is_of(text, label, "-") ||
		    text[0] == '-' || text[label - 1] == '-')
			return false;
		if (!text[label])
			return true;
	}
}

/* Copies what is before the next ':'; the text after it, or NULL. */
static const char *take(const char *s, char *to, size_t cap)
{
	const char *colon = strchr(s, ':');
	size_t len;

	if (!colon)
		return NULL;
	len = (size_t)(colon - s);
	if (len >= cap)
		return NULL;
	memcpy(to, s, len);
	to[len] = '\0';
	return colon + 1;
}

static bool read_id(const char *s, bool is_alias, struct endpoint_arn *ret)
{
	size_t len = strlen(s);

	if (len == 0 || len > ENDPOINT_KEY_ID_MAX ||
	    !is_of(s, len, is_alias ? "/_-:" : "-"))
		return false;
	ret->is_alias = is_alias;
	memcpy(ret->id, s, len + 1);
	return true;
}

int endpoint_arn(const char *text, struct endpoint_arn *ret)
{
	char arn[8], service[8];
	struct endpoint_arn a = { .is_alias = false };
	const struct {
		char *to;
		size_t cap;
	} parts[] = {
		{ arn, sizeof(arn) },
		{ a.partition, sizeof(a.partition) },
		{ service, sizeof(service) },
		{ a.region, sizeof(a.region) },
		{ a.account, sizeof(a.account) },
	};
	const char *partition, *at = text;
	bool is_id;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		at = take(at, parts[i].to, parts[i].cap);
		if (!at)
			return -EINVAL;
	}
	if (strcmp(arn, "arn") != 0 || strcmp(service, "kms") != 0)
		return -EINVAL;
	partition = endpoint_partition(a.region);
	if (!partition || strcmp(partition, a.partition) != 0 ||
	    strspn(a.account, digits) != ENDPOINT_ACCOUNT_LEN)
		return -EINVAL;
	if (strncmp(at, "key/", 4) == 0)
		is_id = read_id(at + 4, false, &a);
	else
		is_id = strncmp(at, "alias/", 6) == 0 &&
			read_id(at + 6, true, &a);
	if (!is_id)
		return -EINVAL;
	*ret = a;
	return 0;
}

bool endpoint_is_key_arn(const char *text)
{
	struct endpoint_arn a;

	return endpoint_arn(text, &a) == 0 && !a.is_alias;
}

bool endpoint_is_key_id(const char *text)
{
	struct endpoint_arn a;

	if (endpoint_arn(text, &a) == 0)
		return true;
	return strncmp(text, "alias/", 6) == 0 ? read_id(text + 6, true, &a) :
						 read_id(text, false, &a);
}
