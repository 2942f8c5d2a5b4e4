#include "rootfs/pack/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rootfs/pack/escape.h"

static void put(struct fault *f, const char *text)
{
	size_t n = 0, room = sizeof(f->text), len = strlen(text), step;

	for (; len > 0 && n + 5 < room; text += step, len -= step) {
		step = escape_character(text, len);
		if (step == 0) {
			n += (size_t)snprintf(f->text + n, room - n, "\\x%02x",
					      (unsigned char)*text);
			step = 1;
			continue;
		}
		memcpy(f->text + n, text, step);
		n += step;
	}
	f->text[n] = '\0';
}

__attribute__((format(printf, 3, 0))) static int set(struct fault *f,
						     enum fault_kind kind,
						     const char *format,
						     va_list args,
						     const char *behind)
{
	char text[sizeof(f->text)];
	int n = vsnprintf(text, sizeof(text), format, args);

	if (n < 0)
		n = 0;
	if (behind && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n, ": %s",
			       behind);
	f->kind = kind;
	put(f, text);
	return -1;
}

int fault_refuse(struct fault *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)set(f, FAULT_REFUSED, format, args, NULL);
	va_end(args);
	return -1;
}

int fault_usage(struct fault *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)set(f, FAULT_USAGE, format, args, NULL);
	va_end(args);
	return -1;
}

int fault_system(struct fault *f, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)set(f, FAULT_SYSTEM, format, args, strerror(error));
	va_end(args);
	return -1;
}

int fault_prefix(struct fault *f, const char *format, ...)
{
	struct fault inner = *f;
	va_list args;

	va_start(args, format);
	(void)set(f, inner.kind, format, args, inner.text);
	va_end(args);
	return -1;
}
