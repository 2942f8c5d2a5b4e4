#include "nsm/api/spec/conf.h"

#include <errno.h>
#include <string.h>

#include "nsm/api/spec/lexeme.h"
#include "nsm/api/spec/loopback.h"
#include "nsm/kms/credentials/source.h"
#include "nsm/kms/wire/endpoint.h"
#include "nsm/near.h"
#include "nsm/utf8.h"
#include "vsock/relay/plan/address.h"

enum {
	PATH_MAX_BYTES = 1024,
	MS_MIN = 100,
	RECIPIENT_MIN_MS = 60 * 1000,
	KMS_WORKERS = 4,
	LINE_NAME_MAX = 32,
};

static const char *const dialects[SPEC_DIALECTS] = {
	[SPEC_OWN] = "own",
	[SPEC_ENCLAVER] = "enclaver",
	[SPEC_EVERVAULT] = "evervault",
	[SPEC_OYSTER] = "oyster",
	[SPEC_COCO] = "coco",
	[SPEC_NITRIDING] = "nitriding",
};

static const char *const subjects[SPEC_SUBJECTS] = {
	[SPEC_HEALTH] = "health",
	[SPEC_DESCRIBE] = "describe",
	[SPEC_RANDOM] = "random",
	[SPEC_ATTESTATION] = "attestation",
	[SPEC_PCRS] = "pcrs",
	[SPEC_EXTEND] = "extend",
	[SPEC_VERIFY] = "verify",
	[SPEC_KMS] = "kms",
	[SPEC_CREDENTIALS] = "credentials",
	[SPEC_READY] = "ready",
};

struct spec_reader {
	struct spec *spec;
	struct spec_fault *fault;
	unsigned line;
	char *rest;	   /* of the value */
	const char *about; /* the word that a fault is about; NULL: the key */
	uint32_t seen;	   /* keys that may stand once */
};

/* --- faults --- */

static void add_words(struct spec_fault *f, const char *text)
{
	size_t at = strlen(f->words);

	/* What may not reach a terminal does not. */
	for (; *text && at + 1 < sizeof(f->words); text++)
		f->words[at++] = *text >= ' ' && *text <= '~' ? *text : '?';
	f->words[at] = '\0';
}

static int fail(const struct spec_reader *r, const char *key, const char *why)
{
	r->fault->line = r->line;
	r->fault->words[0] = '\0';
	add_words(r->fault, key);
	if (r->about) {
		add_words(r->fault, " ");
		add_words(r->fault, r->about);
	}
	add_words(r->fault, ": ");
	add_words(r->fault, why);
	return -EINVAL;
}

/* --- values --- */

/* Each returns NULL, or why the value is none. */
typedef const char *spec_read_fn(struct spec_reader *r);

/* The next word, which must be there. */
static const char *next(struct spec_reader *r, const char *missing, char **ret)
{
	const char *why = lexeme_next(&r->rest, ret);

	if (why)
		return why;
	if (!*ret)
		return missing;
	r->about = *ret;
	return NULL;
}

static const char *path(struct spec_reader *r, const char **ret)
{
	char *word = NULL;
	const char *why = next(r, "it must be a path", &word);

	if (why)
		return why;
	if (word[0] != '/' || strlen(word) > PATH_MAX_BYTES)
		return "it must be a path that begins with a /";
	*ret = word;
	return NULL;
}

static const char *time_of(struct spec_reader *r, int64_t min, int64_t *ret)
{
	char *word = NULL;
	const char *why = next(r, "it must be a time", &word);
	int64_t ms = 0;

	if (!why)
		why = lexeme_time(word, &ms);
	if (!why && ms < min)
		return "it is too short";
	if (!why)
		*ret = ms;
	return why;
}

static bool is_word(const char *text, const char *also)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if (!((*text >= 'a' && *text <= 'z') ||
		      (*text >= '0' && *text <= '9') ||
		      (*text >= 'A' && *text <= 'Z') || strchr(also, *text)))
			return false;
	return true;
}

static const char *read_region(struct spec_reader *r)
{
	char *word = NULL;
	const char *why = next(r, "it must be a region", &word);

	if (why)
		return why;
	if (!endpoint_partition(word))
		return "it must be a region, such as eu-west-1";
	r->spec->region = word;
	r->spec->region_line = r->line;
	return NULL;
}

static bool is_endpoint(const char *text)
{
	char host[ENDPOINT_HOST_MAX + 1];
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	uint64_t port = 443;

	if (len > ENDPOINT_HOST_MAX)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return endpoint_is_host(host) &&
	       (!colon || (colon[1] != '0' &&
			   !lexeme_number(colon + 1, UINT16_MAX, &port)));
}

static const char *read_endpoint(struct spec_reader *r)
{
	char *word = NULL;
	const char *why = next(r, "it must be a host", &word);

	if (why)
		return why;
	if (!is_endpoint(word))
		return "it must be HOST or HOST:PORT";
	r->spec->endpoint = word;
	return NULL;
}

static const char *read_ca(struct spec_reader *r)
{
	return path(r, &r->spec->ca);
}

/* As in an enclave; or with a name, which is looked up. */
static const char *check_address(const char *text)
{
	struct address a;
	size_t len = strlen(text);

	if (len > SPEC_CONNECT_MAX)
		return "it is too long";
	if (!address_read(text, len, ADDRESS_SINGLE, &a) &&
	    a.kind == ADDRESS_NAME)
		return NULL;
	return address_read(text, len, ADDRESS_SINGLE | ADDRESS_INSIDE, &a);
}

static const char *read_connect(struct spec_reader *r)
{
	char *word = NULL;
	const char *why = next(r, "it must be an address", &word);

	if (!why)
		why = check_address(word);
	if (!why)
		r->spec->connect = word;
	return why;
}

/* All words of the line: where they come from, without quotes. */
static const char *read_credentials(struct spec_reader *r)
{
	char *text = r->rest + strspn(r->rest, " \t");
	size_t len = strlen(text);
	struct source source;
	const char *why;

	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		text[--len] = '\0';
	why = source_read(text, len, &source);
	if (!why &&
	    (source.kind == SOURCE_FD || source.kind == SOURCE_SETCLIENT))
		why = "they cannot be read again: it must be file, environment, "
		      "imds or container";
	r->rest = text + len;
	r->spec->credentials = text;
	return why;
}

static bool is_utf8(const char *text)
{
	size_t left = strlen(text), n;

	for (; left; text += n, left -= n)
		if (utf8_decode(text, left, &n) < 0)
			return false;
	return true;
}

static const char *read_pair(struct spec_reader *r, struct spec_key *k,
			     char *word)
{
	static const char must[] = "it must be context.NAME=VALUE";
	static const char prefix[] = "context.";
	char *equals;

	if (strncmp(word, prefix, sizeof(prefix) - 1) != 0)
		return must;
	word += sizeof(prefix) - 1;
	equals = strchr(word, '=');
	if (!equals || equals == word || strlen(equals) == 1)
		return must;
	if (k->pairs == SPEC_CONTEXT_MAX)
		return "more than 8 pairs";
	*equals = '\0';
	r->about = word;
	if (strlen(word) > SPEC_CONTEXT_TEXT ||
	    strlen(equals + 1) > SPEC_CONTEXT_TEXT)
		return "it is too long";
	if (!is_utf8(word) || !is_utf8(equals + 1))
		return "it must be UTF-8";
	for (size_t i = 0; i < k->pairs; i++)
		if (strcmp(k->pair[i].name, word) == 0)
			return "this name is there twice";
	k->pair[k->pairs++] = (struct spec_pair){ word, equals + 1 };
	return NULL;
}

/* REGION may be NULL: any. */
static const char *check_arn(const char *text, const char *region)
{
	struct endpoint_arn arn;

	if (strlen(text) > SPEC_ARN_MAX || endpoint_arn(text, &arn) < 0)
		return "it must be a key's full ARN, "
		       "arn:aws:kms:REGION:ACCOUNT:key/ID";
	if (arn.is_alias)
		return "an alias can be pointed at any key: it must be the key's "
		       "full ARN";
	return region && strcmp(arn.region, region) != 0 ?
		       "it is a key of another region" :
		       NULL;
}

static const char *check_name(const struct spec *s, const char *name)
{
	if (strlen(name) > SPEC_NAME_MAX || !is_word(name, "-_."))
		return "a name has letters, digits, '-', '_' and '.', at most 64";
	return conf_find_key(s, name, strlen(name)) ?
		       "this name is there twice" :
		       NULL;
}

static const char *read_key(struct spec_reader *r)
{
	static const char must[] =
		"it must be NAME ARN [context.NAME=VALUE]...";
	struct spec *s = r->spec;
	struct spec_key *k;
	char *word = NULL;
	const char *why;

	if (s->keys == SPEC_KEYS_MAX)
		return "more than 64 keys";
	k = &s->key[s->keys];
	*k = (struct spec_key){ .line = r->line };
	why = next(r, must, &word);
	if (!why)
		why = check_name(s, word);
	if (why)
		return why;
	k->name = word;
	why = next(r, must, &word);
	if (!why)
		why = check_arn(word, NULL);
	if (why)
		return why;
	k->arn = word;
	if (conf_find_key(s, k->arn, strlen(k->arn)))
		return "another line has this key";
	while (!why && !(why = lexeme_next(&r->rest, &word)) && word) {
		r->about = word;
		why = read_pair(r, k, word);
	}
	s->keys += !why;
	return why;
}

static bool is_secret_name(const char *name)
{
	size_t len = strlen(name);

	return len <= SPEC_NAME_MAX && is_word(name, "-_./") &&
	       name[0] != '/' && name[len - 1] != '/' && !strstr(name, "//");
}

static const char *read_secret(struct spec_reader *r)
{
	static const char must[] = "it must be NAME KEY FILE";
	struct spec *s = r->spec;
	struct spec_secret secret = { .line = r->line };
	char *word = NULL;
	const char *why = next(r, must, &word);

	if (why)
		return why;
	if (!is_secret_name(word))
		return "a name has letters, digits, '-', '_', '.' and '/' "
		       "between these, at most 64";
	for (size_t i = 0; i < s->secrets; i++)
		if (strcmp(s->secret[i].name, word) == 0)
			return "this name is there twice";
	secret.name = word;
	why = next(r, must, &word);
	if (why)
		return why;
	secret.key = conf_find_key(s, word, strlen(word));
	if (!secret.key)
		return "no key line before this one has this name";
	why = path(r, &secret.path);
	if (why)
		return why;
	if (s->secrets == SPEC_SECRETS_MAX)
		return "more than 64 secrets";
	s->secret[s->secrets++] = secret;
	return NULL;
}

static const char *read_place(struct spec_reader *r, struct spec_loopback *ret)
{
	char *word = NULL;
	const char *why =
		next(r, "it must be 127.0.0.1:PORT or [::1]:PORT", &word);

	if (!why)
		why = loopback_read(word, ret);
	if (why)
		return why;
	ret->line = r->line;
	for (size_t i = 0; i < r->spec->listens; i++)
		if (loopback_is_same(&r->spec->listen[i], ret))
			return "another line listens there";
	for (size_t i = 0; i < r->spec->compats; i++)
		if (loopback_is_same(&r->spec->compat[i].at, ret))
			return "another line listens there";
	return NULL;
}

static const char *read_listen(struct spec_reader *r)
{
	struct spec_loopback at;
	const char *why;

	if (r->spec->listens == SPEC_LISTENS_MAX)
		return "more than 4 lines";
	why = read_place(r, &at);
	if (!why)
		r->spec->listen[r->spec->listens++] = at;
	return why;
}

static const char *read_compat(struct spec_reader *r)
{
	static const char must[] =
		"it must be enclaver, evervault, oyster, coco "
		"or nitriding, and an address";
	struct spec_compat c = { 0 };
	char *word = NULL;
	const char *why = next(r, must, &word);

	if (why)
		return why;
	for (unsigned i = SPEC_OWN + 1; i < SPEC_DIALECTS; i++)
		if (strcmp(word, dialects[i]) == 0)
			c.dialect = (enum spec_dialect)i;
	if (c.dialect == SPEC_OWN)
		return must;
	for (size_t i = 0; i < r->spec->compats; i++)
		if (r->spec->compat[i].dialect == c.dialect)
			return "it is there twice";
	why = read_place(r, &c.at);
	if (!why)
		r->spec->compat[r->spec->compats++] = c;
	return why;
}

/* SUBJECT or kms:KEY */
static const char *read_subject(struct spec_reader *r, struct spec_allow *a)
{
	static const char must[] =
		"it must be describe, random, attestation, pcrs, extend, verify, "
		"kms, kms:KEY, credentials or ready, and who";
	char *word = NULL;
	const char *why = next(r, must, &word), *colon;
	size_t len;

	if (why)
		return why;
	colon = strchr(word, ':');
	len = colon ? (size_t)(colon - word) : strlen(word);
	a->subject = SPEC_SUBJECTS;
	for (unsigned i = 0; i < SPEC_SUBJECTS; i++)
		if (len == strlen(subjects[i]) &&
		    memcmp(word, subjects[i], len) == 0)
			a->subject = (enum spec_subject)i;
	if (a->subject == SPEC_SUBJECTS || (colon && a->subject != SPEC_KMS))
		return must;
	if (a->subject == SPEC_HEALTH)
		return "it is for all who can connect";
	if (!colon)
		return NULL;
	a->key = conf_find_key(r->spec, colon + 1, strlen(colon + 1));
	return a->key ? NULL : "no key line before this one has this name";
}

static const char *read_who(char *word, struct spec_allow *a)
{
	static const char must[] = "it must be any, user=NAME or group=NAME";

	if (strcmp(word, "any") == 0) {
		a->who = SPEC_WHO_ANY;
		return NULL;
	}
	if (strncmp(word, "user=", 5) == 0) {
		a->who = SPEC_WHO_USER;
		a->name = word + 5;
	} else if (strncmp(word, "group=", 6) == 0) {
		a->who = SPEC_WHO_GROUP;
		a->name = word + 6;
	} else {
		return must;
	}
	return strlen(a->name) <= SPEC_NAME_MAX && is_word(a->name, "-_.") ?
		       NULL :
		       must;
}

static const char *read_allow(struct spec_reader *r)
{
	struct spec_allow a = { .line = r->line };
	const char *why = read_subject(r, &a);
	char *word = NULL;
	bool has_who = false;

	while (!why && !(why = lexeme_next(&r->rest, &word)) && word) {
		r->about = word;
		has_who = true;
		why = read_who(word, &a);
		if (!why && r->spec->allows == SPEC_ALLOWS_MAX)
			why = "more than 64 rules";
		if (!why)
			r->spec->allow[r->spec->allows++] = a;
	}
	if (!why && !has_who)
		return "who? any, user=NAME or group=NAME";
	return why;
}

static const char *read_workers(struct spec_reader *r)
{
	char *word = NULL;
	uint64_t n = 0;
	const char *why = next(r, "it must be a number", &word);

	if (!why)
		why = lexeme_number(word, SPEC_WORKERS_MAX, &n);
	if (why || n == 0)
		return "it must be a number from 1 to 16";
	r->spec->kms_workers = (unsigned)n;
	return NULL;
}

static const char *read_kms_timeout(struct spec_reader *r)
{
	const char *why = time_of(r, MS_MIN, &r->spec->kms_timeout_ms);

	return !why && r->spec->kms_timeout_ms > SPEC_KMS_MS_MAX ?
		       "it must be 10 minutes at most" :
		       why;
}

static const char *read_nsm_timeout(struct spec_reader *r)
{
	return time_of(r, MS_MIN, &r->spec->nsm_timeout_ms);
}

static const char *read_recipient_max(struct spec_reader *r)
{
	return time_of(r, RECIPIENT_MIN_MS, &r->spec->recipient_max_ms);
}

static const char *read_socket(struct spec_reader *r)
{
	const char *why = path(r, &r->spec->socket);

	return !why && strlen(r->spec->socket) > SPEC_SOCKET_MAX ?
		       "a socket's path has at most 106 bytes" :
		       why;
}

static const char *read_socket_group(struct spec_reader *r)
{
	char *word = NULL;
	const char *why = next(r, "it must be a group", &word);

	if (!why && (strlen(word) > SPEC_NAME_MAX || !is_word(word, "-_.")))
		why = "it must be a group's name or number";
	if (!why)
		r->spec->socket_group = word;
	return why;
}

static const char *read_socket_mode(struct spec_reader *r)
{
	char *word = NULL;
	const char *why = next(r, "it must be a mode", &word);

	return why ? why : lexeme_mode(word, &r->spec->socket_mode);
}

static const char *read_notify_dir(struct spec_reader *r)
{
	return path(r, &r->spec->notify_dir);
}

static const struct {
	const char *name;
	spec_read_fn *read;
	bool may_repeat;
} keys[] = {
	{ "allow", read_allow, true },
	{ "ca", read_ca, false },
	{ "compat", read_compat, true },
	{ "connect", read_connect, false },
	{ "credentials", read_credentials, false },
	{ "endpoint", read_endpoint, false },
	{ "key", read_key, true },
	{ "kms-timeout", read_kms_timeout, false },
	{ "kms-workers", read_workers, false },
	{ "listen", read_listen, true },
	{ "notify-dir", read_notify_dir, false },
	{ "nsm-timeout", read_nsm_timeout, false },
	{ "recipient-key-max", read_recipient_max, false },
	{ "region", read_region, false },
	{ "secret", read_secret, true },
	{ "socket", read_socket, false },
	{ "socket-group", read_socket_group, false },
	{ "socket-mode", read_socket_mode, false },
};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };
_Static_assert(KEYS <= 32, "SEEN has a bit for each");

/* --- lines --- */

static int unknown_key(struct spec_reader *r, const char *name)
{
	const char *best = keys[0].name;

	for (size_t i = 1; i < KEYS; i++)
		if (near_key(name, keys[i].name) < near_key(name, best))
			best = keys[i].name;
	r->about = name;
	(void)fail(r, "no such key:", "the nearest is ");
	add_words(r->fault, best);
	return -EINVAL;
}

static int read_value(struct spec_reader *r, const char *name)
{
	char *more = NULL;
	const char *why;
	size_t i;

	for (i = 0; i < KEYS && strcmp(keys[i].name, name) != 0; i++)
		;
	if (i == KEYS)
		return unknown_key(r, name);
	if (!keys[i].may_repeat && r->seen >> i & 1)
		return fail(r, name, "it is there twice");
	r->seen |= UINT32_C(1) << i;
	why = keys[i].read(r);
	if (why)
		return fail(r, name, why);
	why = lexeme_next(&r->rest, &more);
	if (!why && more) {
		r->about = more;
		why = "one word too many";
	}
	return why ? fail(r, name, why) : 0;
}

static int read_line(struct spec_reader *r, char *line)
{
	char *equals, *end;

	r->about = NULL;
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	equals = strchr(line, '=');
	if (!equals)
		return fail(r, "no key", "a line is KEY = VALUE");
	r->rest = equals + 1;
	for (end = equals; end > line && (end[-1] == ' ' || end[-1] == '\t');
	     end--)
		;
	*end = '\0';
	if (strlen(line) > LINE_NAME_MAX)
		return fail(r, "no key", "a line is KEY = VALUE");
	return read_value(r, line);
}

/* What only all lines together show. */
static int check_all(struct spec_reader *r)
{
	const struct spec *s = r->spec;
	const char *why;

	r->about = NULL;
	for (size_t i = 0; i < s->keys; i++) {
		r->line = s->key[i].line;
		r->about = s->key[i].name;
		if (!s->region)
			return fail(r, "key", "there is no line region");
		why = check_arn(s->key[i].arn, s->region);
		if (why)
			return fail(r, "key", why);
	}
	r->about = NULL;
	r->line = s->region_line;
	if (s->region && !s->credentials)
		return fail(r, "region", "there is no line credentials");
	return 0;
}

static void set_defaults(struct spec *s)
{
	*s = (struct spec){
		.connect = "vsock:3:8000",
		.kms_workers = KMS_WORKERS,
		.kms_timeout_ms = 30 * 1000,
		.nsm_timeout_ms = 10 * 1000,
		.recipient_max_ms = 6 * 3600 * 1000,
		.socket = SPEC_SOCKET,
		.socket_mode = 0660,
		.notify_dir = "/run/enclave/notify",
	};
}

int conf_read(char *text, size_t len, struct spec *ret,
	      struct spec_fault *reterr)
{
	struct spec_reader r = { .spec = ret, .fault = reterr };
	char *line = text, *end;
	int e = 0;

	set_defaults(ret);
	if (len > SPEC_TEXT_MAX)
		return fail(&r, "it", "longer than 64 KiB");
	text[len] = '\0';
	while (e == 0 && line < text + len) {
		r.line++;
		end = memchr(line, '\n', (size_t)(text + len - line));
		if (!end)
			end = text + len;
		if (memchr(line, '\0', (size_t)(end - line)))
			return fail(&r, "a line", "a NUL is in it");
		*end = '\0';
		if (end > line && end[-1] == '\r')
			end[-1] = '\0';
		e = read_line(&r, line);
		line = end + 1;
	}
	return e < 0 ? e : check_all(&r);
}

/* --- the rest --- */

const struct spec_key *conf_find_key(const struct spec *s, const char *name,
				     size_t len)
{
	for (size_t i = 0; i < s->keys; i++) {
		const struct spec_key *k = &s->key[i];

		if ((len == strlen(k->name) &&
		     memcmp(name, k->name, len) == 0) ||
		    (len == strlen(k->arn) && memcmp(name, k->arn, len) == 0))
			return k;
	}
	return NULL;
}

const char *conf_dialect_text(enum spec_dialect dialect)
{
	return dialects[dialect];
}

const char *conf_subject_text(enum spec_subject subject)
{
	return subjects[subject];
}
