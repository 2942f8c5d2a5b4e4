#include "nsm/api/spec/lexeme.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { TIME_MAX_MS = 24 * 3600 * 1000 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The escape at *AT, after its backslash; moves *AT past it. 0: it is none. */
static char unescape(char **at)
{
	static const char escapes[] = "\\\\\"\"n\nt\tr\r";
	const char *s = *at;
	int high, low;

	for (size_t i = 0; escapes[i]; i += 2)
		if (*s == escapes[i]) {
			*at += 1;
			return escapes[i + 1];
		}
	high = *s == 'x' ? hex_digit(s[1]) : -1;
	low = high < 0 ? -1 : hex_digit(s[2]);
	if (low < 0)
		return '\0';
	*at += 3;
	return (char)(high << 4 | low);
}

static const char *take_quoted(char **at, char **ret)
{
	char *from = *at + 1, *to = from, c;

	*ret = from;
	while (*from && *from != '"') {
		c = *from++;
		if (c == '\\') {
			c = unescape(&from);
			if (!c)
				return "a backslash before something that is no "
				       "escape";
		}
		*to++ = c;
	}
	if (!*from)
		return "a quote that does not end";
	from++;
	if (*from && !is_blank(*from))
		return "something follows the quote at once";
	*at = from;
	*to = '\0';
	return NULL;
}

const char *lexeme_next(char **at, char **ret)
{
	char *s = *at;

	while (is_blank(*s))
		s++;
	*at = s;
	*ret = NULL;
	if (!*s)
		return NULL;
	if (*s == '"')
		return take_quoted(at, ret);
	*ret = s;
	while (*s && !is_blank(*s)) {
		if (*s == '"')
			return "a quote within a word: the whole word must be "
			       "quoted";
		s++;
	}
	*at = *s ? s + 1 : s;
	*s = '\0';
	return NULL;
}

const char *lexeme_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (!*text)
		return "it must be a number";
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return "it must be a number";
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (unsigned)(*text - '0'), &n) ||
		    n > max)
			return "it is too large";
	}
	*ret = n;
	return NULL;
}

const char *lexeme_mode(const char *text, unsigned *ret)
{
	static const char must[] = "it must be a mode such as 0660";
	unsigned n = 0;

	if (strlen(text) < 3 || strlen(text) > 4)
		return must;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return must;
		n = n * 8 + (unsigned)(*text - '0');
	}
	if (n > 0777)
		return must;
	*ret = n;
	return NULL;
}

const char *lexeme_time(const char *text, int64_t *ret_ms)
{
	static const char must[] = "it must be a time such as 10s, at most 24h";
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {
		{ "", 1000 },	{ "s", 1000 },	      { "ms", 1 },
		{ "m", 60000 }, { "h", 3600 * 1000 },
	};
	int64_t n = 0;
	const char *s = text;

	for (; *s >= '0' && *s <= '9'; s++) {
		n = n * 10 + (*s - '0');
		if (n > TIME_MAX_MS)
			return must;
	}
	if (s == text)
		return must;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(s, units[i].name) == 0 &&
		    n * units[i].ms <= TIME_MAX_MS) {
			*ret_ms = n * units[i].ms;
			return NULL;
		}
	return must;
}
