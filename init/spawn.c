#include "init/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/config.h"
#include "init/log.h"
#include "init/program.h"
#include "init/user.h"

enum {
	CLOEXEC_RANGE = 1 << 2, /* CLOSE_RANGE_CLOEXEC, since 5.11 */
	FALLBACK_FDS = 1024,	/* the boot's own limit of open files */
};

/* --- in the child: every path ends in _exit --- */

/* What PID 1 does not hear of must not run. */
static void tell(int fd, enum spawn_stage stage)
{
	uint8_t byte = (uint8_t)stage;

	if (write(fd, &byte, 1) != 1)
		_exit(126);
}

static _Noreturn void give_up(int fd, int error)
{
	uint8_t byte = (uint8_t)error; /* all of Linux's fit */

	(void)!write(fd, &byte, 1);
	_exit(error == ENOENT ? 127 : 126);
}

static void default_signals(void)
{
	/*
	 * The kernel's own struct, all of it zero: SIG_DFL, no flags, no mask.
	 * libc's sigaction refuses its internal signals, which whoever ran us
	 * may have had ignored.
	 */
	static const unsigned long dfl[4];
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, dfl, NULL, NSIG / 8);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Before 5.11. One call of poll tells which descriptors are open at all. */
static void close_others_slowly(void)
{
	struct pollfd fds[FALLBACK_FDS] = { 0 };

	for (int fd = 0; fd < FALLBACK_FDS; fd++)
		fds[fd].fd = fd;
	(void)poll(fds, FALLBACK_FDS, 0);
	for (int fd = 3; fd < FALLBACK_FDS; fd++)
		if (!(fds[fd].revents & POLLNVAL))
			(void)syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
}

static void close_others(void)
{
	if (syscall(SYS_close_range, 3U, ~0U, CLOEXEC_RANGE) < 0)
		close_others_slowly();
}

/*
 * A console belongs to root and group tty; a pipe or file that a container was
 * started with belongs to root. The first other user becomes its owner. A second
 * user makes it writable for all users, unless it is a file: /dev/stdout has to
 * open for each of them. Where that fails the descriptor itself stays usable.
 */
static void give_stdio(uid_t uid, bool in_container)
{
	const dev_t null = makedev(1, 3);
	struct stat st;
	bool is_device;

	for (int fd = 0; fd <= 2; fd++) {
		if (fstat(fd, &st) < 0 || st.st_uid == uid)
			continue;
		is_device = S_ISCHR(st.st_mode);
		if (is_device ? st.st_rdev == null : !in_container)
			continue;
		if (st.st_uid == 0)
			(void)!fchown(fd, uid, (gid_t)-1);
		else if (!S_ISREG(st.st_mode))
			(void)!fchmod(fd, (st.st_mode & 07777) | 0022);
	}
}

/*
 * The service gets an open file description of its own, whose flags no other
 * service shares. Where that fails it keeps PID 1's descriptors, which are the
 * console as well.
 */
static void open_console(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	for (int want = 0; fd >= 0 && want <= 2; want++)
		(void)dup2(fd, want);
}

/* By raw calls: libc's would have all threads follow, of which there are none. */
static int become(const struct user *u)
{
	if (syscall(SYS_setgroups, u->group_count, u->groups) < 0 ||
	    syscall(SYS_setgid, u->gid) < 0 || syscall(SYS_setuid, u->uid) < 0)
		return -errno;
	return 0;
}

/* --- what a service asks for: 0 or -errno --- */

static int make_null(int want)
{
	int fd = open("/dev/null",
		      (want == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);

	return fd < 0 || dup2(fd, want) < 0 ? -errno : 0;
}

static int set_limit(const struct config_service *s, int number)
{
	const struct rlimit limit = {
		.rlim_cur = s->limits[number].soft,
		.rlim_max = s->limits[number].hard,
	};

	/* musl's setrlimit brings what it takes to stop all threads. */
	return prlimit(0, number, &limit, NULL) < 0 ? -errno : 0;
}

static int set_oom_score(int score)
{
	struct text t;
	int fd, r = 0;

	text_clear(&t);
	text_add_number(&t, score);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, t.buf, t.len) != (ssize_t)t.len)
		r = -errno;
	close(fd);
	return r;
}

/* Whether CAP is past the last one of this kernel. */
static bool is_unknown(int cap)
{
	return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) < 0 && errno == EINVAL;
}

/* All that the kernel knows and BOUNDING has not. */
static int drop_capabilities(uint64_t bounding)
{
	int r;

	for (int i = 0; i < 64; i++) {
		if (i < CONFIG_CAPABILITIES && bounding >> i & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0)
			continue;
		r = -errno;
		return r == -EINVAL && i > 0 && is_unknown(i) ? 0 : r;
	}
	return 0;
}

static int set_securebits(const struct config_service *s,
			  const struct user *user)
{
	unsigned long bits = s->securebits;

	/* What becomes ambient has to outlive the change of the user. */
	if (s->ambient && user)
		bits |= 1 << 4; /* SECBIT_KEEP_CAPS, which exec takes away */
	if (bits == 0)
		return 0;
	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? -errno : 0;
}

static int raise_ambient(uint64_t set, bool is_root)
{
	/* linux/capability.h, version 3: two halves. */
	const struct {
		uint32_t version;
		int pid;
	} head = { 0x20080522, 0 };
	struct {
		uint32_t effective, permitted, inheritable;
	} data[2];

	if (set == 0)
		return 0;
	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (int half = 0; half < 2; half++) {
		uint32_t bits = (uint32_t)(set >> (32 * half));

		if (!is_root)
			data[half].permitted = data[half].effective = bits;
		data[half].inheritable = bits;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return -errno;
	for (unsigned long i = 0; i < CONFIG_CAPABILITIES; i++)
		if (set >> i & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return -errno;
	return 0;
}

static int set_filter(const struct spawn_job *job)
{
	const struct sock_fprog program = {
		.len = (unsigned short)(job->filter_len /
					sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)job->filter,
	};

	if (job->filter_len == 0)
		return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ?
		       -errno :
		       0;
}

/* Whether the privileges that exec gives away are to be none. */
static bool is_locked_in(const struct spawn_job *job)
{
	return job->service->no_new_privileges ||
	       (job->filter_len > 0 && job->user && job->user->uid != 0);
}

/* Ends the child if R is an error, or tells it where that is enough. */
static void expect(int fd, enum spawn_stage stage, int r)
{
	if (r == 0)
		return;
	tell(fd, stage);
	give_up(fd, -r);
}

static void expect_leniently(int fd, const struct spawn_job *job,
			     enum spawn_stage stage, int r)
{
	struct text t;

	if (r == 0 || !job->in_container) {
		expect(fd, stage, r);
		return;
	}
	text_clear(&t);
	spawn_name_stage(stage, &t);
	log_line("spawn", text_string(&t), strerror(-r));
}

static void take_limits(int fd, const struct spawn_job *job)
{
	const struct config_service *s = job->service;

	if (s->oom_score_adjust.is_set)
		expect_leniently(fd, job, SPAWN_OOM,
				 set_oom_score(s->oom_score_adjust.value));
	if (s->nice.is_set)
		expect_leniently(fd, job, SPAWN_NICE,
				 syscall(SYS_setpriority, PRIO_PROCESS, 0,
					 s->nice.value) < 0 ?
					 -errno :
					 0);
	for (int i = 0; i < CONFIG_LIMITS; i++)
		if (s->limits_set >> i & 1)
			expect_leniently(fd, job,
					 (enum spawn_stage)(SPAWN_LIMIT + i),
					 set_limit(s, i));
	if (s->umask.is_set)
		(void)umask((mode_t)s->umask.value);
}

/* The order is the point: each step needs what the next ones take away. */
static void take_privileges(int fd, const struct spawn_job *job)
{
	const struct config_service *s = job->service;
	const struct user *user = job->user;

	if (s->bounding_is_set)
		expect(fd, SPAWN_BOUNDING, drop_capabilities(s->bounding));
	expect(fd, SPAWN_SECUREBITS, set_securebits(s, user));
	if (user) {
		give_stdio(user->uid, job->in_container);
		expect(fd, SPAWN_USER, become(user));
	}
	expect(fd, SPAWN_AMBIENT,
	       raise_ambient(s->ambient, !user || user->uid == 0));
	if (is_locked_in(job))
		expect(fd, SPAWN_PRIVILEGES,
		       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0);
	expect(fd, SPAWN_SECCOMP, set_filter(job));
}

/* A container's terminal is its first process' session's already. */
static int begin_session(const struct spawn_job *job)
{
	bool has_terminal = job->service->terminal && isatty(0);
	pid_t pid = getpid();

	if (job->in_container && has_terminal) {
		if (setpgid(0, 0) < 0)
			return -errno;
		/* SIGTTOU is blocked. Without that session it is nobody's. */
		(void)ioctl(0, TIOCSPGRP, &pid);
		return 0;
	}
	if (setsid() < 0)
		return -errno;
	if (has_terminal)
		(void)ioctl(0, TIOCSCTTY, 0);
	return 0;
}

/*
 * The terminal controls the service even if all of its descriptors are
 * /dev/null. One that has neither does not open the console.
 */
static void take_stdio(int fd, const struct spawn_job *job)
{
	const struct config_service *s = job->service;
	const bool is_null[] = {
		s->standard_input == CONFIG_STDIN_NULL,
		s->standard_output == CONFIG_OUTPUT_NULL,
		s->standard_error == CONFIG_OUTPUT_NULL,
	};
	const bool is_all_null = is_null[0] && is_null[1] && is_null[2];

	if (job->console && (s->terminal || !is_all_null))
		open_console(job->console);
	expect(fd, SPAWN_SESSION, begin_session(job));
	for (int want = 0; want <= 2; want++)
		if (is_null[want])
			expect(fd, SPAWN_NULL, make_null(want));
}

static _Noreturn void run_child(int fd, const struct spawn_job *job)
{
	const struct program *p = job->program;
	char **argv = job->argv;

	take_stdio(fd, job);
	close_others();
	default_signals();
	take_limits(fd, job);
	take_privileges(fd, job);

	tell(fd, SPAWN_EXEC);
	(void)execve(p->path, argv, job->envp);
	if (errno == ENOEXEC && p->kind == PROGRAM_TEXT) {
		argv[-1] = (char[]){ PROGRAM_SHELL };
		argv[0] = (char *)(uintptr_t)p->path;
		(void)execve(PROGRAM_SHELL, argv - 1, job->envp);
	}
	give_up(fd, errno);
}

/* What is found goes over the pipe, with its NUL. */
static _Noreturn void run_finder(int fd, const char *name, const char *search,
				 const struct user *user, struct program *p)
{
	if (become(user) == 0 && program_find(name, search, p) == 0)
		(void)!write(fd, p->path, strlen(p->path) + 1);
	_exit(0);
}

/* --- in PID 1 --- */

/* Reads until the end, CAP bytes at most; how many, or -errno. */
static ssize_t read_end(int fd, void *data, size_t cap)
{
	size_t len = 0;
	ssize_t n;

	while (len < cap) {
		n = read(fd, (char *)data + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* A child with one end of a pipe; the other is *RET_FD, for PID 1. */
static pid_t fork_with_pipe(int *ret_fd)
{
	int fds[2], error;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = _Fork();
	if (pid < 0) {
		error = errno;
		close(fds[0]);
		close(fds[1]);
		return -error;
	}
	close(fds[pid == 0 ? 0 : 1]);
	*ret_fd = fds[pid == 0 ? 1 : 0];
	return pid;
}

static void reap(pid_t pid, int *ret_status)
{
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
}

/*
 * The pipe closes on exec or with the child. What came before tells which: the
 * stage alone is a success, stage and errno a failure, nothing a death.
 */
static int hear(int fd, enum spawn_stage *reterr_stage)
{
	uint8_t said[2];
	ssize_t len = read_end(fd, said, sizeof(said));

	if (len == 1 && said[0] == SPAWN_EXEC)
		return 0;
	if (len < 0) { /* it may run by now, or may not */
		*reterr_stage = SPAWN_DIED;
		return (int)len;
	}
	if (len < (ssize_t)sizeof(said)) {
		*reterr_stage = SPAWN_DIED;
		return -ECHILD;
	}
	*reterr_stage = (enum spawn_stage)said[0];
	return -said[1];
}

void spawn_name_stage(enum spawn_stage stage, struct text *t)
{
	static const struct {
		uint8_t stage;
		char words[23];
	} names[] = {
		{ SPAWN_FORK, "fork" },
		{ SPAWN_SESSION, "setsid" },
		{ SPAWN_NULL, "/dev/null" },
		{ SPAWN_OOM, "oom-score-adjust" },
		{ SPAWN_NICE, "nice" },
		{ SPAWN_BOUNDING, "capability-bounding-set" },
		{ SPAWN_SECUREBITS, "securebits" },
		{ SPAWN_USER, "user" },
		{ SPAWN_AMBIENT, "ambient-capabilities" },
		{ SPAWN_PRIVILEGES, "no-new-privileges" },
		{ SPAWN_SECCOMP, "seccomp" },
	};

	if (stage >= SPAWN_LIMIT) {
		text_add(t, config_limit_key((int)stage - SPAWN_LIMIT));
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].stage == (uint8_t)stage)
			text_add_bytes(t, names[i].words,
				       strnlen(names[i].words,
					       sizeof(names[i].words)));
}

int spawn_program(const struct spawn_job *job, pid_t *ret_pid,
		  enum spawn_stage *reterr_stage, int *reterr_status)
{
	pid_t pid;
	int fd, r;

	*reterr_stage = SPAWN_FORK;
	pid = fork_with_pipe(&fd);
	if (pid < 0)
		return (int)pid;
	if (pid == 0)
		run_child(fd, job);

	r = hear(fd, reterr_stage);
	close(fd);
	if (r == 0) {
		*ret_pid = pid;
		return 0;
	}
	/* It is at its end, unless we could not hear it. */
	(void)kill(pid, SIGKILL);
	reap(pid, reterr_status);
	return r;
}

void spawn_find(const char *name, const char *search, const struct user *user,
		struct program *p)
{
	char path[PATH_MAX];
	int fd, status;
	ssize_t len;
	pid_t pid;

	pid = fork_with_pipe(&fd);
	if (pid < 0)
		return;
	if (pid == 0)
		run_finder(fd, name, search, user, p);

	len = read_end(fd, path, sizeof(path));
	close(fd);
	reap(pid, &status);
	if (len <= 0 || path[len - 1] != '\0')
		return;
	memcpy(p->path, path, (size_t)len);
	program_look(p);
}
