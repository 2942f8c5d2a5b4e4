/*
 * An application of two users. Root puts something in the way of user 1000 and the
 * other way round; then each tries what it must not be able to do. What came of it
 * is a line each, "@KEY=WHAT done" or "@KEY=WHAT refused: REASON".
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/apps/verbs.h"

enum { USER = 1000 };

/* Whether it was DONE, or why not. */
static void tell(const char *key, const char *what, bool done)
{
	if (done)
		say("@%s=%s done\n", key, what);
	else
		say("@%s=%s refused: %s\n", key, what, strerror(errno));
}

static void try_open(const char *key, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);

	tell(key, path, fd >= 0);
	if (fd >= 0)
		close(fd);
}

/* --- what a user tries --- */

static void try_devices(void)
{
	try_open("memory", "/dev/mem", O_RDONLY);
	try_open("memory", "/dev/mem", O_WRONLY);
	try_open("memory", "/dev/kmem", O_RDONLY);
	try_open("memory", "/dev/port", O_RDWR);
	try_open("memory", "/proc/kcore", O_RDONLY);
	try_open("kmsg", "/dev/kmsg", O_WRONLY);
	try_open("console", "/dev/console", O_RDONLY);
	try_open("console", "/dev/ttyS0", O_RDONLY);
	try_open("console", "/dev/hvc0", O_RDONLY);
	try_open("sysrq", "/proc/sysrq-trigger", O_WRONLY);
}

/* PID 1's memory, its files, its name spaces, and itself. */
static void try_pid_1(void)
{
	static const char *const links[] = { "root", "cwd", "exe", "fd/0",
					     "ns/mnt" };
	char path[64], text[300];

	try_open("pid1", "/proc/1/environ", O_RDONLY);
	try_open("pid1", "/proc/1/mem", O_RDWR);
	try_open("pid1", "/proc/1/fd", O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(path, sizeof(path), "/proc/1/%s", links[i]);
		tell("pid1", path, readlink(path, text, sizeof(text)) >= 0);
	}
	tell("pid1", "signal", kill(1, 0) == 0);
	tell("pid1", "trace", ptrace(PTRACE_SEIZE, 1, NULL, NULL) == 0);
}

static void try_kernel(void)
{
	char name[65] = "x";

	(void)gethostname(name, sizeof(name));
	tell("kernel", "mount",
	     mount("none", "/intruder", "tmpfs", MS_NODEV, NULL) == 0);
	tell("kernel", "umount", umount2("/proc", 0) == 0 || errno == EBUSY);
	tell("kernel", "hostname", sethostname(name, strlen(name)) == 0);
	tell("kernel", "reboot", reboot(RB_DISABLE_CAD) == 0);
	/* The right comes first, then that there is no module. */
	tell("kernel", "module",
	     syscall(SYS_init_module, NULL, 0L, "") == 0 || errno != EPERM);
	tell("kernel", "chroot", chroot("/") == 0);
	try_open("kernel", "/proc/sys/kernel/core_pattern", O_WRONLY);
	try_open("kernel", "/proc/sys/kernel/modprobe", O_WRONLY);
	try_open("kernel", "/proc/sys/vm/overcommit_memory", O_WRONLY);
}

static void try_network(void)
{
	struct ifreq lo = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)ioctl(fd, (int)SIOCGIFFLAGS, &lo);
	tell("network", "flags of lo", ioctl(fd, (int)SIOCSIFFLAGS, &lo) == 0);
	lo.ifr_mtu = 1500;
	tell("network", "mtu of lo", ioctl(fd, (int)SIOCSIFMTU, &lo) == 0);
	tell("network", "packets",
	     socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0);
	close(fd);
}

static void raise_limit(const char *name, int number)
{
	struct rlimit limit;

	getrlimit(number, &limit);
	limit.rlim_max++;
	/* It is raised to no end already. */
	if (limit.rlim_max == 0)
		errno = EPERM;
	tell("limits", name,
	     limit.rlim_max != 0 && setrlimit(number, &limit) == 0);
}

static void try_limits(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	raise_limit("files", RLIMIT_NOFILE);
	raise_limit("processes", RLIMIT_NPROC);
	raise_limit("locked memory", RLIMIT_MEMLOCK);
	tell("limits", "nice", setpriority(PRIO_PROCESS, 0, -5) == 0);
	tell("limits", "real time",
	     syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &first) == 0);
}

/* --- two users and one folder for everybody --- */

static void put_in(const char *folder, const char *name, mode_t mode)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0 || fchmod(fd, mode) < 0)
		fatal(path);
	close(fd);
}

/* A program that says who runs it, with root's set-user-ID bit. */
static void put_program(const char *path)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	if (in < 0 || out < 0)
		fatal(path);
	while (sendfile(out, in, NULL, 1 << 20) > 0)
		;
	if (fchmod(out, 04755) < 0)
		fatal(path);
	close(in);
	close(out);
}

static void try_program(const char *path)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		execl(path, path, "who", NULL);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	errno = EPERM;
	tell("set_user_id", path, status != 0);
}

static void root_prepares(void)
{
	(void)mkdir("/etc", 0755);
	(void)mkdir("/intruder", 0755);
	put_in("/tmp", "linked", 0600);
	if (mknod("/tmp/zero", S_IFCHR | 0666, makedev(1, 5)) < 0 ||
	    chmod("/tmp/zero", 0666) < 0 ||
	    mknod("/dev/shm/zero", S_IFCHR | 0666, makedev(1, 5)) < 0 ||
	    chmod("/dev/shm/zero", 0666) < 0)
		say("@mknod=%s\n", strerror(errno));
	put_program("/tmp/program");
	put_program("/dev/shm/program");
}

/* What root is to stumble over. */
static void user_prepares(void)
{
	(void)!symlink("/etc/intruder", "/tmp/planted");
	(void)mkfifo("/tmp/fifo", 0666);
	put_in("/tmp", "regular", 0666);
}

static void user_tries(void)
{
	try_devices();
	try_open("device", "/tmp/zero", O_RDONLY);
	try_open("device", "/dev/shm/zero", O_RDONLY);
	try_program("/tmp/program");
	try_program("/dev/shm/program");
	tell("hardlink", "/tmp/linked", link("/tmp/linked", "/tmp/hard") == 0);
	try_pid_1();
	try_kernel();
	try_network();
	try_limits();
	user_prepares();
}

/* As a program of root writes to a file of a name that it thinks it owns. */
static void root_stumbles(void)
{
	const bool can = access("/proc/sys/fs/protected_regular", F_OK) == 0;

	tell("symlink", "/tmp/planted",
	     open("/tmp/planted", O_WRONLY | O_CREAT | O_CLOEXEC, 0644) >= 0);
	if (!can) {
		say("@planted=refused: this kernel cannot\n");
		return;
	}
	tell("planted", "/tmp/fifo",
	     open("/tmp/fifo", O_RDWR | O_CREAT | O_CLOEXEC, 0644) >= 0);
	tell("planted", "/tmp/regular",
	     open("/tmp/regular", O_WRONLY | O_CREAT | O_CLOEXEC, 0644) >= 0);
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc > 1 && strcmp(argv[1], "who") == 0)
		return geteuid() == 0;
	umask(022);
	root_prepares();
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setgid(USER) < 0 ||
		    setuid(USER) < 0)
			fatal("setuid");
		/* As a program is that this user has started. */
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		user_tries();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	root_stumbles();
	say("@done=%s\n", status == 0 ? "yes" : "no");
	return 0;
}
