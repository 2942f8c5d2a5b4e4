#include "nsm/kms/wire/base64.h"

#include <errno.h>

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* -1: C is not in the alphabet. */
static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes four characters, of which the last PADDING are '='. */
static int read_group(const char *s, size_t padding, uint8_t *to)
{
	uint32_t bits = 0;
	int d;

	for (size_t i = 0; i < 4; i++) {
		d = i < 4 - padding ? digit(s[i]) : 0;
		if (d < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)d;
	}
	if (bits & ((UINT32_C(1) << 8 * padding) - 1))
		return -EINVAL;
	for (size_t i = 0; to && i < 3 - padding; i++)
		to[i] = (uint8_t)(bits >> (16 - 8 * i));
	return 0;
}

int base64_read(const char *s, size_t len, uint8_t *to, size_t *ret_len)
{
	size_t padding = 0, n = 0;

	if (len % 4 != 0)
		return -EINVAL;
	while (padding < 2 && padding < len && s[len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < len; i += 4) {
		size_t missing = i + 4 == len ? padding : 0;

		if (read_group(s + i, missing, to ? to + n : NULL) < 0)
			return -EINVAL;
		n += 3 - missing;
	}
	*ret_len = n;
	return 0;
}

void base64_write(const uint8_t *from, size_t len, char *to)
{
	uint32_t bits;
	size_t left;

	for (size_t i = 0; i < len; i += 3, to += 4) {
		left = len - i;
		bits = (uint32_t)from[i] << 16;
		if (left > 1)
			bits |= (uint32_t)from[i + 1] << 8;
		if (left > 2)
			bits |= from[i + 2];
		to[0] = alphabet[bits >> 18 & 63];
		to[1] = alphabet[bits >> 12 & 63];
		to[2] = left > 1 ? alphabet[bits >> 6 & 63] : '=';
		to[3] = left > 2 ? alphabet[bits & 63] : '=';
	}
}
