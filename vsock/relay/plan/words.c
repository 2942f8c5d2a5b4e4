#include "vsock/relay/plan/words.h"

#include <string.h>

static void append(char *buf, size_t cap, char c)
{
	size_t len = strlen(buf);

	if (len + 1 >= cap)
		return;
	buf[len] = c;
	buf[len + 1] = '\0';
}

void words_add(char *buf, size_t cap, const char *text)
{
	for (; *text; text++)
		append(buf, cap, *text);
}

void words_add_bytes(char *buf, size_t cap, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		append(buf, cap,
		       text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
}

void words_add_number(char *buf, size_t cap, uint64_t n)
{
	char digits[20];
	size_t count = 0;

	do
		digits[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (count > 0)
		append(buf, cap, digits[--count]);
}

void words_set(char *buf, size_t cap, const char *before, const char *quoted,
	       size_t quoted_len, const char *after)
{
	buf[0] = '\0';
	if (before)
		words_add(buf, cap, before);
	if (quoted)
		words_add_bytes(buf, cap, quoted, quoted_len);
	if (after)
		words_add(buf, cap, after);
}
