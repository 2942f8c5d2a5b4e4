#include "init/report.h"

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

#include "init/log.h"

/* Not pointers: each would be a relocation. */
static const char signal_names[][7] = {
	[SIGHUP] = "HUP",	[SIGINT] = "INT",	[SIGQUIT] = "QUIT",
	[SIGILL] = "ILL",	[SIGTRAP] = "TRAP",	[SIGABRT] = "ABRT",
	[SIGBUS] = "BUS",	[SIGFPE] = "FPE",	[SIGKILL] = "KILL",
	[SIGUSR1] = "USR1",	[SIGSEGV] = "SEGV",	[SIGUSR2] = "USR2",
	[SIGPIPE] = "PIPE",	[SIGALRM] = "ALRM",	[SIGTERM] = "TERM",
	[SIGSTKFLT] = "STKFLT", [SIGCHLD] = "CHLD",	[SIGCONT] = "CONT",
	[SIGSTOP] = "STOP",	[SIGTSTP] = "TSTP",	[SIGTTIN] = "TTIN",
	[SIGTTOU] = "TTOU",	[SIGURG] = "URG",	[SIGXCPU] = "XCPU",
	[SIGXFSZ] = "XFSZ",	[SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF",
	[SIGWINCH] = "WINCH",	[SIGIO] = "IO",		[SIGPWR] = "PWR",
	[SIGSYS] = "SYS",
};

void report_status(int status, bool oom, struct text *t)
{
	int sig;

	if (WIFEXITED(status)) {
		text_add(t, "exited with code ");
		text_add_number(t, WEXITSTATUS(status));
		return;
	}
	sig = WTERMSIG(status);
	if (oom && sig == SIGKILL) {
		text_add(t, "killed: out of memory");
		return;
	}
	if (sig > 0 &&
	    sig < (int)(sizeof(signal_names) / sizeof(signal_names[0])) &&
	    signal_names[sig][0]) {
		text_add(t, "killed by SIG");
		text_add(t, signal_names[sig]);
	} else {
		text_add(t, "killed by signal ");
		text_add_number(t, sig);
	}
}
