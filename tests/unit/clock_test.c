#include "init/clock/clock.h"

#include <errno.h>

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

/* --- the offset --- */

enum { NOW_S = 1764000000 };

/* A reading that took WIDTH_NS, of a reference AHEAD_NS ahead of its middle. */
static struct clock_sample sample(int64_t width_ns, int64_t ahead_ns)
{
	int64_t middle = INT64_C(1000000000) * NOW_S;
	int64_t at[] = { middle - width_ns / 2, middle + ahead_ns,
			 middle - width_ns / 2 + width_ns };
	struct timespec t[3];

	for (int i = 0; i < 3; i++)
		t[i] = (struct timespec){ .tv_sec = at[i] / 1000000000,
					  .tv_nsec = at[i] % 1000000000 };
	return (struct clock_sample){ t[0], t[1], t[2] };
}

TEST(the_narrowest_sample_counts)
{
	const struct clock_sample samples[] = {
		sample(9000, 1), sample(300, -777), sample(301, 2),
		sample(-5, 3),	 sample(300, 4),
	};
	int64_t offset = 0;

	CHECK_INT(clock_offset(samples, 5, &offset), 0);
	CHECK_INT(offset, -777);
	CHECK_INT(clock_offset(&samples[2], 2, &offset), 0);
	CHECK_INT(offset, 2);
	CHECK_INT(clock_offset(&samples[3], 1, &offset), -EAGAIN);
	CHECK_INT(clock_offset(samples, 0, &offset), -EAGAIN);
	CHECK_INT(offset, 2);
}

TEST(a_reference_of_another_century_is_refused)
{
	static const struct {
		int64_t s;
		int r;
	} times[] = {
		{ INT64_MIN, -ERANGE },	 { -1, -ERANGE },
		{ 0, -ERANGE },		 { 1577836799, -ERANGE },
		{ 1577836800, 0 },	 { 4102444799, 0 },
		{ 4102444800, -ERANGE }, { INT64_MAX, -ERANGE },
	};
	struct clock_sample s = sample(0, 0);
	int64_t offset;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		s.reference.tv_sec = times[i].s;
		offset = 7;
		CHECK_INT(clock_offset(&s, 1, &offset), times[i].r);
		CHECK_INT(offset,
			  times[i].r ? 7 : (times[i].s - NOW_S) * 1000000000);
	}
	/* A clock that was never set, one at the kernel's end. */
	s.reference.tv_sec = NOW_S;
	s.before.tv_sec = s.after.tv_sec = 0;
	CHECK_INT(clock_offset(&s, 1, &offset), 0);
	CHECK_INT(offset, INT64_C(1000000000) * NOW_S);
	s.before.tv_sec = s.after.tv_sec = INT64_MAX / 1000000000 - 1;
	CHECK_INT(clock_offset(&s, 1, &offset), 0);
	CHECK(offset < 0);
}

CHECK_MAIN("clock")
