/* Times as AWS writes them; tests/kms compares many with Python's. */

#include <errno.h>

#include "check.h"
#include "nsm/kms/wire/instant.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	int64_t s;
	const char *amz, *rfc;
} times[] = {
	{ 0, "19700101T000000Z", "1970-01-01T00:00:00Z" },
	{ 951782399, "20000228T235959Z", "2000-02-28T23:59:59Z" },
	{ 951782400, "20000229T000000Z", "2000-02-29T00:00:00Z" },
	{ 951868800, "20000301T000000Z", "2000-03-01T00:00:00Z" },
	{ 1767323045, "20260102T030405Z", "2026-01-02T03:04:05Z" },
	{ 4107542399, "21000228T235959Z", "2100-02-28T23:59:59Z" },
	{ 4107542400, "21000301T000000Z", "2100-03-01T00:00:00Z" },
	{ INSTANT_LAST, "99991231T235959Z", "9999-12-31T23:59:59Z" },
};

TEST(times_are_written_and_read)
{
	char amz[INSTANT_AMZ_SIZE], rfc[INSTANT_RFC3339_SIZE];
	int64_t s;

	for (size_t i = 0; i < COUNT(times); i++) {
		CHECK_INT(instant_amz(times[i].s, amz), 0);
		CHECK_STR(amz, times[i].amz);
		CHECK_INT(instant_rfc3339(times[i].s, rfc), 0);
		CHECK_STR(rfc, times[i].rfc);
		CHECK_INT(instant_from_amz(amz, &s), 0);
		CHECK_INT(s, times[i].s);
		CHECK_INT(instant_from_rfc3339(rfc, &s), 0);
		CHECK_INT(s, times[i].s);
	}
	CHECK_INT(instant_amz(-1, amz), -ERANGE);
	CHECK_INT(instant_amz(INSTANT_LAST + 1, amz), -ERANGE);
	CHECK_INT(instant_rfc3339(INT64_MIN, rfc), -ERANGE);
	CHECK_INT(instant_rfc3339(INT64_MAX, rfc), -ERANGE);
}

TEST(fractions_and_offsets_are_read)
{
	static const struct {
		const char *text;
		int64_t s;
	} good[] = {
		{ "2026-01-02T03:04:05.000Z", 1767323045 },
		{ "2026-01-02T03:04:05.999999999Z", 1767323045 },
		{ "2026-01-02T05:04:05+02:00", 1767323045 },
		{ "2026-01-01T21:34:05-05:30", 1767323045 },
		{ "2026-01-02T03:04:05.5+00:00", 1767323045 },
		{ "1969-12-31T23:00:00-01:00", 0 },
	};
	int64_t s;

	for (size_t i = 0; i < COUNT(good); i++)
		if (CHECK_INT(instant_from_rfc3339(good[i].text, &s), 0))
			CHECK_INT(s, good[i].s);
}

TEST(what_is_no_time_is_refused)
{
	static const char *const bad[] = {
		"",
		"2026-01-02",
		"2026-01-02T03:04:05",
		"2026-01-02 03:04:05Z",
		"2026-01-02t03:04:05Z",
		"2026-01-02T03:04:05z",
		"2026-1-02T03:04:05Z",
		"2026-00-02T03:04:05Z",
		"2026-13-02T03:04:05Z",
		"2026-01-00T03:04:05Z",
		"2026-02-29T03:04:05Z",
		"1900-02-29T03:04:05Z",
		"2026-04-31T03:04:05Z",
		"2026-01-02T24:00:00Z",
		"2026-01-02T03:60:05Z",
		"2026-01-02T03:04:60Z",
		"2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05,5Z",
		"2026-01-02T03:04:05+2:00",
		"2026-01-02T03:04:05+0200",
		"2026-01-02T03:04:05+24:00",
		"2026-01-02T03:04:05+02:60",
		"2026-01-02T03:04:05Zx",
		"1969-12-31T23:59:59Z",
		"9999-12-31T23:59:59-00:01",
		"+2026-01-02T03:04:05Z",
		"1767323045",
	};
	int64_t s = 7;

	for (size_t i = 0; i < COUNT(bad); i++)
		if (!CHECK_INT(instant_from_rfc3339(bad[i], &s), -EINVAL))
			CHECK_FAIL("%s", bad[i]);
	CHECK_INT(s, 7);
	CHECK_INT(instant_from_amz("19691231T235959Z", &s), -EINVAL);
	CHECK_INT(instant_from_amz("2026010XT030405Z", &s), -EINVAL);
	CHECK_INT(instant_from_amz("20260102T030405+00:00", &s), -EINVAL);
}

CHECK_MAIN("kms_instant")
