/*
 * An application that tells what it finds around it, one "@key=value" a line,
 * for tests/boot. Values are printable: all else is \xNN.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3))) static void fact(const char *key,
						       const char *format, ...)
{
	char value[8192];
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	printf("@%s=", key);
	for (const char *p = value; *p; p++)
		if (*p >= ' ' && *p <= '~' && *p != '\\')
			putchar(*p);
		else
			printf("\\x%02x", (unsigned char)*p);
	putchar('\n');
}

/* ok, or what errno says. */
static void verdict(const char *key, bool good)
{
	fact(key, "%s", good ? "ok" : strerror(errno));
}

static void show_process(int argc, char **argv)
{
	struct rlimit limit;
	char cwd[PATH_MAX];
	mode_t mask = umask(0);
	int tty;

	umask(mask);
	fact("pid", "%d", getpid());
	fact("ppid", "%d", getppid());
	fact("sid", "%d", getsid(0));
	fact("pgid", "%d", getpgrp());
	fact("foreground", "%d", tcgetpgrp(0));
	fact("ttyname", "%s",
	     isatty(0) ? ttyname(0) ? ttyname(0) : "?" : "none");
	tty = open("/dev/tty", O_RDWR);
	verdict("tty", tty >= 0);
	if (tty >= 0)
		close(tty);
	fact("umask", "%03o", mask);
	fact("cwd", "%s", getcwd(cwd, sizeof(cwd)) ? cwd : "?");
	for (int i = 0; i < argc; i++)
		fact("arg", "[%s]", argv[i]);
	for (char **e = environ; *e; e++)
		fact("env", "[%s]", *e);
	getrlimit(RLIMIT_NOFILE, &limit);
	fact("nofile", "%llu %llu", (unsigned long long)limit.rlim_cur,
	     (unsigned long long)limit.rlim_max);
}

/* The lines of PATH that start with one of the words, as PREFIX.word=rest. */
static void show_lines(const char *prefix, const char *path,
		       const char *const *words)
{
	char line[1024], key[64];
	FILE *f = fopen(path, "re");

	if (!f) {
		fact(prefix, "%s", strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		for (const char *const *w = words; *w; w++) {
			size_t n = strlen(*w);

			if (strncmp(line, *w, n) != 0 || line[n] != ':')
				continue;
			snprintf(key, sizeof(key), "%s.%s", prefix, *w);
			fact(key, "%s",
			     line + n + 1 + strspn(line + n + 1, " \t"));
		}
	}
	fclose(f);
}

/* How much of PID 1's stack is in memory. Linux begins it at random: 12 to 20 KiB of it. */
static void show_pid1_stack(void)
{
	bool is_stack = false;
	char line[1024];
	FILE *f = fopen("/proc/1/smaps", "re");

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strstr(line, "[stack]"))
			is_stack = true;
		else if (is_stack && strncmp(line, "Rss:", 4) == 0) {
			fact("pid1.stack", "%s",
			     line + 4 + strspn(line + 4, " "));
			break;
		}
	}
	if (f)
		fclose(f);
}

static void show_fds(void)
{
	char target[PATH_MAX];
	struct dirent *e;
	DIR *d = opendir("/proc/self/fd");
	ssize_t n;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d))
			continue;
		n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		fact("fd", "%s %s", e->d_name, target);
	}
	if (d)
		closedir(d);
}

/* How PID 1 holds its descriptors: octal flags of open(2). */
static void show_pid1_flags(void)
{
	char path[PATH_MAX], line[128];
	struct dirent *e;
	DIR *d = opendir("/proc/1/fdinfo");
	unsigned flags;
	FILE *f;

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/1/fdinfo/%.20s", e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "flags: %o", &flags) == 1)
				fact("pid1.fd", "%s%s%s", e->d_name,
				     flags & O_CLOEXEC ? " cloexec" : "",
				     flags & O_NONBLOCK ? " nonblock" : "");
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
}

/* The device number of PID 1's controlling terminal. */
static void show_pid1_tty(void)
{
	FILE *f = fopen("/proc/1/stat", "re");
	int tty = -1;

	if (f && fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %d", &tty) == 1)
		fact("pid1.tty", "%d", tty);
	if (f)
		fclose(f);
}

static void show_mounts(void)
{
	char line[2048];
	FILE *f = fopen("/proc/self/mountinfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		char point[512], options[512], type[64], super[512];
		const char *dash = strstr(line, " - ");

		if (dash &&
		    sscanf(line, "%*s %*s %*s %*s %511s %511s", point,
			   options) == 2 &&
		    sscanf(dash, " - %63s %*s %511s", type, super) == 2)
			fact("mount", "%s %s %s %s", point, type, options,
			     super);
	}
	if (f)
		fclose(f);
}

static void show_path(const char *path)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (lstat(path, &st) < 0) {
		fact("path", "%s %s", path, strerror(errno));
		return;
	}
	if (S_ISLNK(st.st_mode)) {
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		fact("path", "%s -> %s", path, target);
	} else {
		fact("path", "%s %06o %d:%d", path, st.st_mode, st.st_uid,
		     st.st_gid);
	}
}

static void show_below(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		show_path(path);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			show_below(path);
	}
	if (d)
		closedir(d);
}

static void show_paths(void)
{
	static const char *const paths[] = {
		"/",	       "/dev",		 "/dev/console",
		"/dev/fd",     "/dev/stdin",	 "/dev/stdout",
		"/dev/stderr", "/dev/ptmx",	 "/dev/pts",
		"/dev/shm",    "/dev/mqueue",	 "/dev/nsm",
		"/proc",       "/sys",		 "/run",
		"/tmp",	       "/sys/fs/cgroup", "/etc/resolv.conf",
		"/etc/hosts",  "/init",		 "/rootfs",
		"/var",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		show_path(paths[i]);
	show_below("/run");
	show_below("/tmp");
}

/* The first LEN bytes of a file. */
static void show_file(const char *key, const char *path, size_t len)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, len);

	if (n < 0) {
		fact(key, "%s", strerror(errno));
	} else {
		text[n] = '\0';
		fact(key, "[%s]", text);
	}
	if (fd >= 0)
		close(fd);
}

/* Can what is unpacked into /tmp be run? */
static void try_tmp_exec(void)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open("/tmp/.probe", O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	int status = -1;
	pid_t pid;

	while (sendfile(out, in, NULL, 1 << 20) > 0)
		;
	close(in);
	close(out);
	pid = fork();
	if (pid == 0) {
		execl("/tmp/.probe", "probe", "nothing", NULL);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	errno = WEXITSTATUS(status);
	verdict("tmp_exec", status == 0);
	unlink("/tmp/.probe");
}

/* A pseudo terminal as somebody who is not root. */
static void try_pty(void)
{
	struct stat st;
	pid_t pid;
	int fd;

	fflush(stdout);
	pid = fork();
	if (pid != 0) {
		waitpid(pid, NULL, 0);
		return;
	}
	if (setgid(1000) < 0 || setuid(1000) < 0)
		_exit(1);
	fd = posix_openpt(O_RDWR | O_NOCTTY);
	if (fd < 0 || unlockpt(fd) < 0 || stat(ptsname(fd), &st) < 0)
		verdict("pty", false);
	else
		fact("pty", "%s %04o %d:%d", ptsname(fd), st.st_mode & 07777,
		     st.st_uid, st.st_gid);
	fflush(stdout);
	_exit(0);
}

static void try_tcp(const char *key, const struct sockaddr *any, socklen_t len)
{
	struct sockaddr_storage at;
	socklen_t at_len = sizeof(at);
	int s = socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int c = socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	verdict(key, s >= 0 && c >= 0 && bind(s, any, len) == 0 &&
			     listen(s, 1) == 0 &&
			     getsockname(s, (void *)&at, &at_len) == 0 &&
			     connect(c, (void *)&at, at_len) == 0);
	if (s >= 0)
		close(s);
	if (c >= 0)
		close(c);
}

static void show_network(void)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
					.sin_addr.s_addr = htonl(0x7f000001) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct ifaddrs *all = NULL;
	char text[INET6_ADDRSTRLEN], host[HOST_NAME_MAX + 1] = "";

	(void)getifaddrs(&all);
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		const char *up = i->ifa_flags & IFF_UP ? "up" : "down";
		int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;

		if (family == AF_INET)
			inet_ntop(
				family,
				&((struct sockaddr_in *)i->ifa_addr)->sin_addr,
				text, sizeof(text));
		else if (family == AF_INET6)
			inet_ntop(family,
				  &((struct sockaddr_in6 *)i->ifa_addr)
					   ->sin6_addr,
				  text, sizeof(text));
		else
			continue;
		fact("addr", "%s %s %s", i->ifa_name, up, text);
	}
	freeifaddrs(all);
	try_tcp("tcp4", (const void *)&v4, sizeof(v4));
	try_tcp("tcp6", (const void *)&v6, sizeof(v6));
	gethostname(host, sizeof(host));
	fact("hostname", "%s", host);
}

static void show_zombies(void)
{
	char path[64], state;
	struct dirent *e;
	DIR *d = opendir("/proc");
	int zombies = 0;
	FILE *f;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/stat", e->d_name);
		f = fopen(path, "re");
		if (f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1 &&
		    state == 'Z')
			zombies++;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	fact("zombies", "%d", zombies);
}

int main(int argc, char **argv)
{
	static const char *const status[] = { "SigBlk",	 "SigIgn", "SigCgt",
					      "Uid",	 "Gid",	   "Groups",
					      "Seccomp", "CapPrm", NULL };
	static const char *const pid1[] = { "Threads", "VmRSS", "SigBlk",
					    "State", NULL };
	static const char *const rollup[] = { "Rss", NULL };
	static const char *const memory[] = { "MemTotal", "MemAvailable",
					      "Shmem", NULL };
	struct utsname kernel;
	unsigned char byte;
	int fd;

	if (argc > 1 && strcmp(argv[1], "nothing") == 0)
		return 0;
	show_fds(); /* first: nothing of ours is open */
	show_process(argc, argv);
	show_lines("self", "/proc/self/status", status);
	show_lines("pid1", "/proc/1/status", pid1);
	show_lines("pid1", "/proc/1/smaps_rollup", rollup);
	show_pid1_stack();
	show_pid1_flags();
	show_pid1_tty();
	show_lines("mem", "/proc/meminfo", memory);
	show_zombies();
	uname(&kernel);
	fact("kernel", "%s %s", kernel.release, kernel.machine);
	fact("getrandom", "%s",
	     getrandom(&byte, 1, GRND_NONBLOCK) == 1 ? "ready" :
						       strerror(errno));
	show_mounts();
	show_paths();
	show_file("hosts", "/etc/hosts", 4000);
	show_file("resolv_conf", "/etc/resolv.conf", 4000);
	show_file("cmdline", "/proc/cmdline", 4000);
	show_file("controllers", "/sys/fs/cgroup/cgroup.controllers", 4000);
	show_network();
	try_tmp_exec();
	try_pty();
	fd = shm_open("/probe", O_RDWR | O_CREAT, 0600);
	verdict("shm", fd >= 0);
	fd = mq_open("/probe", O_RDWR | O_CREAT, 0600, NULL);
	verdict("mqueue", fd >= 0);
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "file") == 0)
			show_file(argv[i + 1], argv[i + 1], 4000);
	fact("done", "yes");
	return fflush(stdout) == 0 ? 0 : 1;
}
