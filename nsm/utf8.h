#ifndef NSM_UTF8_H
#define NSM_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What others wrote, on its way to a terminal. Pure. The tool's, mkeif's and
 * vsock's, and no part of libnsmc.
 */

/*
 * Returns the first character of the LEN bytes at TEXT (not 0) of UTF-8 (RFC 3629:
 * the shortest form, no surrogates, up to U+10FFFF), and the number of its bytes in
 * *RET_LEN; -1 and 1 if they do not begin with one.
 */
int32_t utf8_decode(const void *text, size_t len, size_t *ret_len);

/*
 * True if the character C may reach a terminal as it is: not a control (C1's too),
 * nor one that is not seen, breaks lines or changes the direction of text; nor -1.
 */
bool utf8_is_safe(int32_t c);

#endif
