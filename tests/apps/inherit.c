/*
 * An application that tells what it was started with, one "@key=value" a line: what a
 * process has from who forked it and survives exec. Values are printable: all else is
 * \xNN. Started again with one of these words it tells that alone:
 *
 *   address   where its stack lies
 *   ids       the user that its rights are of
 *   rest      capabilities that a user's program has
 *   end       nothing more, once the console has sent all
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum {
	USER = 1000,
	TTY_GROUP = 5, /* Debian's, Fedora's and Alpine's */
};

/* To descriptor FD, in one write: other lines do not come between. */
__attribute__((format(printf, 3, 4))) static void tell(int fd, const char *key,
						       const char *format, ...)
{
	char value[2048], line[8400];
	size_t n;
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	n = (size_t)snprintf(line, sizeof(line), "@%s=", key);
	for (const char *p = value; *p; p++)
		n += (size_t)snprintf(
			line + n, sizeof(line) - n,
			*p >= ' ' && *p <= '~' && *p != '\\' ? "%c" : "\\x%02x",
			(unsigned char)*p);
	line[n++] = '\n';
	(void)!write(fd, line, n);
}

#define fact(...) tell(1, __VA_ARGS__)

/* ok, or what errno says. */
static void verdict(const char *key, bool good)
{
	fact(key, "%s", good ? "ok" : strerror(errno));
}

/* --- descriptors --- */

static void show_descriptors(void)
{
	char target[PATH_MAX];
	struct dirent *e;
	DIR *d = opendir("/proc/self/fd");
	ssize_t n;
	int fd;

	while (d && (e = readdir(d))) {
		fd = atoi(e->d_name);
		if (e->d_name[0] == '.' || fd == dirfd(d))
			continue;
		n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		fact("fd", "%d %s", fd, target);
		if (fd <= 2)
			fact("blocks", "%d %s", fd,
			     fcntl(fd, F_GETFL) & O_NONBLOCK ? "no" : "yes");
	}
	if (d)
		closedir(d);
}

/* Both arrive, and in this order. */
static void show_outputs(void)
{
	tell(1, "out", "1");
	tell(2, "out", "2");
	tell(1, "out", "3");
	tell(2, "out", "4");
}

static void show_terminal(void)
{
	struct winsize size = { 0 };

	if (ioctl(1, TIOCGWINSZ, &size) < 0)
		fact("rows", "%s", strerror(errno));
	else
		fact("rows", "%d", size.ws_row);
	fact("columns", "%d", size.ws_col);
}

/* As a program of another process group, which a terminal that controls it stops. */
static void set_from_another_group(void)
{
	struct termios as_is;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		_exit(tcgetattr(0, &as_is) < 0 ||
		      tcsetattr(0, TCSANOW, &as_is) < 0);
	}
	if (waitpid(pid, &status, WUNTRACED) != pid) {
		verdict("sets", false);
		return;
	}
	if (WIFSTOPPED(status)) {
		fact("sets", "%s", strsignal(WSTOPSIG(status)));
		kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
		return;
	}
	fact("sets", "%s", status == 0 ? "ok" : "failed");
}

/* --- what /proc and the kernel's calls say --- */

/* As facts WHO.word. */
static void show_status(const char *who)
{
	static const char *const words[] = { "SigPnd", "ShdPnd", "SigBlk",
					     "SigIgn", "CapInh", "CapPrm",
					     "CapEff", "CapBnd", "CapAmb",
					     "Uid",    "Gid",	 "Groups",
					     "Seccomp" };
	char line[1024], key[32];
	FILE *f = fopen("/proc/self/status", "re");
	size_t n;

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			n = strlen(words[i]);
			if (strncmp(line, words[i], n) != 0 || line[n] != ':')
				continue;
			line[strcspn(line, "\n")] = '\0';
			n += 1 + strspn(line + n + 1, " \t");
			for (size_t at = strlen(line);
			     at > n && line[at - 1] == ' ';)
				line[--at] = '\0';
			snprintf(key, sizeof(key), "%s.%s", who, words[i]);
			for (char *tab; (tab = strchr(line + n, '\t'));)
				*tab = ' ';
			fact(key, "%s", line + n);
		}
	if (f)
		fclose(f);
}

/* All that this kernel has, as /proc/self/status would show them. */
static void show_all_capabilities(void)
{
	unsigned long long all = 0;

	for (unsigned long i = 0; i < 64; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0)
			all |= 1ULL << i;
	fact("capabilities", "%016llx", all);
}

static void show_limits(void)
{
	static const struct {
		const char *name;
		int number;
	} limits[] = {
		{ "as", RLIMIT_AS },	     { "core", RLIMIT_CORE },
		{ "cpu", RLIMIT_CPU },	     { "data", RLIMIT_DATA },
		{ "fsize", RLIMIT_FSIZE },   { "locks", RLIMIT_LOCKS },
		{ "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC },
		{ "rss", RLIMIT_RSS },	     { "stack", RLIMIT_STACK },
	};
	struct rlimit l;
	char key[32];

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		getrlimit(limits[i].number, &l);
		snprintf(key, sizeof(key), "limit.%s", limits[i].name);
		/* -1 is none. */
		fact(key, "%lld", (long long)l.rlim_cur);
		snprintf(key, sizeof(key), "most.%s", limits[i].name);
		fact(key, "%lld", (long long)l.rlim_max);
	}
}

static long number_of(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -99999;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	return atol(text);
}

static void show_schedule(void)
{
	cpu_set_t set;
	int cpus = -1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		cpus = CPU_COUNT(&set);
	fact("cpus", "%d", cpus);
	fact("nice", "%d", getpriority(PRIO_PROCESS, 0));
	/* libc's says that it does not know. */
	fact("policy", "%ld", syscall(SYS_sched_getscheduler, 0));
	fact("oom", "%ld", number_of("/proc/self/oom_score_adj"));
}

static void show_flags(void)
{
	fact("no_new_privs", "%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	fact("securebits", "%d", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	fact("personality", "%x", (unsigned)personality(0xffffffff));
}

static void show_process(int argc, char **argv)
{
	char cwd[PATH_MAX];
	mode_t mask = umask(0);

	umask(mask);
	fact("pid", "%d", getpid());
	fact("ppid", "%d", getppid());
	fact("session", "%d", getsid(0));
	fact("group", "%d", getpgrp());
	fact("umask", "%03o", mask);
	fact("cwd", "%s", getcwd(cwd, sizeof(cwd)) ? cwd : strerror(errno));
	for (int i = 0; i < argc; i++)
		fact("arg", "[%s]", argv[i]);
	for (char **e = environ; *e; e++)
		fact("env", "[%s]", *e);
}

/* --- what children find --- */

static bool become_user(gid_t more)
{
	if (getuid() == USER)
		return true;
	return setgroups(more ? 1 : 0, &more) == 0 && setgid(USER) == 0 &&
	       setuid(USER) == 0;
}

/* Starts PATH with WORD, as a user if AS_USER, and waits for its end. */
static void start(const char *path, const char *word, bool as_user)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (as_user && !become_user(0))
			_exit(1);
		execl(path, path, word, NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static void try_open(const char *key, const char *path, int flags)
{
	int fd = open(path, flags | O_NOCTTY | O_CLOEXEC);

	verdict(key, fd >= 0);
	if (fd >= 0)
		close(fd);
}

static void try_as_user(void)
{
	char target[PATH_MAX];
	pid_t pid = fork();

	if (pid > 0) {
		waitpid(pid, NULL, 0);
		return;
	}
	if (!become_user(TTY_GROUP))
		_exit(1);
	try_open("tty_group", "/proc/self/fd/1", O_WRONLY);
	verdict("init.signal", kill(1, 0) == 0);
	verdict("init.trace", ptrace(PTRACE_SEIZE, 1, NULL, NULL) == 0);
	try_open("init.memory", "/proc/1/mem", O_RDWR);
	try_open("init.environment", "/proc/1/environ", O_RDONLY);
	verdict("init.root",
		readlink("/proc/1/root", target, sizeof(target)) > 0);
	_exit(0);
}

/* What a terminal has not sent may be lost with its session's leader, or as the machine ends. */
static void end(void)
{
	fact("done", "yes");
	(void)tcdrain(1);
}

/* What is told where it is started by itself. */
static bool tell_again(const char *word)
{
	if (strcmp(word, "address") == 0)
		fact("stack", "%p", (void *)&word);
	else if (strcmp(word, "ids") == 0)
		fact("raised", "%u %u", getuid(), geteuid());
	else if (strcmp(word, "rest") == 0)
		show_status("user");
	else if (strcmp(word, "end") == 0)
		end();
	else
		return false;
	return true;
}

static void show_children(void)
{
	static const char self[] = "/proc/self/exe";

	for (int i = 0; i < 4; i++)
		start(self, "address", false);
	start("/bin/raise", "ids", true);
	start(self, "rest", true);
	try_as_user();
}

int main(int argc, char **argv)
{
	if (argc == 2 && tell_again(argv[1]))
		return 0;
	show_descriptors(); /* first: nothing of ours is open */
	show_process(argc, argv);
	show_outputs();
	show_terminal();
	set_from_another_group();
	show_status("self");
	show_all_capabilities();
	show_limits();
	show_schedule();
	show_flags();
	show_children();
	end();
	return 0;
}
