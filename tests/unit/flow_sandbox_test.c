/* The filter itself, in place of which the rest of what has sanitizers has nothing. */

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define sandbox_enter real_sandbox_enter
#include "vsock/relay/flow/sandbox.c" // NOLINT(bugprone-suspicious-include)
#undef sandbox_enter

#include "tests/unit/check.h"

enum { NOT_SET = -1 };

/* How the call NUMBER ends in a process with the filter for NEEDS: 0, or a signal. */
static int try(unsigned needs, long number, long a, long b, long c, long d)
{
	int status = NOT_SET;
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		if (real_sandbox_enter(needs) < 0)
			_exit(99);
		(void)syscall(number, a, b, c, d, -1, 0);
		(void)syscall(SYS_exit_group, 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

#define ALLOWED(needs, call, a, b, c, d) \
	CHECK_INT(try(needs, SYS_##call, a, b, c, d), 0)
#define KILLED(needs, call, a, b, c, d) \
	CHECK_INT(try(needs, SYS_##call, a, b, c, d), SIGSYS)

TEST(what_connections_need_is_allowed)
{
	/* Descriptors that are none: the calls come to nothing. */
	ALLOWED(0, recvfrom, -1, 0, 0, 0);
	ALLOWED(0, sendto, -1, 0, 0, 0);
	ALLOWED(0, epoll_pwait, -1, 0, 0, 0);
	ALLOWED(0, epoll_ctl, -1, 0, 0, 0);
	ALLOWED(0, accept4, -1, 0, 0, 0);
	ALLOWED(0, connect, -1, 0, 0, 0);
	ALLOWED(0, close, -1, 0, 0, 0);
	ALLOWED(0, shutdown, -1, 0, 0, 0);
	ALLOWED(0, setsockopt, -1, 0, 0, 0);
	ALLOWED(0, write, -1, 0, 0, 0);
}

TEST(what_starts_programs_or_opens_files_kills)
{
	KILLED(0, execve, 0, 0, 0, 0);
	KILLED(0, openat, AT_FDCWD, 0, O_RDONLY, 0);
	KILLED(0, clone, SIGCHLD, 0, 0, 0);
	KILLED(0, ptrace, 0, 0, 0, 0);
	KILLED(0, kill, 1, 0, 0, 0);
	/* Processes of PID 1 are the same user's. */
	KILLED(0, tkill, 0x7fffffff, 0, 0, 0);
	KILLED(0, tgkill, 0x7fffffff, 0x7fffffff, 0, 0);
	KILLED(0, prctl, 0, 0, 0, 0);
	KILLED(0, unlinkat, AT_FDCWD, 0, 0, 0);
	KILLED(0, setresuid, 0, 0, 0, 0);
	KILLED(0, mount, 0, 0, 0, 0);
	KILLED(0, bpf, 0, 0, 0, 0);
	KILLED(0, ioctl, -1, 0, 0, 0);
	/* io_uring_setup, io_uring_enter: sockets that no filter sees */
	CHECK_INT(try(0, 425, 1, 0, 0, 0), SIGSYS);
	CHECK_INT(try(0, 426, 1, 0, 0, 0), SIGSYS);
}

TEST(sockets_are_those_that_addresses_mean)
{
	static const long families[] = { AF_UNIX, AF_INET, AF_INET6 };

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		ALLOWED(0, socket, families[i], SOCK_STREAM | SOCK_CLOEXEC, 0,
			0);
		KILLED(0, socket, families[i], SOCK_DGRAM, 0, 0);
		KILLED(0, socket, families[i], SOCK_RAW, 255, 0);
		ALLOWED(SANDBOX_DATAGRAMS, socket, families[i],
			SOCK_DGRAM | SOCK_NONBLOCK, 0, 0);
		KILLED(SANDBOX_DATAGRAMS, socket, families[i], SOCK_RAW, 255,
		       0);
	}
	KILLED(SANDBOX_DATAGRAMS, socket, AF_NETLINK, SOCK_RAW, 0, 0);
	KILLED(SANDBOX_DATAGRAMS, socket, AF_NETLINK, SOCK_DGRAM, 0, 0);
	KILLED(SANDBOX_DATAGRAMS, socket, AF_PACKET, SOCK_DGRAM, 0, 0);
	KILLED(0, bind, -1, 0, 0, 0);
	ALLOWED(SANDBOX_DATAGRAMS, bind, -1, 0, 0, 0);
}

TEST(memory_is_never_code)
{
	ALLOWED(0, mmap, 0, 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS);
	KILLED(0, mmap, 0, 4096, PROT_READ | PROT_EXEC,
	       MAP_PRIVATE | MAP_ANONYMOUS);
	ALLOWED(0, mprotect, 0, 0, PROT_READ, 0);
	KILLED(0, mprotect, 0, 0, PROT_READ | PROT_EXEC, 0);
	KILLED(SANDBOX_FILES, mmap, 0, 4096, PROT_EXEC, MAP_PRIVATE);
}

TEST(files_are_opened_for_reading_alone)
{
	ALLOWED(SANDBOX_FILES, openat, AT_FDCWD, 0, O_RDONLY | O_CLOEXEC, 0);
	KILLED(SANDBOX_FILES, openat, AT_FDCWD, 0, O_WRONLY, 0);
	KILLED(SANDBOX_FILES, openat, AT_FDCWD, 0, O_RDWR, 0);
	KILLED(SANDBOX_FILES, openat, AT_FDCWD, 0, O_RDONLY | O_CREAT, 0);
	KILLED(SANDBOX_FILES, openat, AT_FDCWD, 0, O_RDONLY | O_TRUNC, 0);
	KILLED(SANDBOX_FILES, execve, 0, 0, 0, 0);
}

TEST(children_come_where_they_are_needed)
{
	KILLED(SANDBOX_CHILDREN, clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0);
	KILLED(SANDBOX_CHILDREN, clone, SIGCHLD | CLONE_VM, 0, 0, 0);
	ALLOWED(SANDBOX_CHILDREN, wait4, -1, 0, 0, 0);
	ALLOWED(SANDBOX_CHILDREN, kill, 0x7fffffff, 0, 0, 0);
	KILLED(SANDBOX_CHILDREN, execve, 0, 0, 0, 0);
	KILLED(SANDBOX_CHILDREN, ptrace, 0, 0, 0, 0);
}

TEST(a_second_filter_takes_more_away)
{
	int status = NOT_SET;
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (real_sandbox_enter(SANDBOX_CHILDREN | SANDBOX_FILES) < 0 ||
		    real_sandbox_enter(0) < 0)
			_exit(99);
		(void)syscall(SYS_openat, AT_FDCWD, 0, O_RDONLY, 0);
		(void)syscall(SYS_exit_group, 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

CHECK_MAIN("flow_sandbox")
