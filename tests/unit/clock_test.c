#include "init/clock.h"

#include "tests/unit/check.h"

enum { DT = CLOCK_PERIOD_S * 1000 };

static int64_t distance(int64_t n)
{
	return n < 0 ? -n : n;
}

/* The offset after N periods of a clock that runs DRIFT too fast. */
static int64_t simulate(struct clock_control *c, int64_t offset, int64_t drift,
			int n, int64_t *ret_worst)
{
	int64_t rate;

	*ret_worst = 0;
	for (int i = 0; i < n; i++) {
		rate = clock_rate(c, offset, DT);
		CHECK(distance(rate) <= CLOCK_RATE_MAX);
		offset -= (drift + rate) * CLOCK_PERIOD_S;
		if (distance(offset) > *ret_worst)
			*ret_worst = distance(offset);
	}
	return offset;
}

TEST(a_drifting_clock_is_caught_and_kept)
{
	static const int64_t drifts[] = { 0, 1000, -1000, 100000, -100000 };
	struct clock_control c;
	int64_t worst, end;

	for (size_t i = 0; i < sizeof(drifts) / sizeof(drifts[0]); i++) {
		c = (struct clock_control){ 0 };
		end = simulate(&c, 5000000, drifts[i], 200, &worst);
		CHECK(distance(end) < 100000);
		CHECK(distance(c.drift + drifts[i]) < 200);
		/* Once it is caught it stays so. */
		(void)simulate(&c, end, drifts[i], 1000, &worst);
		CHECK(worst < 100000);
	}
}

TEST(a_large_offset_is_slewed_both_ways)
{
	static const int64_t second = 1000000000;
	struct clock_control c;
	int64_t worst, end;

	for (int sign = -1; sign <= 1; sign += 2) {
		c = (struct clock_control){ 0 };
		end = simulate(&c, sign * second, 20000, 63, &worst);
		/* 500 ppm at most: half of it cannot be gone in 900 s. */
		CHECK(distance(end) < second);
		end = simulate(&c, end, 20000, 400, &worst);
		CHECK(distance(end) < 100000);
	}
}

TEST(no_number_overflows)
{
	static const int64_t numbers[] = { INT64_MIN, INT64_MIN + 1, -1, 0,
					   1,	      INT64_MAX };
	enum { N = sizeof(numbers) / sizeof(numbers[0]) };
	struct clock_control c = { 0 };

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			CHECK(distance(
				      clock_rate(&c, numbers[i], numbers[j])) <=
			      CLOCK_RATE_MAX);
			CHECK(distance(c.drift) <= CLOCK_RATE_MAX);
		}
	CHECK_INT(clock_rate(&c, INT64_MAX, DT), CLOCK_RATE_MAX);
	CHECK_INT(clock_rate(&c, INT64_MIN, DT), -CLOCK_RATE_MAX);
}

TEST(nothing_is_learnt_at_the_limit_or_without_time)
{
	struct clock_control c = { .drift = 7 };

	(void)clock_rate(&c, INT64_C(1000000000), DT);
	CHECK_INT(c.drift, 7);
	(void)clock_rate(&c, 1000000, 0);
	CHECK_INT(c.drift, 7);
	(void)clock_rate(&c, 10000000, -DT);
	CHECK_INT(c.drift, 7);
	(void)clock_rate(&c, 10000000, DT);
	CHECK(c.drift > 7);
}

TEST(a_long_pause_counts_as_two_periods)
{
	struct clock_control paused = { 0 }, late = { 0 };

	(void)clock_rate(&late, 10000000, 2 * DT);
	(void)clock_rate(&paused, 10000000, INT64_C(1000000000000));
	CHECK(late.drift > 0);
	CHECK_INT(paused.drift, late.drift);
}

TEST(the_kernels_unit)
{
	CHECK_INT(clock_frequency(1000), 65536);
	CHECK_INT(clock_frequency(-1000), -65536);
	CHECK_INT(clock_frequency(INT64_MAX), 32768000);
	CHECK_INT(clock_frequency(INT64_MIN), -32768000);
}

CHECK_MAIN("clock")
