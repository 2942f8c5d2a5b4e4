/* What is asked of the kernel; nothing of it reaches the machine's own clock. */

#include "init/clock/ptp.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "init/clock/clock.h"
#include "tests/unit/check.h"

/* In the place of libc's: the last call, and how it went. */
static struct timex asked;
static long number;
static int error;

static clockid_t clocks[3];
static int calls, fails_at;

static int read_clock(clockid_t id, struct timespec *ret)
{
	REQUIRE(calls < 3);
	clocks[calls++] = id;
	*ret = (struct timespec){ .tv_sec = calls, .tv_nsec = 10 * calls };
	errno = EOPNOTSUPP;
	return calls == fails_at ? -1 : 0;
}

long syscall(long n, ...)
{
	clockid_t id;
	va_list ap;
	long r;

	va_start(ap, n);
	if (n == SYS_clock_gettime) {
		id = va_arg(ap, clockid_t);
		r = read_clock(id, va_arg(ap, struct timespec *));
	} else {
		number = n;
		asked = *va_arg(ap, const struct timex *);
		errno = error;
		/* TIME_ERROR: the clock is not synchronised */
		r = error ? -1 : 5;
	}
	va_end(ap);
	return r;
}

TEST(a_step_is_seconds_and_positive_microseconds)
{
	static const struct {
		int64_t ns;
		long s, us;
	} steps[] = {
		{ 0, 0, 0 },
		{ 1000, 0, 1 },
		{ -1000, -1, 999999 },
		{ 1500000000, 1, 500000 },
		{ -1500000000, -2, 500000 },
		{ -2000000000, -2, 0 },
		{ -1, 0, 0 },
		{ INT64_C(1700000000123456789), 1700000000, 123456 },
		{ INT64_C(-1700000000123456789), -1700000001, 876544 },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		CHECK_INT(ptp_step(steps[i].ns), 0);
		CHECK_INT(number, SYS_adjtimex);
		CHECK_INT(asked.modes, ADJ_SETOFFSET);
		CHECK_INT(asked.time.tv_sec, steps[i].s);
		CHECK_INT(asked.time.tv_usec, steps[i].us);
	}
	error = EPERM;
	CHECK_INT(ptp_step(1000), -EPERM);
}

TEST(a_slew_is_a_frequency_alone)
{
	CHECK_INT(ptp_slew(-32768000), 0);
	CHECK_INT(number, SYS_adjtimex);
	CHECK_INT(asked.modes, ADJ_FREQUENCY);
	CHECK_INT(asked.freq, -32768000);
	error = EINVAL;
	CHECK_INT(ptp_slew(0), -EINVAL);
}

TEST(a_reading_is_of_the_descriptors_clock_between_two_of_ours)
{
	struct clock_sample s;

	/* FD_TO_CLOCKID(5): the complement, three bits up, and CLOCKFD. */
	CHECK_INT(ptp_read(5, &s), 0);
	CHECK_INT(clocks[0], CLOCK_REALTIME);
	CHECK_INT(clocks[1], -45);
	CHECK_INT(clocks[2], CLOCK_REALTIME);
	CHECK_INT(s.before.tv_sec, 1);
	CHECK_INT(s.reference.tv_nsec, 20);
	CHECK_INT(s.after.tv_sec, 3);
	calls = 0;
	fails_at = 2;
	CHECK_INT(ptp_read(5, &s), -EOPNOTSUPP);
}

CHECK_MAIN("ptp")
