#include "nsm/kms/tool/kmstool_words.h"

#include <stdio.h>
#include <string.h>

#include "nsm/kms/kmsc.h"

void kmstool_words(const char *program, const char *format, va_list args)
{
	char text[KMSC_ERROR_LINE_SIZE + 256], *at = text, *end;

	/* In a run over several files clang-tidy no longer knows va_start. */
	(void)vsnprintf(text, sizeof(text), format, args); // NOLINT
	for (char *p = text; *p; p++)
		if ((*p < ' ' || *p > '~') && *p != '\n')
			*p = '?';
	do {
		end = strchr(at, '\n');
		if (end)
			*end = '\0';
		(void)fprintf(stderr, "%s: %s\n", program, at);
		at = end ? end + 1 : NULL;
	} while (at);
}
