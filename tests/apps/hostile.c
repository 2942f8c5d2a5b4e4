/*
 * What an image may do to its init, and must not get away with: does what the
 * arguments say, one after the other, and exits with 0. What it has done it says as
 * "@key=value" lines, so that a test can wait for it. Verbs that go on for ever
 * are the last of a line.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
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
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tests/apps/verbs.h"

#define FOLDER "/run/enclave/notify"

/* Between two looks at a file: in an emulator each takes a while. */
enum { PAUSE_MS = 20 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nap_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

_Noreturn static void for_ever(void)
{
	for (;;)
		pause();
}

static void make(const char *path)
{
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
}

/* --- other processes --- */

static size_t command_of(int pid, char *line, size_t cap)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, line, cap);
	close(fd);
	return n < 0 ? 0 : (size_t)n;
}

/* Real user, parent and state of PID; false: it is gone. */
static bool status_of(int pid, unsigned int *uid, int *parent, char *state)
{
	char path[64], line[256];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		found += sscanf(line, "State: %c", state) == 1 ||
			 sscanf(line, "PPid: %d", parent) == 1 ||
			 sscanf(line, "Uid: %u", uid) == 1;
	fclose(f);
	return found == 3;
}

/* Whether PID is a child of PID 1 that has not executed its program yet. */
static bool is_before_exec(int pid)
{
	char mine[256], first[256];
	size_t n = command_of(1, first, sizeof(first));

	return n > 0 && command_of(pid, mine, sizeof(mine)) == n &&
	       memcmp(mine, first, n) == 0;
}

/* The next process behind AFTER that is the caller's user's and not itself; 0: none. */
static int next_of_mine(int after)
{
	unsigned int uid = 0;
	int best = 0, parent;
	struct dirent *e;
	char state;
	DIR *d = opendir("/proc");

	while (d && (e = readdir(d))) {
		int pid = atoi(e->d_name);

		if (pid > after && pid > 1 && pid != getpid() &&
		    (best == 0 || pid < best) &&
		    status_of(pid, &uid, &parent, &state) && uid == getuid())
			best = pid;
	}
	if (d)
		closedir(d);
	return best;
}

/* --- starts that are held --- */

/*
 * Whoever has the user of a service can stop the child that is about to become it.
 * What comes through all the same is killed, so that there is a next try.
 */
static void do_stop_others(void)
{
	int held = 0, times = 0;
	unsigned int uid;
	int parent;
	char state;

	say("@stops=%d\n", getpid());
	for (;;) {
		/* Many: what lies between setuid and execve is short. */
		for (int i = 0; i < 2000 && times == 0; i++)
			kill(-1, SIGSTOP);
		for (int pid = 0; (pid = next_of_mine(pid)) > 0;) {
			if (!status_of(pid, &uid, &parent, &state))
				continue;
			if (!is_before_exec(pid)) {
				kill(pid, SIGKILL);
			} else if (state == 'T' && (held == 0 || pid == held)) {
				held = pid;
				if (++times == 3) {
					say("@held=%d\n", pid);
					make("/tmp/held");
				}
				nap_ms(20);
			}
		}
		if (held && kill(held, 0) < 0)
			held = times = 0;
	}
}

/* Holds a lease on PATH; who opens or executes it waits for fs.lease-break-time. */
static void do_lease(const char *path)
{
	sigset_t set;
	int fd, sig;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Not while it runs, or while somebody has it open. */
	while ((fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)) < 0 ||
	       fcntl(fd, F_SETLEASE, F_WRLCK) < 0) {
		if (fd < 0 && errno != ETXTBSY)
			fatal(path);
		if (fd >= 0)
			close(fd);
		nap_ms(1);
	}
	say("@lease=%s\n", path);
	make("/tmp/leased");
	for (;;) {
		sigwait(&set, &sig);
		say("@breaking=%s\n", path);
		make("/tmp/breaking");
	}
}

/* Ends with 1, and leaves a process in a session of its own, which goes on. */
static void do_leftover(void)
{
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		fatal("pipe");
	switch (fork()) {
	case -1:
		fatal("fork");
	case 0:
		setsid();
		(void)!write(ready[1], "", 1);
		close(ready[0]);
		close(ready[1]);
		while (getppid() != 1)
			nap_ms(1);
		return;
	}
	close(ready[1]);
	(void)!read(ready[0], &byte, 1);
	_exit(1);
}

/* The next time that FILE is there it makes FILE.again, and does nothing but wait. */
static void do_once(const char *file)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	char again[128];

	if (fd < 0) {
		say("@again=%s\n", file);
		snprintf(again, sizeof(again), "%s.again", file);
		make(again);
		for_ever();
	}
	close(fd);
}

/* USR1, of whoever watches. */
static void do_await_signal(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say("@waits=%d\n", getpid());
	sigwait(&set, &sig);
}

static void do_await(const char *path)
{
	while (access(path, F_OK) < 0)
		nap_ms(PAUSE_MS);
}

/* FILE:SIZE: until it has that many bytes. */
static void do_await_size(const char *what)
{
	struct stat st;
	char file[128];
	int size;

	if (sscanf(what, "%127[^:]:%d", file, &size) != 2)
		fatal(what);
	while (stat(file, &st) < 0 || st.st_size < size)
		nap_ms(PAUSE_MS);
}

static bool has_argument(int pid, const char *word)
{
	char line[512];
	size_t n = command_of(pid, line, sizeof(line) - 1), len;

	line[n] = '\0';
	for (size_t at = 0; at < n; at += len + 1) {
		len = strlen(line + at);
		if (strcmp(line + at, word) == 0)
			return true;
	}
	return false;
}

/* How many other processes have WORD among their arguments; adds their processor time in ticks. */
static int count_processes(const char *word, unsigned long *ticks)
{
	unsigned long user, kernel;
	struct dirent *e;
	char path[64];
	int n = 0;
	DIR *d = opendir("/proc");
	FILE *f;

	while (d && (e = readdir(d))) {
		int pid = atoi(e->d_name);

		if (pid <= 1 || pid == getpid() || !has_argument(pid, word))
			continue;
		n++;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "re");
		if (f &&
		    fscanf(f,
			   "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u "
			   "%*u %*u %lu %lu",
			   &user, &kernel) == 2)
			*ticks += user + kernel;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return n;
}

static void do_processes(const char *word)
{
	unsigned long ticks = 0;
	int n = count_processes(word, &ticks);

	say("@processes=%s %d %lu\n", word, n, ticks);
}

/* WORD:N: until no more than N processes have WORD, or for a minute: `processes` says how many have. */
static void do_await_few(const char *what)
{
	double end = now() + 60;
	unsigned long ticks = 0;
	char word[128];
	int most;

	if (sscanf(what, "%127[^:]:%d", word, &most) != 2)
		fatal(what);
	while (count_processes(word, &ticks) > most && now() < end)
		nap_ms(5);
}

/* Seizes the process that has WORD among its arguments and kills it; it stays a zombie as long as we live. */
static void do_trace_and_kill(const char *word)
{
	for (;; nap_ms(5)) {
		for (int pid = 0; (pid = next_of_mine(pid)) > 0;) {
			if (!has_argument(pid, word) ||
			    ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
				continue;
			kill(pid, SIGKILL);
			say("@traced=%d\n", pid);
			for_ever();
		}
	}
}

/* --- messages --- */

static int notify_at(const char *path, const char *text, int fd)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	char line[256];
	struct iovec part = { .iov_base = line };
	struct msghdr m = { .msg_name = &to,
			    .msg_iov = &part,
			    .msg_iovlen = 1 };
	int sock, r = 0;

	if (!path || strlen(path) >= sizeof(to.sun_path))
		return -EINVAL;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(line, sizeof(line), "%s", text);
	part.iov_len = strlen(line);
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
		r = -errno;
	close(sock);
	return r;
}

static int notify(const char *text, int fd)
{
	return notify_at(getenv("NOTIFY_SOCKET"), text, fd);
}

/* Says what came of it, if it is an error. */
static void try_notify(const char *text)
{
	int r = notify(text, -1);

	if (r < 0)
		say("@notify=%s\n", strerror(-r));
}

static void do_notify(const char *text)
{
	try_notify(text);
}

/* By a child that has ended and been waited for when PID 1 reads the message. */
static void do_notify_gone(const char *text)
{
	pid_t pid = fork();

	if (pid == 0) {
		try_notify(text);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* As dumb-init, su -c and daemons do: by a process of another session. */
static void do_notify_session(const char *text)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		try_notify(text);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void become(unsigned int id)
{
	if (setgroups(0, NULL) < 0 || setgid(id) < 0 || setuid(id) < 0)
		fatal("setuid");
}

/* As su -c does: by a child that has become the user of UID:TEXT. */
static void do_notify_as(const char *what)
{
	const char *text = strchr(what, ':');
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		become((unsigned int)atoi(what));
		try_notify(text ? text + 1 : "");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* Where our messages go, for notify-other. */
static void do_put_socket(const char *file)
{
	const char *path = getenv("NOTIFY_SOCKET");
	char name[160];
	int fd;

	snprintf(name, sizeof(name), "%s.new", file);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	(void)!write(fd, path, strlen(path));
	close(fd);
	(void)rename(name, file);
}

/* FILE:TEXT: to another service's socket, if it can be found without FILE, which says where it is. */
static void do_notify_other(const char *what)
{
	const char *text = strchr(what, ':');
	char file[128], path[128] = "";
	DIR *d = opendir(FOLDER);
	int fd, r;

	say("@list=%s\n", d ? "ok" : strerror(errno));
	if (!text)
		fatal(what);
	snprintf(file, sizeof(file), "%.*s", (int)(text - what), what);
	while ((fd = open(file, O_RDONLY | O_CLOEXEC)) < 0)
		nap_ms(5);
	(void)!read(fd, path, sizeof(path) - 1);
	close(fd);
	r = notify_at(path, text + 1, -1);
	say("@other=%s\n", r < 0 ? strerror(-r) : "sent");
}

/* Whether the other end of a pipe is closed once all before it was read. */
static void do_barrier(void)
{
	struct pollfd p = { .events = 0 };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0 || notify("BARRIER=1", fds[1]) < 0)
		return;
	close(fds[1]);
	p.fd = fds[0];
	say("@barrier=%s\n", poll(&p, 1, 120000) == 1 ? "passed" : "late");
}

/* MS:COUNT:FILE: a sign of life each MS; FILE is made after COUNT of them. */
static void do_pings(const char *what)
{
	char file[128];
	int ms, count;

	if (sscanf(what, "%d:%d:%127s", &ms, &count, file) != 3)
		fatal(what);
	for (int i = 1;; i++) {
		notify("WATCHDOG=1", -1);
		if (i == count)
			make(file);
		nap_ms(ms);
	}
}

/* COUNT processes that each send descriptors to every socket that there is. */
static void do_flood_descriptors(const char *count)
{
	char paths[16][160];
	struct dirent *e;
	size_t n = 0;
	DIR *d = opendir(FOLDER);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (!d)
		snprintf(paths[n++], sizeof(paths[0]), "%s", FOLDER);
	/* A folder may be closed to who looks, and open to who knows. */
	snprintf(paths[n++], sizeof(paths[0]), FOLDER "/main");
	while (d && n < 16 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			snprintf(paths[n++], sizeof(paths[0]), FOLDER "/%.100s",
				 e->d_name);
	for (int i = atoi(count); i > 1; i--)
		if (fork() == 0)
			break;
	say("@floods=%d\n", getpid());
	for (;;)
		for (size_t i = 0; i < n; i++)
			(void)notify_at(paths[i], "FDSTORE=1", fd);
}

/* Sockets that block who closes them last for an hour, to the socket of messages. */
static void do_send_lingering(void)
{
	enum { TIMES = 3 };
	const struct linger linger = { .l_onoff = 1, .l_linger = 3600 };
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(0x7f000001) };
	static char data[65536];
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	pid_t pid;

	if (bind(listener, (void *)&at, sizeof(at)) < 0 ||
	    listen(listener, TIMES) < 0 ||
	    getsockname(listener, (void *)&at, &len) < 0)
		fatal("listen");
	for (int i = 0; i < TIMES; i++) {
		pid = fork();
		if (pid > 0) {
			waitpid(pid, NULL, 0);
			continue;
		}
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (void *)&at, sizeof(at)) < 0 ||
		    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger,
			       sizeof(linger)) < 0 ||
		    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
			fatal("SO_LINGER");
		while (write(fd, data, sizeof(data)) > 0)
			;
		/* An exit does not linger: who is to close last is PID 1. */
		(void)notify("STATUS=lingers", fd);
		_exit(0);
	}
	say("@lingering=sent\n");
}

/* --- FUSE, by hand --- */

enum {
	FUSE_LOOKUP = 1,
	FUSE_GETATTR = 3,
	FUSE_OPEN = 14,
	FUSE_FLUSH = 25,
	FUSE_INIT = 26,
};

struct fuse_in {
	uint32_t len, opcode;
	uint64_t unique, node;
	uint32_t uid, gid, pid, padding;
};

struct fuse_out {
	uint32_t len;
	int32_t error;
	uint64_t unique;
};

static void answer(int fd, uint64_t unique, int error, const void *data,
		   size_t len)
{
	struct fuse_out head = { (uint32_t)(sizeof(head) + len), error,
				 unique };
	struct iovec parts[] = {
		{ &head, sizeof(head) },
		{ (void *)(uintptr_t)data, len },
	};

	(void)!writev(fd, parts, 2);
}

/* Of one file, which is open to all; SILENT is the request that is never answered. */
_Noreturn static void serve(int fd, uint32_t silent, uint32_t mode)
{
	static char request[1 << 17];
	const struct fuse_in *in = (const void *)request;
	const uint32_t init[16] = { 7, 31, 0, 0, 0, 4096 };
	struct {
		uint64_t valid;
		uint32_t valid_nsec, dummy;
		uint64_t ino, size, blocks, times[3];
		uint32_t nsec[3], mode, nlink, uid, gid, rdev, blksize, pad;
	} attr = { .valid = 0, .ino = 1, .mode = mode, .nlink = 1 };
	const uint64_t opened[2] = { 1, 0 };

	for (;;) {
		if (read(fd, request, sizeof(request)) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			_exit(0);
		}
		if (in->opcode == silent) {
			say("@unanswered=%u\n", silent);
			continue;
		}
		switch (in->opcode) {
		case FUSE_INIT:
			answer(fd, in->unique, 0, init, sizeof(init));
			break;
		case FUSE_GETATTR:
			answer(fd, in->unique, 0, &attr, sizeof(attr));
			break;
		case FUSE_OPEN:
			answer(fd, in->unique, 0, opened, sizeof(opened));
			break;
		default:
			answer(fd, in->unique, -ENOSYS, NULL, 0);
		}
	}
}

static void mount_fuse(const char *path, uint32_t silent, uint32_t mode)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fatal("/dev/fuse");
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other", fd,
		 mode);
	if (mount("hostile", path, "fuse", 0, options) < 0)
		fatal(path);
	if (fork() == 0) {
		setsid();
		serve(fd, silent, mode);
	}
	close(fd);
}

/* A file at PATH whose close is never through, sent to the socket of messages. */
static void do_send_fuse(const char *path)
{
	pid_t pid;

	mount_fuse(path, FUSE_FLUSH, S_IFREG | 0666);
	pid = fork();
	if (pid == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);
		int r = fd < 0 ? -errno : notify("STATUS=closes", fd);

		say("@fuse=%s\n", r < 0 ? strerror(-r) : "sent");
		for_ever(); /* our own close would not be through, either */
	}
}

/* Looking up anything in folder PATH is never through. */
static void do_hang_folder(const char *path)
{
	mount_fuse(path, FUSE_LOOKUP, S_IFDIR | 0777);
	say("@hangs=%s\n", path);
}

/* --- what is everybody's --- */

static void do_kill_all(const char *ms)
{
	double end = now() + atof(ms) / 1000;
	long times = 0;

	while (now() < end) {
		kill(-1, SIGKILL);
		times++;
	}
	say("@killed=%ld\n", times);
}

static void do_stop_all(const char *ms)
{
	double end = now() + atof(ms) / 1000;
	long times = 0;

	while (now() < end) {
		kill(-1, SIGSTOP);
		times++;
	}
	say("@stopped=%ld\n", times);
}

/* Somebody who traces us, and who will not hear that we have ended. */
static void do_be_traced(void)
{
	pid_t parent = getpid();
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		fatal("pipe");
	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	if (fork() == 0) {
		setsid();
		signal(SIGTERM, SIG_IGN);
		byte = ptrace(PTRACE_SEIZE, parent, NULL, NULL) == 0 ? 0 : 1;
		(void)!write(ready[1], &byte, 1);
		for_ever();
	}
	(void)!read(ready[0], &byte, 1);
	say("@traced=%s\n", byte ? "no" : "yes");
}

/*
 * Somebody who at the end sets the clock back to the year 1970, and again when it has
 * gone on from there: a deadline by that clock never comes, whether it was made before
 * or afterwards.
 */
static void do_turn_back(void)
{
	const struct timespec long_ago = { .tv_sec = 86400 };
	const struct timespec soon = { .tv_nsec = 10 * 1000 * 1000 };
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGHUP, SIG_IGN); /* before it may come: we end at once */
	if (fork() == 0) {
		setsid();
		sigwait(&set, &sig);
		while (clock_settime(CLOCK_REALTIME, &long_ago) == 0)
			(void)nanosleep(&soon, NULL);
		say("@clock=%s\n", strerror(errno));
		for_ever();
	}
	signal(SIGHUP, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	say("@clock=waits\n");
}

/* Somebody who does not end, and comes before all others on each processor. */
static void do_hog(void)
{
	const struct sched_param first = { .sched_priority = 50 };
	int fds[2];
	char byte = 1;

	if (pipe2(fds, O_CLOEXEC) < 0)
		fatal("pipe");
	if (fork() == 0) {
		setsid();
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		byte = syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &first) <
		       0;
		(void)!write(fds[1], &byte, 1);
		for (volatile int i = 0;; i++)
			;
	}
	(void)!read(fds[0], &byte, 1);
	say("@hog=%s\n", byte ? "no" : "yes");
}

/* As a shell's ^Z and fg: somebody else continues us. */
static void do_stop_self(void)
{
	pid_t parent = getpid();
	unsigned int uid;
	char state = 'R';
	int its;

	if (fork() == 0) {
		setsid();
		while (state != 'T' && status_of(parent, &uid, &its, &state))
			nap_ms(5);
		nap_ms(500);
		kill(parent, SIGCONT);
		_exit(0);
	}
	raise(SIGSTOP);
	say("@continued=yes\n");
}

/* Until there is no process more to be had. */
static void do_fill_pids(void)
{
	int n = 0;
	pid_t pid;

	while ((pid = fork()) > 0)
		n++;
	if (pid == 0)
		for_ever();
	say("@full=%d %s\n", n, strerror(errno));
}

/* A file in folder PATH that takes all that there is. */
static void do_fill_file(const char *path)
{
	static char data[1 << 16];
	char name[160];
	long kib = 0;
	ssize_t n;
	int fd;

	memset(data, 1, sizeof(data));
	snprintf(name, sizeof(name), "%s/filler", path);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		say("@filled=%s 0 %s\n", path, strerror(errno));
		return;
	}
	while ((n = write(fd, data, sizeof(data))) > 0)
		kib += n / 1024;
	say("@filled=%s %ld %s\n", path, kib, strerror(errno));
	close(fd);
}

/* COUNT:PATH: a folder PATH with so many empty files. */
static void do_fill_folder(const char *what)
{
	char path[128], name[16];
	int count, n = 0, folder;

	if (sscanf(what, "%d:%127s", &count, path) != 2)
		fatal(what);
	(void)mkdir(path, 0755);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	errno = 0;
	for (; n < count; n++) {
		snprintf(name, sizeof(name), "%d", n);
		/* One call where open and close would be two. */
		if (mknodat(folder, name, S_IFREG | 0600, 0) < 0)
			break;
	}
	say("@files=%s %d %s\n", path, n, n < count ? strerror(errno) : "ok");
	if (folder >= 0)
		close(folder);
}

/* That part of the machine's memory, in percent, is still to be had. */
static void do_allocate(const char *percent)
{
	long kib = 0;
	FILE *f = fopen("/proc/meminfo", "re");
	size_t len;
	char *p;

	if (!f || fscanf(f, "MemTotal: %ld", &kib) != 1)
		fatal("/proc/meminfo");
	fclose(f);
	len = (size_t)kib * 1024 / 100 * (size_t)atoi(percent);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	for (size_t i = 0; p != MAP_FAILED && i < len; i += 4096)
		p[i] = 1;
	say("@allocated=%s\n", p == MAP_FAILED ? strerror(errno) : percent);
	munmap(p, len);
}

/* Runs on processor CPU alone, as much as it gets. */
static void do_spin(const char *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)atoi(cpu), &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fatal("sched_setaffinity");
	say("@spins=%d\n", getpid());
	for (volatile int i = 0;; i++)
		;
}

/* --- the console --- */

static void do_flow(const char *what)
{
	if (tcflow(1, strcmp(what, "off") == 0 ? TCOOFF : TCOON) < 0)
		fatal("tcflow");
}

/*
 * What goes to the console goes to a terminal that nobody reads, and that is full. It is
 * stopped, too: the kernel moves what was written on to the other side, and that makes
 * room for a line.
 */
static void do_take_console(void)
{
	static const char data[1024] = { 1 };
	int unlock = 0, number, tty;
	char path[32];
	int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 ||
	    ioctl(master, (int)TIOCGPTN, &number) < 0)
		fatal("ptmx");
	snprintf(path, sizeof(path), "/dev/pts/%d", number);
	tty = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (tty < 0)
		fatal(path);
	while (write(tty, data, sizeof(data)) > 0)
		;
	if (tcflow(tty, TCOOFF) < 0)
		fatal("tcflow");
	say("@console=taking\n");
	(void)fcntl(tty, F_SETFL, O_RDWR);
	if (ioctl(tty, TIOCCONS, 0) < 0)
		say("@console=%s\n", strerror(errno));
}

/* What is open stays so when we end. */
static void do_hold(void)
{
	/* Before they may come: we end at once. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (fork() == 0) {
		setsid();
		for_ever();
	}
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
}

/* --- what may be written --- */

static void tell(const char *what, const char *path, bool good)
{
	say("@%s=%s %s\n", what, path, good ? "ok" : strerror(errno));
}

static void do_try_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	tell("write", path, fd >= 0);
	if (fd >= 0)
		close(fd);
}

static void do_try_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	tell("open", path, fd >= 0);
	if (fd >= 0)
		close(fd);
}

static void do_try_mkdir(const char *path)
{
	tell("mkdir", path, mkdir(path, 0755) == 0);
}

static void do_try_chmod(const char *path)
{
	tell("chmod", path, chmod(path, 0755) == 0);
}

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error;
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return n == (ssize_t)strlen(text);
}

/* PATH=TEXT: writes that. */
static void do_put(const char *what)
{
	const char *text = strchr(what, '=');
	char path[256];

	if (!text)
		fatal(what);
	snprintf(path, sizeof(path), "%.*s", (int)(text - what), what);
	tell("put", path, put(path, text + 1));
}

/* A FIFO in the place of PATH: who opens it waits for a writer. */
static void do_make_fifo(const char *path)
{
	tell("unlink", path, unlink(path) == 0);
	tell("fifo", path, mkfifo(path, 0666) == 0);
}

/* --- name spaces of its own, in which who has no capability has all of them --- */

static bool enter_namespaces(int more)
{
	char map[64];
	unsigned int uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | more) < 0)
		return false;
	if (!put("/proc/self/setgroups", "deny"))
		return false;
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (!put("/proc/self/uid_map", map))
		return false;
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return put("/proc/self/gid_map", map);
}

/* Mounts /proc anew and opens what PID 1 hides there. */
static void do_fresh_proc(void)
{
	pid_t pid = fork();

	if (pid > 0) {
		waitpid(pid, NULL, 0);
		return;
	}
	if (!enter_namespaces(CLONE_NEWPID)) {
		say("@fresh=unshare: %s\n", strerror(errno));
		_exit(0);
	}
	pid = fork(); /* the first of the new one */
	if (pid > 0) {
		waitpid(pid, NULL, 0);
		_exit(0);
	}
	mkdir("/tmp/fresh", 0755);
	if (mount("proc", "/tmp/fresh", "proc", 0, NULL) < 0)
		say("@fresh=mount: %s\n", strerror(errno));
	else
		say("@fresh=%s\n", open("/tmp/fresh/sys/kernel/core_pattern",
					O_WRONLY | O_CLOEXEC) < 0 ?
					   strerror(errno) :
					   "ok");
	_exit(0);
}

/* Freezes PID 1 by a control group: of /sys/fs/cgroup, or of a mount of its own. */
static void freeze(const char *folder)
{
	char path[160];
	bool moved;

	snprintf(path, sizeof(path), "%s/hostile", folder);
	(void)mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/hostile/cgroup.procs", folder);
	moved = put(path, "1");
	say("@moved=%s %s\n", folder, moved ? "ok" : strerror(errno));
	if (!moved)
		return;
	snprintf(path, sizeof(path), "%s/hostile/cgroup.freeze", folder);
	(void)put(path, "1");
	snprintf(path, sizeof(path), "%s/hostile/freezer.state", folder);
	(void)put(path, "FROZEN");
}

static void do_freeze_init(void)
{
	pid_t pid;

	(void)chmod("/sys/fs/cgroup", 0755);
	(void)chmod("/sys/fs/cgroup/freezer", 0755);
	freeze("/sys/fs/cgroup");
	freeze("/sys/fs/cgroup/freezer");
	pid = fork();
	if (pid > 0) {
		waitpid(pid, NULL, 0);
		return;
	}
	if (!enter_namespaces(CLONE_NEWCGROUP)) {
		say("@moved=unshare: %s\n", strerror(errno));
		_exit(0);
	}
	mkdir("/tmp/groups", 0755);
	if (mount("c", "/tmp/groups", "cgroup2", 0, NULL) == 0)
		freeze("/tmp/groups");
	if (mount("c", "/tmp/groups", "cgroup", 0, "freezer") == 0)
		freeze("/tmp/groups");
	_exit(0);
}

static void do_crash(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	pid_t pid = fork();

	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &all);
		abort();
	}
	waitpid(pid, NULL, 0);
}

/* --- who gets which signal --- */

/*
 * A master with a worker. At SIGNAL the master asks its worker, which handles
 * no signal, to finish what it does, and ends with 0.
 */
static void do_master(const char *name)
{
	int ask[2], done[2], sig;
	sigset_t set;
	char byte;

	sigemptyset(&set);
	for (int i = 1; i < 32; i++)
		if (i != SIGCHLD)
			sigaddset(&set, i);
	if (pipe2(ask, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0)
		fatal("pipe");
	if (fork() == 0) {
		(void)!read(ask[0], &byte, 1);
		(void)!write(done[1], "", 1);
		_exit(0);
	}
	close(done[1]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say("@master=%s\n", name);
	sigwait(&set, &sig);
	nap_ms(100); /* the worker's death, if it is to die, needs no longer */
	(void)!write(ask[1], "", 1);
	say("@worker=%s %s\n", strsignal(sig),
	    read(done[0], &byte, 1) == 1 ? "finished" : "died");
}

/* Takes the process number that FILE says once it is free, in a session of its own, and says which signal comes. */
static void do_take_pid(const char *file)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal,
			stack, stack_size, tls, set_tid, set_tid_size, cgroup;
	} args = { .exit_signal = SIGCHLD, .set_tid_size = 1 };
	sigset_t set;
	pid_t wanted;
	int sig;
	long r;
	FILE *f;

	do_await(file);
	f = fopen(file, "re");
	if (!f || fscanf(f, "%d", &wanted) != 1)
		fatal(file);
	fclose(f);
	args.set_tid = (uintptr_t)&wanted;
	while ((r = syscall(SYS_clone3, &args, sizeof(args))) < 0 &&
	       errno == EEXIST)
		nap_ms(5);
	if (r < 0)
		fatal("clone3");
	if (r > 0)
		return;
	setsid();
	sigemptyset(&set);
	for (int i = 1; i < 32; i++)
		sigaddset(&set, i);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say("@taken=%d\n", getpid());
	for (;;) {
		sigwait(&set, &sig);
		say("@innocent=%s\n", strsignal(sig));
	}
}

/* Writes our process number, for take-pid. */
static void do_put_pid(const char *file)
{
	char text[16], name[160];
	int fd;

	snprintf(name, sizeof(name), "%s.new", file);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	snprintf(text, sizeof(text), "%d\n", getpid());
	(void)!write(fd, text, strlen(text));
	close(fd);
	(void)rename(name, file);
}

/* --- plain ones --- */

static void do_as(const char *id)
{
	become((unsigned int)atoi(id));
}

static void do_session(void)
{
	if (setsid() < 0)
		fatal("setsid");
}

static void do_say(const char *text)
{
	say("@say=%s\n", text);
}

static void do_make(const char *path)
{
	make(path);
}

/* Makes FILE a byte longer. */
static void do_count(const char *file)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	(void)!write(fd, "x", 1);
	close(fd);
}

static void do_sleep(const char *ms)
{
	nap_ms(atol(ms));
}

static void do_exit(const char *code)
{
	_exit(atoi(code));
}

static void do_orphans(const char *count)
{
	for (int i = atoi(count); i > 0; i--) {
		pid_t pid = fork();

		if (pid == 0) {
			if (fork() == 0)
				_exit(3);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

static const struct verb verbs[] = {
	{ "stop-others", .plain = do_stop_others },
	{ "lease", .with = do_lease },
	{ "leftover", .plain = do_leftover },
	{ "once", .with = do_once },
	{ "await", .with = do_await },
	{ "await-signal", .plain = do_await_signal },
	{ "await-size", .with = do_await_size },
	{ "await-few", .with = do_await_few },
	{ "processes", .with = do_processes },
	{ "fresh-proc", .plain = do_fresh_proc },
	{ "freeze-init", .plain = do_freeze_init },
	{ "trace-and-kill", .with = do_trace_and_kill },
	{ "notify", .with = do_notify },
	{ "notify-gone", .with = do_notify_gone },
	{ "notify-session", .with = do_notify_session },
	{ "notify-as", .with = do_notify_as },
	{ "put-socket", .with = do_put_socket },
	{ "notify-other", .with = do_notify_other },
	{ "barrier", .plain = do_barrier },
	{ "pings", .with = do_pings },
	{ "flood-descriptors", .with = do_flood_descriptors },
	{ "send-lingering", .plain = do_send_lingering },
	{ "send-fuse", .with = do_send_fuse },
	{ "hang-folder", .with = do_hang_folder },
	{ "kill-all", .with = do_kill_all },
	{ "stop-all", .with = do_stop_all },
	{ "be-traced", .plain = do_be_traced },
	{ "turn-back", .plain = do_turn_back },
	{ "hog", .plain = do_hog },
	{ "stop-self", .plain = do_stop_self },
	{ "hold", .plain = do_hold },
	{ "session", .plain = do_session },
	{ "fill-pids", .plain = do_fill_pids },
	{ "fill", .with = do_fill_file },
	{ "fill-folder", .with = do_fill_folder },
	{ "allocate", .with = do_allocate },
	{ "spin", .with = do_spin },
	{ "flow", .with = do_flow },
	{ "take-console", .plain = do_take_console },
	{ "try-write", .with = do_try_write },
	{ "try-open", .with = do_try_open },
	{ "try-mkdir", .with = do_try_mkdir },
	{ "try-chmod", .with = do_try_chmod },
	{ "put", .with = do_put },
	{ "make-fifo", .with = do_make_fifo },
	{ "crash", .plain = do_crash },
	{ "master", .with = do_master },
	{ "take-pid", .with = do_take_pid },
	{ "put-pid", .with = do_put_pid },
	{ "as", .with = do_as },
	{ "say", .with = do_say },
	{ "make", .with = do_make },
	{ "count", .with = do_count },
	{ "sleep", .with = do_sleep },
	{ "exit", .with = do_exit },
	{ "orphans", .with = do_orphans },
};

int main(int argc, char **argv)
{
	return run_verbs(verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
