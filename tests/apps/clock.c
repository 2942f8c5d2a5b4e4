/*
 * Has init's own functions set and slew the clock of an emulated machine, and says
 * what came of it by "@key=value" lines. Not for a machine of anybody's, and so
 * only where init is its parent.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include "init/clock/clock.h"
#include "init/clock/ptp.h"

static long long now_us(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* By how much the clock went beyond the time that passed. */
static void step(int64_t ns)
{
	long long real = now_us(CLOCK_REALTIME), passed;
	long long from = now_us(CLOCK_MONOTONIC);
	int r = ptp_step(ns);

	passed = now_us(CLOCK_MONOTONIC) - from;
	printf("@step=%d %lld\n", r,
	       (now_us(CLOCK_REALTIME) - real - passed) / 1000);
}

static void slew(int64_t frequency)
{
	struct timex t = { .modes = 0 };
	int r = ptp_slew(frequency);

	(void)adjtimex(&t);
	printf("@slew=%d %ld %d\n", r, t.freq, t.status & STA_NANO);
}

int main(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct clock_sample s;

	if (getppid() != 1)
		return 1;
	printf("@open=%s\n", strerror(-ptp_open()));
	printf("@read=%s\n", strerror(-ptp_read(fd, &s)));
	step(-1500000000);
	step(INT64_C(2000000000));
	step(INT64_C(315360000) * 1000000000);
	step(INT64_C(-315360000) * 1000000000);
	slew(clock_frequency(CLOCK_RATE_MAX));
	slew(clock_frequency(-1234));
	return 0;
}
