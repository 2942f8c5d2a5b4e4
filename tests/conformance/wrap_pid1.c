/*
 * Mistakes with what PID 1 owes to all processes:
 *
 *   leaves user | exit N | signal N   such dead children stay
 *   dies-with N     a child that died of that signal is too much for it
 *   one-a-turn      a SIGCHLD is one death
 *   tells-deaths    on its standard output, and waits for it
 *   leaks memory | descriptors        with each death
 *   polls           instead of sleeping
 *   dies-of N       it handles that signal by an end
 *   brings child | subreaper | ignored | silence    what the application inherits
 *   drops CAPABILITY    by number, of the application
 */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/mutant.h"

enum { FDS = 1024 };

/* --- deaths --- */

static bool is_left(const siginfo_t *info)
{
	char how[32];

	(void)snprintf(how, sizeof(how), "%s %d",
		       info->si_code == CLD_EXITED ? "exit" : "signal",
		       info->si_status);
	return (info->si_uid != 0 && mutant_is("leaves", "user")) ||
	       mutant_is("leaves", how);
}

/* A dead child that is not to be left, or 0: by a look at each process, since the first
 * one that wait(2) finds is always the same. */
static pid_t find_dead(void)
{
	static DIR *list;
	struct dirent *e;
	siginfo_t info;
	pid_t pid;

	if (!list)
		list = opendir("/proc");
	while (list && (e = readdir(list))) {
		pid = atoi(e->d_name);
		info.si_pid = 0;
		if (pid > 1 &&
		    waitid(P_PID, (id_t)pid, &info,
			   WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid == pid && !is_left(&info))
			return pid;
	}
	if (list)
		rewinddir(list);
	return 0;
}

static void suffer(int status)
{
	static const char line[] = "a process has ended\n";
	const char *word = mutant_word("dies-with");

	if (word && WIFSIGNALED(status) && WTERMSIG(status) == atoi(word))
		_exit(1);
	if (mutant_is("tells-deaths", NULL))
		(void)!write(1, line, sizeof(line) - 1);
	if (mutant_is("leaks", "memory"))
		*(volatile char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1;
	if (mutant_is("leaks", "descriptors"))
		(void)dup(0);
}

WRAP(waitpid);
pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	static bool had_one;
	siginfo_t info;

	if (mutant_is("one-a-turn", NULL) && had_one) {
		had_one = false;
		return 0;
	}
	if (mutant_word("leaves") && pid == -1) {
		pid = find_dead();
		if (pid == 0)
			return waitid(P_ALL, 0, &info,
				      WEXITED | WNOHANG | WNOWAIT);
	}
	pid = __real_waitpid(pid, status, options);
	had_one = pid > 0;
	if (pid > 0)
		suffer(*status);
	return pid;
}

/* --- sleep --- */

static void die(int sig)
{
	(void)sig;
	_exit(1);
}

WRAP(ppoll);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		 const sigset_t *mask)
{
	static const struct timespec soon = { .tv_nsec = 50 * 1000000 };
	const char *word = mutant_word("dies-of");

	if (word && getpid() == 1)
		(void)signal(atoi(word), die);
	if (mutant_is("polls", NULL) && !timeout)
		timeout = &soon;
	return __real_ppoll(fds, n, timeout, mask);
}

/* --- what the application begins with --- */

static _Noreturn void be_a_child(void)
{
	/* Without the pipe by whose end PID 1 knows that the program is executed. */
	for (int fd = 3; fd < FDS; fd++)
		(void)close(fd);
	for (;;)
		(void)pause();
}

void mutant_inherits(void)
{
	const char *word = mutant_word("drops");

	if (mutant_is("brings", "ignored"))
		(void)signal(SIGCHLD, SIG_IGN);
	if (mutant_is("brings", "silence"))
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
	if (mutant_is("brings", "subreaper"))
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (mutant_is("brings", "child") && _Fork() == 0)
		be_a_child();
	if (word)
		(void)prctl(PR_CAPBSET_DROP, atoi(word), 0, 0, 0);
}
