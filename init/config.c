#include "init/config.h"

#include <string.h>

#include "init/signal.h"

enum {
	KEY_MAX = 31, /* of a longer one the rest does not count as distance */
	MODE_MAX = 0777,
};

/* What is left of a line. Neither AT nor the end has blanks. */
struct rest {
	char *at;
	char *word; /* what is read, which is what an error is about */
};

struct key {
	int (*read)(const struct key *key, struct rest *rest, struct config *c);
	/* For a number: where it goes, what it is. */
	size_t field;
	uint32_t max;
	uint8_t base;
	bool may_repeat;
	char name[18];
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *skip_blanks(char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

/* To the next blank or STOP, or the end. */
static char *skip_word(char *s, char stop)
{
	while (*s && !is_blank(*s) && *s != stop)
		s++;
	return s;
}

/* Takes a word; it is empty where the line has no more. */
static char *next_word(struct rest *rest)
{
	char *end = skip_word(rest->at, ' ');

	rest->word = rest->at;
	rest->at = skip_blanks(end);
	*end = '\0';
	return rest->word;
}

/* Takes all of the line. */
static char *next_line(struct rest *rest)
{
	rest->word = rest->at;
	rest->at += strlen(rest->at);
	return rest->word;
}

static int read_digits(const char *s, unsigned base, uint32_t max,
		       uint32_t *ret)
{
	uint64_t n = 0;

	if (*s == '\0')
		return -CONFIG_E_MISSING;
	for (; *s; s++) {
		if (*s < '0' || *s >= (char)('0' + base))
			return base == 8 ? -CONFIG_E_OCTAL : -CONFIG_E_NUMBER;
		n = n * base + (unsigned)(*s - '0');
		if (n > max)
			return -CONFIG_E_LARGE;
	}
	*ret = (uint32_t)n;
	return 0;
}

static int read_number(const struct key *key, struct rest *rest,
		       struct config *c)
{
	struct config_number n = { .is_set = true };
	int r = read_digits(next_word(rest), key->base, key->max, &n.value);

	if (r == 0)
		memcpy((char *)c + key->field, &n, sizeof(n));
	return r;
}

static int read_pcr(const char *s, uint8_t *ret)
{
	uint32_t n;
	int r = read_digits(s, 10, CONFIG_PCR_LAST, &n);

	if (r == -CONFIG_E_LARGE || (r == 0 && n < CONFIG_PCR_FIRST))
		return -CONFIG_E_PCR;
	if (r == 0)
		*ret = (uint8_t)n;
	return r;
}

/* What is measured is the file of that name, and no other that leads to it. */
static int check_path(const char *path)
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

static int read_extend(const struct key *key, struct rest *rest,
		       struct config *c)
{
	struct config_extend *e = &c->extends[c->extend_count];
	const char *kind;
	int r;

	(void)key;
	next_word(rest);
	if (c->extend_count == CONFIG_EXTENDS_MAX)
		return -CONFIG_E_MANY;
	r = read_pcr(rest->word, &e->pcr);
	if (r < 0)
		return r;
	if (c->locks >> e->pcr & 1)
		return -CONFIG_E_LOCKED;

	kind = next_word(rest);
	e->is_file = strcmp(kind, "file") == 0;
	if (*kind == '\0')
		return -CONFIG_E_MISSING;
	if (!e->is_file && strcmp(kind, "data") != 0)
		return -CONFIG_E_KIND;

	e->name = next_word(rest);
	if (*e->name == '\0')
		return -CONFIG_E_MISSING;
	if (strlen(e->name) > CONFIG_NAME_MAX)
		return -CONFIG_E_NAME;

	e->value = next_line(rest);
	c->extend_count++;
	return e->is_file ? check_path(e->value) : 0;
}

static int read_locks(const struct key *key, struct rest *rest,
		      struct config *c)
{
	uint8_t first = 0, last;
	char *word, *dash;
	int r;

	(void)key;
	do {
		word = next_word(rest);
		dash = strchr(word, '-');
		if (dash)
			*dash = '\0';
		r = read_pcr(word, &first);
		last = first;
		if (r == 0 && dash)
			r = read_pcr(dash + 1, &last);
		if (r < 0)
			return r;
		if (first > last)
			return -CONFIG_E_BACKWARDS;
		for (; first <= last; first++)
			c->locks |= 1U << first;
	} while (*rest->at);
	return 0;
}

static int read_workdir(const struct key *key, struct rest *rest,
			struct config *c)
{
	(void)key;
	c->workdir = next_line(rest);
	if (*c->workdir == '\0')
		return -CONFIG_E_MISSING;
	if (*c->workdir != '/')
		return -CONFIG_E_RELATIVE;
	return strlen(c->workdir) > CONFIG_PATH_MAX ? -CONFIG_E_PATH_LONG : 0;
}

/* A name, or a number that an ID may be. */
static int check_who(const char *s)
{
	uint32_t n;

	if (*s == '\0')
		return -CONFIG_E_USER;
	if (strlen(s) > CONFIG_NAME_MAX)
		return -CONFIG_E_NAME;
	if (s[strspn(s, "0123456789")])
		return 0;
	return read_digits(s, 10, CONFIG_ID_MAX, &n);
}

static int read_user(const struct key *key, struct rest *rest, struct config *c)
{
	char *word = next_word(rest), *colon = strchr(word, ':');
	int r;

	(void)key;
	if (*word == '\0')
		return -CONFIG_E_MISSING;
	c->user = word;
	if (colon) {
		*colon = '\0';
		c->group = colon + 1;
		if (strchr(c->group, ':'))
			return -CONFIG_E_USER;
	}
	r = check_who(c->user);
	if (r == 0 && c->group)
		r = check_who(c->group);
	return r;
}

static int read_signal(const struct key *key, struct rest *rest,
		       struct config *c)
{
	(void)key;
	c->stop_signal = signal_number(next_word(rest));
	if (*rest->word == '\0')
		return -CONFIG_E_MISSING;
	return c->stop_signal == 0 ? -CONFIG_E_SIGNAL : 0;
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

/*
 * Takes a word that may be quoted and writes it to *TO, as a string, with *TO
 * moved behind it. That is never further on than what was read.
 */
static int next_item(struct rest *rest, char **to)
{
	const char *s = rest->at, *begin = s;
	bool quoted = *s == '"';
	char *out = *to;
	int r;

	if (quoted)
		s++;
	for (; *s && (quoted ? *s != '"' : !is_blank(*s)); s++) {
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
		if (s[1] && !is_blank(s[1])) {
			rest->word += s - begin;
			return -CONFIG_E_GLUED;
		}
		s++;
	}
	rest->at = skip_blanks(rest->at + (s - begin));
	*out = '\0';
	*to = out + 1;
	return 0;
}

static int read_command(const struct key *key, struct rest *rest,
			struct config *c)
{
	char *to = rest->at;
	int r;

	(void)key;
	rest->word = rest->at;
	c->command = to;
	if (*to == '\0')
		return -CONFIG_E_MISSING;
	do {
		r = next_item(rest, &to);
		if (r < 0)
			return r;
		if (*c->command == '\0')
			return -CONFIG_E_PROGRAM;
		c->command_count++;
	} while (*rest->at);
	return 0;
}

/* As many bytes as the name of a variable has, and `=`. */
static size_t name_len(const char *variable)
{
	return (size_t)(strchrnul(variable, '=') - variable) + 1;
}

static int add_variable(struct config *c, char *variable)
{
	size_t len = name_len(variable);

	if (*variable == '=' || strlen(variable) < len)
		return -CONFIG_E_VARIABLE;
	for (size_t i = 0; i < c->variable_count; i++)
		if (strncmp(c->variables[i], variable, len) == 0)
			return -CONFIG_E_AGAIN;
	if (c->variable_count == CONFIG_VARIABLES_MAX)
		return -CONFIG_E_VARIABLES;
	c->variables[c->variable_count++] = variable;
	return 0;
}

static int read_environment(const struct key *key, struct rest *rest,
			    struct config *c)
{
	char *to = rest->at, *variable;
	int r;

	(void)key;
	rest->word = rest->at;
	if (*to == '\0')
		return -CONFIG_E_MISSING;
	do {
		variable = to;
		r = next_item(rest, &to);
		if (r == 0)
			r = add_variable(c, variable);
		if (r < 0)
			return r;
	} while (*rest->at);
	return 0;
}

static const struct key keys[] = {
	{ .name = "command", .read = read_command },
	{ .name = "environment", .read = read_environment, .may_repeat = true },
	{ .name = "nsm-group",
	  .read = read_number,
	  .field = offsetof(struct config, nsm_group),
	  .base = 10,
	  .max = CONFIG_ID_MAX },
	{ .name = "nsm-mode",
	  .read = read_number,
	  .field = offsetof(struct config, nsm_mode),
	  .base = 8,
	  .max = MODE_MAX },
	{ .name = "nsm-owner",
	  .read = read_number,
	  .field = offsetof(struct config, nsm_owner),
	  .base = 10,
	  .max = CONFIG_ID_MAX },
	{ .name = "pcr-extend", .read = read_extend, .may_repeat = true },
	{ .name = "pcr-lock", .read = read_locks, .may_repeat = true },
	{ .name = "stop-signal", .read = read_signal },
	{ .name = "user", .read = read_user },
	{ .name = "workdir", .read = read_workdir },
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };
_Static_assert(KEYS <= 64, "a bit each for those that came");

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many characters are to be put in, taken out or changed (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t row[KEY_MAX + 1], len = strnlen(b, KEY_MAX), diagonal, above, i;

	for (i = 0; i <= len; i++)
		row[i] = i;
	for (size_t n = 1; *a && n <= KEY_MAX; a++, n++) {
		diagonal = row[0];
		row[0] = n;
		for (i = 1; i <= len; i++) {
			above = row[i];
			row[i] = min(min(above, row[i - 1]) + 1,
				     diagonal + (*a != b[i - 1]));
			diagonal = above;
		}
	}
	return row[len];
}

static const char *nearest_key(const char *name)
{
	const struct key *best = keys;

	for (size_t i = 1; i < KEYS; i++)
		if (distance(name, keys[i].name) < distance(name, best->name))
			best = &keys[i];
	return best->name;
}

static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

/* The line from REST on, a string up to END. */
static int read_line(struct rest *rest, char *end, uint64_t *seen,
		     struct config *c, const char **reterr_nearest)
{
	char *name, *name_end;
	size_t i;
	int r;

	for (; rest->word < end; rest->word++)
		if (is_control(*rest->word))
			return -CONFIG_E_CONTROL;
	while (end > rest->at && is_blank(end[-1]))
		end--;
	*end = '\0';
	name = skip_blanks(rest->at);
	if (*name == '\0' || *name == '#')
		return 0;

	name_end = skip_word(name, '=');
	rest->word = skip_blanks(name_end);
	if (*rest->word != '=')
		return -CONFIG_E_NO_EQUALS;
	if (name_end == name)
		return -CONFIG_E_NO_KEY;
	rest->at = skip_blanks(rest->word + 1);
	rest->word = name;
	*name_end = '\0';

	for (i = 0; i < KEYS && strcmp(name, keys[i].name) != 0; i++)
		;
	if (i == KEYS) {
		*reterr_nearest = nearest_key(name);
		return -CONFIG_E_UNKNOWN;
	}
	if (*seen >> i & 1 && !keys[i].may_repeat)
		return -CONFIG_E_TWICE;
	*seen |= (uint64_t)1 << i;
	r = keys[i].read(&keys[i], rest, c);
	if (r == 0 && *rest->at) {
		rest->word = rest->at;
		return -CONFIG_E_MORE;
	}
	return r;
}

int config_parse(char *text, size_t len, struct config *ret,
		 struct config_fault *reterr_fault)
{
	char *at = text, *end = text + len, *stop;
	const char *nearest = NULL;
	struct rest rest;
	uint64_t seen = 0;
	size_t line = 0;
	int r;

	memset(ret, 0, sizeof(*ret));
	while (at < end) {
		line++;
		stop = memchr(at, '\n', (size_t)(end - at));
		if (!stop)
			stop = end;
		rest = (struct rest){ .at = at, .word = at };
		r = read_line(&rest, stop, &seen, ret, &nearest);
		if (r < 0) {
			*reterr_fault = (struct config_fault){
				.line = line,
				.column = (size_t)(rest.word - at) + 1,
				.nearest = nearest,
			};
			return r;
		}
		at = stop + 1;
	}
	return 0;
}

/* In the order of their codes, each with its NUL: pointers would be relocations. */
static const char texts[] = "a control character\0"
			    "no key before '='\0"
			    "no '=' after a key\0"
			    "no such key\0"
			    "this key is there already\0"
			    "a value is missing\0"
			    "the value should end here\0"
			    "not a decimal number\0"
			    "not an octal number\0"
			    "too large\0"
			    "not a PCR from 16 to 31\0"
			    "the range ends before it begins\0"
			    "this PCR is locked further up\0"
			    "neither data nor file\0"
			    "a name longer than 255 bytes\0"
			    "not an absolute path without //, /./ and /../\0"
			    "a path too long\0"
			    "more than 64 extensions\0"
			    "not an absolute path\0"
			    "neither USER nor USER:GROUP\0"
			    "no such signal\0"
			    "no closing quote\0"
			    "a quote in the middle of a word\0"
			    "not one of \\\\ \\\" \\n \\t \\r \\xHH\0"
			    "a NUL byte\0"
			    "it names no program\0"
			    "not NAME=VALUE\0"
			    "this variable is there already\0"
			    "more than 1024 variables";

const char *config_error_text(int r)
{
	const char *text = texts;

	if (r > -CONFIG_E_CONTROL || r <= -CONFIG_E_END)
		return strerror(-r);
	for (int code = CONFIG_E_CONTROL; code < -r; code++)
		text += strlen(text) + 1;
	return text;
}
