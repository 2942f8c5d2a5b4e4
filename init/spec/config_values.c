#include "init/spec/config_key.h"

#include <string.h>

#include "init/spec/user.h"
#include "nsm/near.h"

void *config_field(const struct config_key *key, struct config_reader *r)
{
	return (char *)(key->of_service ? (void *)r->service :
					  (void *)r->config) +
	       key->field;
}

int config_read_u32(const char *s, unsigned base, uint32_t max, uint32_t *ret)
{
	uint64_t n;
	int r = config_read_digits(s, base, max, &n);

	if (r == 0)
		*ret = (uint32_t)n;
	return r;
}

/* With a sign where MIN is negative. */
static int read_signed(const struct config_key *key, const char *s,
		       int32_t *ret)
{
	bool minus = *s == '-' && key->min < 0;
	uint32_t n = 0;
	int r = config_read_u32(s + minus, key->base, 0x7fffffff, &n);

	if (r < 0)
		return r;
	*ret = minus ? -(int32_t)n : (int32_t)n;
	if (*ret > key->max)
		return -CONFIG_E_LARGE;
	return *ret < key->min ? -CONFIG_E_SMALL : 0;
}

int config_read_number(const struct config_key *key, struct config_rest *rest,
		       struct config_reader *r)
{
	struct config_number n = { .is_set = true };
	int e = read_signed(key, config_next_word(rest), &n.value);

	if (e == 0)
		memcpy(config_field(key, r), &n, sizeof(n));
	return e;
}

/* The same, where 0 or a default is as good as nothing said. */
int config_read_plain(const struct config_key *key, struct config_rest *rest,
		      struct config_reader *r)
{
	int32_t n = 0;
	int e = read_signed(key, config_next_word(rest), &n);

	if (e == 0)
		*(uint32_t *)config_field(key, r) = (uint32_t)n;
	return e;
}

/* The number of a key's word, and the nearest where it is none of them. */
static int choose(const struct config_key *key, const char *word,
		  struct config_reader *r, unsigned *ret)
{
	unsigned i = 0;

	r->nearest = config_key_words(key);
	for (const char *at = config_key_words(key); *at;
	     at += strlen(at) + 1, i++) {
		if (strcmp(word, at) == 0) {
			r->nearest = NULL;
			*ret = i;
			return 0;
		}
		if (near_key(word, at) < near_key(word, r->nearest))
			r->nearest = at;
	}
	return -CONFIG_E_CHOICE;
}

int config_read_choice(const struct config_key *key, struct config_rest *rest,
		       struct config_reader *r)
{
	unsigned n = 0;
	int e = choose(key, config_next_word(rest), r, &n);

	if (e == 0)
		*(unsigned *)config_field(key, r) = n;
	return e;
}

/* Its second word is true. */
int config_read_bool(const struct config_key *key, struct config_rest *rest,
		     struct config_reader *r)
{
	unsigned n = 0;
	int e = choose(key, config_next_word(rest), r, &n);

	if (e == 0)
		*(bool *)config_field(key, r) = n > 0;
	return e;
}

/* Digits and a unit, seconds where there is none. */
static int read_ms(char *s, uint32_t *ret)
{
	static const struct {
		char unit[4];
		uint32_t ms;
	} units[] = { { "", 1000 },   { "s", 1000 },	{ "ms", 1 },
		      { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	char *unit = s + strspn(s, "0123456789");
	char first = *unit;
	uint64_t n;
	int r;

	if (unit == s)
		return -CONFIG_E_TIME;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit) != 0)
			continue;
		*unit = '\0';
		r = config_read_digits(s, 10, CONFIG_MS_MAX / units[i].ms, &n);
		*unit = first;
		if (r == 0)
			*ret = (uint32_t)n * units[i].ms;
		return r;
	}
	return -CONFIG_E_TIME;
}

int config_read_time(const struct config_key *key, struct config_rest *rest,
		     struct config_reader *r)
{
	uint32_t ms = 0;
	int e = read_ms(config_next_word(rest), &ms);

	if (e == 0 && ms < (uint32_t)key->min)
		return -CONFIG_E_SMALL;
	if (e == 0)
		*(uint32_t *)config_field(key, r) = ms;
	return e;
}

/* Where 0 is not the same as nothing said. */
int config_read_timeout(const struct config_key *key, struct config_rest *rest,
			struct config_reader *r)
{
	struct config_number n = { .is_set = true };
	uint32_t ms = 0;
	int e = read_ms(config_next_word(rest), &ms);

	n.value = (int32_t)ms;
	if (e == 0)
		memcpy(config_field(key, r), &n, sizeof(n));
	return e;
}

/* Absolute, all of the line. */
int config_read_path(const struct config_key *key, struct config_rest *rest,
		     struct config_reader *r)
{
	const char *path = config_next_line(rest);

	if (*path != '/')
		return -CONFIG_E_RELATIVE;
	if (strlen(path) > CONFIG_PATH_MAX)
		return -CONFIG_E_PATH_LONG;
	*(const char **)config_field(key, r) = path;
	return 0;
}

int config_read_words(struct config_rest *rest, size_t max,
		      int (*check)(const char *word), struct config_words *ret)
{
	char *to = rest->at;
	size_t len;
	int e;

	*ret = (struct config_words){ .first = to };
	do {
		config_next_word(rest);
		if (ret->count == max)
			return -CONFIG_E_FULL;
		e = check(rest->word);
		if (e < 0)
			return e;
		len = strlen(rest->word) + 1;
		memmove(to, rest->word, len);
		to += len;
		ret->count++;
	} while (*rest->at);
	return 0;
}

/* A name, or a number that an ID may be. */
int config_check_who(const char *s)
{
	uint32_t n;

	if (*s == '\0')
		return -CONFIG_E_USER;
	if (strlen(s) > CONFIG_NAME_MAX)
		return -CONFIG_E_NAME;
	if (strchr(s, ':'))
		return -CONFIG_E_USER;
	if (s[strspn(s, "0123456789")])
		return 0;
	return config_read_u32(s, 10, USER_ID_MAX, &n);
}

/* What is measured is the file of that name, and no other that leads to it. */
int config_check_path(const char *path)
{
	size_t len;

	if (*path == '\0')
		return -CONFIG_E_MISSING;
	if (strlen(path) > CONFIG_PATH_MAX)
		return -CONFIG_E_PATH_LONG;
	do {
		if (*path != '/')
			return -CONFIG_E_PATH;
		path++;
		len = (size_t)(strchrnul(path, '/') - path);
		if (len == 0 || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return -CONFIG_E_PATH;
		if (len > CONFIG_PART_MAX)
			return -CONFIG_E_PATH_LONG;
		path += len;
	} while (*path);
	return 0;
}

int config_read_who(const struct config_key *key, struct config_rest *rest,
		    struct config_reader *r)
{
	*(const char **)config_field(key, r) = config_next_word(rest);
	return config_check_who(rest->word);
}
