#include "init/spec/config.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>

#include "init/spec/config_key.h"
#include "nsm/near.h"

enum {
	RESTART_DELAY_MS = 100,
	RESTART_DELAY_MAX_MS = 30000,
	RESTART_LIMIT = 5,
	READY_TIMEOUT_MS = 150000, /* nitro-cli waits for 180 s at least */
};

static const struct config_key *find_key(const char *name)
{
	const char *at = config_key_names;

	for (size_t i = 0; i < config_key_count; i++) {
		if (strcmp(name, at) == 0)
			return &config_keys[i];
		at += strlen(at) + 1;
	}
	return NULL;
}

static const char *nearest_key(const char *name)
{
	const char *best = config_key_names;
	size_t least = near_key(name, best), distance;

	for (const char *at = best; *at; at += strlen(at) + 1) {
		distance = near_key(name, at);
		if (distance < least) {
			least = distance;
			best = at;
		}
	}
	return config_relay_nearest(name, best);
}

/* --- the whole of a file --- */

/* What was read of it so far. */
struct reading {
	struct config_reader reader;
	uint64_t seen[2], seen_of_service[2]; /* bit N: key N */
};

static void default_service(struct config_service *s, const char *name,
			    bool is_main)
{
	*s = (struct config_service){
		.standard_input = is_main ? CONFIG_STDIN_CONSOLE :
					    CONFIG_STDIN_NULL,
		.supervision = {
			.restart_delay_ms = RESTART_DELAY_MS,
			.restart_delay_max_ms = RESTART_DELAY_MAX_MS,
			.restart_limit = RESTART_LIMIT,
			.ready_timeout_ms = READY_TIMEOUT_MS,
		},
	};
	memcpy(s->supervision.name, name, strlen(name));
}

void config_defaults(struct config *ret)
{
	const size_t first = offsetof(struct config, service_count);

	/* No more than that: of the arrays there is what their counts say. */
	memset((char *)ret + first, 0,
	       offsetof(struct config, services) - first);
	ret->heartbeat.port = CONFIG_HEARTBEAT_PORT;
	config_link_defaults(&ret->link);
	ret->service_count = 1;
	default_service(&ret->services[0], "main", true);
	ret->services[0].variables = ret->variables;
}

static bool is_section_name(const char *s, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

	return len > 0 && len <= CONFIG_SECTION_MAX && *s != '.' && *s != '-' &&
	       strspn(s, allowed) >= len;
}

/* `[name]`, all of the line. */
static int begin_section(struct config_rest *rest, struct reading *f)
{
	struct config *c = f->reader.config;
	char *name = config_next_line(rest) + 1, *end = strchr(name, ']');
	struct config_service *s;

	if (!end || end[1] || !is_section_name(name, (size_t)(end - name)))
		return -CONFIG_E_SECTION;
	*end = '\0';
	for (size_t i = 0; i < c->service_count; i++)
		if (strcmp(c->services[i].supervision.name, name) == 0)
			return i == 0 ? -CONFIG_E_SECTION : -CONFIG_E_SECOND;
	if (c->service_count == CONFIG_SERVICES_MAX)
		return -CONFIG_E_SECTIONS;
	f->reader.section_lines[c->service_count] = f->reader.line;
	s = &c->services[c->service_count++];
	default_service(s, name, false);
	s->variables = &c->variables[c->variable_count];
	f->reader.service = s;
	memset(f->seen_of_service, 0, sizeof(f->seen_of_service));
	return 0;
}

static int read_value(const char *name, struct config_rest *rest,
		      struct reading *f)
{
	const struct config_key *key = find_key(name);
	struct config_reader *reader = &f->reader;
	uint64_t *seen, bit;
	size_t i;
	int r;

	if (!key) {
		r = config_read_relayed(name, rest, reader);
		if (r == -CONFIG_E_UNKNOWN)
			reader->nearest = nearest_key(name);
		return r;
	}
	if (!key->of_service && reader->service != reader->config->services)
		return -CONFIG_E_ENCLAVE;
	i = (size_t)(key - config_keys);
	seen = key->of_service ? f->seen_of_service : f->seen;
	bit = (uint64_t)1 << i % 64;
	if (seen[i / 64] & bit && !key->may_repeat)
		return -CONFIG_E_TWICE;
	seen[i / 64] |= bit;
	if (*rest->at == '\0') {
		rest->word = rest->at;
		return -CONFIG_E_MISSING;
	}
	r = config_read(key, rest, reader);
	if (key->supervised)
		config_note_supervised(reader);
	if (r == 0 && *rest->at) {
		rest->word = rest->at;
		return -CONFIG_E_MORE;
	}
	return r;
}

static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

/* The line from REST on, a string up to END. */
static int read_line(struct config_rest *rest, char *end, struct reading *f)
{
	char *name, *name_end;

	for (; rest->word < end; rest->word++)
		if (is_control(*rest->word))
			return -CONFIG_E_CONTROL;
	while (end > rest->at && config_is_blank(end[-1]))
		end--;
	*end = '\0';
	name = config_skip_blanks(rest->at);
	if (*name == '\0' || *name == '#')
		return 0;
	if (*name == '[') {
		rest->at = name;
		return begin_section(rest, f);
	}

	name_end = config_skip_word(name, '=');
	rest->word = config_skip_blanks(name_end);
	if (*rest->word != '=')
		return -CONFIG_E_NO_EQUALS;
	if (name_end == name)
		return -CONFIG_E_NO_KEY;
	rest->at = config_skip_blanks(rest->word + 1);
	rest->word = name;
	*name_end = '\0';
	return read_value(name, rest, f);
}

/* --- what can be seen only at the end --- */

static int find_service(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->service_count; i++)
		if (strcmp(c->services[i].supervision.name, name) == 0)
			return (int)i;
	return -1;
}

/* The names of after, which may be further down. */
static int resolve_after(struct config_reader *reader, size_t i,
			 struct config_fault *where)
{
	const char *name = reader->after[i].first;
	int n;

	where->line = reader->after_lines[i];
	for (size_t w = 0; w < reader->after[i].count; w++) {
		where->column = (size_t)(name - reader->after_starts[i]) + 1;
		n = find_service(reader->config, name);
		if (n < 0)
			return -CONFIG_E_SERVICE;
		if ((size_t)n == i)
			return -CONFIG_E_CYCLE;
		reader->config->services[i].supervision.after |= 1U << n;
		name += strlen(name) + 1;
		while (config_is_blank(
			*name)) /* of blanks only the first is a NUL */
			name++;
	}
	return 0;
}

/* Takes away whoever waits for nobody, again and again. */
static int check_cycles(const struct config_reader *reader,
			struct config_fault *where)
{
	const struct config *c = reader->config;
	uint32_t left = (1U << c->service_count) - 1, before;

	do {
		before = left;
		for (size_t i = 0; i < c->service_count; i++)
			if (!(c->services[i].supervision.after & left))
				left &= ~(1U << i);
	} while (left != before);
	if (left == 0)
		return 0;
	where->line = reader->after_lines[__builtin_ctz(left)];
	where->column = 1;
	return -CONFIG_E_CYCLE;
}

static int check_service(const struct config_service *s, bool is_main)
{
	if (!is_main && !s->command.first)
		return -CONFIG_E_COMMAND;
	if (s->supervision.watchdog_ms > 0 &&
	    s->supervision.ready != CONFIG_READY_NOTIFY)
		return -CONFIG_E_WATCHDOG;
	if (s->confine.bounding_is_set &&
	    s->confine.ambient & ~s->confine.bounding)
		return -CONFIG_E_BOUNDING;
	if (s->confine.ambient &&
	    s->confine.securebits & SECBIT_NO_CAP_AMBIENT_RAISE)
		return -CONFIG_E_AMBIENT;
	return 0;
}

/* With hand-over PID 1 is the application: nothing else can restart or stop a service. */
static int check_hand_over(const struct config_reader *reader,
			   struct config_fault *where)
{
	size_t line = reader->supervised_line;

	if (!reader->config->hand_over)
		return 0;
	if (reader->config->service_count > 1 &&
	    (line == 0 || line > reader->section_lines[1]))
		line = reader->section_lines[1];
	*where = (struct config_fault){ .line = line, .column = 1 };
	return line > 0 ? -CONFIG_E_HAND_OVER : 0;
}

static int check_all(struct config_reader *reader, struct config_fault *where)
{
	const struct config *c = reader->config;
	int r = check_hand_over(reader, where);

	if (r < 0)
		return r;
	for (size_t i = 0; i < c->service_count; i++) {
		*where = (struct config_fault){
			.line = reader->section_lines[i],
			.column = 1,
		};
		r = check_service(&c->services[i], i == 0);
		if (r == 0)
			r = resolve_after(reader, i, where);
		if (r < 0)
			return r;
	}
	r = check_cycles(reader, where);
	if (r == 0)
		r = config_link_check(reader, where);
	return r < 0 ? r : config_relay_check(reader, where);
}

int config_parse(char *text, size_t len, struct config *ret,
		 struct config_fault *reterr_fault)
{
	char *at = text, *end = text + len, *stop;
	struct reading f = { .reader = { .config = ret } };
	struct config_fault where = { 0 };
	struct config_rest rest;
	int r;

	config_defaults(ret);
	ret->is_there = true;
	f.reader.service = ret->services;
	f.reader.section_lines[0] = 1;
	/* An editor's byte order mark is no part of the first key. */
	if (len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
		at += 3;
	while (at < end) {
		f.reader.line++;
		f.reader.line_start = at;
		stop = memchr(at, '\n', (size_t)(end - at));
		if (!stop)
			stop = end;
		rest = (struct config_rest){ .at = at, .word = at };
		r = read_line(&rest, stop, &f);
		if (r < 0) {
			*reterr_fault = (struct config_fault){
				.line = f.reader.line,
				.column = (size_t)(rest.word - at) + 1,
				.nearest = f.reader.nearest,
			};
			return r;
		}
		at = stop + 1;
	}
	r = check_all(&f.reader, &where);
	if (r < 0)
		*reterr_fault = where;
	return r;
}

bool config_protects_kernel(const struct config_service *s)
{
	const uint64_t sys_admin = (uint64_t)1 << CAP_SYS_ADMIN;

	if (s->protect_kernel != CONFIG_PROTECT_AUTO)
		return s->protect_kernel == CONFIG_PROTECT_YES;
	return (s->confine.bounding_is_set &&
		!(s->confine.bounding & sys_admin)) ||
	       s->confine.securebits & SECBIT_NOROOT;
}

const char config_quote_hint[] =
	"a single quote is a character of the word; double quotes hold a word "
	"together";

const char *config_find_quote(const struct config_words *words)
{
	const char *word = words->first;

	for (size_t i = 0; i < words->count; i++, word += strlen(word) + 1)
		if (word[0] == '\'')
			return word;
	return NULL;
}

const char *config_error_text(int r)
{
	return codes_text(CONFIG_ERRORS(CODES_TEXT), CONFIG_E_BEFORE, r);
}
