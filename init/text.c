#include "init/text.h"

#include <string.h>

void text_clear(struct text *t)
{
	t->len = 0;
}

void text_add_bytes(struct text *t, const char *s, size_t len)
{
	size_t room = sizeof(t->buf) - 1 - t->len;

	if (len > room)
		len = room;
	memcpy(t->buf + t->len, s, len);
	t->len += len;
}

void text_add(struct text *t, const char *s)
{
	text_add_bytes(t, s, strlen(s));
}

void text_add_number(struct text *t, long long n)
{
	char digits[24];
	size_t i = sizeof(digits);
	unsigned long long v = n < 0 ? -(unsigned long long)n :
				       (unsigned long long)n;

	do
		digits[--i] = (char)('0' + v % 10);
	while (v /= 10);
	if (n < 0)
		digits[--i] = '-';
	text_add_bytes(t, digits + i, sizeof(digits) - i);
}

const char *text_string(struct text *t)
{
	t->buf[t->len] = '\0';
	return t->buf;
}
