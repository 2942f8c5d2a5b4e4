#include "vsock/relay/wire/origin.h"

#include <string.h>

enum {
	SIGNATURE_LEN = 12,
	FIXED_LEN = SIGNATURE_LEN + 4,
	VERSION_2_PROXY = 0x21,
	UNKNOWN = 0x00,
	TCP_V4 = 0x11,
	TCP_V6 = 0x21,
};

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

static uint8_t *put_u16(uint8_t *at, size_t n)
{
	*at++ = (uint8_t)(n >> 8);
	*at++ = (uint8_t)n;
	return at;
}

size_t origin_header(const struct origin *from, const struct origin *to,
		     uint8_t ret[ORIGIN_HEADER_MAX])
{
	static const uint8_t start[SIGNATURE_LEN + 1] = {
		'\r', '\n', '\r', '\n', '\0', '\r',	      '\n',
		'Q',  'U',  'I',  'T',	'\n', VERSION_2_PROXY
	};
	uint8_t *at = put(ret, start, sizeof(start));
	size_t len = 0;

	if (from->kind == to->kind && from->kind == ORIGIN_V4)
		len = 4;
	else if (from->kind == to->kind && from->kind == ORIGIN_V6)
		len = 16;
	*at++ = len == 4 ? TCP_V4 : len == 16 ? TCP_V6 : UNKNOWN;
	at = put_u16(at, len ? 2 * len + 4 : 0);
	if (len == 0)
		return FIXED_LEN;
	at = put(at, from->ip, len);
	at = put(at, to->ip, len);
	at = put_u16(at, from->port);
	at = put_u16(at, to->port);
	return (size_t)(at - ret);
}
