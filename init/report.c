#include "init/report.h"

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

#include "init/log.h"
#include "init/signal.h"

void report_status(int status, bool oom, struct text *t)
{
	const char *name;
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
	name = signal_name(sig);
	if (name) {
		text_add(t, "killed by SIG");
		text_add(t, name);
	} else {
		text_add(t, "killed by signal ");
		text_add_number(t, sig);
	}
}
