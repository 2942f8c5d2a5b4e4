#ifndef INIT_CLOCK_H
#define INIT_CLOCK_H

#include <stdint.h>

/*
 * Steering the clock by its frequency alone; pure. An offset is what the
 * reference is ahead of the clock, a rate how much faster than the kernel would the
 * clock is told to run: nanoseconds a second.
 */

enum {
	CLOCK_RATE_MAX = 500000, /* what the kernel takes, 500 ppm */
	CLOCK_PERIOD_S = 32,	 /* between two measurements */
};

struct clock_control {
	int64_t drift; /* the rate that keeps an offset of 0, as learnt */
};

/*
 * The rate from now on, after DT_MS since the last measurement, for an offset of
 * OFFSET_NS. Within CLOCK_RATE_MAX whatever the offset: no clock goes back by it.
 */
int64_t clock_rate(struct clock_control *c, int64_t offset_ns, int64_t dt_ms);

/* A rate in the kernel's unit, of adjtimex's freq: 65536 are 1 ppm. */
int64_t clock_frequency(int64_t rate);

#endif
