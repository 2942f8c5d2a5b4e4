#include "init/power.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

int power_reboot(void)
{
	return reboot(RB_AUTOBOOT) < 0 ? -errno : -EAGAIN;
}

/* Writes C to FILE below PROC_FD, unless it would be somebody else's. */
static int put(int proc_fd, const char *file, char c)
{
	struct stat st;
	int fd, r;

	if (proc_fd < 0)
		return -ENOENT;
	if (fstatat(proc_fd, "self/ns/pid", &st, 0) == 0 &&
	    st.st_ino != POWER_INITIAL_PID_NS)
		return -EPERM;
	fd = openat(proc_fd, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write(fd, &c, 1) < 0 ? -errno : -EAGAIN;
	close(fd);
	return r;
}

int power_sysrq(int proc_fd)
{
	return put(proc_fd, "sysrq-trigger", 'b');
}

_Noreturn void power_panic(int proc_fd)
{
	/* Without panic= on the command line it would stay there for ever. */
	(void)put(proc_fd, "sys/kernel/panic", '1');
	_exit(1);
}
