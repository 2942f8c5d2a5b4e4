#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vsock/inside.h"
#include "vsock/relay/egress/front.h"
#include "vsock/relay/egress/refusals.h"
#include "vsock/relay/egress/via.h"
#include "vsock/relay/flow/listener.h"
#include "vsock/relay/flow/service.h"
#include "vsock/relay/flow/tally.h"
#include "vsock/relay/plan/hosts.h"
#include "vsock/relay/plan/rules.h"

/*
 * The enclave's way out: the proxy port, where clients say what they want, and the addresses of
 * egress-names, where it is known before. Rules are checked here; the parent dials.
 */

_Static_assert((int)HOSTS_NAMES_MAX == (int)INSIDE_NAMES_MAX, "as PID 1");

enum { WORDS = 512 };

/* A place at which connections arrive. */
struct entry {
	struct listener listener;
	struct pump_options options;
	const struct hosts_pair *pair; /* NULL: the proxy port */
};

/* A client until its bytes are passed on. */
struct egress_call {
	struct entry *entry;
	uint16_t port;
	struct host host;
	struct via via;
	union {
		struct front front;
		int fd; /* of an entry with a name */
	};
};

static struct entry *entries;
static size_t count;
static struct hosts hosts;
static struct rules allow, deny;
static struct refusals refusals = { .object = "egress" };
static const struct service_work *work;

/* --- refusals --- */

static void refused(const struct egress_call *c, const char *words)
{
	tally_add(c->entry->listener.column, TALLY_REFUSED, 1);
	refusals_print(&refusals, loop_now_ms(work->loop), words);
}

/* "HOST:PORT: WHY" of the rule that denies it, or of none that allows it. */
static void deny_words(const struct host *host, uint16_t port,
		       const struct rule *rule, char words[WORDS])
{
	char target[HOST_PORT_TEXT];

	host_port_text(host, port, target);
	if (rule)
		(void)snprintf(words, WORDS, "%s: egress-deny %.*s denies it",
			       target, (int)rule->text_len, rule->text);
	else
		(void)snprintf(words, WORDS, "%s: no egress-allow allows it",
			       target);
}

/* --- connections --- */

static void on_end(void *ctx, int error)
{
	struct entry *e = ctx;

	(void)error;
	listener_left(&e->listener);
}

static void free_call(void *ctx)
{
	struct egress_call *c = ctx;
	struct entry *e = c->entry;

	free(c);
	listener_left(&e->listener);
}

static int pass_on(struct egress_call *c, int server, const void *early,
		   size_t len)
{
	struct pump_before before = { .to_a = early, .to_a_len = len };
	struct entry *e = c->entry;

	if (e->pair)
		return pump_start(work->pumps, c->fd, server, &e->options,
				  &before, e);
	return front_accept(&c->front, server, work->pumps, &e->options, e,
			    early, len);
}

static void on_connected(void *ctx, int fd, const void *early, size_t len)
{
	char words[WORDS], target[HOST_PORT_TEXT], why[VIA_WORDS];
	struct egress_call *c = ctx;
	struct entry *e = c->entry;

	if (fd >= 0) {
		if (pass_on(c, fd, early, len) < 0)
			listener_left(&e->listener);
		free(c);
		return;
	}
	host_port_text(&c->host, c->port, target);
	via_words(&c->via, fd, why);
	(void)snprintf(words, sizeof(words), "%s: %s", target, why);
	refused(c, words);
	if (!e->pair) {
		front_refuse(&c->front, -fd, words);
		return;
	}
	pump_reset(c->fd);
	free_call(c);
}

static void connect_call(struct egress_call *c)
{
	const struct plan_egress *p = &work->plan->egress;

	via_start(&c->via, work->loop, &p->target, p->via, &c->host, c->port,
		  on_connected, c);
}

static void on_asked(void *ctx, const struct host *host, uint16_t port)
{
	struct egress_call *c = ctx;
	const struct rule *rule;
	char words[WORDS];

	c->host = *host;
	c->port = port;
	if (rules_judge(&allow, &deny, host, port, &rule) == RULES_ALLOWED) {
		connect_call(c);
		return;
	}
	deny_words(host, port, rule, words);
	refused(c, words);
	front_refuse(&c->front, EACCES, words);
}

static void on_accepted(void *ctx, int fd, const struct listener_arrival *a)
{
	struct entry *e = ctx;
	struct egress_call *c = malloc(sizeof(*c));
	const struct plan_value *name;

	(void)a;
	if (!c) {
		pump_reset(fd);
		listener_left(&e->listener);
		return;
	}
	c->entry = e;
	if (!e->pair) {
		if (front_start(&c->front, work->loop, fd, false, on_asked,
				free_call, c) < 0)
			free_call(c);
		return;
	}
	/* The plan was checked: it is a name, and it is allowed. */
	name = &hosts.name[e->pair->name];
	(void)host_read(name->at, name->len, &c->host);
	c->port = e->pair->port;
	c->fd = fd;
	connect_call(c);
}

/* --- the service --- */

/* Its number among all names decides its address. */
static struct address address_of(const struct hosts_pair *pair)
{
	uint32_t ip = inside_name_address(pair->name);

	return (struct address){ .kind = ADDRESS_TCP,
				 .port = pair->port,
				 .last = pair->port,
				 .ip = { (uint8_t)(ip >> 24),
					 (uint8_t)(ip >> 16),
					 (uint8_t)(ip >> 8), (uint8_t)ip } };
}

static int bind_entry(const struct address *at, const struct hosts_pair *pair,
		      unsigned line, struct service_fault *reterr)
{
	struct entry *e = &entries[count];
	char text[ADDRESS_TEXT];
	int r = listener_bind(&e->listener, at, 0, 0);

	if (r < 0) {
		address_text(at, text);
		return service_fail(reterr, line, text, -r);
	}
	e->pair = pair;
	e->options = (struct pump_options){ .done = on_end,
					    .column = e->listener.column };
	count++;
	return 0;
}

static int bind_all(const struct plan *p, struct service_fault *reterr)
{
	const struct plan_egress *e = &p->egress;
	struct plan_fault fault;
	struct address at;
	int r = 0;

	hosts_rules(e, &allow, &deny);
	if (hosts_read(&e->names, &allow, &deny, &hosts, &fault) < 0)
		return service_fail(reterr, fault.line, fault.words, EINVAL);
	entries = calloc(hosts.pairs + 1, sizeof(*entries));
	if (!entries)
		return service_fail(reterr, e->line, "egress", ENOMEM);
	if (e->listen.kind != ADDRESS_NONE)
		r = bind_entry(&e->listen, NULL, e->line, reterr);
	for (size_t i = 0; r == 0 && i < hosts.pairs; i++) {
		const struct hosts_pair *pair = &hosts.pair[i];

		at = address_of(pair);
		r = bind_entry(&at, pair, hosts.name[pair->name].line, reterr);
	}
	return r;
}

static int start_all(const struct service_work *w)
{
	int r = 0;

	work = w;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = listener_start(&entries[i].listener, w->loop, on_accepted,
				   &entries[i]);
	return r;
}

const struct service egress_service = { .name = "egress",
					.is_wanted = plan_wants_egress,
					.bind = bind_all,
					.start = start_all };
