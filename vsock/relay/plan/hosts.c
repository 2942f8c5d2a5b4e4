#include "vsock/relay/plan/hosts.h"

#include <errno.h>
#include <string.h>

#include "vsock/relay/base/value.h"
#include "vsock/relay/plan/words.h"

struct hosts_reader {
	struct hosts *hosts;
	const struct rules *allow, *deny;
	struct plan_value word; /* that is being read */
	struct host host;	/* of it */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *add_pair(struct hosts_reader *r, size_t name, uint16_t port)
{
	struct hosts *h = r->hosts;
	const struct rule *rule;

	switch (rules_judge(r->allow, r->deny, &r->host, port, &rule)) {
	case RULES_DENIED:
		return "egress-deny denies it";
	case RULES_UNKNOWN:
		return "no egress-allow allows it";
	case RULES_ALLOWED:
		break;
	}
	for (size_t i = 0; i < h->pairs; i++)
		if (h->pair[i].name == name && h->pair[i].port == port)
			return NULL;
	if (h->pairs == HOSTS_PAIRS_MAX)
		return "there are more than 384 names with ports";
	h->pair[h->pairs++] =
		(struct hosts_pair){ .name = (uint16_t)name, .port = port };
	return NULL;
}

static bool has_name(const struct plan_value *v, const struct host *host)
{
	struct host h;

	return !host_read(v->at, v->len, &h) && h.len == host->len &&
	       memcmp(h.name, host->name, h.len) == 0;
}

/* NULL with *RET, or why there is no room. */
static const char *find_name(struct hosts_reader *r, size_t *ret)
{
	struct hosts *h = r->hosts;

	for (*ret = 0; *ret < h->names; ++*ret)
		if (has_name(&h->name[*ret], &r->host))
			return NULL;
	if (h->names == HOSTS_NAMES_MAX)
		return "there are more than 256 names";
	h->name[h->names] = r->word;
	h->name[h->names++].len = r->host.len;
	return NULL;
}

static const char *read_word(struct hosts_reader *r)
{
	static const char form[] = "it must be NAME:PORT[,PORT]...";
	const char *at = r->word.at, *end = at + r->word.len;
	const char *colon = memrchr(at, ':', r->word.len), *why;
	uint64_t port;
	size_t name;

	if (!colon)
		return form;
	why = host_read(at, (size_t)(colon - at), &r->host);
	if (why)
		return why;
	if (r->host.kind != HOST_NAME)
		return "only a name can have an address of its own";
	why = find_name(r, &name);
	for (at = colon + 1; !why; at++) {
		if (!value_number_at(&at, end, UINT16_MAX, &port) || port == 0)
			return form;
		why = add_pair(r, name, (uint16_t)port);
		if (at == end)
			break;
		if (*at != ',')
			return form;
	}
	return why;
}

static int fail(const struct hosts_reader *r, const char *why,
		struct plan_fault *reterr)
{
	reterr->line = r->word.line;
	words_set(reterr->words, sizeof(reterr->words),
		  "egress-names: ", r->word.at,
		  r->word.len < 64 ? r->word.len : 64,
		  r->word.len < 64 ? ": " : "...: ");
	words_add(reterr->words, sizeof(reterr->words), why);
	return -EINVAL;
}

static int read_line(struct hosts_reader *r, const struct plan_value *v,
		     struct plan_fault *reterr)
{
	const char *at = v->at, *end = v->at + v->len, *why;

	for (;;) {
		while (at < end && is_blank(*at))
			at++;
		if (at == end)
			return 0;
		r->word = (struct plan_value){ .at = at, .line = v->line };
		while (at < end && !is_blank(*at))
			at++;
		r->word.len = (size_t)(at - r->word.at);
		why = read_word(r);
		if (why)
			return fail(r, why, reterr);
	}
}

int hosts_read(const struct plan_values *lines, const struct rules *allow,
	       const struct rules *deny, struct hosts *ret,
	       struct plan_fault *reterr)
{
	struct hosts_reader r = { .hosts = ret, .allow = allow, .deny = deny };
	int err = 0;

	ret->names = ret->pairs = 0;
	for (size_t i = 0; err == 0 && i < lines->count; i++)
		err = read_line(&r, &lines->at[i], reterr);
	return err;
}

static void add_all(struct rules *r, const struct plan_values *lines)
{
	const char *bad;
	size_t len;

	for (size_t i = 0; i < lines->count; i++)
		(void)rules_add(r, lines->at[i].at, lines->at[i].len, &bad,
				&len);
}

void hosts_rules(const struct plan_egress *e, struct rules *ret_allow,
		 struct rules *ret_deny)
{
	rules_open(ret_allow, RULES_PORT);
	add_all(ret_allow, &e->allow);
	rules_open(ret_deny, RULES_ANY_PORT);
	add_all(ret_deny, &e->deny);
}
