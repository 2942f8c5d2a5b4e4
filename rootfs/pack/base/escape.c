#include "rootfs/pack/base/escape.h"

#include "nsm/utf8.h"

size_t escape_character(const char *text, size_t len)
{
	size_t n;

	return len > 0 && utf8_is_safe(utf8_decode(text, len, &n)) ? n : 0;
}

bool escape_is_utf8(const char *text, size_t len)
{
	size_t n;

	for (; len > 0; text += n, len -= n)
		if (utf8_decode(text, len, &n) < 0)
			return false;
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
