/*
 * /init of the benchmark of system calls: runs /init.real as PID 1 under a
 * tracer, its child, that counts what PID 1 and its children call until one of
 * them has executed the application, and writes the number to the console.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void trace(int ready)
{
	const uintptr_t options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
				  PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
				  PTRACE_O_TRACEEXEC;
	unsigned long stops = 0;
	int status, execs = 0, event;
	uintptr_t sig;
	pid_t pid;

	if (ptrace(PTRACE_SEIZE, 1, NULL, (void *)options) < 0 ||
	    ptrace(PTRACE_INTERRUPT, 1, NULL, NULL) < 0) {
		dprintf(2, "count: cannot trace PID 1: errno %d\n", errno);
		_exit(1);
	}
	(void)!write(ready, "", 1);
	/* The first exec is that of /init.real, the next the application's. */
	while (execs < 2 && (pid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status))
			continue;
		sig = 0;
		event = status >> 16;
		if (event == PTRACE_EVENT_EXEC)
			execs++;
		else if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			stops += execs > 0;
		else if (event == 0)
			sig = (uintptr_t)WSTOPSIG(status);
		(void)ptrace(execs < 2 ? PTRACE_SYSCALL : PTRACE_DETACH, pid,
			     NULL, (void *)sig);
	}
	/* Each call stops twice, on the way in and on the way out. */
	dprintf(2, "bench: %lu system calls\n", (stops + 1) / 2);
	_exit(0);
}

int main(void)
{
	static char name[] = "/init", home[] = "HOME=/", term[] = "TERM=linux";
	static char *const argv[] = { name, NULL };
	static char *const envp[] = { home, term, NULL };
	int fds[2];
	char byte;

	if (pipe(fds) < 0)
		return 1;
	if (fork() == 0)
		trace(fds[1]);
	close(fds[1]);
	if (read(fds[0], &byte, 1) != 1)
		return 1;
	close(fds[0]);
	(void)execve("/init.real", argv, envp);
	return 1;
}
