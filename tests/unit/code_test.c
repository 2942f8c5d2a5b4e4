/* The times that the tool reads and prints, from their first to their last. */

#include "nsm/tool/code.h"

#include <errno.h>

#include "tests/unit/check.h"

enum { FIRST_YEAR = 1970, LAST_YEAR = 9999, DAY_S = 86400 };

static int days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30,
				    31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

TEST(each_day_is_read_and_printed)
{
	char text[40], printed[CODE_TIME_CAP];
	int64_t days = 0, got;

	for (int year = FIRST_YEAR; year <= LAST_YEAR; year++)
		for (int month = 1; month <= 12; month++) {
			for (int day = 1; day <= 31; day += day == 1 ? 26 : 1) {
				bool good = day <= days_of(year, month);
				int64_t at = (days + day) * DAY_S - 1;

				(void)snprintf(text, sizeof(text),
					       "%04d-%02d-%02dT23:59:59Z", year,
					       month, day);
				if (code_time(text, &got) !=
					    (good ? 0 : -EINVAL) ||
				    (good && got != at)) {
					CHECK_FAIL("read: %s", text);
					continue;
				}
				if (!good)
					continue;
				text[19] = '\0';
				code_time_text((uint64_t)at * 1000 + 7,
					       printed);
				if (strncmp(text, printed, 19) != 0 ||
				    strcmp(printed + 19, ".007Z") != 0)
					CHECK_FAIL("printed: %s", printed);
			}
			days += days_of(year, month);
		}
}

static void check_time(const char *text, int64_t wanted)
{
	int64_t got = -1;

	if (code_time(text, &got) != (wanted < 0 ? -EINVAL : 0) ||
	    got != wanted)
		CHECK_FAIL("%s: %jd", text, (intmax_t)got);
}

TEST(the_edges)
{
	char text[CODE_TIME_CAP];

	check_time("1970-01-01T00:00:00Z", 0);
	check_time("1969-12-31T23:59:59Z", -1);
	check_time("1970-01-01T01:00:00+01:00", 0);
	check_time("1970-01-01T00:59:59+01:00", -1);
	check_time("9999-12-31T23:59:59Z", 253402300799);
	check_time("9999-12-31T23:59:60Z", 253402300800);
	check_time("9999-12-31T23:59:59-23:59", 253402387139);
	check_time("253402300799", 253402300799);
	check_time("253402300800", -1);
	check_time("2000-02-29T00:00:00Z", 951782400);
	check_time("2100-02-29T00:00:00Z", -1);
	check_time("2026-00-10T00:00:00Z", -1);
	check_time("2026-13-10T00:00:00Z", -1);
	check_time("2026-01-00T00:00:00Z", -1);
	code_time_text(0, text);
	CHECK_STR(text, "1970-01-01T00:00:00.000Z");
	code_time_text(UINT64_C(253402300799999), text);
	CHECK_STR(text, "9999-12-31T23:59:59.999Z");
	code_time_text(UINT64_C(253402300800000), text);
	CHECK_STR(text, "");
	code_time_text(UINT64_MAX, text);
	CHECK_STR(text, "");
}

CHECK_MAIN("code")
