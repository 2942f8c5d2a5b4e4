/*
 * Runs /init of a ramdisk as PID 1 of namespaces of its own: users, processes,
 * mounts, host name, System V IPC and network. What namespaces leave shared,
 * the clock, modules, AF_VSOCK and the kernel's log, a seccomp filter denies;
 * as root is mapped to an ordinary user, sysctls, sysrq-trigger and the files
 * of the machine are out of reach by plain permissions.
 *
 * jail [OPTION]... [WORD]...
 *   -r FD       the ramdisk: newc cpio archives, one after the other
 *   -c PATH     what is bound on dev/console, of the ramdisk and of /rootfs
 *   -D          /rootfs/dev is left empty
 *   -n          /dev has files nsm, vsock and net/tun, as the drivers' nodes would be
 *   -g          control groups of its own, which root alone can give, as far as the
 *               machine has them: version 2, or pids of version 1
 *   -0          descriptors 0 to 2 are closed
 *   -i          all signals are blocked and ignored, SIGCHLD too
 *   -t          instead of /init: tries all that is denied, and names on standard
 *               output what is not
 *   -e CALLS    these system calls of PID 1 and all after it fail by EPERM
 *   -k CALLS    ... kill whoever calls
 * CALLS is a name of the table below. WORDs are init's arguments; it gets our
 * environment and the descriptors that we were given.
 *
 * Ends as PID 1 did: with its code, or by its signal (SIGHUP: a restart). A
 * fault of ours is 125.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FAULT = 125,
	MAP_FIRST = 100000, /* the machine's user behind our root */
	MAP_COUNT = 65536,
	CALLS_MAX = 64,
};

static struct {
	int ramdisk;
	const char *console;
	bool bare_dev, nsm, groups, no_stdio, ignore_signals, try_denied;
	const char *refused, *killing;
	char **words;
} opt = { .ramdisk = -1 };

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "jail: %s: %s\n", what, strerror(errno));
	_exit(FAULT);
}

static void must(bool good, const char *what)
{
	if (!good)
		die(what);
}

/* --- users --- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && write(fd, text, strlen(text)) > 0, path);
	close(fd);
}

/* Root inside is nobody in particular outside. */
static void map_users(pid_t pid)
{
	bool root = geteuid() == 0;
	char path[64], map[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
	if (!root)
		write_file(path, "deny");
	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	(void)snprintf(map, sizeof(map), "0 %u %u",
		       root ? MAP_FIRST : geteuid(), root ? MAP_COUNT : 1);
	write_file(path, map);
	(void)snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	(void)snprintf(map, sizeof(map), "0 %u %u",
		       root ? MAP_FIRST : getegid(), root ? MAP_COUNT : 1);
	write_file(path, map);
}

/* --- control groups --- */

/*
 * Directories of control groups: version 2, or pids of version 1. A jail has no
 * group in version 1's freezer: SIGKILL does not end a frozen process, and the jail
 * would wait for it for ever.
 */
static const char *const group_tops[] = {
	"/sys/fs/cgroup",
	"/sys/fs/cgroup/unified",
	"/sys/fs/cgroup/pids",
};

static bool has_groups(const char *top)
{
	struct statfs fs;

	return statfs(top, &fs) == 0 && (fs.f_type == CGROUP2_SUPER_MAGIC ||
					 fs.f_type == CGROUP_SUPER_MAGIC);
}

/* Whether NAME is the group of a jail that is gone. */
static bool is_stale(const char *name)
{
	return strncmp(name, "jail-", 5) == 0 && kill(atoi(name + 5), 0) < 0;
}

/* Removes the groups below PATH; at the top stale ones alone. */
static void remove_groups(const char *path, bool is_top)
{
	DIR *d = opendir(path);
	char below[PATH_MAX];
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.' ||
		    (is_top && !is_stale(e->d_name)))
			continue;
		(void)snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		remove_groups(below, false);
		(void)rmdir(below);
	}
	if (d)
		closedir(d);
}

static void make_group(const char *top, pid_t pid)
{
	static const char *const files[] = { "", "/cgroup.procs", "/tasks",
					     "/cgroup.threads",
					     "/cgroup.subtree_control" };
	char path[PATH_MAX], number[16];

	(void)snprintf(path, sizeof(path), "%s/jail-%d", top, pid);
	must(mkdir(path, 0755) == 0, path);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/jail-%d%s", top, pid,
			       files[i]);
		if (chown(path, MAP_FIRST, MAP_FIRST) < 0 && errno != ENOENT)
			die(path);
	}
	(void)snprintf(path, sizeof(path), "%s/jail-%d/cgroup.procs", top, pid);
	(void)snprintf(number, sizeof(number), "%d", pid);
	write_file(path, number);
}

/* Makes groups for PID, unless it is 0, and removes those of gone jails. */
static void make_groups(pid_t pid)
{
	for (size_t i = 0; i < sizeof(group_tops) / sizeof(group_tops[0]);
	     i++) {
		if (!opt.groups || geteuid() != 0 || !has_groups(group_tops[i]))
			continue;
		remove_groups(group_tops[i], true);
		if (pid > 0)
			make_group(group_tops[i], pid);
	}
}

static void become_root(bool mapped)
{
	if (mapped)
		must(setgroups(0, NULL) == 0, "setgroups");
	must(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0, "setuid");
	/* After that: a change of user takes it off. */
	must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
}

/* What PID 1 of an enclave does and a container may; all else is gone. */
static void drop_capabilities(void)
{
	static const unsigned int kept[] = {
		CAP_CHOWN,	CAP_DAC_OVERRIDE,
		CAP_FOWNER,	CAP_FSETID,
		CAP_KILL,	CAP_SETGID,
		CAP_SETUID,	CAP_SETPCAP,
		CAP_NET_ADMIN,	CAP_NET_BIND_SERVICE,
		CAP_SYS_CHROOT, CAP_SYS_ADMIN,
		CAP_SYS_BOOT,	CAP_SYS_TTY_CONFIG,
		CAP_SYS_PTRACE, /* to look at PID 1, as root may */
	};

	for (unsigned int cap = 0; cap < 64; cap++) {
		bool keep = false;

		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			keep = keep || kept[i] == cap;
		if (!keep && prctl(PR_CAPBSET_READ, cap) == 1)
			must(prctl(PR_CAPBSET_DROP, cap) == 0, "capabilities");
	}
}

/* --- the file system --- */

static unsigned long hex8(const char *s)
{
	char digits[9] = "";

	memcpy(digits, s, 8);
	return strtoul(digits, NULL, 16);
}

/* One member of the archive, below the working directory. */
static void unpack_one(const char *name, const char *data, size_t size,
		       mode_t mode, uid_t uid, gid_t gid)
{
	char target[4096];
	int fd;

	while (*name == '/')
		name++;
	if (*name == '\0' || strcmp(name, ".") == 0)
		return;
	if (S_ISDIR(mode)) {
		must(mkdir(name, 0755) == 0 || errno == EEXIST, name);
	} else if (S_ISLNK(mode)) {
		must(size < sizeof(target), name);
		memcpy(target, data, size);
		target[size] = '\0';
		must(symlink(target, name) == 0, name);
	} else if (S_ISREG(mode)) {
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		must(fd >= 0 && write(fd, data, size) == (ssize_t)size, name);
		close(fd);
	} else {
		must(mknod(name, mode, 0) == 0, name);
	}
	/* Only those users are there that are mapped. */
	if (lchown(name, uid, gid) < 0 && errno != EINVAL)
		die(name);
	if (!S_ISLNK(mode))
		must(chmod(name, mode & 07777) == 0, name);
}

static void unpack(const char *at, const char *end)
{
	enum { HEAD = 110 };

	while (end - at > HEAD) {
		unsigned long size, name_len;
		const char *name = at + HEAD, *data;

		if (*at == '\0') { /* between two archives */
			at++;
			continue;
		}
		errno = EINVAL;
		must(memcmp(at, "070701", 6) == 0, "the ramdisk");
		size = hex8(at + 54);
		name_len = hex8(at + 94);
		data = at + ((HEAD + name_len + 3) & ~3UL);
		must(data <= end && size <= (size_t)(end - data),
		     "the ramdisk");
		if (strcmp(name, "TRAILER!!!") != 0)
			unpack_one(name, data, size, (mode_t)hex8(at + 14),
				   (uid_t)hex8(at + 22), (gid_t)hex8(at + 30));
		at = data + ((size + 3) & ~3UL);
	}
}

static void bind_device(const char *source, const char *target)
{
	int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	must(fd >= 0, target);
	close(fd);
	must(mount(source, target, NULL, MS_BIND, NULL) == 0, target);
}

/* As much of devtmpfs as a user namespace may have. */
static void make_dev(const char *dir)
{
	static const char *const devices[] = { "null",	 "zero",    "full",
					       "random", "urandom", "tty" };
	char from[4096], to[64];

	must(mount("dev", dir, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755") == 0,
	     dir);
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		(void)snprintf(from, sizeof(from), "old/dev/%s", devices[i]);
		(void)snprintf(to, sizeof(to), "%s/%s", dir, devices[i]);
		bind_device(from, to);
	}
	(void)snprintf(to, sizeof(to), "%s/ptmx", dir);
	must(symlink("pts/ptmx", to) == 0, to);
	if (opt.nsm) {
		(void)snprintf(to, sizeof(to), "%s/nsm", dir);
		must(mknod(to, S_IFREG | 0666, 0) == 0, to);
		(void)snprintf(to, sizeof(to), "%s/vsock", dir);
		must(mknod(to, S_IFREG | 0600, 0) == 0, to);
		(void)snprintf(to, sizeof(to), "%s/net", dir);
		must(mkdir(to, 0755) == 0, to);
		(void)snprintf(to, sizeof(to), "%s/net/tun", dir);
		must(mknod(to, S_IFREG | 0600, 0) == 0, to);
	}
	if (!opt.console)
		return;
	(void)snprintf(from, sizeof(from), "old/%s", opt.console);
	(void)snprintf(to, sizeof(to), "%s/console", dir);
	bind_device(from, to);
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void make_root(const char *ramdisk, size_t len)
{
	must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0,
	     "private mounts");
	must(mount("root", "/tmp", "tmpfs", 0, "mode=755") == 0, "a tmpfs");
	must(chdir("/tmp") == 0 && mkdir("old", 0700) == 0 &&
		     syscall(SYS_pivot_root, ".", "old") == 0 &&
		     chdir("/") == 0,
	     "pivot_root");
	(void)umask(0);
	unpack(ramdisk, ramdisk + len);
	if (is_dir("dev"))
		make_dev("dev");
	if (is_dir("rootfs/dev") && !opt.bare_dev)
		make_dev("rootfs/dev");
	/* The kernel mounts these for us only where it sees one already. */
	if (is_dir("rootfs/proc"))
		must(mount("proc", "rootfs/proc", "proc", 0, NULL) == 0,
		     "proc");
	if (is_dir("rootfs/sys"))
		(void)mount("sys", "rootfs/sys", "sysfs", 0, NULL);
	must(umount2("old", MNT_DETACH) == 0 && rmdir("old") == 0,
	     "the machine's root");
}

/* --- system calls --- */

#define CALL(name) SYS_##name

static const int denied[] = {
	CALL(init_module),
	CALL(finit_module),
	CALL(delete_module),
	CALL(settimeofday),
	CALL(clock_settime),
	CALL(adjtimex),
	CALL(clock_adjtime),
	CALL(kexec_load),
	CALL(syslog),
	CALL(swapon),
	CALL(swapoff),
	CALL(acct),
	CALL(bpf),
	CALL(perf_event_open),
	CALL(io_uring_setup),
#ifdef SYS_kexec_file_load
	CALL(kexec_file_load),
#endif
#ifdef SYS_iopl
	CALL(iopl),
	CALL(ioperm),
#endif
};

/* What -e and -k know. */
static const struct {
	const char *name;
	int calls[4];
} named[] = {
	{ "setsid", { CALL(setsid) } },
	{ "close_range", { CALL(close_range) } },
#ifdef SYS_fork
	{ "fork", { CALL(clone), CALL(clone3), CALL(fork), CALL(vfork) } },
#else
	{ "fork", { CALL(clone), CALL(clone3) } },
#endif
};

#ifdef __x86_64__
#define OWN_ARCH AUDIT_ARCH_X86_64
#else
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

struct filter {
	struct sock_filter code[4 * CALLS_MAX];
	unsigned short len;
};

static void add(struct filter *f, unsigned short code, unsigned int k,
		unsigned char if_true, unsigned char if_false)
{
	f->code[f->len++] = (struct sock_filter){ code, if_true, if_false, k };
}

/* The call NUMBER ends in ACTION. */
static void add_call(struct filter *f, int number, unsigned int action)
{
	add(f, BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1);
	add(f, BPF_RET | BPF_K, action, 0, 0);
}

static void add_named(struct filter *f, const char *name, unsigned int action)
{
	if (!name)
		return;
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (strcmp(named[i].name, name) != 0)
			continue;
		for (int j = 0; j < 4; j++)
			if (named[i].calls[j])
				add_call(f, named[i].calls[j], action);
		return;
	}
	errno = EINVAL;
	die(name);
}

static void install_filter(void)
{
	const unsigned int refuse = SECCOMP_RET_ERRNO | EPERM;
	struct filter f = { .len = 0 };
	struct sock_fprog program;

	add(&f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch),
	    0, 0);
	add(&f, BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0);
	add(&f, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	add(&f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0,
	    0);
#ifdef __x86_64__
	/* The x32 numbers would lead around the rest. */
	add(&f, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
	add(&f, BPF_RET | BPF_K, refuse, 0, 0);
#endif
	add_named(&f, opt.refused, refuse);
	add_named(&f, opt.killing, SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
		add_call(&f, denied[i], refuse);
	/* socket(AF_VSOCK) */
	add(&f, BPF_JMP | BPF_JEQ | BPF_K, CALL(socket), 0, 3);
	add(&f, BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, args[0]), 0, 0);
	add(&f, BPF_JMP | BPF_JEQ | BPF_K, AF_VSOCK, 0, 1);
	add(&f, BPF_RET | BPF_K, refuse, 0, 0);
	add(&f, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	program = (struct sock_fprog){ f.len, f.code };
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
	     "the seccomp filter");
}

/* With arguments that no kernel would take either. */
static _Noreturn void try_denied(void)
{
	enum { NO_TYPE = 0xf };
	bool good = true;

	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		if (syscall(denied[i], -1, -1, -1, -1, -1) < 0 &&
		    errno == EPERM)
			continue;
		printf("system call %d is not denied\n", denied[i]);
		good = false;
	}
	if (socket(AF_VSOCK, NO_TYPE, 0) >= 0 || errno != EPERM) {
		printf("AF_VSOCK is not denied\n");
		good = false;
	}
	if (socket(AF_INET, NO_TYPE, 0) >= 0 || errno != EINVAL) {
		printf("AF_INET is denied\n");
		good = false;
	}
	(void)fflush(stdout);
	_exit(good ? 0 : 1);
}

/* --- PID 1 --- */

static void ignore_signals(void)
{
	const struct sigaction ign = { .sa_handler = SIG_IGN };
	sigset_t all;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &ign, NULL);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

static _Noreturn void run_child(int ready, bool mapped)
{
	static char init[] = "/init";
	const char *ramdisk;
	struct stat st;
	char byte;

	must(read(ready, &byte, 1) == 1, "the user map");
	close(ready);
	must(fstat(opt.ramdisk, &st) == 0 && st.st_size > 0, "the ramdisk");
	ramdisk = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
		       opt.ramdisk, 0);
	must(ramdisk != MAP_FAILED, "the ramdisk");
	if (opt.groups)
		must(unshare(CLONE_NEWCGROUP) == 0, "control groups");
	become_root(mapped);
	must(setsid() >= 0, "setsid");
	make_root(ramdisk, (size_t)st.st_size);
	close(opt.ramdisk);
	drop_capabilities();
	opt.words[0] = init;
	if (opt.ignore_signals)
		ignore_signals();
	install_filter();
	if (opt.try_denied)
		try_denied();
	if (opt.no_stdio) {
		close(0);
		close(1);
		close(2);
	}
	(void)execve(init, opt.words, environ);
	die(init);
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+r:c:Dgn0ite:k:")) != -1) {
		switch (c) {
		case 'r':
			opt.ramdisk = atoi(optarg);
			break;
		case 'c':
			opt.console = optarg;
			break;
		case 'D':
			opt.bare_dev = true;
			break;
		case 'n':
			opt.nsm = true;
			break;
		case 'g':
			opt.groups = true;
			break;
		case '0':
			opt.no_stdio = true;
			break;
		case 'i':
			opt.ignore_signals = true;
			break;
		case 't':
			opt.try_denied = true;
			break;
		case 'e':
			opt.refused = optarg;
			break;
		case 'k':
			opt.killing = optarg;
			break;
		default:
			_exit(FAULT);
		}
	}
	/* The one before the words becomes argv[0]. */
	opt.words = argv + optind - 1;
}

int main(int argc, char **argv)
{
	const unsigned long spaces = CLONE_NEWUSER | CLONE_NEWPID |
				     CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
				     CLONE_NEWNET;
	bool mapped = geteuid() == 0; /* afterwards we are nobody yet */
	int fds[2], status;
	pid_t pid;

	parse(argc, argv);
	must(pipe2(fds, O_CLOEXEC) == 0, "pipe");
	pid = (pid_t)syscall(SYS_clone, spaces | SIGCHLD, NULL, NULL, NULL, 0);
	must(pid >= 0, "namespaces");
	if (pid == 0) {
		close(fds[1]);
		run_child(fds[0], mapped);
	}
	map_users(pid);
	make_groups(pid);
	must(write(fds[1], "", 1) == 1, "pipe");
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	make_groups(0);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	(void)signal(WTERMSIG(status), SIG_DFL);
	(void)raise(WTERMSIG(status));
	return FAULT;
}
