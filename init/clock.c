#include "init/clock.h"

enum {
	/* Four periods to take an offset away: far from overshooting. */
	TAU_S = 4 * CLOCK_PERIOD_S,
	/* An instance that was paused measures late. Longer is not stable. */
	DT_MAX_MS = 2 * CLOCK_PERIOD_S * 1000,
};

static int64_t clamp(int64_t n, int64_t max)
{
	return n > max ? max : n < -max ? -max : n;
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
