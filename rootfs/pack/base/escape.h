#ifndef ROOTFS_PACK_BASE_ESCAPE_H
#define ROOTFS_PACK_BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Names and texts come from archives and images. What they hold must not reach a
 * terminal as it is: control characters, and bytes that are not UTF-8.
 */

/*
 * The bytes of the character that TEXT, LEN bytes, begins with; 0 where its first byte
 * is to be shown as \xHH.
 */
size_t escape_character(const char *text, size_t len);

bool escape_is_utf8(const char *text, size_t len);

/*
 * Writes TEXT, with such bytes as \xHH and a backslash as two: no other text is shown
 * in the same way.
 */
void escape_print(FILE *to, const char *text, size_t len);

#endif
