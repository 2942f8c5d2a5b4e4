#include "init/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* A console is root's alone. Where it cannot be given away it stays usable. */
static void give_stdio(uid_t uid)
{
	const dev_t null = makedev(1, 3);
	struct stat st;

	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
		    st.st_rdev != null && st.st_uid != uid)
			(void)!fchown(fd, uid, (gid_t)-1);
}

/* By raw calls: libc's would have all threads follow, of which there are none. */
static int become(const struct user *u)
{
	if (syscall(SYS_setgroups, u->group_count, u->groups) < 0 ||
	    syscall(SYS_setgid, u->gid) < 0 || syscall(SYS_setuid, u->uid) < 0)
		return -errno;
	return 0;
}

static _Noreturn void run_child(int fd, const struct program *p, char **argv,
				char *const *envp, const struct user *user)
{
	int error;

	if (setsid() < 0) {
		error = errno;
		tell(fd, SPAWN_SESSION);
		give_up(fd, error);
	}
	if (isatty(0))
		(void)ioctl(0, TIOCSCTTY, 0);
	close_others();
	default_signals();
	if (user)
		give_stdio(user->uid);
	error = user ? -become(user) : 0;
	if (error > 0) {
		tell(fd, SPAWN_USER);
		give_up(fd, error);
	}

	tell(fd, SPAWN_EXEC);
	(void)execve(p->path, argv, envp);
	if (errno == ENOEXEC && p->kind == PROGRAM_TEXT) {
		argv[-1] = (char[]){ PROGRAM_SHELL };
		argv[0] = (char *)(uintptr_t)p->path;
		(void)execve(PROGRAM_SHELL, argv - 1, envp);
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

int spawn_program(const struct program *p, char **argv, char *const *envp,
		  const struct user *user, pid_t *ret_pid,
		  enum spawn_stage *reterr_stage, int *reterr_status)
{
	pid_t pid;
	int fd, r;

	*reterr_stage = SPAWN_FORK;
	pid = fork_with_pipe(&fd);
	if (pid < 0)
		return (int)pid;
	if (pid == 0)
		run_child(fd, p, argv, envp, user);

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
