#include "vsock/relay/plan/rules.h"

#include <string.h>

#include "vsock/relay/base/value.h"

/* A part of a word. */
struct piece {
	const char *at;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* --- ports --- */

/* Reads PORT[-LAST] at *AT. */
static bool read_range(const char **at, const char *end, uint64_t *ret_first,
		       uint64_t *ret_last)
{
	if (!value_number_at(at, end, UINT16_MAX, ret_first) || *ret_first == 0)
		return false;
	*ret_last = *ret_first;
	if (*at == end || **at != '-')
		return true;
	++*at;
	return value_number_at(at, end, UINT16_MAX, ret_last) &&
	       *ret_last >= *ret_first;
}

static const char *check_ports(struct piece p)
{
	static const char why[] =
		"its ports must be PORT or FIRST-LAST, from 1 to 65535, with commas between";
	const char *end = p.at + p.len;
	uint64_t first, last;

	for (;;) {
		if (!read_range(&p.at, end, &first, &last))
			return why;
		if (p.at == end)
			return NULL;
		if (*p.at++ != ',')
			return why;
	}
}

static bool has_port(const struct rule *rule, uint16_t otherwise, uint16_t port)
{
	const char *at = rule->ports, *end;
	uint64_t first, last;

	if (port == RULES_ANY_PORT)
		return true;
	if (rule->ports_len == 0)
		return otherwise == RULES_ANY_PORT || otherwise == port;
	end = at + rule->ports_len;
	while (read_range(&at, end, &first, &last)) {
		if (port >= first && port <= last)
			return true;
		if (at++ == end)
			break;
	}
	return false;
}

/* --- reading --- */

/* Takes "/BITS" at the beginning of P. */
static const char *read_bits(struct piece *p, unsigned most, uint8_t *ret)
{
	const char *at = p->at, *end = p->at + p->len;
	uint64_t bits;

	*ret = (uint8_t)most;
	if (p->len == 0 || *at != '/')
		return NULL;
	at++;
	if (!value_number_at(&at, end, most, &bits))
		return most == 32 ? "its length must be a number up to 32" :
				    "its length must be a number up to 128";
	*ret = (uint8_t)bits;
	p->len -= (size_t)(at - p->at);
	p->at = at;
	return NULL;
}

static bool has_bits_behind(const uint8_t *ip, size_t len, unsigned bits)
{
	for (size_t i = 0; i < len; i++) {
		unsigned keep = bits > i * 8 ? bits - (unsigned)i * 8 : 0;

		if (keep < 8 && (ip[i] & (0xffU >> keep)))
			return true;
	}
	return false;
}

/* Of an address H with BITS of 32 or 128, which are of v6 as it was written. */
static const char *set_network(struct rule *rule, const struct host *h,
			       bool was_v6)
{
	if (h->kind == HOST_V4 && was_v6) {
		if (rule->bits < 96)
			return "a network of mapped addresses has 96 bits or more";
		rule->bits = (uint8_t)(rule->bits - 96);
	}
	rule->kind = h->kind == HOST_V4 ? RULE_V4 : RULE_V6;
	memcpy(rule->ip, h->ip, sizeof(rule->ip));
	if (has_bits_behind(h->ip, h->kind == HOST_V4 ? 4 : 16, rule->bits))
		return "its address has bits behind the network's";
	return NULL;
}

static const char *read_v6(struct piece *word, struct rule *rule)
{
	const char *close = memchr(word->at, ']', word->len);
	const char *why;
	struct host h;
	size_t len;

	if (!close)
		return "its bracket is not closed";
	len = (size_t)(close - word->at) + 1;
	why = host_read(word->at, len, &h);
	if (why)
		return why;
	word->at += len;
	word->len -= len;
	why = read_bits(word, 128, &rule->bits);
	return why ? why : set_network(rule, &h, true);
}

static const char *read_v4(struct piece word, const char *slash,
			   struct rule *rule)
{
	size_t len = (size_t)(slash - word.at);
	struct piece bits = { slash, word.len - len };
	const char *why;
	struct host h;

	if (host_read(word.at, len, &h) || h.kind != HOST_V4)
		return "only an address has a length";
	why = read_bits(&bits, 32, &rule->bits);
	if (!why && bits.len > 0)
		return "its length must be a number up to 32";
	return why ? why : set_network(rule, &h, false);
}

static bool steps_over(struct piece *p, const char *prefix)
{
	size_t len = strlen(prefix);

	if (p->len < len || memcmp(p->at, prefix, len) != 0)
		return false;
	p->at += len;
	p->len -= len;
	return true;
}

static const char *read_name(struct piece name, struct rule *rule)
{
	const char *why;
	struct host h;

	if (name.len == 2 && memcmp(name.at, "**", 2) == 0) {
		rule->kind = RULE_ANY;
		return NULL;
	}
	rule->kind = steps_over(&name, "**.") ? RULE_DEEP :
		     steps_over(&name, "*.")  ? RULE_ONE :
						RULE_NAME;
	if (memchr(name.at, '*', name.len))
		return "a wildcard is *. or **. before a name, or ** alone";
	why = host_read(name.at, name.len, &h);
	if (why)
		return why;
	if (h.kind == HOST_NAME) {
		rule->name = name.at;
		rule->name_len = (uint16_t)h.len;
		return NULL;
	}
	if (rule->kind != RULE_NAME)
		return "a wildcard stands before a name";
	rule->bits = 32;
	return set_network(rule, &h, false);
}

static const char *read_host(struct piece *word, struct rule *rule)
{
	const char *colon = memchr(word->at, ':', word->len), *slash;
	struct piece name = *word;

	if (word->len > 0 && word->at[0] == '[')
		return read_v6(word, rule);
	if (colon)
		name.len = (size_t)(colon - name.at);
	word->at += name.len;
	word->len -= name.len;
	if (colon && memchr(colon + 1, ':', word->len - 1))
		return "an IPv6 address stands in brackets";
	slash = memchr(name.at, '/', name.len);
	return slash ? read_v4(name, slash, rule) : read_name(name, rule);
}

static const char *read_word(struct piece word, struct rule *rule)
{
	const char *why;

	if (word.len > UINT16_MAX)
		return "it is too long";
	*rule = (struct rule){ .text = word.at,
			       .text_len = (uint16_t)word.len };
	why = read_host(&word, rule);
	if (why || word.len == 0)
		return why;
	if (word.at[0] != ':')
		return "a colon and ports must follow";
	rule->ports = word.at + 1;
	rule->ports_len = (uint16_t)(word.len - 1);
	return check_ports((struct piece){ rule->ports, rule->ports_len });
}

void rules_open(struct rules *r, uint16_t port)
{
	r->port = port;
	r->count = 0;
}

const char *rules_add(struct rules *r, const char *text, size_t len,
		      const char **reterr, size_t *reterr_len)
{
	const char *end = text + len, *why;
	struct piece word;

	for (;;) {
		while (text < end && is_blank(*text))
			text++;
		if (text == end)
			return NULL;
		word = (struct piece){ text, 0 };
		while (text < end && !is_blank(*text))
			text++;
		word.len = (size_t)(text - word.at);
		why = r->count == RULES_MAX ? "there are more than 512 rules" :
					      read_word(word, &r->at[r->count]);
		if (why) {
			*reterr = word.at;
			*reterr_len = word.len;
			return why;
		}
		r->count++;
	}
}

/* --- matching --- */

static bool is_same(const char *rule, const char *lower, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (to_lower(rule[i]) != lower[i])
			return false;
	return true;
}

/* Does HOST end with a dot and the rule's name? Returns what is before the dot. */
static size_t len_before(const struct rule *rule, const struct host *host)
{
	size_t before;

	if (host->len < (size_t)rule->name_len + 2)
		return 0;
	before = host->len - rule->name_len - 1;
	if (host->name[before] != '.' ||
	    !is_same(rule->name, host->name + before + 1, rule->name_len))
		return 0;
	return before;
}

static bool is_in_network(const struct rule *rule, const uint8_t *ip)
{
	unsigned whole = rule->bits / 8, rest = rule->bits % 8;

	if (memcmp(rule->ip, ip, whole) != 0)
		return false;
	return rest == 0 ||
	       ((rule->ip[whole] ^ ip[whole]) & (0xff00U >> rest) & 0xff) == 0;
}

static bool has_host(const struct rule *rule, const struct host *host)
{
	size_t before;

	switch ((enum rule_kind)rule->kind) {
	case RULE_V4:
		return host->kind == HOST_V4 && is_in_network(rule, host->ip);
	case RULE_V6:
		return host->kind == HOST_V6 && is_in_network(rule, host->ip);
	case RULE_ANY:
		return host->kind == HOST_NAME;
	case RULE_NAME:
		return host->kind == HOST_NAME && host->len == rule->name_len &&
		       is_same(rule->name, host->name, host->len);
	case RULE_ONE:
	case RULE_DEEP:
		if (host->kind != HOST_NAME)
			return false;
		before = len_before(rule, host);
		return before > 0 && (rule->kind == RULE_DEEP ||
				      !memchr(host->name, '.', before));
	}
	return false;
}

const struct rule *rules_find(const struct rules *r, const struct host *host,
			      uint16_t port)
{
	for (size_t i = 0; i < r->count; i++)
		if (has_host(&r->at[i], host) &&
		    has_port(&r->at[i], r->port, port))
			return &r->at[i];
	return NULL;
}

enum rules_verdict rules_judge(const struct rules *allow,
			       const struct rules *deny,
			       const struct host *host, uint16_t port,
			       const struct rule **ret)
{
	*ret = rules_find(deny, host, port);
	if (*ret)
		return RULES_DENIED;
	*ret = rules_find(allow, host, port);
	return *ret ? RULES_ALLOWED : RULES_UNKNOWN;
}
