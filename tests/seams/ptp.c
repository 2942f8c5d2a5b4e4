/*
 * A device whose clock is ahead of ours by PTP_AHEAD_MS, without which there is
 * none, or stands at PTP_TIME_S. Nothing is ever set: what is asked for is
 * recorded, and from a step on the device is that much less ahead.
 */

#include "init/clock/ptp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "init/clock/clock.h"
#include "tests/seams/seam.h"

static int64_t ahead_ns;
static int reads;

int ptp_open(void)
{
	if (!getenv("PTP_AHEAD_MS"))
		return -ENOENT;
	seam_record("ptp open\n");
	ahead_ns = INT64_C(1000000) * seam_number("PTP_AHEAD_MS", 0);
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

int ptp_read(int fd, struct clock_sample *ret)
{
	int error = seam_number("PTP_ERRNO", 0);
	int64_t ns;

	(void)fd;
	if (error && ++reads >= seam_number("PTP_ERRNO_FROM", 1))
		return -error;
	(void)clock_gettime(CLOCK_REALTIME, &ret->before);
	ret->after = ret->before;
	ns = (int64_t)ret->before.tv_sec * 1000000000 + ret->before.tv_nsec +
	     ahead_ns;
	ret->reference.tv_sec = ns / 1000000000;
	ret->reference.tv_nsec = ns % 1000000000;
	if (getenv("PTP_TIME_S"))
		ret->reference.tv_sec = atoll(getenv("PTP_TIME_S"));
	return 0;
}

int ptp_step(int64_t offset_ns)
{
	seam_record("ptp step %" PRId64 "\n", offset_ns);
	ahead_ns -= offset_ns;
	return -seam_number("PTP_STEP_ERRNO", 0);
}

int ptp_slew(int64_t frequency)
{
	seam_record("ptp slew %" PRId64 "\n", frequency);
	return -seam_number("PTP_SLEW_ERRNO", 0);
}

/* What is to happen later happens in the first pause. */
void ptp_pause(unsigned seconds)
{
	const struct timespec t = { .tv_nsec = 20000000 };
	static bool is_later;

	seam_record("ptp pause %u\n", seconds);
	if (!is_later)
		ahead_ns += INT64_C(1000000) * seam_number("PTP_LATER_MS", 0);
	is_later = true;
	(void)nanosleep(&t, NULL);
}
