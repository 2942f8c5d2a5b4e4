#include "vsock/relay/plan/route.h"

#include <string.h>

#include "vsock/relay/base/value.h"

enum { VALUE_MAX = 24 };

/* The value of an option, with a NUL. False: it is longer than any good one. */
static bool copy_value(const char *at, size_t len, char ret[VALUE_MAX])
{
	if (len == 0 || len >= VALUE_MAX || memchr(at, '\0', len))
		return false;
	memcpy(ret, at, len);
	ret[len] = '\0';
	return true;
}

static const char *set_max(const char *value, struct route *r)
{
	uint64_t n;

	if (!value_number(value, ROUTE_MAX_MAX, &n) || n == 0)
		return "max is a number of connections from 1 to 1048576";
	r->max = (uint32_t)n;
	return NULL;
}

static const char *set_buffer(const char *value, struct route *r)
{
	uint64_t n;

	if (!value_size(value, ROUTE_BUFFER_MAX, &n) || n < ROUTE_BUFFER_MIN)
		return "buffer is a size from 64K to 64M";
	r->buffer = (uint32_t)n;
	return NULL;
}

static const char *set_idle(const char *value, struct route *r)
{
	int64_t ms;

	if (!value_time(value, &ms) || ms == 0)
		return "idle is a time like 90 or 15m";
	r->idle_ms = ms;
	return NULL;
}

static const char *set_half_close(const char *value, struct route *r)
{
	r->no_half_close = strcmp(value, "no") == 0;
	return r->no_half_close || strcmp(value, "yes") == 0 ?
		       NULL :
		       "half-close is yes or no";
}

static const char *set_proxy(const char *value, struct route *r)
{
	r->proxy_v2 = strcmp(value, "v2") == 0;
	return r->proxy_v2 ? NULL : "proxy is v2";
}

static const struct {
	const char *name;
	const char *(*set)(const char *value, struct route *r);
} options[] = {
	{ "max=", set_max },	 { "buffer=", set_buffer },
	{ "idle=", set_idle },	 { "half-close=", set_half_close },
	{ "proxy=", set_proxy },
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

const char *route_option(const char *word, size_t len, unsigned *seen,
			 struct route *r)
{
	char value[VALUE_MAX];
	size_t name;

	for (unsigned i = 0; i < OPTIONS; i++) {
		name = strlen(options[i].name);
		if (len < name || memcmp(word, options[i].name, name) != 0)
			continue;
		if (*seen & 1U << i)
			return "the option is there twice";
		*seen |= 1U << i;
		if (!copy_value(word + name, len - name, value))
			value[0] = '\0';
		return options[i].set(value, r);
	}
	return "it is none of the options max=, buffer=, idle=, half-close=, proxy=";
}

const char *route_check(const struct route *r)
{
	uint32_t from = address_ports(&r->listen);

	if (from > 1 && address_ports(&r->target) > 1 &&
	    from != address_ports(&r->target))
		return "its two ranges of ports differ in length";
	if (r->buffer && r->listen.kind != ADDRESS_VSOCK &&
	    r->target.kind != ADDRESS_VSOCK)
		return "buffer= is for vsock, which neither end is";
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word of what is between *AT and END. */
static bool next_word(const char **at, const char *end, const char **ret,
		      size_t *ret_len)
{
	while (*at < end && is_blank(**at))
		(*at)++;
	*ret = *at;
	while (*at < end && !is_blank(**at))
		(*at)++;
	*ret_len = (size_t)(*at - *ret);
	return *ret_len > 0;
}

const char *route_read(const char *text, size_t len, unsigned flags,
		       struct route *ret, const char **reterr,
		       size_t *reterr_len)
{
	const char *at = text, *end = text + len, *why = NULL, *word;
	struct route r = { .max = 0 };
	unsigned seen = 0;
	size_t word_len;

	for (unsigned n = 0; !why && next_word(&at, end, &word, &word_len);
	     n++) {
		*reterr = word;
		*reterr_len = word_len;
		if (n == 0)
			why = address_read(word, word_len,
					   flags | ADDRESS_LISTENS, &r.listen);
		else if (n == 1)
			why = address_read(word, word_len, flags, &r.target);
		else
			why = route_option(word, word_len, &seen, &r);
	}
	if (why)
		return why;
	*reterr = text;
	*reterr_len = len;
	if (r.target.kind == ADDRESS_NONE)
		return "it needs two addresses: where to listen, and the target";
	why = route_check(&r);
	if (!why)
		*ret = r;
	return why;
}
