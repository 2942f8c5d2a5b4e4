#ifndef INIT_CLOCK_CLOCK_H
#define INIT_CLOCK_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/*
 * Steering the clock by its frequency alone; pure. An offset is what the
 * reference is ahead of the clock, a rate how much faster than the kernel would the
 * clock is told to run: nanoseconds a second.
 */

enum {
	CLOCK_RATE_MAX = 500000, /* what the kernel takes, 500 ppm */
	CLOCK_PERIOD_S = 32,	 /* between two measurements */
};

/* The reference, read between two readings of the clock. */
struct clock_sample {
	struct timespec before, reference, after;
};

/*
 * The offset by the narrowest of N samples. -ERANGE if its reference is before 2020
 * or after 2099; -EAGAIN if the clock went back during each of them.
 */
int clock_offset(const struct clock_sample *samples, size_t n,
		 int64_t *ret_offset_ns);

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
