#include "rootfs/pack/base/fault.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/escape.h"

/* TEXT in at most four times its bytes, all to be shown; for the caller to free. */
static char *escaped(const char *text)
{
	size_t n = 0, len = strlen(text), step;
	char *ret = malloc(4 * len + 1);

	if (!ret)
		return NULL;
	for (; len > 0; text += step, len -= step) {
		step = escape_character(text, len);
		if (step == 0) {
			n += (size_t)sprintf(ret + n, "\\x%02x",
					     (unsigned char)*text);
			step = 1;
			continue;
		}
		memcpy(ret + n, text, step);
		n += step;
	}
	ret[n] = '\0';
	return ret;
}

static bool is_inside(char c)
{
	return (c & 0xc0) == 0x80;
}

/* A long name must not push out what is behind it: what does not fit is left out in the
 * middle, not within a character. */
static void put(struct fault *f, const char *text)
{
	static const char dots[] = "...";
	const size_t half = (sizeof(f->text) - sizeof(dots)) / 2;
	size_t len = strlen(text), head = half, tail;

	if (len < sizeof(f->text)) {
		memcpy(f->text, text, len + 1);
		return;
	}
	tail = len - half;
	while (is_inside(text[head]))
		head--;
	while (is_inside(text[tail]))
		tail++;
	memcpy(f->text, text, head);
	memcpy(f->text + head, dots, sizeof(dots) - 1);
	memcpy(f->text + head + sizeof(dots) - 1, text + tail, len - tail + 1);
}

__attribute__((format(printf, 3, 0))) static int set(struct fault *f,
						     enum fault_kind kind,
						     const char *format,
						     va_list args,
						     const char *behind)
{
	char *words = NULL, *all = NULL, *text = NULL;

	if (vasprintf(&words, format, args) < 0)
		words = NULL;
	else if (asprintf(&all, "%s%s%s", words, behind ? ": " : "",
			  behind ? behind : "") < 0)
		all = NULL;
	if (all)
		text = escaped(all);
	f->kind = kind;
	put(f, text ? text : "no memory for the words");
	free(text);
	free(all);
	free(words);
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

int fault_failed(struct fault *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)set(f, FAULT_SYSTEM, format, args, NULL);
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
