/*
 * The init as shipped, with mistakes: what the cases have to find. Linked by --wrap
 * around the functions of the C library through which init changes the world. The
 * file /mutant of the boot ramdisk has a mistake a line:
 *
 *   skip CALL TEXT          the call is not made, and returns 0
 *   fail CALL ERRNO TEXT    nor here, and it fails
 *   flags CALL HEX TEXT     these bits of its flags or mode are inverted
 *   NAME [WORD]             another one, by the wrapper that knows it: is()
 *
 * CALL is a function, and TEXT a part of what show() makes of it and its arguments,
 * to the end of the line; none: every call. "skip mount ,/dev/shm," is a good one.
 */

#include "tests/conformance/mutant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* It is read before init does anything; what is read stays. */
static char text[4096];
static const char *lines[64];

__attribute__((constructor)) static void read_lines(void)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/mutant",
			      O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	size_t count = 0;
	char *at = text, *line;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	/* It would be seen in the boot ramdisk. */
	(void)syscall(SYS_unlinkat, AT_FDCWD, "/mutant", 0);
	while ((line = strsep(&at, "\n")) && count + 1 < 64)
		if (*line)
			lines[count++] = line;
}

bool mutant_is(const char *name, const char *word)
{
	size_t n = strlen(name);

	for (const char **l = lines; *l; l++)
		if (strncmp(*l, name, n) == 0 &&
		    ((!(*l)[n] && !word) ||
		     ((*l)[n] == ' ' && word && strcmp(*l + n + 1, word) == 0)))
			return true;
	return false;
}

const char *mutant_word_of(const char *name, unsigned which)
{
	size_t n = strlen(name);

	for (const char **l = lines; *l; l++)
		if (strncmp(*l, name, n) == 0 && (*l)[n] == ' ' && which-- == 0)
			return *l + n + 1;
	return NULL;
}

const char *mutant_word(const char *name)
{
	return mutant_word_of(name, 0);
}

/* Whether LINE is "KIND CALL ...": what follows. */
static const char *rest_of(const char *line, const char *kind, const char *call)
{
	size_t k = strlen(kind), c = strlen(call);

	if (strncmp(line, kind, k) != 0 || line[k] != ' ')
		return NULL;
	line += k + 1;
	if (strncmp(line, call, c) != 0 || (line[c] != ' ' && line[c]))
		return NULL;
	return line + c + (line[c] == ' ');
}

bool mutant_takes(const char *call, long *result, unsigned *flags,
		  const char *format, ...)
{
	char shown[512];
	const char *more;
	char *after;
	va_list ap;
	long number;

	if (!lines[0])
		return false;
	va_start(ap, format);
	vsnprintf(shown, sizeof(shown), format, ap);
	va_end(ap);
	for (const char **l = lines; *l; l++) {
		if ((more = rest_of(*l, "skip", call)) && strstr(shown, more)) {
			*result = 0;
			return true;
		}
		if ((more = rest_of(*l, "fail", call))) {
			number = strtol(more, &after, 10);
			if (!strstr(shown, after + (*after == ' ')))
				continue;
			*result = -1;
			errno = (int)number;
			return true;
		}
		if (flags && (more = rest_of(*l, "flags", call))) {
			number = strtol(more, &after, 16);
			if (strstr(shown, after + (*after == ' ')))
				*flags ^= (unsigned)number;
		}
	}
	return false;
}
