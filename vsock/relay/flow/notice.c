#include "vsock/relay/flow/notice.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "vsock/relay/base/tool.h"

enum { WORDS = 512 };

__attribute__((format(printf, 2, 0))) static void say(const char *object,
						      const char *format,
						      va_list ap)
{
	static const struct tool none = { .never_waits = true };
	char words[WORDS];

	/* In a run over several files clang-tidy no longer knows va_start. */
	(void)vsnprintf(words, sizeof(words), format, ap); // NOLINT
	tool_remark(&none, object, "%s", words);
}

void notice(const char *object, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(object, format, ap);
	va_end(ap);
}

void notice_of(const struct address *a, const char *format, ...)
{
	char text[ADDRESS_TEXT];
	va_list ap;

	address_text(a, text);
	va_start(ap, format);
	say(text, format, ap);
	va_end(ap);
}
