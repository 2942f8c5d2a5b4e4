#include "vsock/relay/base/value.h"

#include <string.h>

bool value_number_at(const char **at, const char *end, uint64_t max,
		     uint64_t *ret)
{
	const char *s = *at;
	uint64_t n = 0;

	for (; s < end && *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n) ||
		    n > max)
			return false;
	}
	if (s == *at)
		return false;
	*at = s;
	*ret = n;
	return true;
}

bool value_number(const char *text, uint64_t max, uint64_t *ret)
{
	const char *end = text + strlen(text);
	uint64_t n;

	if (!value_number_at(&text, end, max, &n) || text != end)
		return false;
	*ret = n;
	return true;
}

uint32_t value_boot(const char *text, size_t len)
{
	uint32_t boot = 0;

	if (len != VALUE_BOOT_LEN)
		return 0;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return 0;
		boot = boot << 4 |
		       (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return boot;
}

bool value_time(const char *text, int64_t *ret_ms)
{
	static const struct {
		char name[4];
		uint32_t ms;
	} units[] = { { "", 1000 },   { "s", 1000 },	{ "ms", 1 },
		      { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	const char *end = text + strlen(text);
	uint64_t n;

	if (!value_number_at(&text, end, VALUE_MS_MAX, &n))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (n > VALUE_MS_MAX / units[i].ms)
			return false;
		*ret_ms = (int64_t)(n * units[i].ms);
		return true;
	}
	return false;
}

bool value_size(const char *text, uint64_t max, uint64_t *ret)
{
	const char *end = text + strlen(text);
	unsigned shift = 0;
	uint64_t n;

	if (!value_number_at(&text, end, max, &n))
		return false;
	if (*text == 'K' || *text == 'M' || *text == 'G') {
		shift = *text == 'K' ? 10 : *text == 'M' ? 20 : 30;
		text++;
	}
	if (text != end || n > max >> shift)
		return false;
	*ret = n << shift;
	return true;
}

static char to_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

bool value_signal(const char *text, char *ret, size_t cap)
{
	size_t len = strlen(text), at;
	bool has_sig = len > 3 && to_upper(text[0]) == 'S' &&
		       to_upper(text[1]) == 'I' && to_upper(text[2]) == 'G';

	if (has_sig) {
		text += 3;
		len -= 3;
	}
	if (len == 0 || len + 4 > cap)
		return false;
	memcpy(ret, "SIG", 3);
	for (at = 0; at < len; at++) {
		char c = to_upper(text[at]);
		bool is_sign = at > 0 && (c == '+' || c == '-');

		if (!is_sign && !(c >= 'A' && c <= 'Z') &&
		    !(at > 0 && c >= '0' && c <= '9'))
			return false;
		ret[3 + at] = c;
	}
	ret[3 + len] = '\0';
	return true;
}
