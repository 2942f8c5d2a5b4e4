#ifndef NSM_TOOL_CODE_H
#define NSM_TOOL_CODE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes, characters and times as text, and back. Pure. */

/*
 * Decodes LEN characters of hex; 0x may stand before them, and spaces, line
 * ends and colons between bytes. TO holds LEN / 2. Returns 0 or -EINVAL.
 */
int code_from_hex(const char *s, size_t len, uint8_t *to, size_t *ret_len);

/*
 * The same for base64, of the usual alphabet or the URL's (RFC 4648), with its
 * padding or without; spaces and line ends anywhere. TO holds LEN / 4 * 3.
 */
int code_from_base64(const char *s, size_t len, uint8_t *to, size_t *ret_len);

/* Encodes 3 bytes (fewer at the end: LEN) as 4 characters. */
void code_base64(const uint8_t *from, size_t len, char to[4]);

/* Reads a number of decimal digits up to MAX: 0 or -EINVAL. */
int code_number(const char *s, uint64_t max, uint64_t *ret);

/*
 * Reads RFC 3339 ("2026-11-24T09:33:04Z", with an offset or a fraction, which
 * is dropped) or seconds since 1970: 0 or -EINVAL.
 */
int code_time(const char *s, int64_t *ret);

enum { CODE_TIME_CAP = 80 /* for whatever a struct tm may hold */ };

/* Writes MS milliseconds since 1970 as RFC 3339; "" after the year 9999. */
void code_time_text(uint64_t ms, char to[CODE_TIME_CAP]);

#endif
