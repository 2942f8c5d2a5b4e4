#include "rootfs/pack/base/escape.h"

#include <stdint.h>

/* RFC 3629: the shortest form, no surrogates, up to U+10FFFF. 0: it is not UTF-8. */
static size_t decode(const char *text, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)text;
	uint32_t c;
	size_t n;

	if (len == 0)
		return 0;
	*ret = s[0];
	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc0 || s[0] >= 0xf8 || len < n)
		return 0;
	c = s[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

size_t escape_character(const char *text, size_t len)
{
	uint32_t c;
	size_t n = decode(text, len, &c);

	if (n == 0 || c < ' ' || (c >= 0x7f && c < 0xa0))
		return 0;
	/* Separators of lines, and what turns the direction of what is behind. */
	if ((c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	    c == 0x200e || c == 0x200f || c == 0x061c)
		return 0;
	return n;
}

bool escape_is_utf8(const char *text, size_t len)
{
	uint32_t c;
	size_t n;

	for (; len > 0; text += n, len -= n) {
		n = decode(text, len, &c);
		if (n == 0)
			return false;
	}
	return true;
}

void escape_print(FILE *to, const char *text, size_t len)
{
	while (len > 0) {
		size_t n = escape_character(text, len);

		if (n == 0)
			(void)fprintf(to, "\\x%02x", (unsigned char)*text);
		else if (*text == '\\')
			(void)fputs("\\\\", to);
		else
			(void)fwrite(text, 1, n, to);
		n += n == 0;
		text += n;
		len -= n;
	}
}
