#include "nsm/tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "nsm/nsmc.h"
#include "nsm/tool/out.h"

/* Of one line: KMS's words, its request id behind them, have 2000 characters. */
enum { LINE_CAP = 4096 };

/* A failure of stderr cannot be reported. */
__attribute__((format(printf, 4, 0))) static void say(const struct tool *t,
						      const char *object,
						      const char *more,
						      const char *format,
						      va_list ap)
{
	char line[LINE_CAP];
	struct out o;

	/* In a run over several files clang-tidy no longer knows va_start. */
	(void)vsnprintf(line, sizeof(line), format, ap); // NOLINT
	out_fd(&o, STDERR_FILENO);
	out_text(&o, t->program);
	out_text(&o, ": ");
	if (t->command) {
		out_text(&o, t->command->name);
		out_text(&o, ": ");
	}
	if (object && object[0]) {
		out_safe(&o, object, strlen(object));
		out_text(&o, ": ");
	}
	out_safe(&o, line, strlen(line));
	out_text(&o, more);
	out_text(&o, "\n");
	(void)out_flush(&o);
}

int tool_fail(const struct tool *t, int code, const char *object,
	      const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(t, object, "", format, ap);
	va_end(ap);
	return code;
}

int tool_usage(const struct tool *t, const char *object, const char *format,
	       ...)
{
	const char *of = t->command ? t->command->name : t->group;
	char more[64];
	va_list ap;

	if (!of)
		of = "";
	(void)snprintf(more, sizeof(more), " (see %s %s%s--help)", t->program,
		       of, of[0] ? " " : "");
	va_start(ap, format);
	say(t, object, more, format, ap);
	va_end(ap);
	return TOOL_USAGE;
}

int tool_fail_file(const struct tool *t, const char *path, const char *standard,
		   int error)
{
	return tool_fail(t, TOOL_FILE, strcmp(path, "-") == 0 ? standard : path,
			 "%s", strerror(error));
}

int tool_fail_nsm(const struct tool *t, const char *object, int r)
{
	if (r == -ENOMEM)
		return tool_fail(t, TOOL_FILE, object, "%s",
				 nsmc_error_text(r));
	/*
	 * AWS's driver can be opened without a device, and reports that later.
	 */
	if (r == -ENOENT || r == -ENODEV || r == -ENXIO)
		return tool_fail(t, TOOL_NO_NSM, "/dev/nsm",
				 "no NSM here: %s (it is there in enclaves)",
				 nsmc_error_text(r));
	if (r == -NSMC_E_READ_ONLY_INDEX)
		return tool_fail(t, TOOL_NSM, object,
				 "it is locked (ReadOnlyIndex)");
	return tool_fail(t, TOOL_NSM, object, "%s", nsmc_error_text(r));
}

int tool_fail_refused(const struct tool *t, const char *object, int r,
		      const char *more)
{
	return tool_fail(t, nsmc_error_name(r) ? TOOL_REFUSED : TOOL_FILE,
			 object, "%s%s", nsmc_error_text(r), more);
}

int tool_open(const struct tool *t, int *ret)
{
	int fd = nsmc_open();

	if (fd < 0)
		return tool_fail_nsm(t, "/dev/nsm", fd);
	*ret = fd;
	return 0;
}

void tool_guard(void)
{
	int fd;

	for (int i = 0; i <= STDERR_FILENO; i++) {
		if (fcntl(i, F_GETFD) >= 0 || errno != EBADF)
			continue;
		fd = open("/", O_PATH | O_CLOEXEC);
		if (fd != i && fd > STDERR_FILENO)
			(void)close(fd);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
}

void tool_refuse_dumps(void)
{
	static const struct rlimit none = { 0, 0 };

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
}
