/* Regions, hosts, ARNs; tests/kms compares all regions with botocore's. */

#include <errno.h>

#include "check.h"
#include "nsm/kms/wire/endpoint.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID "1234abcd-12ab-34cd-56ef-1234567890ab"

TEST(a_host_for_each_partition)
{
	static const struct {
		const char *region, *partition;
		unsigned flags;
		const char *host;
	} hosts[] = {
		{ "eu-west-1", "aws", 0, "kms.eu-west-1.amazonaws.com" },
		{ "us-east-1", "aws", ENDPOINT_FIPS,
		  "kms-fips.us-east-1.amazonaws.com" },
		{ "us-east-1", "aws", ENDPOINT_DUAL_STACK,
		  "kms.us-east-1.api.aws" },
		{ "us-east-1", "aws", ENDPOINT_FIPS | ENDPOINT_DUAL_STACK,
		  "kms-fips.us-east-1.api.aws" },
		{ "cn-north-1", "aws-cn", 0,
		  "kms.cn-north-1.amazonaws.com.cn" },
		{ "cn-north-1", "aws-cn", ENDPOINT_DUAL_STACK,
		  "kms.cn-north-1.api.amazonwebservices.com.cn" },
		{ "eusc-de-east-1", "aws-eusc", 0,
		  "kms.eusc-de-east-1.amazonaws.eu" },
		{ "us-gov-west-1", "aws-us-gov", ENDPOINT_FIPS,
		  "kms-fips.us-gov-west-1.amazonaws.com" },
		{ "us-iso-east-1", "aws-iso", 0,
		  "kms.us-iso-east-1.c2s.ic.gov" },
		{ "us-isob-east-1", "aws-iso-b", 0,
		  "kms.us-isob-east-1.sc2s.sgov.gov" },
		{ "eu-isoe-west-1", "aws-iso-e", 0,
		  "kms.eu-isoe-west-1.cloud.adc-e.uk" },
		{ "us-isof-south-1", "aws-iso-f", 0,
		  "kms.us-isof-south-1.csp.hci.ic.gov" },
		/* Not there yet. */
		{ "ap-middleearth-12", "aws", 0,
		  "kms.ap-middleearth-12.amazonaws.com" },
	};
	char host[ENDPOINT_HOST_MAX + 1];

	for (size_t i = 0; i < COUNT(hosts); i++) {
		CHECK_STR(endpoint_partition(hosts[i].region),
			  hosts[i].partition);
		if (CHECK_INT(endpoint_host(hosts[i].region, hosts[i].flags,
					    host),
			      0))
			CHECK_STR(host, hosts[i].host);
	}
}

TEST(what_is_no_region_has_no_host)
{
	static const char *const bad[] = {
		"",
		"eu",
		"eu-west",
		"eu-west-",
		"eu-west-1a",
		"eu-west-123",
		"eu-west-0",
		"EU-WEST-1",
		"xx-west-1",
		"eu_west_1",
		"eu-west-1.evil.example",
		"eu-west-1/",
		"eu-west-1\n",
		" eu-west-1",
		"eu--1",
		"us-gov-1-1",
		"us-isox-east-1",
		"aws-global",
		"eu-abcdefghijklmnopqrstuvwxyzabcdef-1",
	};
	char host[ENDPOINT_HOST_MAX + 1];

	for (size_t i = 0; i < COUNT(bad); i++)
		if (!CHECK_INT(endpoint_host(bad[i], 0, host), -EINVAL))
			CHECK_FAIL("%s", bad[i]);
}

TEST(an_arn_is_taken_apart)
{
	struct endpoint_arn a;

	REQUIRE(endpoint_arn("arn:aws:kms:eu-west-1:111122223333:key/" ID,
			     &a) == 0);
	CHECK_STR(a.partition, "aws");
	CHECK_STR(a.region, "eu-west-1");
	CHECK_STR(a.account, "111122223333");
	CHECK_STR(a.id, ID);
	CHECK(!a.is_alias);
	REQUIRE(endpoint_arn("arn:aws-cn:kms:cn-north-1:111122223333:"
			     "alias/a/b_c-d",
			     &a) == 0);
	CHECK(a.is_alias);
	CHECK_STR(a.id, "a/b_c-d");
	CHECK(endpoint_is_key_arn("arn:aws-us-gov:kms:us-gov-west-1:"
				  "111122223333:key/mrk-" ID));
	CHECK(!endpoint_is_key_arn("arn:aws:kms:eu-west-1:111122223333:"
				   "alias/a"));
}

TEST(what_is_no_arn_of_a_key_is_refused)
{
	static const char *const bad[] = {
		"",
		"arn",
		"arn:aws:kms",
		ID,
		"alias/a",
		"arn:aws:kms:eu-west-1:111122223333:key/",
		"arn:aws:kms:eu-west-1:111122223333:alias/",
		"arn:aws:kms:eu-west-1:111122223333:key",
		"arn:aws:kms:eu-west-1:111122223333:" ID,
		"arn:aws:kms:eu-west-1:11112222333:key/" ID,
		"arn:aws:kms:eu-west-1:1111222233334:key/" ID,
		"arn:aws:kms:eu-west-1:11112222333x:key/" ID,
		"arn:aws:kms:eu-west-1::key/" ID,
		"arn:aws:kms::111122223333:key/" ID,
		"arn:aws:s3:eu-west-1:111122223333:key/" ID,
		"arn:aws-cn:kms:eu-west-1:111122223333:key/" ID,
		"arn:aws:kms:cn-north-1:111122223333:key/" ID,
		"arn:aws:kms:eu-west-1:111122223333:key/" ID " ",
		"arn:aws:kms:eu-west-1:111122223333:key/" ID "\n",
		"arn:aws:kms:eu-west-1:111122223333:key/a b",
		"arn:aws:kms:eu-west-1:111122223333:key/a/b",
		"arn:aws:kms:eu-west-1:111122223333:key/*",
		" arn:aws:kms:eu-west-1:111122223333:key/" ID,
		"ARN:aws:kms:eu-west-1:111122223333:key/" ID,
	};
	struct endpoint_arn a;

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (!CHECK_INT(endpoint_arn(bad[i], &a), -EINVAL))
			CHECK_FAIL("%s", bad[i]);
		CHECK(!endpoint_is_key_arn(bad[i]));
	}
}

TEST(a_key_id_is_an_arn_an_id_or_an_alias)
{
	char big[ENDPOINT_KEY_ID_MAX + 2];

	CHECK(endpoint_is_key_id(ID));
	CHECK(endpoint_is_key_id("mrk-" ID));
	CHECK(endpoint_is_key_id("alias/aws/s3"));
	CHECK(endpoint_is_key_id("arn:aws:kms:eu-west-1:111122223333:alias/a"));
	CHECK(!endpoint_is_key_id(""));
	CHECK(!endpoint_is_key_id("alias/"));
	CHECK(!endpoint_is_key_id("a\"b"));
	CHECK(!endpoint_is_key_id("arn:aws:kms:eu-west-1:1:key/a"));
	memset(big, 'a', sizeof(big));
	big[ENDPOINT_KEY_ID_MAX + 1] = '\0';
	CHECK(!endpoint_is_key_id(big));
	big[ENDPOINT_KEY_ID_MAX] = '\0';
	CHECK(endpoint_is_key_id(big));
}

TEST(hosts_are_names_or_addresses)
{
	static const char *const good[] = {
		"kms.eu-west-1.amazonaws.com",
		"a",
		"1.2.3.4",
		"vpce-0123-abc.kms.eu-west-1.vpce.amazonaws.com",
	};
	static const char *const bad[] = {
		"",
		".",
		"a.",
		".a",
		"a..b",
		"-a",
		"a-",
		"a.-b",
		"a b",
		"a/b",
		"a:443",
		"a\n",
		"\xc3"
		"a",
		"[::1]",
		"a_b",
		"a@b",
		"a%20b",
		"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg",
	};
	char big[300];

	for (size_t i = 0; i < COUNT(good); i++)
		CHECK(endpoint_is_host(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!CHECK(!endpoint_is_host(bad[i])))
			CHECK_FAIL("%s", bad[i]);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i % 2 ? '.' : 'a';
	big[253] = '\0';
	CHECK(endpoint_is_host(big));
	big[253] = '.', big[255] = '\0';
	CHECK(!endpoint_is_host(big));
}

CHECK_MAIN("kms_endpoint")
