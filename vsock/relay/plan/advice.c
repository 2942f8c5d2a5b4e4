#include "vsock/relay/plan/advice.h"

#include <string.h>
#include <strings.h>

#include "vsock/relay/plan/hosts.h"
#include "vsock/relay/plan/rules.h"
#include "vsock/relay/plan/words.h"

enum {
	BUFFER = 256 << 10, /* the kernel's for a vsock connection */
	SHARE = 4,	    /* of the memory, that windows may have */
	CID_HOST = 2,
};

struct advisor {
	const struct plan *p;
	advice_fn *give;
	void *ctx;
};

static void say(const struct advisor *a, unsigned line, const char *before,
		const char *quoted, size_t quoted_len, const char *after)
{
	struct plan_fault f = { .line = line };

	words_set(f.words, sizeof(f.words), before, quoted, quoted_len, after);
	a->give(a->ctx, &f);
}

static bool is_name(const struct rule *r)
{
	return r->kind <= RULE_ANY;
}

/* NAME ends with a dot and PARENT; *RET_LABELS: what is before that has no dot. */
static bool is_below(const struct rule *name, const struct rule *parent,
		     bool *ret_is_one)
{
	size_t len = name->name_len, tail = parent->name_len;

	if (len < tail + 2 || name->name[len - tail - 1] != '.' ||
	    strncasecmp(name->name + len - tail, parent->name, tail) != 0)
		return false;
	*ret_is_one = !memchr(name->name, '.', len - tail - 1);
	return true;
}

/* Does DENY match all names that ALLOW does? */
static bool covers_names(const struct rule *deny, const struct rule *allow)
{
	bool is_same = deny->name_len == allow->name_len &&
		       strncasecmp(deny->name, allow->name, deny->name_len) ==
			       0;
	bool is_one = false;

	if (deny->kind == RULE_ANY)
		return true;
	if (allow->kind == RULE_ANY)
		return false;
	if (is_same)
		return deny->kind == allow->kind ||
		       (deny->kind == RULE_DEEP && allow->kind == RULE_ONE);
	if (deny->kind == RULE_NAME || !is_below(allow, deny, &is_one))
		return false;
	return deny->kind == RULE_DEEP || (allow->kind == RULE_NAME && is_one);
}

static bool covers_ips(const struct rule *deny, const struct rule *allow)
{
	unsigned bytes = deny->bits / 8, rest = deny->bits % 8;

	if (deny->kind != allow->kind || deny->bits > allow->bits ||
	    memcmp(deny->ip, allow->ip, bytes) != 0)
		return false;
	return rest == 0 ||
	       (deny->ip[bytes] ^ allow->ip[bytes]) >> (8 - rest) == 0;
}

/* With its ports, of which those of a rule that names none are all. */
static bool covers(const struct rule *deny, const struct rule *allow)
{
	if (deny->ports_len > 0 &&
	    (deny->ports_len != allow->ports_len ||
	     memcmp(deny->ports, allow->ports, deny->ports_len) != 0))
		return false;
	if (is_name(deny) != is_name(allow))
		return false;
	return is_name(deny) ? covers_names(deny, allow) :
			       covers_ips(deny, allow);
}

/* The line that has the word AT. */
static unsigned line_of(const struct plan_values *v, const char *at)
{
	for (size_t i = 0; i < v->count; i++)
		if (at >= v->at[i].at && at < v->at[i].at + v->at[i].len)
			return v->at[i].line;
	return 0;
}

static void advise_rules(const struct advisor *a)
{
	const struct plan_egress *e = &a->p->egress;
	struct rules allow, deny;

	hosts_rules(e, &allow, &deny);
	for (size_t i = 0; i < allow.count; i++)
		for (size_t n = 0; n < deny.count; n++) {
			if (!covers(&deny.at[n], &allow.at[i]))
				continue;
			say(a, line_of(&e->allow, allow.at[i].text),
			    "egress-allow: ", allow.at[i].text,
			    allow.at[i].text_len,
			    ": it allows nothing, as egress-deny denies all "
			    "of it");
			break;
		}
}

static void advise_egress(const struct advisor *a)
{
	const struct plan *p = a->p;
	const struct address *at = &p->egress.listen;

	if (!p->egress.line)
		return;
	if (p->egress.allow.count == 0)
		say(a, p->egress.line,
		    "egress: without egress-allow nothing may be reached", NULL,
		    0, NULL);
	if (at->kind == ADDRESS_TCP && p->tap.line &&
	    !(at->is_v6 ? at->ip[15] == 1 : at->ip[0] == 127))
		say(a, p->egress.line,
		    "egress: the proxy listens for the network as well, see tap",
		    NULL, 0, NULL);
	if (p->tap.line)
		say(a, p->tap.line,
		    "tap: egress-allow and egress-deny do not bind what goes "
		    "over the network",
		    NULL, 0, NULL);
	advise_rules(a);
}

/* An enclave has one peer. */
static void advise_cid(const struct advisor *a, unsigned line, const char *key,
		       const struct address *at)
{
	char text[ADDRESS_TEXT];

	if (at->kind != ADDRESS_VSOCK || at->cid == ADDRESS_CID_ANY ||
	    at->cid == ADDRESS_CID_PARENT || at->cid == CID_HOST)
		return;
	address_text(at, text);
	words_add(text, sizeof(text),
		  ": an enclave reaches its parent alone, which is CID 3");
	say(a, line, key, text, strlen(text), NULL);
}

static void advise_cids(const struct advisor *a)
{
	const struct plan *p = a->p;

	if (p->side != PLAN_INSIDE)
		return;
	for (size_t i = 0; i < p->routes; i++) {
		advise_cid(a, p->route[i].line,
			   "forward: ", &p->route[i].listen);
		advise_cid(a, p->route[i].line,
			   "forward: ", &p->route[i].target);
	}
	if (p->egress.line)
		advise_cid(a, p->egress.line,
			   "egress-target: ", &p->egress.target);
	if (p->dns.line)
		advise_cid(a, p->dns.line, "dns-forward: ", &p->dns.target);
	if (p->tap.line)
		advise_cid(a, p->tap.line, "tap: ", &p->tap.target);
}

static bool has_vsock(const struct route *r)
{
	return r->listen.kind == ADDRESS_VSOCK ||
	       r->target.kind == ADDRESS_VSOCK;
}

/* The bytes that connections of all forwards may hold which nobody reads. */
static uint64_t windows(const struct plan *p)
{
	uint64_t sum = 0, most = 0, buffer, max;

	for (size_t i = 0; i < p->routes; i++) {
		if (!has_vsock(&p->route[i]))
			continue;
		buffer = p->route[i].buffer ? p->route[i].buffer : BUFFER;
		max = p->route[i].max;
		if (max == 0 || max > p->max)
			max = p->max;
		sum += max * buffer;
		if (buffer > most)
			most = buffer;
	}
	return sum < p->max * most ? sum : p->max * most;
}

static void advise_memory(const struct advisor *a, uint64_t memory)
{
	uint64_t sum = windows(a->p);
	struct plan_fault f = { .line = 0 };

	if (memory == 0 || sum <= memory / SHARE)
		return;
	words_add(f.words, sizeof(f.words), "forward: connections may hold ");
	words_add_number(f.words, sizeof(f.words), sum >> 20);
	words_add(f.words, sizeof(f.words), " MiB, more than a quarter of ");
	words_add_number(f.words, sizeof(f.words), memory >> 20);
	words_add(f.words, sizeof(f.words),
		  " MiB: forward-max, max= and buffer= bound them");
	a->give(a->ctx, &f);
}

void advice_give(const struct plan *p, uint64_t memory, advice_fn *give,
		 void *ctx)
{
	const struct advisor a = { p, give, ctx };

	advise_egress(&a);
	if (p->dns.line && p->dns.allow.count == 0 &&
	    p->egress.allow.count == 0)
		say(&a, p->dns.line,
		    "dns-forward: without dns-allow no name is looked up", NULL,
		    0, NULL);
	advise_cids(&a);
	advise_memory(&a, memory);
}
