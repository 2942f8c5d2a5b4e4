#include "rootfs/pack/base/civil.h"

#include "tests/unit/check.h"

TEST(a_time_from_1950_to_9999_is_text)
{
	char text[CIVIL_CAP];

	CHECK(civil_text(-631152000, CIVIL_RFC3339, text));
	CHECK_STR(text, "1950-01-01T00:00:00+00:00");
	CHECK(civil_text(0, CIVIL_OPENSSL, text));
	CHECK_STR(text, "Jan  1 00:00:00 1970 GMT");
	CHECK(civil_text(253402300799, CIVIL_RFC3339, text));
	CHECK_STR(text, "9999-12-31T23:59:59+00:00");
	CHECK(civil_text(253402300799, CIVIL_OPENSSL, text));
	CHECK_STR(text, "Dec 31 23:59:59 9999 GMT");
	CHECK(civil_text(253402300799, CIVIL_MINUTE, text));
	CHECK_STR(text, "9999-12-31 23:59");
}

TEST(a_time_without_a_year_is_empty)
{
	char text[CIVIL_CAP] = "before";

	CHECK(!civil_text(INT64_MAX, CIVIL_RFC3339, text));
	CHECK_STR(text, "");
}

CHECK_MAIN("civil")
