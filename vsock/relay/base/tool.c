#include "vsock/relay/base/tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vsock/relay/base/print.h"

enum { LINE_CAP = 1024 };

static bool is_named;

void tool_is_named(void)
{
	is_named = true;
}

/* A failure of stderr cannot be reported. */
__attribute__((format(printf, 4, 0))) static void say(const struct tool *t,
						      const char *object,
						      const char *more,
						      const char *format,
						      va_list ap)
{
	static struct print err;
	char line[LINE_CAP];

	/* In a run over several files clang-tidy no longer knows va_start. */
	(void)vsnprintf(line, sizeof(line), format, ap); // NOLINT
	if (t->out)
		(void)print_flush(t->out);
	print_open(&err, STDERR_FILENO);
	err.never_waits = t->never_waits;
	if (!is_named)
		print_text(&err, "relay: ");
	if (t->command) {
		print_text(&err, t->command->name);
		print_text(&err, ": ");
	}
	if (object && object[0]) {
		print_safe(&err, object, strlen(object));
		print_text(&err, ": ");
	}
	print_safe(&err, line, strlen(line));
	print_text(&err, more);
	print_text(&err, "\n");
	(void)print_flush(&err);
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

void tool_remark(const struct tool *t, const char *object, const char *format,
		 ...)
{
	va_list ap;

	va_start(ap, format);
	say(t, object, "", format, ap);
	va_end(ap);
}

int tool_usage(const struct tool *t, const char *object, const char *format,
	       ...)
{
	const char *of = t->command ? t->command->name : "";
	char more[64];
	va_list ap;

	(void)snprintf(more, sizeof(more), " (see relay %s%s--help)", of,
		       of[0] ? " " : "");
	va_start(ap, format);
	say(t, object, more, format, ap);
	va_end(ap);
	return TOOL_USAGE;
}

int tool_end(const struct tool *t, int code)
{
	int r = print_flush(t->out);

	if (r < 0)
		return tool_fail(t, TOOL_FILE, "stdout", "%s", strerror(-r));
	return code;
}
