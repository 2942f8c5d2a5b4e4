#include "init/clock/steer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "init/clock/clock.h"
#include "init/clock/ptp.h"
#include "init/clock/stamp.h"
#include "init/helper.h"
#include "init/log.h"
#include "nsm/nsmc.h"
#include "nsm/wire.h"
#include "vsock/io.h"

enum {
	SAMPLES = 5,
	NS_OF_MS = 1000000,
	STEP_MS = 10,  /* what is less is slewed in 20 seconds at most */
	FAR_MS = 500,  /* that far off it should never be again */
	SKEW_MS = 1000 /* the NSM's timestamp against the clock */
};

static const char device[] = "/dev/ptp0";

static void say(const char *reason)
{
	log_line("time", device, reason);
}

static void add_ms(struct text *t, const char *before, int64_t ms,
		   const char *after)
{
	text_clear(t);
	text_add(t, before);
	text_add_number(t, ms);
	text_add(t, after);
}

static bool is_over(int64_t n, int64_t limit)
{
	return n > limit || n < -limit;
}

/* What the device is ahead; -ERANGE if its time cannot be true. */
static int measure(int fd, int64_t *ret_offset_ns)
{
	struct clock_sample samples[SAMPLES];
	int r;

	for (int i = 0; i < SAMPLES; i++) {
		r = ptp_read(fd, &samples[i]);
		if (r < 0)
			return r;
	}
	return clock_offset(samples, SAMPLES, ret_offset_ns);
}

static const char *error_text(int r)
{
	return r == -ERANGE ? "its time is not followed: before 2020, or after "
			      "2099" :
			      strerror(-r);
}

int steer_step(void)
{
	int64_t offset;
	struct text t;
	int fd = ptp_open(), r;

	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
		return -1;
	r = fd < 0 ? fd : measure(fd, &offset);
	if (r < 0)
		goto fail;
	if (!is_over(offset, (int64_t)STEP_MS * NS_OF_MS))
		return fd;
	r = ptp_step(offset);
	if (r < 0)
		goto fail;
	add_ms(&t, "the clock was set, by ", offset / NS_OF_MS, " ms");
	log_debug("time", device, text_string(&t));
	return fd;
fail:
	say(error_text(r));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* --- in the helper --- */

static int64_t now_ms(void)
{
	struct timespec t;

	/* Cannot fail. */
	(void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / NS_OF_MS;
}

/* Not verified: the NSM is the hypervisor's, as the device is. */
static int ask_nsm(int fd, int64_t *ret_ahead_ms)
{
	__attribute__((uninitialized)) uint8_t doc[NSMC_DOCUMENT_MAX];
	const struct nsmc_bytes none = { 0 };
	int64_t before = now_ms(), after;
	uint64_t stamp;
	size_t len;
	int r;

	r = nsmc_attest(fd, none, none, none, doc, sizeof(doc), &len);
	after = now_ms();
	if (r == 0)
		r = stamp_read(doc, len, &stamp);
	if (r < 0)
		return r;
	if (stamp > INT64_MAX)
		return -EBADMSG;
	/* Some time between the two is as good as right. */
	*ret_ahead_ms = (int64_t)stamp > after	? (int64_t)stamp - after :
			(int64_t)stamp < before ? (int64_t)stamp - before :
						  0;
	return 0;
}

static void compare_nsm(int fd)
{
	int64_t ahead;
	struct text t;
	int r = ask_nsm(fd, &ahead);

	if (r < 0) {
		log_debug("time", "/dev/nsm", wire_error_text(r));
		return;
	}
	add_ms(&t, "its timestamp is off the clock by ", ahead, " ms");
	if (is_over(ahead, SKEW_MS))
		log_line("time", "/dev/nsm", text_string(&t));
	else
		log_debug("time", "/dev/nsm", text_string(&t));
}

/* Once: it may go on so for ever. */
static void say_once(bool *said, const char *reason)
{
	if (!*said)
		say(reason);
	*said = true;
}

static _Noreturn void follow(int fd)
{
	struct clock_control control = { 0 };
	bool said_error = false, said_far = false;
	int64_t last = io_now_ms(), now, offset;
	struct text t;
	int r;

	for (;;) {
		ptp_pause(CLOCK_PERIOD_S);
		r = measure(fd, &offset);
		if (r < 0) {
			say_once(&said_error, error_text(r));
			continue;
		}
		if (is_over(offset, (int64_t)FAR_MS * NS_OF_MS)) {
			add_ms(&t, "ahead of the clock by ", offset / NS_OF_MS,
			       " ms, which is slewed, not set");
			say_once(&said_far, text_string(&t));
		}
		now = io_now_ms();
		r = ptp_slew(clock_frequency(
			clock_rate(&control, offset, now - last)));
		if (r < 0) {
			say(strerror(-r));
			_exit(0);
		}
		last = now;
	}
}

int steer_run(const struct helper_job *job)
{
	compare_nsm(job->nsm_fd);
	close(job->nsm_fd);
	follow(job->device_fd);
}
