#include "vsock/relay/plan/plan.h"

#include <errno.h>
#include <string.h>

#include "vsock/relay/base/value.h"
#include "vsock/relay/plan/conflict.h"
#include "vsock/relay/plan/fence.h"
#include "vsock/relay/plan/hosts.h"
#include "vsock/relay/plan/network.h"
#include "vsock/relay/plan/rules.h"
#include "vsock/relay/plan/words.h"

enum {
	VALUE_MAX = 64, /* bytes of one that is a number, a time or a word */
	EGRESS_PORT = 17002,
	MEMORY = 16 << 20,
	MEMORY_MIN = 1 << 20,
	CONNECTIONS = 4096,
	CONNECTIONS_MAX = 1 << 20,
	MTU_MIN = 576,
	MTU_MAX = 16000,
};

struct reader {
	struct plan *p;
	struct plan_fault *fault;
	struct plan_value v;
	char value[VALUE_MAX]; /* the same with a NUL; "" if it is longer */
};

/* NULL, or why the value is none. */
typedef const char *read_fn(struct reader *r);

static const char *add_value(struct plan_values *to, const struct reader *r)
{
	if (to->count == PLAN_LINES_MAX)
		return "it is there more than 64 times";
	to->at[to->count++] = r->v;
	return NULL;
}

static const char *read_forward(struct reader *r)
{
	unsigned flags = r->p->side == PLAN_INSIDE ? ADDRESS_INSIDE : 0;
	const char *bad = NULL, *why;
	struct route *route;
	size_t bad_len = 0;

	if (r->p->routes == PLAN_ROUTES_MAX)
		return "it is there more than 64 times";
	route = &r->p->route[r->p->routes];
	why = route_read(r->v.at, r->v.len, flags, route, &bad, &bad_len);
	if (!why) {
		route->line = r->v.line;
		r->p->routes++;
		return NULL;
	}
	/* The word that is meant stands in the message in place of the value. */
	r->v.at = bad;
	r->v.len = bad_len;
	return why;
}

static const char *read_workers(struct reader *r)
{
	uint64_t n;

	if (!value_number(r->value, PLAN_WORKERS_MAX, &n) || n == 0)
		return "it must be a number from 1 to 64";
	r->p->workers = (uint32_t)n;
	return NULL;
}

static const char *read_memory(struct reader *r)
{
	uint64_t n;

	if (!value_size(r->value, UINT64_C(64) << 30, &n) || n < MEMORY_MIN)
		return "it must be a size from 1M to 64G";
	r->p->memory = n;
	return NULL;
}

static const char *read_max(struct reader *r)
{
	uint64_t n;

	if (!value_number(r->value, CONNECTIONS_MAX, &n) || n == 0)
		return "it must be a number from 1 to 1048576";
	r->p->max = (uint32_t)n;
	return NULL;
}

/* ADDRESS:PORT, with tcp: before it or without. */
static const char *read_egress(struct reader *r)
{
	static const char prefix[] = "tcp:";
	char text[sizeof(prefix) + VALUE_MAX];
	struct address *a = &r->p->egress.listen;

	if (!r->value[0])
		return "it must be ADDRESS:PORT";
	if (strncmp(r->value, prefix, 4) == 0)
		return address_read(
			r->v.at, r->v.len,
			ADDRESS_INSIDE | ADDRESS_LISTENS | ADDRESS_SINGLE, a);
	memcpy(text, prefix, sizeof(prefix));
	words_add(text, sizeof(text), r->value);
	/* Nothing of a TCP address is in the text after it was read. */
	return address_read(text, strlen(text),
			    ADDRESS_INSIDE | ADDRESS_LISTENS | ADDRESS_SINGLE,
			    a);
}

/* What the enclave dials. */
static const char *read_dialled(struct reader *r, struct address *ret)
{
	return address_read(r->v.at, r->v.len, ADDRESS_INSIDE | ADDRESS_SINGLE,
			    ret);
}

static const char *read_egress_target(struct reader *r)
{
	return read_dialled(r, &r->p->egress.target);
}

static const char *read_egress_via(struct reader *r)
{
	static const char *const names[] = { [PLAN_VIA_CONNECT] = "connect",
					     [PLAN_VIA_ENCLAVER] = "enclaver",
					     [PLAN_VIA_SOCKS5] = "socks5" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(r->value, names[i]) == 0) {
			r->p->egress.via = (enum plan_via)i;
			return NULL;
		}
	return "it must be connect, enclaver or socks5";
}

/* Values of words that are rules; TO has those before it. */
static const char *add_rules(struct plan_values *to, struct reader *r)
{
	const char *bad = NULL, *why = add_value(to, r);
	size_t bad_len = 0;
	struct rules rules;

	rules_open(&rules, RULES_PORT);
	for (size_t i = 0; !why && i < to->count; i++)
		why = rules_add(&rules, to->at[i].at, to->at[i].len, &bad,
				&bad_len);
	if (why && bad) {
		r->v.at = bad;
		r->v.len = bad_len;
	}
	return why;
}

static const char *read_egress_allow(struct reader *r)
{
	return add_rules(&r->p->egress.allow, r);
}

static const char *read_egress_deny(struct reader *r)
{
	return add_rules(&r->p->egress.deny, r);
}

static const char *read_egress_names(struct reader *r)
{
	return add_value(&r->p->egress.names, r);
}

static const char *read_dns_forward(struct reader *r)
{
	r->p->dns.line = r->v.line;
	return read_dialled(r, &r->p->dns.target);
}

static const char *read_dns_allow(struct reader *r)
{
	const char *why = add_rules(&r->p->dns.allow, r);

	if (!why && memchr(r->v.at, ':', r->v.len))
		return "names that are asked for have no ports";
	return why;
}

static const char *read_tap(struct reader *r)
{
	r->p->tap.line = r->v.line;
	return read_dialled(r, &r->p->tap.target);
}

static const char *read_tap_framing(struct reader *r)
{
	if (strcmp(r->value, "gvproxy") == 0)
		r->p->tap.framing = PLAN_FRAMING_GVPROXY;
	else if (strcmp(r->value, "qemu") == 0)
		r->p->tap.framing = PLAN_FRAMING_QEMU;
	else
		return "it must be gvproxy or qemu";
	return NULL;
}

static const char *read_tap_address(struct reader *r)
{
	return network_address(r->v.at, r->v.len, &r->p->tap);
}

static const char *read_tap_gateway(struct reader *r)
{
	return network_gateway(r->v.at, r->v.len, &r->p->tap);
}

static const char *read_tap_mac(struct reader *r)
{
	return network_mac(r->v.at, r->v.len, &r->p->tap);
}

static const char *read_tap_mtu(struct reader *r)
{
	uint64_t n;

	if (!value_number(r->value, MTU_MAX, &n) || n < MTU_MIN)
		return "it must be a number from 576 to 16000";
	r->p->tap.mtu = (unsigned)n;
	return NULL;
}

static const char *read_tap_accept(struct reader *r)
{
	return network_accept(r->v.at, r->v.len, &r->p->tap);
}

/* LISTEN [OPTION]... */
static const char *read_end(struct reader *r, struct plan_ends *ends)
{
	const char *blank = memchr(r->v.at, ' ', r->v.len);
	const char *tab = memchr(r->v.at, '\t', r->v.len);
	struct plan_end *e = &ends->at[ends->count];
	size_t len;

	if (ends->count == PLAN_ENDS_MAX)
		return "it is there more than 16 times";
	if (tab && (!blank || tab < blank))
		blank = tab;
	len = blank ? (size_t)(blank - r->v.at) : r->v.len;
	e->options = r->v;
	e->options.at += len;
	e->options.len -= len;
	while (e->options.len > 0 &&
	       (*e->options.at == ' ' || *e->options.at == '\t')) {
		e->options.at++;
		e->options.len--;
	}
	ends->count++;
	return address_read(r->v.at, len, ADDRESS_LISTENS, &e->listen);
}

static const char *read_exit(struct reader *r)
{
	const char *bad, *why = read_end(r, &r->p->exits);
	const struct plan_end *e;
	struct fence fence;
	size_t bad_len;

	if (why)
		return why;
	e = &r->p->exits.at[r->p->exits.count - 1];
	fence_open(&fence);
	why = fence_add(&fence, e->options.at, e->options.len, &bad, &bad_len);
	if (why) {
		r->v.at = bad;
		r->v.len = bad_len;
	}
	return why;
}

static const char *read_dns(struct reader *r)
{
	return read_end(r, &r->p->resolvers);
}

enum { INSIDE = 1, PARENT = 2, REPEATS = 4 };

static const struct key {
	const char *name;
	unsigned flags;
	read_fn *read;
} keys[] = {
	{ "forward", INSIDE | PARENT | REPEATS, read_forward },
	{ "forward-workers", INSIDE | PARENT, read_workers },
	{ "forward-memory", INSIDE | PARENT, read_memory },
	{ "forward-max", INSIDE | PARENT, read_max },
	{ "egress", INSIDE, read_egress },
	{ "egress-target", INSIDE, read_egress_target },
	{ "egress-via", INSIDE, read_egress_via },
	{ "egress-allow", INSIDE | REPEATS, read_egress_allow },
	{ "egress-deny", INSIDE | REPEATS, read_egress_deny },
	{ "egress-names", INSIDE | REPEATS, read_egress_names },
	{ "dns-forward", INSIDE, read_dns_forward },
	{ "dns-allow", INSIDE | REPEATS, read_dns_allow },
	{ "tap", INSIDE, read_tap },
	{ "tap-framing", INSIDE, read_tap_framing },
	{ "tap-address", INSIDE, read_tap_address },
	{ "tap-gateway", INSIDE, read_tap_gateway },
	{ "tap-mac", INSIDE, read_tap_mac },
	{ "tap-mtu", INSIDE, read_tap_mtu },
	{ "tap-accept", INSIDE | REPEATS, read_tap_accept },
	{ "exit", PARENT | REPEATS, read_exit },
	{ "dns", PARENT | REPEATS, read_dns },
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static int fail(struct plan_fault *f, unsigned line, const char *before,
		const char *quoted, size_t quoted_len, const char *after)
{
	f->line = line;
	words_set(f->words, sizeof(f->words), before, quoted, quoted_len,
		  after);
	return -EINVAL;
}

/* "KEY: VALUE: WHY" */
static int fail_value(const struct reader *r, const struct key *k,
		      const char *why)
{
	struct plan_fault *f = r->fault;

	fail(f, r->v.line, k->name, "", 0, ": ");
	words_add_bytes(f->words, sizeof(f->words), r->v.at,
			r->v.len < 64 ? r->v.len : 64);
	words_add(f->words, sizeof(f->words), r->v.len > 64 ? "...: " : ": ");
	words_add(f->words, sizeof(f->words), why);
	return -EINVAL;
}

static int unknown_key(const struct reader *r, const char *name, size_t len)
{
	struct plan_fault *f = r->fault;
	unsigned side = r->p->side == PLAN_INSIDE ? INSIDE : PARENT;

	(void)fail(f, r->v.line, "no key ", name, len < 64 ? len : 64,
		   "; the keys are");
	for (unsigned i = 0; i < KEYS; i++) {
		if (!(keys[i].flags & side))
			continue;
		words_add(f->words, sizeof(f->words), " ");
		words_add(f->words, sizeof(f->words), keys[i].name);
	}
	return -EINVAL;
}

static const struct key *find_key(const char *name, size_t len)
{
	for (unsigned i = 0; i < KEYS; i++)
		if (strlen(keys[i].name) == len &&
		    memcmp(keys[i].name, name, len) == 0)
			return &keys[i];
	return NULL;
}

static int read_pair(struct reader *r, const char *name, size_t len,
		     unsigned lines[KEYS])
{
	const struct key *k = find_key(name, len);
	unsigned side = r->p->side == PLAN_INSIDE ? INSIDE : PARENT;
	const char *why;

	if (!k)
		return unknown_key(r, name, len);
	if (!(k->flags & side))
		return fail(r->fault, r->v.line, k->name, "", 0,
			    side == PARENT ? " is a key of the enclave's file" :
					     " is a key of the parent's file");
	if (lines[k - keys] && !(k->flags & REPEATS))
		return fail(r->fault, r->v.line, k->name, "", 0,
			    " is there twice");
	lines[k - keys] = r->v.line;
	if (r->v.len == 0)
		return fail(r->fault, r->v.line, k->name, "", 0,
			    ": its value is missing");
	r->value[0] = '\0';
	if (r->v.len < sizeof(r->value))
		words_set(r->value, sizeof(r->value), NULL, r->v.at, r->v.len,
			  NULL);
	why = k->read(r);
	return why ? fail_value(r, k, why) : 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(struct plan_value *v)
{
	while (v->len > 0 && is_blank(v->at[0])) {
		v->at++;
		v->len--;
	}
	while (v->len > 0 && is_blank(v->at[v->len - 1]))
		v->len--;
}

static int read_line(struct reader *r, unsigned lines[KEYS])
{
	struct plan_value name = r->v;
	const char *equals;

	trim(&name);
	if (name.len == 0 || name.at[0] == '#')
		return 0;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.at[i] < ' ' && name.at[i] != '\t')
			return fail(r->fault, r->v.line,
				    "the line has a control character", NULL, 0,
				    NULL);
	equals = memchr(name.at, '=', name.len);
	if (!equals)
		return fail(r->fault, r->v.line, "the line is no KEY = VALUE",
			    NULL, 0, NULL);
	r->v.at = equals + 1;
	r->v.len = (size_t)(name.at + name.len - r->v.at);
	name.len = (size_t)(equals - name.at);
	trim(&r->v);
	trim(&name);
	return read_pair(r, name.at, name.len, lines);
}

/* The key of the first line that has a meaning only beside others that are not there. */
static int check_needs(const struct plan *p, const unsigned lines[KEYS],
		       struct plan_fault *reterr)
{
	static const struct {
		const char *prefix, *needs;
	} groups[] = {
		{ "egress-", ": it needs egress or egress-names" },
		{ "dns-", ": it needs dns-forward" },
		{ "tap-", ": it needs tap" },
	};
	const unsigned has[] = { p->egress.line, p->dns.line, p->tap.line };

	for (unsigned i = 0; i < KEYS; i++)
		for (unsigned g = 0; g < 3; g++)
			if (lines[i] && !has[g] &&
			    strncmp(keys[i].name, groups[g].prefix,
				    strlen(groups[g].prefix)) == 0)
				return fail(reterr, lines[i], keys[i].name, "",
					    0, groups[g].needs);
	return 0;
}

/* Can all names be reached that have an address of their own? */
static int check_names(const struct plan *p, struct plan_fault *reterr)
{
	struct rules allow, deny;
	struct hosts hosts;

	hosts_rules(&p->egress, &allow, &deny);
	return hosts_read(&p->egress.names, &allow, &deny, &hosts, reterr);
}

static int finish(struct plan *p, const unsigned lines[KEYS],
		  struct plan_fault *reterr)
{
	const char *why = NULL;
	int r;

	p->egress.line = lines[find_key("egress", 6) - keys];
	if (!p->egress.line && p->egress.names.count > 0)
		p->egress.line = p->egress.names.at[0].line;
	r = check_needs(p, lines, reterr);
	if (r < 0)
		return r;
	/* It takes 56 KiB of stack, which stay in memory as long as relay does. */
	if (p->egress.line)
		r = check_names(p, reterr);
	if (r < 0)
		return r;
	if (p->tap.line)
		why = network_check(&p->tap);
	if (why)
		return fail(reterr, p->tap.line, why, NULL, 0, NULL);
	return conflict_find(p, reterr);
}

static void set_defaults(struct plan *p, enum plan_side side)
{
	p->side = side;
	p->memory = MEMORY;
	p->max = CONNECTIONS;
	p->egress.target = (struct address){ .kind = ADDRESS_VSOCK,
					     .cid = ADDRESS_CID_ANY,
					     .port = EGRESS_PORT,
					     .last = EGRESS_PORT };
	network_defaults(&p->tap);
}

int plan_read(const char *text, size_t len, enum plan_side side,
	      struct plan *ret, struct plan_fault *reterr)
{
	struct reader r = { .p = ret, .fault = reterr };
	const char *end = text + len, *newline;
	unsigned lines[KEYS] = { 0 };
	int err = 0;

	set_defaults(ret, side);
	if (len > PLAN_TEXT_MAX)
		return fail(reterr, 0, "it has more than 256 KiB", NULL, 0,
			    NULL);
	for (unsigned line = 1; err == 0 && text < end; line++) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (!newline)
			newline = end;
		r.v = (struct plan_value){ text, (size_t)(newline - text),
					   line };
		err = read_line(&r, lines);
		text = newline + 1;
	}
	return err < 0 ? err : finish(ret, lines, reterr);
}

bool plan_wants_egress(const struct plan *p)
{
	return p->egress.line > 0;
}

bool plan_wants_dns(const struct plan *p)
{
	return p->dns.line > 0;
}

bool plan_wants_tap(const struct plan *p)
{
	return p->tap.line > 0;
}

bool plan_wants_exits(const struct plan *p)
{
	return p->exits.count > 0;
}

bool plan_wants_resolvers(const struct plan *p)
{
	return p->resolvers.count > 0;
}
