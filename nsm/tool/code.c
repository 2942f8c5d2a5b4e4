#include "nsm/tool/code.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The last second of the year 9999. */
#define TIME_LAST UINT64_C(253402300799)

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int code_from_hex(const char *s, size_t len, uint8_t *to, size_t *ret_len)
{
	size_t n = 0;
	int high, low;

	for (; len > 0 && is_blank(*s); s++)
		len--;
	if (len >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		s += 2;
		len -= 2;
	}
	for (size_t i = 0; i < len; i++) {
		if (is_blank(s[i]) || (s[i] == ':' && n > 0))
			continue;
		high = hex_digit(s[i]);
		if (high < 0 || ++i == len)
			return -EINVAL;
		low = hex_digit(s[i]);
		if (low < 0)
			return -EINVAL;
		to[n++] = (uint8_t)(high << 4 | low);
	}
	*ret_len = n;
	return 0;
}

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of C in either alphabet of RFC 4648; -1 if C is in neither. */
static int base64_digit(char c)
{
	const char *at = c ? strchr(alphabet, c == '-' ? '+' :
					      c == '_' ? '/' :
							 c) :
			     NULL;

	return at ? (int)(at - alphabet) : -1;
}

int code_from_base64(const char *s, size_t len, uint8_t *to, size_t *ret_len)
{
	uint32_t bits = 0;
	size_t n = 0, chars = 0, padding = 0;
	int digit;

	for (size_t i = 0; i < len; i++) {
		if (is_blank(s[i]))
			continue;
		if (s[i] == '=') {
			padding++;
			continue;
		}
		digit = base64_digit(s[i]);
		if (digit < 0 || padding)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)digit;
		if (++chars % 4 == 0) {
			to[n++] = (uint8_t)(bits >> 16);
			to[n++] = (uint8_t)(bits >> 8);
			to[n++] = (uint8_t)bits;
			bits = 0;
		}
	}
	/* The URL's alphabet is mostly used without padding. */
	if ((padding > 0 && (chars + padding) % 4 != 0) || padding > 2 ||
	    chars % 4 == 1)
		return -EINVAL;
	if (chars % 4 == 2) {
		if (bits & 0xf)
			return -EINVAL;
		to[n++] = (uint8_t)(bits >> 4);
	} else if (chars % 4 == 3) {
		if (bits & 0x3)
			return -EINVAL;
		to[n++] = (uint8_t)(bits >> 10);
		to[n++] = (uint8_t)(bits >> 2);
	}
	*ret_len = n;
	return 0;
}

void code_base64(const uint8_t *from, size_t len, char to[4])
{
	uint32_t bits = (uint32_t)from[0] << 16;

	if (len > 1)
		bits |= (uint32_t)from[1] << 8;
	if (len > 2)
		bits |= from[2];
	to[0] = alphabet[bits >> 18 & 63];
	to[1] = alphabet[bits >> 12 & 63];
	to[2] = '=';
	to[3] = '=';
	if (len > 1)
		to[2] = alphabet[bits >> 6 & 63];
	if (len > 2)
		to[3] = alphabet[bits & 63];
}

int code_number(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' ||
		    __builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return -EINVAL;
	}
	if (n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

/* Reads N digits at *S, and moves it on. */
static bool digits(const char **s, int n, int64_t max, int64_t *ret)
{
	int64_t value = 0;

	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		value = value * 10 + (**s - '0');
	}
	*ret = value;
	return value <= max;
}

static bool one_of(const char **s, const char *set)
{
	return **s && strchr(set, *(*s)++);
}

int code_time(const char *s, int64_t *ret)
{
	int64_t year, month, day, hour, minute, second, at, off_h, off_m;
	uint64_t number;
	struct tm date;
	char sign;

	if (code_number(s, TIME_LAST, &number) == 0) {
		*ret = (int64_t)number;
		return 0;
	}
	if (!digits(&s, 4, 9999, &year) || !one_of(&s, "-") ||
	    !digits(&s, 2, 12, &month) || !one_of(&s, "-") ||
	    !digits(&s, 2, 31, &day) || !one_of(&s, "Tt ") ||
	    !digits(&s, 2, 23, &hour) || !one_of(&s, ":") ||
	    !digits(&s, 2, 59, &minute) || !one_of(&s, ":") ||
	    !digits(&s, 2, 60, &second) || year < 1970 || month < 1 || day < 1)
		return -EINVAL;
	date = (struct tm){
		.tm_year = (int)year - 1900,
		.tm_mon = (int)month - 1,
		.tm_mday = (int)day,
	};
	at = timegm(&date);
	if (date.tm_mday != day) /* it has made March of February 30 */
		return -EINVAL;
	at += hour * 3600 + minute * 60 + second;
	if (*s == '.') {
		s++;
		if (*s < '0' || *s > '9')
			return -EINVAL;
		while (*s >= '0' && *s <= '9')
			s++;
	}
	sign = *s;
	if (!one_of(&s, "Zz+-"))
		return -EINVAL;
	if (sign == '+' || sign == '-') {
		if (!digits(&s, 2, 23, &off_h) || !one_of(&s, ":") ||
		    !digits(&s, 2, 59, &off_m))
			return -EINVAL;
		off_m = (off_h * 60 + off_m) * 60;
		at += sign == '+' ? -off_m : off_m;
	}
	if (*s || at < 0)
		return -EINVAL;
	*ret = at;
	return 0;
}

void code_time_text(uint64_t ms, char to[CODE_TIME_CAP])
{
	time_t s = (time_t)(ms / 1000);
	struct tm t;

	to[0] = '\0';
	if (ms / 1000 > TIME_LAST || !gmtime_r(&s, &t))
		return;
	(void)snprintf(to, CODE_TIME_CAP, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		       t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
		       t.tm_min, t.tm_sec, (int)(ms % 1000));
}
