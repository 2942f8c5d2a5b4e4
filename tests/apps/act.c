/*
 * An application that behaves as tests/boot asks it to: does what the arguments
 * say, one after the other, and exits with 0. Facts are "@key=value" lines.
 */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* It needs sys/socket.h. */
#include <linux/vm_sockets.h>

#include "tests/apps/verbs.h"

static void fact(const char *key, const char *value)
{
	say("@%s=%s\n", key, value);
}

static void fact_long(const char *key, long value)
{
	say("@%s=%ld\n", key, value);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nap_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	/* The rest, where a signal cut it short. */
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* Processes but for PID 1 and ourselves, or only the zombies; kernel threads
 * (children of 2, and 2) do not count. */
static int count_processes(bool zombies)
{
	char path[64], state;
	struct dirent *e;
	DIR *d = opendir("/proc");
	int n = 0, parent;
	FILE *f;

	while (d && (e = readdir(d))) {
		int pid = atoi(e->d_name);

		if (pid <= 2 || pid == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "re");
		if (f &&
		    fscanf(f, "%*d (%*[^)]) %c %d", &state, &parent) == 2 &&
		    parent != 2 && (!zombies || state == 'Z'))
			n++;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return n;
}

/* Until there is no other process (zombie), so many seconds at the most. */
static int settle(bool zombies, double seconds)
{
	double end = now() + seconds;
	int n;

	while ((n = count_processes(zombies)) > 0 && now() < end)
		nap_ms(20);
	return n;
}

static void do_exit(const char *code)
{
	_exit(atoi(code));
}

/* As process 1: the end of all children, those included that were others'. */
static void do_reap(void)
{
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

static void do_segv(void)
{
	volatile char *p =
		mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*p = 0;
}

static void do_kill_self(const char *number)
{
	raise(atoi(number));
}

static void do_sleep(const char *ms)
{
	nap_ms(atol(ms));
}

static void do_say(const char *text)
{
	fact("say", text);
}

/* What it may, whose it is and how it is limited, a line. */
static void do_privileges(void)
{
	static const char words[] = "Umask Uid Gid Groups CapInh CapPrm CapEff "
				    "CapBnd CapAmb NoNewPrivs Seccomp";
	char line[256], all[400] = "", score[16] = "";
	FILE *f = fopen("/proc/self/status", "re");
	struct rlimit core = { 0 }, files = { 0 };
	char *colon;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = '\0';
		if (!strstr(words, line))
			continue;
		*colon = ':';
		strncat(all, line, sizeof(all) - strlen(all) - 1);
		strncat(all, " ", sizeof(all) - strlen(all) - 1);
	}
	if (f)
		fclose(f);
	f = fopen("/proc/self/oom_score_adj", "re");
	if (f && fgets(score, sizeof(score), f))
		score[strcspn(score, "\n")] = '\0';
	if (f)
		fclose(f);
	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &files);
	say("@privileges=%s oom %s nice %d core %ld %ld files %ld %ld\n", all,
	    score, getpriority(PRIO_PROCESS, 0), (long)core.rlim_cur,
	    (long)core.rlim_max, (long)files.rlim_cur, (long)files.rlim_max);
}

static void do_at(void)
{
	say("@at=%.6f\n", now());
}

/* ^S of a terminal, by program. */
static void do_stop_console(void)
{
	if (tcflow(1, TCOOFF) < 0)
		fatal("tcflow");
}

static const char flood[] =
	"flood .........................................................\n";

static void do_flood(const char *kib)
{
	long left = atol(kib) * 1024;

	while (left > 0 && write(1, flood, sizeof(flood) - 1) > 0)
		left -= (long)sizeof(flood) - 1;
}

/* Until the terminal takes no more, for half a second. */
static void do_fill_console(void)
{
	double end = now() + 0.5;

	fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);
	while (now() < end)
		if (write(1, flood, sizeof(flood) - 1) > 0)
			end = now() + 0.5;
}

/* What event loops do to their standard output. */
static void do_nonblock(void)
{
	if (fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK) < 0)
		fatal("F_SETFL");
}

/* The flood goes on when the application has ended. */
static void do_flood_behind(void)
{
	switch (fork()) {
	case -1:
		fatal("fork");
	case 0:
		signal(SIGTERM, SIG_IGN);
		setsid();
		for (;;)
			do_flood("1024");
	}
}

/* COUNT processes that each become another one, for ever, and ignore TERM. */
static void do_leave_chains(const char *count)
{
	for (int left = atoi(count); left > 0; left--) {
		if (fork() != 0)
			continue;
		signal(SIGTERM, SIG_IGN);
		setsid();
		for (;;)
			if (fork() > 0)
				_exit(0);
	}
}

/* COUNT processes that end as children of PID 1, in bursts. */
static void do_orphans(const char *count)
{
	enum { BURST = 250 };
	int left = atoi(count);
	pid_t pid;

	for (; left > 0; left -= BURST) {
		pid = fork();
		if (pid < 0)
			fatal("fork");
		if (pid == 0) {
			for (int i = 0; i < BURST && i < left; i++) {
				pid = fork();
				if (pid < 0)
					fatal("fork");
				if (pid == 0)
					_exit(i & 1);
			}
			_exit(0);
		}
		if (waitpid(pid, NULL, 0) < 0)
			fatal("waitpid");
	}
	fact_long("left", settle(true, 180));
}

static long pid1_switches(void)
{
	char line[256];
	long sum = 0, n;
	FILE *f = fopen("/proc/1/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %ld", &n) == 1)
			sum += n;
	if (f)
		fclose(f);
	return sum;
}

/*
 * How often PID 1 ran in two seconds with nothing to do. On a busy machine it may not be
 * through yet with the turn in which it reaped the last other process.
 */
static void do_wakeups(void)
{
	long before, last = -1;

	before = pid1_switches();
	for (int i = 0; i < 50 && before != last; i++) {
		last = before;
		nap_ms(100);
		before = pid1_switches();
	}
	nap_ms(2000);
	fact_long("wakeups", pid1_switches() - before);
}

static void do_idle(void)
{
	fact_long("others", settle(false, 60));
	do_wakeups();
}

_Noreturn static void do_eat(void)
{
	take_memory();
	fatal("mmap");
}

/* A child that the kernel kills for memory, and that ends no more than itself. */
static void do_eat_in_child(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

		(void)!write(fd, "1000", 4);
		do_eat();
	}
	waitpid(pid, &status, 0);
	fact_long("child", status);
}

static void tell_root(const char *key)
{
	fact(key, access("/cmd", F_OK) == 0 || access("/rootfs", F_OK) == 0 ?
			  "out" :
			  "in");
}

/* Out of the root, by the two known ways. */
static void do_escape(void)
{
	int ns = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
	pid_t pid = fork();

	if (pid == 0) {
		mkdir("/jail", 0755);
		if (chroot("/jail") < 0)
			fatal("chroot");
		for (int i = 0; i < 100; i++)
			(void)chdir("..");
		if (chroot(".") < 0)
			fatal("chroot .");
		tell_root("by_chroot");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	pid = fork();
	if (pid == 0) {
		if (ns < 0 || setns(ns, CLONE_NEWNS) < 0)
			fatal("setns");
		tell_root("by_setns");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	close(ns);
}

static const struct {
	int number;
	const char *name;
} forwarded[] = {
	{ SIGHUP, "HUP" },     { SIGINT, "INT" },   { SIGQUIT, "QUIT" },
	{ SIGUSR1, "USR1" },   { SIGUSR2, "USR2" }, { SIGTERM, "TERM" },
	{ SIGWINCH, "WINCH" },
};

enum { FORWARDED = sizeof(forwarded) / sizeof(forwarded[0]) };

/* Takes each signal once; tells of it as WHO, and by a byte to TAKEN. */
static void take_signals(const char *who, int ready, int taken)
{
	const struct timespec patience = { 180, 0 };
	sigset_t set;
	int got;

	sigemptyset(&set);
	for (int i = 0; i < FORWARDED; i++)
		sigaddset(&set, forwarded[i].number);
	sigprocmask(SIG_BLOCK, &set, NULL);
	(void)write(ready, "", 1);
	for (int n = 0; n < FORWARDED; n++) {
		got = sigtimedwait(&set, NULL, &patience);
		for (int i = 0; i < FORWARDED; i++)
			if (forwarded[i].number == got)
				fact(who, forwarded[i].name);
		(void)!write(taken, "", 1);
	}
}

/*
 * Sends PID 1 all that it forwards. Ourselves and a child in our process group, which
 * is to get COUNT of them, take them; then we live on for longer than the grace of
 * PID 1's end.
 */
static void signals(int count)
{
	int ready[2], taken[2];
	pid_t child, sender;
	char byte;

	if (pipe(ready) < 0 || pipe(taken) < 0)
		fatal("pipe");
	child = fork();
	if (child == 0) {
		take_signals("child", ready[1], taken[1]);
		_exit(0);
	}
	sender = fork();
	if (sender == 0) {
		setsid(); /* out of the group that gets them */
		(void)read(ready[0], &byte, 1);
		(void)read(ready[0], &byte, 1);
		for (int i = 0; i < FORWARDED; i++)
			kill(1, forwarded[i].number);
		_exit(0);
	}
	take_signals("app", ready[1], -1);
	waitpid(sender, NULL, 0);
	while (count-- > 0)
		(void)!read(taken[0], &byte, 1);
	nap_ms(3000);
	kill(child, SIGKILL); /* it has got what it gets */
	waitpid(child, NULL, 0);
	fact("after", "alive");
}

static void do_signals(void)
{
	signals(0);
}

static void do_signals_to_group(void)
{
	signals(FORWARDED);
}

static void do_tell_init(const char *number)
{
	if (kill(1, atoi(number)) < 0)
		fatal("kill");
}

/* A daemon that stays; POLITE ends at SIGTERM and says so. */
static void leave(const char *who, bool polite)
{
	sigset_t set;
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		fatal("pipe");
	switch (fork()) {
	case -1:
		fatal("fork");
	case 0:
		setsid();
		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigprocmask(SIG_BLOCK, &set, NULL);
		(void)write(ready[1], "", 1);
		do {
			sigwaitinfo(&set, NULL);
			fact(who, "TERM");
		} while (!polite);
		_exit(0);
	}
	(void)read(ready[0], &byte, 1);
	close(ready[0]);
	close(ready[1]);
}

static void do_leave_polite(void)
{
	leave("polite", true);
}

static void do_leave_stubborn(void)
{
	leave("stubborn", false);
}

/* One in our process group, that tells of QUIT and ends at TERM. */
static void do_leave_in_group(void)
{
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (fork() != 0)
		return;
	do {
		got = sigwaitinfo(&set, NULL);
		fact("group", got == SIGQUIT ? "QUIT" : "TERM");
	} while (got != SIGTERM);
	_exit(0);
}

/* One that is stopped hears nothing but SIGKILL. */
static void do_leave_stopped(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
}

/* What follows writes to the device PATH. */
static void do_onto(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY);

	if (fd < 0)
		_exit(98);
	dup2(fd, 1);
	close(fd);
}

static void do_exec(const char *path)
{
	execl(path, path, NULL);
	fatal(path);
}

/* Does it in a child, and goes on when that has ended, however it did. */
static void apart(void (*with)(const char *argument), const char *argument)
{
	pid_t pid = fork();

	if (pid == 0) {
		with(argument);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void do_run(const char *path)
{
	apart(do_exec, path);
}

static void do_read(const char *path)
{
	char text[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0) {
		fact("read", strerror(errno));
	} else {
		text[n] = '\0';
		text[strcspn(text, "\n")] = '\0';
		fact("read", text);
	}
	if (fd >= 0)
		close(fd);
}

/* Whether a file can be changed: its content, its mode, its name. */
static void do_change(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	fact("write", fd >= 0 ? "ok" : strerror(errno));
	if (fd >= 0)
		close(fd);
	fact("chmod", chmod(path, 0777) == 0 ? "ok" : strerror(errno));
	fact("unlink", unlink(path) == 0 ? "ok" : strerror(errno));
}

/* As another user: whether PATH opens, for reading and writing. */
static void do_open_as(const char *ids)
{
	int uid, gid, status;
	char path[256];
	pid_t pid;

	if (sscanf(ids, "%d:%d:%255s", &uid, &gid, path) != 3)
		fatal(ids);
	pid = fork();
	if (pid == 0) {
		if (setgid((gid_t)gid) < 0 || setuid((uid_t)uid) < 0)
			_exit(255);
		_exit(open(path, O_RDWR | O_CLOEXEC) < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	say("@open=%d %s\n", uid,
	    status == 0 ? "ok" : strerror(WEXITSTATUS(status)));
}

/* --- the NSM, by hand --- */

static uint8_t nsm_answer[12288];

static size_t ask_nsm(const uint8_t *ask, size_t len)
{
	struct {
		uint64_t ask, ask_len, answer, answer_len;
	} call = { (uintptr_t)ask, len, (uintptr_t)nsm_answer,
		   sizeof(nsm_answer) };
	int fd = open("/dev/nsm", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, (int)0xc0200a00, &call) < 0)
		fatal("/dev/nsm");
	close(fd);
	return call.answer_len;
}

/* What follows TEXT in the answer, LEN bytes at least. */
static const uint8_t *answered(size_t answer_len, const char *text, size_t len)
{
	size_t n = strlen(text);
	const uint8_t *p = memmem(nsm_answer, answer_len, text, n);

	if (!p || p + n + len > nsm_answer + answer_len)
		fatal("the NSM's answer");
	return p + n;
}

/* What a PCR holds, and whether it is locked. */
static void do_pcr(const char *number)
{
	/* An index of 8 bits: below 24 a byte, else 0x18 and a byte. */
	uint8_t ask[] = "\xa1\x6b"
			"DescribePCR\xa1\x65"
			"index\x18";
	char key[16], hex[97];
	const uint8_t *data;
	size_t len;

	ask[sizeof(ask) - 1] = (uint8_t)atoi(number);
	if (atoi(number) < 24) {
		ask[sizeof(ask) - 2] = (uint8_t)atoi(number);
		len = ask_nsm(ask, sizeof(ask) - 1);
	} else {
		len = ask_nsm(ask, sizeof(ask));
	}
	data = answered(len, "data\x58\x30", 48);
	for (int i = 0; i < 48; i++)
		sprintf(hex + 2 * i, "%02x", data[i]);
	snprintf(key, sizeof(key), "pcr%s", number);
	fact(key, hex);
	snprintf(key, sizeof(key), "lock%s", number);
	fact(key, *answered(len, "\x64lock", 1) == 0xf5 ? "yes" : "no");
}

/* The same, and if there is no NSM we go on. */
static void do_pcr_in_child(const char *number)
{
	apart(do_pcr, number);
}

static void do_pcrs(void)
{
	for (char number[] = "0"; number[0] < '3'; number[0]++)
		do_pcr(number);
}

/* Extends a PCR below 24 with a byte of zero. */
static void do_extend(const char *number)
{
	uint8_t ask[] = "\xa1\x69"
			"ExtendPCR\xa2\x65"
			"index\x10\x64"
			"data\x41";
	size_t len;

	ask[18] = (uint8_t)atoi(number);
	len = ask_nsm(ask, sizeof(ask));
	say("@extend%s=%s\n", number,
	    memmem(nsm_answer, len, "ReadOnlyIndex", 13) ? "ReadOnlyIndex" :
	    memmem(nsm_answer, len, "ExtendPCR", 9)	 ? "ok" :
							   "?");
}

/* --- what services do --- */

/* Sends TEXT, a newline for each ;, as sd_notify does, with FD if it is one. */
static void notify(const char *text, int fd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	char line[8192];
	struct iovec part = { .iov_base = line };
	struct msghdr m = { .msg_name = &to,
			    .msg_iov = &part,
			    .msg_iovlen = 1 };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!path) {
		say("@notify=no NOTIFY_SOCKET\n");
		return;
	}
	snprintf(line, sizeof(line), "%s", text);
	part.iov_len = strlen(line);
	for (char *c = line; *c; c++)
		if (*c == ';')
			*c = '\n';
	memcpy(to.sun_path, path, strlen(path));
	m.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				    strlen(path) + (*path == '/'));
	if (*path == '@')
		to.sun_path[0] = '\0';
	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
	}
	if (sendmsg(sock, &m, 0) < 0)
		say("@notify=%s\n", strerror(errno));
	close(sock);
}

static void do_notify(const char *text)
{
	notify(text, -1);
}

/* Whether the other end of a pipe is closed once all before it was read. */
static void do_barrier(void)
{
	struct pollfd p = { .events = 0 };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	notify("BARRIER=1", fds[1]);
	close(fds[1]);
	p.fd = fds[0];
	say("@barrier=%s\n", poll(&p, 1, 120000) == 1 ? "passed" : "late");
}

static void in_child(const char *text, bool of_session)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (!of_session)
			setsid();
		notify(text, -1);
		/* The sender is looked up when the message is read. */
		do_barrier();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void do_notify_child(const char *text)
{
	in_child(text, true);
}

static void do_notify_outsider(const char *text)
{
	in_child(text, false);
}

static void do_flood_notify(const char *count)
{
	for (int i = atoi(count); i > 0; i--)
		notify("STATUS=flood", -1);
}

/* One more than FILE says, which is told and kept there. */
static int count_in(const char *file)
{
	char text[16] = "";
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666), n;

	(void)!read(fd, text, sizeof(text) - 1);
	n = atoi(text) + 1;
	snprintf(text, sizeof(text), "%d", n);
	(void)!pwrite(fd, text, strlen(text), 0);
	close(fd);
	return n;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void do_start(const char *name)
{
	char file[64];

	snprintf(file, sizeof(file), "/run/starts-%s", name);
	say("@start=%s %d %lld\n", name, count_in(file), now_ms());
}

/* FILE:N:CODE: exits with CODE the first N times. */
static void do_fail(const char *what)
{
	char file[64];
	int times, code;

	if (sscanf(what, "%63[^:]:%d:%d", file, &times, &code) == 3 &&
	    count_in(file) <= times)
		exit(code);
}

static void do_env(const char *name)
{
	const char *value = getenv(name);

	say("@env.%s=%s\n", name, value ? value : "(unset)");
}

static int number_of(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	return atoi(text);
}

static void do_sysctls(void)
{
	say("@sysctls=%d %d\n", number_of("/proc/sys/net/ipv4/ip_forward"),
	    number_of("/proc/sys/net/ipv4/ip_default_ttl"));
	say("@locks=%d %d %d\n", number_of("/proc/sys/kernel/modules_disabled"),
	    number_of("/proc/sys/kernel/kexec_load_disabled"),
	    number_of("/proc/sys/kernel/yama/ptrace_scope"));
}

static void do_cwd(void)
{
	char path[512];

	fact("cwd", getcwd(path, sizeof(path)) ? path : strerror(errno));
}

static void do_make(const char *path)
{
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
}

static void do_remove(const char *path)
{
	unlink(path);
}

static void do_await(const char *path)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	for (int i = 0; access(path, F_OK) < 0; i++) {
		if (i == 36000) { /* three minutes */
			say("@await=%s is not there\n", path);
			exit(98);
		}
		nanosleep(&pause, NULL);
	}
}

static void stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGABRT);
	sigprocmask(SIG_BLOCK, set, NULL);
}

/* Tells TERM, and ends then. */
static void do_until_term(const char *name)
{
	sigset_t set;
	int sig;

	stop_signals(&set);
	say("@waits=%s\n", name);
	sigwait(&set, &sig);
	say("@stopped=%s %s\n", name, strsignal(sig));
}

static void do_ignore_term(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGABRT, SIG_IGN);
}

static void do_reboot(void)
{
	(void)reboot(RB_AUTOBOOT);
	fatal("reboot");
}

/* What a port of a CID, "CID:PORT", says before its end, at most 100 bytes. */
static void do_dial(const char *where)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[100];
	ssize_t n = -1;

	if (sscanf(where, "%u:%u", &at.svm_cid, &at.svm_port) == 2 &&
	    connect(fd, (const void *)&at, sizeof(at)) == 0)
		n = read(fd, text, sizeof(text));
	say("@dial=%s %s\n", where,
	    n < 0  ? strerror(errno) :
	    n == 0 ? "nothing" :
		     "bytes");
	close(fd);
}

static void do_listen(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(port)),
				  .sin_addr.s_addr = htonl(0x7f000001) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && bind(fd, (const void *)&at, sizeof(at)) == 0 &&
		  listen(fd, 1) == 0;

	say("@listen%s=%s\n", port, ok ? "ok" : strerror(errno));
}

/* Writes PATH-1, or if that is there PATH-2, and so on: how often it has come here. */
static void do_count(const char *path)
{
	char name[256];
	int fd = -1;

	for (int i = 1; fd < 0 && i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "%s-%d", path, i);
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	}
	close(fd);
}

/* Sends the command TEXT to init's socket: the answer with | for each newline but the last. */
static void ask(const char *text, char *answer, size_t cap)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX,
				  .sun_path = "/run/enclave/control" };
	size_t len = 0;
	ssize_t n;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const void *)&to, sizeof(to)) < 0) {
		(void)snprintf(answer, cap, "%s", strerror(errno));
		close(fd);
		return;
	}
	(void)!write(fd, text, strlen(text));
	(void)!write(fd, "\n", 1);
	while (len < cap - 1 && (n = read(fd, answer + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	if (len > 0 && answer[len - 1] == '\n')
		len--;
	answer[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (answer[i] == '\n')
			answer[i] = '|';
}

/* The same, again while the services are not all ready. */
static void do_ask(const char *text)
{
	static char answer[8192];

	ask(text, answer, sizeof(answer));
	while (strncmp(answer, "no: not all ", 12) == 0) {
		nap_ms(5);
		ask(text, answer, sizeof(answer));
	}
	printf("@answer=%s\n", answer);
	fflush(stdout);
}

/* A line as it is, to descriptor 1, or 2. */
static void do_put(const char *text)
{
	say("%s\n", text);
}

static void do_put_error(const char *text)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	if (n > 0)
		(void)!write(2, line, strlen(line));
}

static const struct verb actions[] = {
	{ "exit", .with = do_exit },
	{ "reap", .plain = do_reap },
	{ "segv", .plain = do_segv },
	{ "kill-self", .with = do_kill_self },
	{ "sleep", .with = do_sleep },
	{ "tell-init", .with = do_tell_init },
	{ "say", .with = do_say },
	{ "at", .plain = do_at },
	{ "privileges", .plain = do_privileges },
	{ "read", .with = do_read },
	{ "stop-console", .plain = do_stop_console },
	{ "flood", .with = do_flood },
	{ "fill-console", .plain = do_fill_console },
	{ "nonblock", .plain = do_nonblock },
	{ "flood-behind", .plain = do_flood_behind },
	{ "orphans", .with = do_orphans },
	{ "idle", .plain = do_idle },
	{ "wakeups", .plain = do_wakeups },
	{ "eat", .plain = do_eat },
	{ "eat-in-child", .plain = do_eat_in_child },
	{ "escape", .plain = do_escape },
	{ "signals", .plain = do_signals },
	{ "signals-to-group", .plain = do_signals_to_group },
	{ "leave-polite", .plain = do_leave_polite },
	{ "leave-in-group", .plain = do_leave_in_group },
	{ "leave-chains", .with = do_leave_chains },
	{ "leave-stubborn", .plain = do_leave_stubborn },
	{ "leave-stopped", .plain = do_leave_stopped },
	{ "pcrs", .plain = do_pcrs },
	{ "pcr", .with = do_pcr },
	{ "pcr-in-child", .with = do_pcr_in_child },
	{ "extend", .with = do_extend },
	{ "change", .with = do_change },
	{ "open-as", .with = do_open_as },
	{ "listen", .with = do_listen },
	{ "onto", .with = do_onto },
	{ "exec", .with = do_exec },
	{ "run", .with = do_run },
	{ "notify", .with = do_notify },
	{ "notify-child", .with = do_notify_child },
	{ "notify-outsider", .with = do_notify_outsider },
	{ "flood-notify", .with = do_flood_notify },
	{ "barrier", .plain = do_barrier },
	{ "start", .with = do_start },
	{ "fail", .with = do_fail },
	{ "env", .with = do_env },
	{ "sysctls", .plain = do_sysctls },
	{ "cwd", .plain = do_cwd },
	{ "make", .with = do_make },
	{ "remove", .with = do_remove },
	{ "await", .with = do_await },
	{ "until-term", .with = do_until_term },
	{ "ignore-term", .plain = do_ignore_term },
	{ "reboot", .plain = do_reboot },
	{ "count", .with = do_count },
	{ "ask", .with = do_ask },
	{ "put", .with = do_put },
	{ "put-error", .with = do_put_error },
	{ "dial", .with = do_dial },
};

int main(int argc, char **argv)
{
	sigset_t set;

	/* Before anything is told that leads to such a signal. */
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "until-term") == 0)
			stop_signals(&set);
	return run_verbs(actions, sizeof(actions) / sizeof(actions[0]), argc,
			 argv);
}
