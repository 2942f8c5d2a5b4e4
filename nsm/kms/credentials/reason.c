#include "nsm/kms/credentials/reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int reason(char words[KMSC_WORDS_SIZE], int r, const char *format, ...)
{
	char said[KMSC_WORDS_SIZE];
	va_list ap;

	va_start(ap, format);
	/* In a run over several files clang-tidy no longer knows va_start. */
	(void)vsnprintf(said, sizeof(said), format, ap); // NOLINT
	va_end(ap);
	for (char *p = said; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	memcpy(words, said, strlen(said) + 1);
	return r;
}
