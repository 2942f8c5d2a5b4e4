#include "init/clock/ptp.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "init/clock/clock.h"

_Static_assert(sizeof(struct timex) == 208, "the kernel's own on 64 bits");

int ptp_open(void)
{
	int fd = open("/dev/ptp0", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The clock of a descriptor: FD_TO_CLOCKID of the kernel's clock_getres(2). */
static clockid_t clock_of(int fd)
{
	return (clockid_t)(~(unsigned)fd << 3 | 3);
}

/* Not by the vDSO, which this program has no other use for: three calls alike. */
static int read_clock(clockid_t id, struct timespec *ret)
{
	return (int)syscall(SYS_clock_gettime, id, ret);
}

int ptp_read(int fd, struct clock_sample *ret)
{
	struct clock_sample s;

	if (read_clock(CLOCK_REALTIME, &s.before) < 0 ||
	    read_clock(clock_of(fd), &s.reference) < 0 ||
	    read_clock(CLOCK_REALTIME, &s.after) < 0)
		return -errno;
	*ret = s;
	return 0;
}

static int adjust(struct timex *t)
{
	return syscall(SYS_adjtimex, t) < 0 ? -errno : 0;
}

int ptp_step(int64_t offset_ns)
{
	int64_t us = offset_ns / 1000 % 1000000;
	struct timex t = { .modes = ADJ_SETOFFSET };

	/* In nanoseconds it would change the unit of what others read. */
	t.time.tv_sec = offset_ns / 1000000000 - (us < 0);
	t.time.tv_usec = us < 0 ? us + 1000000 : us;
	return adjust(&t);
}

int ptp_slew(int64_t frequency)
{
	struct timex t = { .modes = ADJ_FREQUENCY, .freq = frequency };

	return adjust(&t);
}

void ptp_pause(unsigned seconds)
{
	const struct timespec t = { .tv_sec = seconds };

	(void)nanosleep(&t, NULL);
}
