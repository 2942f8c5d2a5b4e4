/*
 * Tries init's own functions on control groups and mounts as a service's start
 * uses them, and what a hostile service would do about them; says by "@key=value"
 * lines what came of it, behind "@mode=" for each of its arguments. One that begins with + is a file that it makes then, with - one
 * that it waits for. Not for a machine of anybody's, and so only where init is its parent.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "rootfs/cgroup.h"
#include "rootfs/protect.h"

enum { DEADLINE_MS = 60000, CHAINS = 4, SLEEPERS = 24 };

static void die(const char *what)
{
	printf("@failed=%s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int version(void)
{
	struct statfs st;

	if (statfs("/sys/fs/cgroup", &st) < 0)
		die("/sys/fs/cgroup");
	return st.f_type == CGROUP2_SUPER_MAGIC ? 2 : 1;
}

static int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

static void show(const char *key, int r)
{
	printf("@%s=%s\n", key, r < 0 ? strerror(-r) : "done");
}

static void show_file(const char *key, const char *path)
{
	char text[512] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : strcspn(text, "\n")] = '\0';
	printf("@%s=%s\n", key, n < 0 ? strerror(errno) : text);
	if (fd >= 0)
		close(fd);
}

static struct cgroup make(const char *name, const struct cgroup_limits *limits)
{
	const char *key = "";
	struct cgroup g;
	int r = cgroup_make(version(), name, limits, &g, &key);

	if (r < 0) {
		errno = -r;
		die(key);
	}
	return g;
}

/* --- limits --- */

static void try_limits(void)
{
	const struct cgroup_limits limits = { 8 << 20, 5, 50 }, none = { 0 };
	struct cgroup g;
	int pids = 0, status;
	char *memory;
	pid_t pid;

	printf("@version=%d\n", version());
	g = make("tasks", &limits);
	show_file("v2.memory", "/sys/fs/cgroup/tasks.service/memory.max");
	show_file("v2.pids", "/sys/fs/cgroup/tasks.service/pids.max");
	show_file("v2.cpu", "/sys/fs/cgroup/tasks.service/cpu.weight");
	show_file("v1.memory", "/sys/fs/cgroup/memory/tasks.service/"
			       "memory.limit_in_bytes");
	show_file("v1.pids", "/sys/fs/cgroup/pids/tasks.service/pids.max");
	show_file("v1.cpu", "/sys/fs/cgroup/cpu/tasks.service/cpu.shares");
	printf("@empty.before=%d\n", cgroup_is_empty(&g));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		show("enter", cgroup_enter(&g));
		printf("@empty.within=%d\n", cgroup_is_empty(&g));
		show_file("cgroup", "/proc/self/cgroup");
		fflush(stdout);
		/* Each keeps its place until it is waited for. */
		while (pids < 100 && (pid = fork()) > 0)
			pids++;
		if (pid == 0)
			for (;;)
				(void)pause();
		printf("@pids=%d %s\n", pids, strerror(errno));
		fflush(stdout);
		memory = malloc(64 << 20);
		if (!memory)
			die("malloc");
		for (size_t i = 0; i < 64 << 20; i += 4096)
			memory[i] = 1;
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	printf("@memory=%s\n",
	       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "no end");
	printf("@killed=%d\n", cgroup_kill(&g, 0));
	/* Without a limit there is no controller for it. */
	g = make("free", &none);
	show("renew", cgroup_renew(&g));
}

/* --- the end of all --- */

/* For ever a child that goes on in a session of its own, and a parent that ends. */
static _Noreturn void run_ahead(void)
{
	for (;;) {
		(void)setsid();
		if (fork() > 0)
			_exit(0);
	}
}

static _Noreturn void be_hostile(const struct cgroup *g)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (cgroup_enter(g) < 0)
		_exit(1);
	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &ignore, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	for (int i = 0; i < SLEEPERS; i++)
		if (fork() == 0) {
			(void)setsid();
			if (i % 2)
				(void)kill(getpid(), SIGSTOP);
			for (;;)
				(void)pause();
		}
	for (int i = 0; i < CHAINS; i++)
		if (fork() == 0)
			run_ahead();
	for (;;)
		(void)pause();
}

/* Until there are more than the sleepers: then the chains run. */
static void wait_full(const struct cgroup *g)
{
	long long until = now_ms() + DEADLINE_MS;
	char text[4096];
	int count, fd;
	ssize_t n;

	do {
		fd = openat(g->fds[0], "cgroup.procs", O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, text, sizeof(text));
		if (n < 0)
			die("cgroup.procs");
		close(fd);
		count = 0;
		for (ssize_t i = 0; i < n; i++)
			count += text[i] == '\n';
	} while (count < SLEEPERS + CHAINS && now_ms() < until);
}

static void wait_empty(const char *key, const struct cgroup *g, long long from)
{
	long long until = from + DEADLINE_MS;

	while (!cgroup_is_empty(g) && now_ms() < until)
		(void)sched_yield();
	printf("@%s=%s\n", key, cgroup_is_empty(g) ? "empty" : "still there");
}

static void try_kill(void)
{
	const struct cgroup_limits none = { 0 };
	struct cgroup g = make("hostile", &none);
	long long from;
	int r, rounds = 0;
	pid_t pid;

	for (; rounds < 5; rounds++) {
		fflush(stdout);
		pid = fork();
		if (pid == 0)
			be_hostile(&g);
		wait_full(&g);
		from = now_ms();
		r = cgroup_kill(&g, rounds == 0 ? pid : 0);
		printf("@kill=%s %s\n",
		       r < 0	    ? strerror(-r) :
		       r > SLEEPERS ? "many" :
				      "few",
		       now_ms() - from < 5000 ? "quick" : "slow");
		if (rounds == 0) {
			printf("@spared=%d\n", kill(pid, 0));
			(void)cgroup_kill(&g, 0);
		}
		wait_empty("after", &g, from);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		show("renew", cgroup_renew(&g));
	}
	printf("@again=%d\n", cgroup_kill(&g, 0));
}

/* --- user 0 without a capability --- */

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };

	for (unsigned long c = 0; prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0; c++)
		;
	if (syscall(SYS_capset, &head, data) < 0)
		die("capset");
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* PID 1 into a group of our making below TOP, and back: it could be frozen. */
static int take_pid1(const char *top)
{
	char path[256];
	int r;

	(void)chmod(top, 0755);
	(void)snprintf(path, sizeof(path), "%s/x", top);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/x/cgroup.procs", top);
	r = write_to(path, "1");
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", top);
	if (r == 0)
		(void)write_to(path, "1");
	return r;
}

static int chmod_sys(void)
{
	return chmod("/sys/kernel", 0755) < 0 ? -errno : 0;
}

static int open_for_writing(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int mount_new(const char *type, const char *data)
{
	return mount(type, "/tmp", type, MS_NOSUID | MS_NODEV | MS_NOEXEC,
		     data) < 0 ?
		       -errno :
		       0;
}

/* As root of a user namespace, with one of everything. */
static void try_namespaces(void)
{
	char map[] = "0 0 1";
	int r;

	if (unshare(CLONE_NEWUSER) < 0) {
		printf("@user=%s\n", strerror(errno));
		return;
	}
	(void)write_to("/proc/self/setgroups", "deny");
	(void)write_to("/proc/self/uid_map", map);
	(void)write_to("/proc/self/gid_map", map);
	r = unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID |
		    CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS);
	show("user", r < 0 ? -errno : 0);
	fflush(stdout);
	/* The first child is in the new PID namespace, and PID 1 there. */
	if (fork() == 0) {
		r = umount2("/proc/sys", MNT_DETACH);
		show("user.umount", r < 0 ? -errno : 0);
		r = mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND, NULL);
		show("user.remount", r < 0 ? -errno : 0);
		show("user.core_pattern",
		     write_to("/proc/sys/kernel/core_pattern", "core"));
		show("user.proc", mount_new("proc", NULL));
		r = mount_new("sysfs", NULL);
		show("user.sysfs", r);
		if (r == 0) {
			r = chmod("/tmp/kernel", 0755);
			show("user.sysfs.chmod", r < 0 ? -errno : 0);
		}
		fflush(stdout);
		_exit(0);
	}
	(void)wait(NULL);
	r = version() == 2 ? mount_new("cgroup2", NULL) :
			     mount_new("cgroup", "freezer");
	show("user.cgroup", r);
	if (r == 0)
		show("user.pid1", take_pid1("/tmp"));
}

static void try_kernel(void)
{
	struct rlimit limit;
	int r;

	show("core_pattern", write_to("/proc/sys/kernel/core_pattern", "core"));
	show("sysrq", open_for_writing("/proc/sysrq-trigger"));
	show("irq", open_for_writing("/proc/irq/default_smp_affinity"));
	show("sys", chmod_sys());
	show("pid1", take_pid1(version() == 2 ? "/sys/fs/cgroup" :
						"/sys/fs/cgroup/freezer"));
	show("score", write_to("/proc/self/oom_score_adj", "5"));
	/* It may have what it has already, if it is ours to say. */
	r = prlimit(1, RLIMIT_CPU, NULL, &limit);
	r = r < 0 ? r : prlimit(1, RLIMIT_CPU, &limit, NULL);
	show("pid1.limit", r < 0 ? -errno : 0);
	r = mkdir("/tmp/file", 0755);
	show("tmp", r < 0 ? -errno : 0);
	(void)rmdir("/tmp/file");
	try_namespaces();
	fflush(stdout);
}

static void try_protect(bool is_protected)
{
	const struct cgroup_limits none = { 0 };
	struct cgroup g = make(is_protected ? "protected" : "open", &none);
	char cwd[64];

	fflush(stdout);
	if (fork() == 0) {
		show("enter", cgroup_enter(&g));
		if (chdir("/dev/shm") < 0 || mkdir("file", 0755) < 0)
			die("/dev/shm");
		if (is_protected)
			show("protect", protect_kernel());
		printf("@cwd=%s %d\n", getcwd(cwd, sizeof(cwd)) ? cwd : "?",
		       access("file", F_OK) == 0);
		(void)rmdir("/dev/shm/file");
		drop_capabilities();
		try_kernel();
		_exit(0);
	}
	(void)wait(NULL);
}

static void wait_for(const char *path)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	while (access(path, F_OK) < 0)
		nanosleep(&pause, NULL);
}

static void try_mode(const char *mode)
{
	if (*mode == '+') {
		close(open(mode + 1, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
		return;
	}
	if (*mode == '-') {
		wait_for(mode + 1);
		return;
	}
	printf("@mode=%s\n", mode);
	if (strcmp(mode, "limits") == 0)
		try_limits();
	else if (strcmp(mode, "kill") == 0)
		try_kill();
	else if (strcmp(mode, "confined") == 0)
		try_kernel();
	else
		try_protect(strcmp(mode, "protect") == 0);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (getppid() != 1)
		return 1;
	for (int i = 1; i < argc; i++)
		try_mode(argv[i]);
	return 0;
}
