#include "tests/seams/seam.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int seam_number(const char *name, int otherwise)
{
	const char *value = getenv(name);

	return value ? atoi(value) : otherwise;
}

void seam_record(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vdprintf(seam_number("RECORD", -1), format, ap);
	va_end(ap);
}
