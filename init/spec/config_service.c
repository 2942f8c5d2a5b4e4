#include "init/spec/config_key.h"

#include <string.h>

#include "init/spec/capability.h"
#include "init/spec/signal.h"

#define ALL_CAPABILITIES (((uint64_t)1 << CAPABILITY_COUNT) - 1)

int config_read_command(const struct config_key *key, struct config_rest *rest,
			struct config_reader *r)
{
	struct config_words *command = &r->service->command;
	char *to = rest->at;
	int e;

	(void)key;
	rest->word = rest->at;
	command->first = to;
	do {
		e = config_next_item(rest, &to);
		if (e < 0)
			return e;
		if (*command->first == '\0')
			return -CONFIG_E_PROGRAM;
		command->count++;
	} while (*rest->at);
	return 0;
}

/* As many bytes as the name of a variable has, and `=`. */
static size_t name_len(const char *variable)
{
	return (size_t)(strchrnul(variable, '=') - variable) + 1;
}

static int add_variable(struct config_reader *r, char *variable)
{
	struct config_service *s = r->service;
	size_t len = name_len(variable);

	if (*variable == '=' || strlen(variable) < len)
		return -CONFIG_E_VARIABLE;
	for (size_t i = 0; i < s->variable_count; i++)
		if (strncmp(s->variables[i], variable, len) == 0)
			return -CONFIG_E_AGAIN;
	if (r->config->variable_count == CONFIG_VARIABLES_MAX)
		return -CONFIG_E_VARIABLES;
	r->config->variables[r->config->variable_count++] = variable;
	s->variable_count++;
	return 0;
}

int config_read_environment(const struct config_key *key,
			    struct config_rest *rest, struct config_reader *r)
{
	char *to = rest->at, *variable;
	int e;

	(void)key;
	rest->word = rest->at;
	do {
		variable = to;
		e = config_next_item(rest, &to);
		if (e == 0)
			e = add_variable(r, variable);
		if (e < 0)
			return e;
	} while (*rest->at);
	return 0;
}

int config_read_environment_file(const struct config_key *key,
				 struct config_rest *rest,
				 struct config_reader *r)
{
	r->service->environment_file_may_lack = *rest->at == '-';
	if (*rest->at == '-')
		rest->at++;
	return config_read_path(key, rest, r);
}

int config_read_user(const struct config_key *key, struct config_rest *rest,
		     struct config_reader *r)
{
	char *word = config_next_word(rest), *colon = strchr(word, ':');
	int e;

	(void)key;
	r->service->user = word;
	if (colon) {
		*colon = '\0';
		if (r->service->group)
			return -CONFIG_E_TWICE;
		r->service->group = colon + 1;
	}
	e = config_check_who(word);
	if (e == 0 && colon) {
		rest->word = colon + 1;
		e = config_check_who(colon + 1);
	}
	return e;
}

int config_read_group(const struct config_key *key, struct config_rest *rest,
		      struct config_reader *r)
{
	(void)key;
	config_next_word(rest);
	if (r->service->group)
		return -CONFIG_E_TWICE;
	r->service->group = rest->word;
	return config_check_who(rest->word);
}

int config_read_groups(const struct config_key *key, struct config_rest *rest,
		       struct config_reader *r)
{
	return config_read_words(rest, CONFIG_GROUPS_MAX, config_check_who,
				 config_field(key, r));
}

/* A number of bytes, with K, M, G or T after it. */
static int read_bytes(char *s, uint64_t *ret)
{
	static const char units[] = "KMGT";
	size_t len = strlen(s);
	const char *unit;
	unsigned shift;
	char last;
	int e;

	if (len == 0)
		return -CONFIG_E_MISSING;
	last = s[len - 1];
	unit = strchr(units, last & ~0x20);
	shift = last & 0x40 && unit ? 10 * (unsigned)(unit - units + 1) : 0;
	if (shift > 0)
		s[len - 1] = '\0';
	e = config_read_digits(s, 10, (CONFIG_INFINITY - 1) >> shift, ret);
	if (shift > 0)
		s[len - 1] = last;
	*ret <<= shift;
	return e;
}

static int read_limit_value(char *s, uint64_t *ret)
{
	if (strcmp(s, "unlimited") == 0 || strcmp(s, "infinity") == 0) {
		*ret = CONFIG_INFINITY;
		return 0;
	}
	return read_bytes(s, ret);
}

/* At least the key's minimum. Without a maximum there is no key to write. */
int config_read_bytes(const struct config_key *key, struct config_rest *rest,
		      struct config_reader *r)
{
	uint64_t n = 0;
	int e = read_bytes(config_next_word(rest), &n);

	if (e == -CONFIG_E_NUMBER || e == -CONFIG_E_MISSING)
		return -CONFIG_E_SIZE;
	if (e < 0)
		return e;
	if (n < (uint64_t)key->min)
		return -CONFIG_E_SMALL;
	*(uint64_t *)config_field(key, r) = n;
	return 0;
}

int config_read_limit(const struct config_key *key, struct config_rest *rest,
		      struct config_reader *r)
{
	struct config_limit *limit = &r->service->limits.of[key->max];
	char *word = config_next_word(rest), *colon = strchr(word, ':');
	int e;

	if (colon)
		*colon = '\0';
	e = read_limit_value(word, &limit->soft);
	limit->hard = limit->soft;
	if (e == 0 && colon) {
		rest->word = colon + 1;
		e = read_limit_value(colon + 1, &limit->hard);
	}
	if (e == 0 && limit->soft > limit->hard)
		return -CONFIG_E_LIMIT;
	r->service->limits.set |= 1U << key->max;
	return e;
}

static int read_capability_words(struct config_rest *rest, uint64_t *ret)
{
	int n;

	do {
		n = capability_number(config_next_word(rest));
		if (n < 0)
			return -CONFIG_E_CAPABILITY;
		*ret |= (uint64_t)1 << n;
	} while (*rest->at);
	return 0;
}

static int read_capabilities(struct config_rest *rest, uint64_t *ret)
{
	size_t len = strlen(rest->at);
	bool inverted = *rest->at == '~';
	int e;

	*ret = 0;
	if (len == 4 && memcmp(rest->at, "none", 4) == 0) {
		config_next_word(rest);
		return 0;
	}
	if (len == 3 && memcmp(rest->at, "all", 3) == 0) {
		config_next_word(rest);
		*ret = ALL_CAPABILITIES;
		return 0;
	}
	rest->at += inverted;
	e = read_capability_words(rest, ret);
	if (inverted)
		*ret = ALL_CAPABILITIES & ~*ret;
	return e;
}

int config_read_bounding(const struct config_key *key, struct config_rest *rest,
			 struct config_reader *r)
{
	(void)key;
	r->service->confine.bounding_is_set = true;
	return read_capabilities(rest, &r->service->confine.bounding);
}

int config_read_ambient(const struct config_key *key, struct config_rest *rest,
			struct config_reader *r)
{
	(void)key;
	return read_capabilities(rest, &r->service->confine.ambient);
}

int config_read_securebits(const struct config_key *key,
			   struct config_rest *rest, struct config_reader *r)
{
	/* By their bits in capabilities(7). */
	static const char names[][28] = {
		"noroot",
		"noroot-locked",
		"no-setuid-fixup",
		"no-setuid-fixup-locked",
		"keep-caps",
		"keep-caps-locked",
		"no-cap-ambient-raise",
		"no-cap-ambient-raise-locked",
	};
	size_t i;

	(void)key;
	do {
		config_next_word(rest);
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strcmp(rest->word, names[i]) == 0)
				break;
		if (i == sizeof(names) / sizeof(names[0]))
			return -CONFIG_E_CHOICE;
		r->service->confine.securebits |= 1U << i;
	} while (*rest->at);
	return 0;
}

int config_read_signal(const struct config_key *key, struct config_rest *rest,
		       struct config_reader *r)
{
	(void)key;
	r->service->supervision.stop_signal =
		signal_number(config_next_word(rest));
	return r->service->supervision.stop_signal == 0 ? -CONFIG_E_SIGNAL : 0;
}

/* The names are looked up when all sections are known. */
int config_read_after(const struct config_key *key, struct config_rest *rest,
		      struct config_reader *r)
{
	size_t i = (size_t)(r->service - r->config->services);

	(void)key;
	r->after_lines[i] = r->line;
	r->after_starts[i] = r->line_start;
	r->after[i] = (struct config_words){ .first = rest->at };
	do {
		config_next_word(rest);
		r->after[i].count++;
	} while (*rest->at);
	return 0;
}
