#include "init/report.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

#include "init/spec/config.h"
#include "init/spec/signal.h"
#include "init/spec/spec.h"
#include "init/text.h"

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

void report_spec(int r, size_t line, struct text *t)
{
	if (line > 0) {
		text_add(t, "line ");
		text_add_number(t, (long long)line);
		text_add(t, ": ");
	}
	text_add(t, r == -EFBIG ? "longer than 1 MiB" : spec_error_text(r));
}

void report_config(int r, const struct config_fault *fault, struct text *t)
{
	if (fault->line > 0) {
		text_add(t, "line ");
		text_add_number(t, (long long)fault->line);
		text_add(t, ", column ");
		text_add_number(t, (long long)fault->column);
		text_add(t, ": ");
	}
	text_add(t, r == -EFBIG ? "longer than 64 KiB" : config_error_text(r));
	if (fault->nearest) {
		text_add(t, ", the nearest is ");
		text_add(t, fault->nearest);
	}
}
