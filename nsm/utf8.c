#include "nsm/utf8.h"

int32_t utf8_decode(const void *text, size_t len, size_t *ret_len)
{
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *s = text;
	size_t n = s[0] < 0x80 ? 1 :
		   s[0] < 0xc0 ? 0 :
		   s[0] < 0xe0 ? 2 :
		   s[0] < 0xf0 ? 3 :
		   s[0] < 0xf8 ? 4 :
				 0;
	int32_t c;

	*ret_len = 1;
	if (n == 1)
		return s[0];
	if (n == 0 || n > len)
		return -1;
	c = s[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return -1;
	*ret_len = n;
	return c;
}

bool utf8_is_safe(int32_t c)
{
	/* First and last of each range. */
	static const uint16_t unsafe[][2] = {
		{ 0x00, 0x1f },
		{ 0x7f, 0x9f },	    /* controls */
		{ 0x061c, 0x061c }, /* direction */
		{ 0x200b, 0x200f }, /* no width, direction */
		{ 0x2028, 0x202e }, /* lines, direction */
		{ 0x2060, 0x206f },
		{ 0xfeff, 0xfeff }, /* no width, direction */
	};

	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		if (c >= unsafe[i][0] && c <= unsafe[i][1])
			return false;
	return c >= 0;
}
