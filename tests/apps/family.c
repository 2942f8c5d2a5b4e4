/*
 * Tries to get a socket of vsock in each way that there is: a "@way=ERRNO" line each, 0 where
 * it was had. In a child by the same ways, as "@child-way". Nothing is connected.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAMILY = 40, X32 = 0x40000000 };

static const char *prefix = "";

static void say(const char *way, long r)
{
	printf("@%s%s=%ld\n", prefix, way, r < 0 ? r == -1 ? errno : -r : 0);
	fflush(stdout);
}

#if defined(__x86_64__)
/* As a 32-bit program calls the kernel, with arguments that lie below 4 GiB. */
static long call32(long nr, long a, long b, long c, long d)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static void try_32(void)
{
	uint32_t *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (args == MAP_FAILED)
		_exit(9);
	args[0] = FAMILY;
	args[1] = SOCK_STREAM;
	args[2] = 0;
	say("i386-socket", call32(359, FAMILY, SOCK_STREAM, 0, 0));
	say("i386-pair", call32(360, FAMILY, SOCK_STREAM, 0, (long)&args[4]));
	say("i386-socketcall", call32(102, 1, (long)args, 0, 0));
	say("i386-ring", call32(425, 1, 0, 0, 0));
	say("i386-unix", call32(359, AF_UNIX, SOCK_STREAM, 0, 0));
}

/* A kernel without 32-bit calls kills who makes one. */
static void try_other_forms(void)
{
	int status;
	pid_t pid;

	say("x32-socket",
	    syscall(X32 | SYS_socket, FAMILY, SOCK_STREAM, 0) < 0 ? -errno : 0);
	pid = fork();
	if (pid == 0) {
		try_32();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		printf("@%si386-signal=%d\n", prefix, WTERMSIG(status));
}
#else
static void try_other_forms(void)
{
}
#endif

static void try_all(void)
{
	int fds[2];

	say("socket", socket(FAMILY, SOCK_STREAM, 0));
	say("datagram", socket(FAMILY, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	say("wide",
	    syscall(SYS_socket, (uint64_t)1 << 32 | FAMILY, SOCK_STREAM, 0));
	say("pair", socketpair(FAMILY, SOCK_STREAM, 0, fds));
	say("ring", syscall(SYS_io_uring_setup, 1, NULL));
	say("unix", socket(AF_UNIX, SOCK_STREAM, 0));
	say("inet", socket(AF_INET, SOCK_STREAM, 0));
	say("unix-pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	try_other_forms();
}

int main(int argc, char **argv)
{
	pid_t pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1) {
		prefix = argv[1];
		try_all();
		return 0;
	}
	try_all();
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", argv[0], "child-", (char *)NULL);
		_exit(1);
	}
	return waitpid(pid, NULL, 0) != pid;
}
