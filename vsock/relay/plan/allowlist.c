#include "vsock/relay/plan/allowlist.h"

#include <string.h>

#include "vsock/relay/base/value.h"

enum allowlist_state { BEFORE, BLOCK, FLOW, AFTER };

struct word {
	const char *at;
	size_t len;
	bool is_quoted;
};

/* What of an entry has been read. */
struct pending {
	bool has_host, has_port;
};

static const char bad_yaml[] = "Bad yaml format";

void allowlist_open(struct allowlist *a, const char *text, size_t len)
{
	*a = (struct allowlist){ .next = text, .end = text + len };
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		a->next += 3;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_at(const struct allowlist *a, char c)
{
	return a->at < a->stop && *a->at == c;
}

static bool is_line_done(const struct allowlist *a)
{
	return a->at == a->stop;
}

static void skip_blanks(struct allowlist *a)
{
	while (a->at < a->stop && is_blank(*a->at))
		a->at++;
}

/* Where the comment of the line begins that ends at END, or END. */
static const char *find_comment(const char *at, const char *end)
{
	char quote = '\0';

	for (const char *begin = at; at < end; at++) {
		if (quote) {
			if (*at == quote)
				quote = '\0';
		} else if (*at == '#' && (at == begin || is_blank(at[-1]))) {
			return at;
		} else if ((*at == '"' || *at == '\'') &&
			   (at == begin || memchr(" \t:,[{", at[-1], 6))) {
			quote = *at;
		}
	}
	return end;
}

/* Goes to the next line that has more than a comment. False: there is none. */
static bool load_line(struct allowlist *a)
{
	const char *begin, *newline;

	while (a->next < a->end) {
		begin = a->next;
		newline = memchr(begin, '\n', (size_t)(a->end - begin));
		if (!newline)
			newline = a->end;
		a->next = newline < a->end ? newline + 1 : newline;
		a->line++;
		a->at = begin;
		a->stop = find_comment(begin, newline);
		while (a->stop > begin &&
		       (is_blank(a->stop[-1]) || a->stop[-1] == '\r'))
			a->stop--;
		while (is_at(a, ' '))
			a->at++;
		a->indent = (size_t)(a->at - begin);
		if (!is_line_done(a))
			return true;
	}
	a->at = a->stop = a->end;
	return false;
}

/* In brackets or braces, where the end of a line is a blank. */
static bool skip_flow(struct allowlist *a)
{
	skip_blanks(a);
	while (is_line_done(a)) {
		if (!load_line(a))
			return false;
		skip_blanks(a);
	}
	return true;
}

/* A word up to one of the characters of STOPS, or in quotes. */
static bool read_word(struct allowlist *a, const char *stops, struct word *ret)
{
	const char *begin = a->at;
	char quote = '\0';

	if (is_at(a, '"') || is_at(a, '\'')) {
		quote = *a->at++;
		begin = a->at;
		while (a->at < a->stop && *a->at != quote && *a->at != '\\')
			a->at++;
		if (!is_at(a, quote))
			return false;
		*ret = (struct word){ begin, (size_t)(a->at - begin), true };
		a->at++;
		return true;
	}
	while (a->at < a->stop && !is_blank(*a->at) && !strchr(stops, *a->at))
		a->at++;
	*ret = (struct word){ begin, (size_t)(a->at - begin), false };
	/* Anchors, tags, aliases and texts of several lines. */
	return ret->len > 0 && !memchr("&*!|>%@`", *begin, 8);
}

/* KEY: what precedes the value. */
static bool read_key(struct allowlist *a, struct word *ret)
{
	if (!read_word(a, ":", ret))
		return false;
	skip_blanks(a);
	if (!is_at(a, ':'))
		return false;
	a->at++;
	if (!is_line_done(a) && !is_blank(*a->at))
		return false;
	skip_blanks(a);
	return true;
}

static bool is_word(const struct word *w, const char *text)
{
	return w->len == strlen(text) && memcmp(w->at, text, w->len) == 0;
}

static const char *read_port(const struct word *w, uint16_t *ret)
{
	const char *at = w->at, *end = w->at + w->len;
	uint64_t n;

	if (w->is_quoted || !value_number_at(&at, end, UINT64_MAX, &n) ||
	    at != end)
		return "No port field or invalid type";
	if (n == 0 || n > UINT16_MAX)
		return "a port is a number from 1 to 65535";
	*ret = (uint16_t)n;
	return NULL;
}

/* Takes a pair of an entry. Others than the two are none of ours. */
static const char *take_pair(const struct word *key, const struct word *value,
			     struct pending *p, struct allowlist_entry *ret)
{
	if (is_word(key, "address")) {
		if (p->has_host || value->len > ALLOWLIST_HOST_MAX ||
		    value->len == 0 || memchr(value->at, '\0', value->len))
			return p->has_host ? bad_yaml : "No address field";
		p->has_host = true;
		ret->host = value->at;
		ret->host_len = value->len;
	} else if (is_word(key, "port")) {
		if (p->has_port)
			return bad_yaml;
		p->has_port = true;
		return read_port(value, &ret->port);
	}
	return NULL;
}

/* What is missing is missing in the entry's line, not in the one after it. */
static const char *check_entry(struct allowlist *a, const struct pending *p,
			       unsigned line)
{
	if (p->has_host && p->has_port)
		return NULL;
	a->line = line;
	return p->has_host ? "No port field or invalid type" :
			     "No address field";
}

/* { KEY: VALUE, ... } */
static const char *read_braces(struct allowlist *a, struct allowlist_entry *ret)
{
	struct pending p = { false, false };
	struct word key, value;
	const char *why;

	ret->line = a->line;
	a->at++;
	while (skip_flow(a) && !is_at(a, '}')) {
		if (!read_key(a, &key) || !skip_flow(a) ||
		    !read_word(a, ",}", &value))
			return bad_yaml;
		why = take_pair(&key, &value, &p, ret);
		if (why)
			return why;
		if (!skip_flow(a) || (!is_at(a, ',') && !is_at(a, '}')))
			return bad_yaml;
		if (is_at(a, ','))
			a->at++;
	}
	if (is_line_done(a))
		return bad_yaml;
	a->at++;
	return check_entry(a, &p, ret->line);
}

/* KEY: VALUE of the lines that begin in one column. */
static const char *read_pairs(struct allowlist *a, size_t column,
			      struct allowlist_entry *ret)
{
	struct pending p = { false, false };
	struct word key, value;
	const char *why;

	ret->line = a->line;
	do {
		if (a->indent != column || !read_key(a, &key) ||
		    !read_word(a, "", &value) || !is_line_done(a))
			return bad_yaml;
		why = take_pair(&key, &value, &p, ret);
		if (why)
			return why;
	} while (load_line(a) && a->indent >= column);
	return is_at(a, '\t') ? bad_yaml : check_entry(a, &p, ret->line);
}

/* The current line is the next entry, or what follows the list. */
static bool next_of_block(struct allowlist *a, struct allowlist_entry *ret,
			  const char **ret_why)
{
	const char *dash = a->at;

	*ret_why = NULL;
	if (is_line_done(a) || (a->indent == 0 && *a->at != '-') ||
	    (a->stop - a->at == 3 && memcmp(a->at, "---", 3) == 0)) {
		a->state = AFTER;
		return false;
	}
	a->at++;
	skip_blanks(a);
	if (*dash != '-' || a->at == dash + 1) {
		*ret_why = bad_yaml;
	} else if (is_at(a, '{')) {
		*ret_why = read_braces(a, ret);
		if (!*ret_why && !is_line_done(a))
			*ret_why = bad_yaml;
		if (!*ret_why)
			(void)load_line(a);
	} else {
		a->indent += (size_t)(a->at - dash);
		*ret_why = read_pairs(a, a->indent, ret);
	}
	return !*ret_why;
}

/* [ {...}, ... ] */
static bool next_in_brackets(struct allowlist *a, struct allowlist_entry *ret,
			     const char **ret_why)
{
	*ret_why = bad_yaml;
	if (!skip_flow(a))
		return false;
	if (is_at(a, ']')) {
		*ret_why = NULL;
		a->state = AFTER;
		return false;
	}
	if (!is_at(a, '{'))
		return false;
	*ret_why = read_braces(a, ret);
	if (*ret_why)
		return false;
	*ret_why = bad_yaml;
	if (!skip_flow(a) || (!is_at(a, ',') && !is_at(a, ']')))
		return false;
	if (is_at(a, ','))
		a->at++;
	*ret_why = NULL;
	return true;
}

/* Goes to what follows "allowlist:"; other keys, and what they have, are passed over. */
static const char *find_list(struct allowlist *a)
{
	struct word key;

	while (load_line(a)) {
		if (a->indent > 0 || *a->at == '-')
			continue;
		if (*a->at == '{' || *a->at == '[')
			return "JSON is not read here";
		if (!read_key(a, &key))
			return bad_yaml;
		if (!is_word(&key, "allowlist"))
			continue;
		a->state = is_at(a, '[') ? FLOW : BLOCK;
		if (a->state == FLOW)
			a->at++;
		else if (!is_line_done(a) || !load_line(a))
			return "No allowlist field";
		return NULL;
	}
	return "No allowlist field";
}

bool allowlist_next(struct allowlist *a, struct allowlist_entry *ret,
		    const char **ret_why)
{
	*ret_why = NULL;
	if (a->state == BEFORE)
		*ret_why = find_list(a);
	if (*ret_why) {
		a->state = AFTER;
		return false;
	}
	if (a->state == BLOCK)
		return next_of_block(a, ret, ret_why);
	return a->state == FLOW && next_in_brackets(a, ret, ret_why);
}
