#ifndef NSM_KMS_TOOL_KMSTOOL_WORDS_H
#define NSM_KMS_TOOL_KMSTOOL_WORDS_H

#include <stdarg.h>

/*
 * Prints a message of AWS's tools on stderr: lines, each with PROGRAM before it, and '?' for what
 * is not printable ASCII.
 */
__attribute__((format(printf, 2, 0))) void kmstool_words(const char *program,
							 const char *format,
							 va_list args);

#endif
