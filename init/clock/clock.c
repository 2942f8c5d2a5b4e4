#include "init/clock/clock.h"

#include <errno.h>

enum {
	/* Four periods to take an offset away: far from overshooting. */
	TAU_S = 4 * CLOCK_PERIOD_S,
	/* An instance that was paused measures late. Longer is not stable. */
	DT_MAX_MS = 2 * CLOCK_PERIOD_S * 1000,
};

static const int64_t first_s = 1577836800; /* 2020-01-01 */
static const int64_t end_s = 4102444800;   /* 2100-01-01 */

static int64_t clamp(int64_t n, int64_t max)
{
	return n > max ? max : n < -max ? -max : n;
}

/* Those of the kernel's clock, and all that were checked, fit. */
static int64_t to_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

int clock_offset(const struct clock_sample *samples, size_t n,
		 int64_t *ret_offset_ns)
{
	const struct clock_sample *best = NULL;
	int64_t narrowest = INT64_MAX, width;

	for (size_t i = 0; i < n; i++) {
		width = to_ns(&samples[i].after) - to_ns(&samples[i].before);
		if (width < 0 || width >= narrowest)
			continue;
		narrowest = width;
		best = &samples[i];
	}
	if (!best)
		return -EAGAIN;
	if (best->reference.tv_sec < first_s || best->reference.tv_sec >= end_s)
		return -ERANGE;
	*ret_offset_ns = to_ns(&best->reference) -
			 (to_ns(&best->before) + narrowest / 2);
	return 0;
}

int64_t clock_rate(struct clock_control *c, int64_t offset_ns, int64_t dt_ms)
{
	/* More than that asks for the greatest rate anyway; no overflow below. */
	int64_t offset = clamp(offset_ns, INT64_C(2) * CLOCK_RATE_MAX * TAU_S);
	int64_t rate = c->drift + offset / TAU_S;

	/*
	 * Critically damped: a quarter of the square of 1 / TAU_S. Nothing is
	 * learnt at the limit, where the offset says nothing of the drift.
	 */
	if (rate <= CLOCK_RATE_MAX && rate >= -CLOCK_RATE_MAX && dt_ms > 0)
		c->drift = clamp(c->drift + offset * clamp(dt_ms, DT_MAX_MS) /
						    (4000 * TAU_S * TAU_S),
				 CLOCK_RATE_MAX);
	return clamp(rate, CLOCK_RATE_MAX);
}

int64_t clock_frequency(int64_t rate)
{
	return clamp(rate, CLOCK_RATE_MAX) * 65536 / 1000;
}
