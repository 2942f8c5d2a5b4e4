/*
 * reboot(2) is the real one: in a PID namespace it ends the namespace, with
 * SIGHUP for PID 1. REBOOT_ERRNO makes it fail. Nothing is ever written to
 * sysrq-trigger, which would be the machine's own.
 */

#include "init/power.h"

#include <errno.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/seams/seam.h"

int power_reboot(void)
{
	int error = seam_number("REBOOT_ERRNO", 0);

	seam_record("reboot\n");
	if (error)
		return -error;
	return reboot(RB_AUTOBOOT) < 0 ? -errno : -EAGAIN;
}

int power_sysrq(int proc_fd)
{
	struct stat st;

	/* Not every kernel has sysrq; each has this one beside it. */
	seam_record("sysrq %s\n", fstatat(proc_fd, "vmstat", &st, 0) == 0 ?
					  "in /proc" :
					  "nowhere");
	return -EACCES;
}

_Noreturn void power_panic(int proc_fd)
{
	(void)proc_fd;
	seam_record("panic\n");
	_exit(1);
}
