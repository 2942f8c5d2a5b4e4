#include "init/power.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/reboot.h>
#include <unistd.h>

int power_reboot(void)
{
	sync();
	return reboot(RB_AUTOBOOT) < 0 ? -errno : -EAGAIN;
}

int power_sysrq(int proc_fd)
{
	int fd, r;

	if (proc_fd < 0)
		return -ENOENT;
	fd = openat(proc_fd, "sysrq-trigger", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write(fd, "b", 1) < 0 ? -errno : -EAGAIN;
	close(fd);
	return r;
}

_Noreturn void power_panic(void)
{
	_exit(1);
}
