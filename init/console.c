#include "init/console.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	TTY_GROUP = 5, /* as of /dev/pts; tty of Debian, Fedora, Alpine */
	TTY_MODE = 0620,
	ROWS = 24,
	COLUMNS = 80,
};

int console_open_stdio(void)
{
	int fd;

	for (int want = 0; want <= 2; want++) {
		if (syscall(SYS_fcntl, want, F_GETFD) >= 0)
			continue;
		/* The lowest free number: WANT itself. Not close-on-exec, it
		 * is the application's as well. */
		fd = open("/dev/console", O_RDWR | O_NOCTTY); // NOLINT
		if (fd < 0)
			fd = open("/dev/null", O_RDWR); // NOLINT
		if (fd < 0)
			return -errno;
	}
	return 0;
}

/* As a terminal of a login is: for its group to write, and of a size. */
static void set_up(int fd)
{
	struct winsize size;

	(void)!fchown(fd, 0, TTY_GROUP);
	(void)!fchmod(fd, TTY_MODE);
	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row || size.ws_col)
		return;
	size.ws_row = ROWS;
	size.ws_col = COLUMNS;
	(void)ioctl(fd, TIOCSWINSZ, &size);
}

int console_reopen_stdio(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return 0;
	set_up(fd);
	for (int want = 0; want <= 2; want++)
		if (dup2(fd, want) < 0)
			r = -errno;
	if (fd > 2)
		close(fd);
	return r;
}

static int dup_above_stdio(int fd)
{
	return (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
}

int console_open_log(void)
{
	int fd, high;

	fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) /* a description of its own, which alone does not block */
		fd = open("/proc/self/fd/2",
			  O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		fd = dup_above_stdio(2);
		return fd < 0 ? -errno : fd;
	}
	if (fd > 2)
		return fd;
	high = dup_above_stdio(fd);
	if (high < 0)
		high = -errno;
	close(fd);
	return high;
}
