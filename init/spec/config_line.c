#include "init/spec/config_key.h"

#include <string.h>

bool config_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

char *config_skip_blanks(char *s)
{
	while (config_is_blank(*s))
		s++;
	return s;
}

char *config_skip_word(char *s, char stop)
{
	while (*s && !config_is_blank(*s) && *s != stop)
		s++;
	return s;
}

char *config_next_word(struct config_rest *rest)
{
	char *end = config_skip_word(rest->at, ' ');

	rest->word = rest->at;
	rest->at = config_skip_blanks(end);
	*end = '\0';
	return rest->word;
}

char *config_next_line(struct config_rest *rest)
{
	rest->word = rest->at;
	rest->at += strlen(rest->at);
	return rest->word;
}

int config_read_digits(const char *s, unsigned base, uint64_t max,
		       uint64_t *ret)
{
	uint64_t n = 0;

	if (*s == '\0')
		return -CONFIG_E_MISSING;
	for (; *s; s++) {
		if (*s < '0' || *s >= (char)('0' + base))
			return base == 8 ? -CONFIG_E_OCTAL : -CONFIG_E_NUMBER;
		if (__builtin_mul_overflow(n, base, &n) ||
		    __builtin_add_overflow(n, (unsigned)(*s - '0'), &n) ||
		    n > max)
			return -CONFIG_E_LARGE;
	}
	*ret = n;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The escape at *AT, behind its backslash; moves *AT to its last character. */
static int unescape(const char **at, char *ret)
{
	static const char escapes[] = "\\\\\"\"n\nt\tr\r";
	int high, low;

	for (size_t i = 0; escapes[i]; i += 2)
		if (**at == escapes[i]) {
			*ret = escapes[i + 1];
			return 0;
		}
	high = **at == 'x' ? hex_digit((*at)[1]) : -1;
	low = high < 0 ? -1 : hex_digit((*at)[2]);
	if (low < 0)
		return -CONFIG_E_ESCAPE;
	if (high == 0 && low == 0)
		return -CONFIG_E_NUL;
	*at += 2;
	*ret = (char)(high << 4 | low);
	return 0;
}

int config_next_item(struct config_rest *rest, char **to)
{
	const char *s = rest->at, *begin = s;
	bool quoted = *s == '"';
	char *out = *to;
	int r;

	if (quoted)
		s++;
	for (; *s && (quoted ? *s != '"' : !config_is_blank(*s)); s++) {
		*out = *s;
		rest->word = rest->at + (s - begin);
		if (*s == '"')
			return -CONFIG_E_GLUED;
		if (quoted && *s == '\\') {
			s++;
			r = unescape(&s, out);
			if (r < 0)
				return r;
		}
		out++;
	}
	rest->word = rest->at;
	if (quoted) {
		if (*s == '\0')
			return -CONFIG_E_QUOTE;
		if (s[1] && !config_is_blank(s[1])) {
			rest->word += s - begin;
			return -CONFIG_E_GLUED;
		}
		s++;
	}
	rest->at = config_skip_blanks(rest->at + (s - begin));
	*out = '\0';
	*to = out + 1;
	return 0;
}

void config_note_supervised(struct config_reader *r)
{
	if (r->supervised_line == 0)
		r->supervised_line = r->line;
}
