#ifndef NSM_KMS_WIRE_BASE64_H
#define NSM_KMS_WIRE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Base64 of RFC 4648, section 4, as AWS reads and writes it. Pure. */

/* Characters for LEN bytes, without a NUL; LEN is below SIZE_MAX / 2. */
static inline size_t base64_len(size_t len)
{
	return (len + 2) / 3 * 4;
}

/*
 * Decodes LEN characters to TO, which holds LEN / 4 * 3 bytes; NULL: only checks them. Strict:
 * nothing but the alphabet, padding to a multiple of four, unused bits zero. 0 or -EINVAL;
 * then TO holds nothing of use.
 */
int base64_read(const char *s, size_t len, uint8_t *to, size_t *ret_len);

/* Encodes LEN bytes as base64_len(LEN) characters, without a NUL. */
void base64_write(const uint8_t *from, size_t len, char *to);

#endif
