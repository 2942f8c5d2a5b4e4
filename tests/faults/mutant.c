/*
 * The init of the fault tests, with a mistake in it if the word MUTANT of its
 * environment names one: what the tests have to find. Linked by --wrap around what
 * is shipped.
 */

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/end.h"
#include "init/log.h"
#include "init/power.h"
#include "rootfs/cgroup.h"
#include "rootfs/file.h"
#include "rootfs/loopback.h"
#include "tests/faults/marks.h"
#include "vsock/heartbeat.h"

/* The real one, and the one in its place. */
#define WRAP(name) typeof(name) __real_##name, __wrap_##name

static bool is(const char *mutant)
{
	const char *word = getenv("MUTANT");

	return word && strcmp(word, mutant) == 0;
}

/* What fails of the network is none of its business. */
WRAP(loopback_up);
int __wrap_loopback_up(void)
{
	int r = __real_loopback_up();

	return is("blind") ? 0 : r;
}

/* The owner and mode that were asked for are as good as had. */
WRAP(file_set_access);
int __wrap_file_set_access(const char *path, uid_t owner, gid_t group, int mode)
{
	int r = __real_file_set_access(path, owner, group, mode);

	return is("lax") ? 0 : r;
}

static void beat_early(void)
{
	enum heartbeat_stage stage;

	if (_Fork() != 0)
		return;
	(void)heartbeat_positive(CONFIG_HEARTBEAT_PORT, &stage);
	_exit(0);
}

/* The heartbeat does not wait for the application. */
WRAP(cgroup_mount);
int __wrap_cgroup_mount(void)
{
	if (is("early"))
		beat_early();
	return __real_cgroup_mount();
}

static void nap(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	(void)nanosleep(&ms, NULL);
}

/* Makes a call that does not block here, but could. */
static void block(void)
{
	struct pollfd none = { .fd = -1 };
	char byte = 0;
	int fds[2];

	if (is("nap"))
		nap();
	if (is("peek"))
		close(open("/etc/hosts", O_RDONLY | O_CLOEXEC));
	if (is("linger"))
		(void)poll(&none, 1, 1);
	if (is("gulp") && pipe2(fds, O_CLOEXEC) == 0) {
		(void)!write(fds[1], &byte, 1);
		(void)!read(fds[0], &byte, 1);
		close(fds[0]);
		close(fds[1]);
	}
}

WRAP(log_line);
void __wrap_log_line(const char *step, const char *object, const char *reason)
{
	if (!is("silent"))
		__real_log_line(step, object, reason);
	block();
}

WRAP(power_reboot);
int __wrap_power_reboot(void)
{
	if (is("doze"))
		nap();
	return __real_power_reboot();
}

/* What was asked for is as good as had: the rest is the application's affair. */
int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);
int __wrap_prctl(int option, ...)
{
	unsigned long a[4];
	va_list ap;
	int r;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	r = __real_prctl(option, a[0], a[1], a[2], a[3]);
	return is("bold") && option != PR_CAPBSET_READ ? 0 : r;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	long a[5], r;
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 5; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	r = __real_syscall(number, a[0], a[1], a[2], a[3], a[4]);
	if (is("bold") && (number == SYS_setuid || number == SYS_setgid ||
			   number == SYS_setgroups || number == SYS_capset))
		return 0;
	return r;
}

/* A stop that panics, hangs, or forgets the parent. */
_Noreturn void __real_end_failed(struct boot *b);
_Noreturn void __wrap_end_failed(struct boot *b);
_Noreturn void __wrap_end_failed(struct boot *b)
{
	marks_step("end");
	if (is("panic"))
		_exit(1);
	while (is("hang"))
		(void)pause();
	if (is("rude"))
		(void)power_reboot();
	__real_end_failed(b);
}
