#include "nsm/kms/wire/instant.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

enum { DAY_S = 86400 };

struct civil {
	int64_t year, month, day, hour, minute, second;
};

/* Days since 1970-01-01, by years that begin in March, so that February is last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t m = month <= 2 ? month + 9 : month - 3;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day -
	       1 - 719468;
}

static int month_len(int64_t year, int64_t month)
{
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	if (month == 2)
		return is_leap ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static struct civil civil_of(int64_t s)
{
	int64_t days = s / DAY_S, in_day = s % DAY_S;
	struct civil c = { .year = 1970 + days / 366, .month = 1 };

	while (days_of(c.year + 1, 1, 1) <= days)
		c.year++;
	while (c.month < 12 && days_of(c.year, c.month + 1, 1) <= days)
		c.month++;
	c.day = days - days_of(c.year, c.month, 1) + 1;
	c.hour = in_day / 3600;
	c.minute = in_day / 60 % 60;
	c.second = in_day % 60;
	return c;
}

static int seconds_of(const struct civil *c, int64_t *ret)
{
	if (c->month < 1 || c->month > 12 || c->day < 1 ||
	    c->day > month_len(c->year, c->month) || c->hour > 23 ||
	    c->minute > 59 || c->second > 59)
		return -EINVAL;
	*ret = days_of(c->year, c->month, c->day) * DAY_S + c->hour * 3600 +
	       c->minute * 60 + c->second;
	return 0;
}

/* --- by patterns: a letter of "YMDhms" is a digit of that number, any other itself --- */

static const char letters[] = "YMDhms";

static int64_t *number_of(struct civil *c, char letter)
{
	int64_t *const numbers[] = { &c->year, &c->month,  &c->day,
				     &c->hour, &c->minute, &c->second };

	for (size_t i = 0; letters[i]; i++)
		if (letters[i] == letter)
			return numbers[i];
	return NULL;
}

/* Reads as far as PATTERN goes; returns what follows, or NULL. */
static const char *read_by(const char *pattern, const char *text,
			   struct civil *c)
{
	for (; *pattern; pattern++, text++) {
		int64_t *n = number_of(c, *pattern);

		if (n ? *text < '0' || *text > '9' : *text != *pattern)
			return NULL;
		if (n)
			*n = *n * 10 + (*text - '0');
	}
	return text;
}

static int write_by(const char *pattern, int64_t s, char *ret)
{
	struct civil c;

	if (s < 0 || s > INSTANT_LAST)
		return -ERANGE;
	c = civil_of(s);
	for (size_t i = 0; pattern[i]; i++) {
		int64_t *n = number_of(&c, pattern[i]);
		int64_t unit = 1;

		for (size_t j = i + 1; n && pattern[j] == pattern[i]; j++)
			unit *= 10;
		ret[i] = pattern[i];
		if (n)
			ret[i] = (char)('0' + *n / unit % 10);
		ret[i + 1] = '\0';
	}
	return 0;
}

int instant_amz(int64_t s, char ret[INSTANT_AMZ_SIZE])
{
	return write_by("YYYYMMDDThhmmssZ", s, ret);
}

int instant_from_amz(const char *text, int64_t *ret)
{
	struct civil c = { 0 };
	const char *end = read_by("YYYYMMDDThhmmssZ", text, &c);
	int64_t s;

	if (!end || *end || seconds_of(&c, &s) < 0 || s < 0)
		return -EINVAL;
	*ret = s;
	return 0;
}

int instant_rfc3339(int64_t s, char ret[INSTANT_RFC3339_SIZE])
{
	return write_by("YYYY-MM-DDThh:mm:ssZ", s, ret);
}

static const char *skip_fraction(const char *at)
{
	if (*at != '.')
		return at;
	if (*++at < '0' || *at > '9')
		return NULL;
	while (*at >= '0' && *at <= '9')
		at++;
	return at;
}

/* "Z" or "+hh:mm", to seconds that are to be taken away. */
static int read_offset(const char *at, int64_t *ret)
{
	struct civil c = { 0 };
	const char *end;

	if (at[0] == 'Z' && !at[1]) {
		*ret = 0;
		return 0;
	}
	if (*at != '+' && *at != '-')
		return -EINVAL;
	end = read_by("hh:mm", at + 1, &c);
	if (!end || *end || c.hour > 23 || c.minute > 59)
		return -EINVAL;
	*ret = (*at == '+' ? 1 : -1) * (c.hour * 3600 + c.minute * 60);
	return 0;
}

int instant_from_rfc3339(const char *text, int64_t *ret)
{
	struct civil c = { 0 };
	const char *at = read_by("YYYY-MM-DDThh:mm:ss", text, &c);
	int64_t s, offset;

	at = at ? skip_fraction(at) : NULL;
	if (!at || seconds_of(&c, &s) < 0 || read_offset(at, &offset) < 0)
		return -EINVAL;
	s -= offset;
	if (s < 0 || s > INSTANT_LAST)
		return -EINVAL;
	*ret = s;
	return 0;
}
