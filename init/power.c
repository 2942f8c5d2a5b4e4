#include "init/power.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

/* PROC_PID_INIT_INO of linux/proc_ns.h. */
#define INITIAL_PID_NS 0xEFFFFFFCU

int power_reboot(void)
{
	sync();
	return reboot(RB_AUTOBOOT) < 0 ? -errno : -EAGAIN;
}

int power_sysrq(int proc_fd)
{
	struct stat st;
	int fd, r;

	if (proc_fd < 0)
		return -ENOENT;
	if (fstatat(proc_fd, "self/ns/pid", &st, 0) == 0 &&
	    st.st_ino != INITIAL_PID_NS)
		return -EPERM;
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
