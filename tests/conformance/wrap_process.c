/* Mistakes with processes, signals, terminals, limits, and the end. */

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/mutant.h"

WRAP(setsid);
pid_t __wrap_setsid(void)
{
	long r;

	return mutant_takes("setsid", &r, NULL, ",") ? (pid_t)r :
						       __real_setsid();
}

WRAP(setpgid);
int __wrap_setpgid(pid_t pid, pid_t group)
{
	long r;

	return mutant_takes("setpgid", &r, NULL, ",") ?
		       (int)r :
		       __real_setpgid(pid, group);
}

/* musl's request is an int. */
WRAP(ioctl);
int __wrap_ioctl(int fd, int request, ...)
{
	va_list ap;
	void *arg;
	long r;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return mutant_takes("ioctl", &r, NULL, "%x,", (unsigned)request) ?
		       (int)r :
		       __real_ioctl(fd, request, arg);
}

WRAP(sigprocmask);
int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	long r;

	return mutant_takes("sigprocmask", &r, NULL, "%d,", how) ?
		       (int)r :
		       __real_sigprocmask(how, set, old);
}

WRAP(prlimit);
int __wrap_prlimit(pid_t pid, int what, const struct rlimit *new,
		   struct rlimit *old)
{
	long r;

	return mutant_takes("prlimit", &r, NULL, "%d,", what) ?
		       (int)r :
		       __real_prlimit(pid, what, new, old);
}

WRAP(sethostname);
int __wrap_sethostname(const char *name, size_t size)
{
	long r;

	return mutant_takes("sethostname", &r, NULL, "%s,", name) ?
		       (int)r :
		       __real_sethostname(name, size);
}

WRAP(umask);
mode_t __wrap_umask(mode_t mask)
{
	long r;

	return mutant_takes("umask", &r, &mask, "%o,", mask) ?
		       (mode_t)r :
		       __real_umask(mask);
}

WRAP(kill);
int __wrap_kill(pid_t pid, int number)
{
	long r;

	return mutant_takes("kill", &r, NULL, "%d,%d,", pid, number) ?
		       (int)r :
		       __real_kill(pid, number);
}

WRAP(connect);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t size)
{
	long r;

	return mutant_takes("connect", &r, NULL, "%d,", to->sa_family) ?
		       (int)r :
		       __real_connect(fd, to, size);
}

WRAP(reboot);
int __wrap_reboot(int how)
{
	long r;

	return mutant_takes("reboot", &r, NULL, "%x,", (unsigned)how) ?
		       (int)r :
		       __real_reboot(how);
}

WRAP(syscall);
long __wrap_syscall(long number, ...)
{
	long args[6], r;
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(ap, long);
	va_end(ap);
	return mutant_takes("syscall", &r, NULL, "%ld,", number) ?
		       r :
		       __real_syscall(number, args[0], args[1], args[2],
				      args[3], args[4], args[5]);
}
