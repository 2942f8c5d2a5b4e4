#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vsock/relay/egress/front.h"
#include "vsock/relay/egress/refusals.h"
#include "vsock/relay/flow/listener.h"
#include "vsock/relay/flow/reach.h"
#include "vsock/relay/flow/service.h"
#include "vsock/relay/flow/tally.h"
#include "vsock/relay/plan/fence.h"
#include "vsock/relay/plan/host.h"
#include "vsock/relay/plan/special.h"

/*
 * The parent's proxy: what enclaves ask for is looked up, checked and dialled here.
 */

enum { WORDS = 512 };

/* A line of the plan at work. */
struct exit {
	struct listener listener;
	struct pump_options pump;
	struct fence fence;
};

/* A client until its bytes are passed on. */
struct exit_call {
	struct exit *exit;
	uint32_t cid; /* of the enclave; 0: of none */
	uint16_t port;
	struct host host,
		special; /* SPECIAL: an address of it that was refused */
	struct reach reach;
	struct front front;
};

static struct exit *exits;
static size_t count;
static struct refusals refusals = { .object = "egress" };
static const struct service_work *work;

/* --- what may be dialled --- */

/* NULL, or what kind of address it is that must not. */
static const char *why_not(const struct exit *e, const struct host *ip)
{
	if (rules_find(&e->fence.open, ip, RULES_ANY_PORT))
		return NULL;
	return special_words(ip);
}

static void host_of_ip(bool is_v6, const uint8_t *ip, struct host *ret)
{
	if (is_v6)
		host_of_v6(ip, ret);
	else
		host_of_v4(ip, ret);
}

static bool may(void *ctx, const struct resolve_ip *ip)
{
	struct exit_call *c = ctx;
	struct host h;

	host_of_ip(ip->is_v6, ip->ip, &h);
	if (!why_not(c->exit, &h))
		return true;
	c->special = h;
	return false;
}

/* Has it connected to this machine by an address of the internet? */
static bool is_own(const struct exit_call *c, int fd)
{
	const struct address *to = &c->reach.to;
	struct origin own;
	struct host h;

	listener_end_of(fd, &own);
	host_of_ip(to->is_v6, to->ip, &h);
	return (own.kind == ORIGIN_V4 || own.kind == ORIGIN_V6) &&
	       memcmp(own.ip, to->ip, to->is_v6 ? 16 : 4) == 0 &&
	       !rules_find(&c->exit->fence.open, &h, RULES_ANY_PORT);
}

/* --- connections --- */

static void free_call(void *ctx)
{
	struct exit_call *c = ctx;
	struct exit *e = c->exit;

	free(c);
	listener_left(&e->listener);
}

/* "HOST:PORT: WHY"; C may be gone. */
static void refuse(struct exit_call *c, int error, const char *why)
{
	char words[WORDS], target[HOST_PORT_TEXT];

	host_port_text(&c->host, c->port, target);
	(void)snprintf(words, sizeof(words), "%s: %s", target, why);
	tally_add(c->exit->listener.column, TALLY_REFUSED, 1);
	refusals_print(&refusals, loop_now_ms(work->loop), words);
	front_refuse(&c->front, error, words);
}

static void refuse_special(struct exit_call *c, const struct host *ip)
{
	char why[WORDS], text[HOST_TEXT];

	host_text(ip, text);
	(void)snprintf(why, sizeof(why), "%s is not dialled: %s", text,
		       special_words(ip));
	refuse(c, EACCES, why);
}

static void on_end(void *ctx, int error)
{
	struct exit *e = ctx;

	(void)error;
	listener_left(&e->listener);
}

static void pass_on(struct exit_call *c, int fd)
{
	struct exit *e = c->exit;

	if (front_accept(&c->front, fd, work->pumps, &e->pump, e, "", 0) < 0)
		listener_left(&e->listener);
	free(c);
}

static void on_reached(void *ctx, int fd)
{
	struct exit_call *c = ctx;

	if (fd >= 0 && is_own(c, fd)) {
		pump_reset(fd);
		refuse(c, EACCES, "it is an address of this machine");
	} else if (fd >= 0) {
		pass_on(c, fd);
	} else if (fd == -EACCES && c->special.kind != HOST_NONE) {
		refuse_special(c, &c->special);
	} else {
		refuse(c, -fd,
		       c->reach.is_unknown ? resolve_words(fd) : strerror(-fd));
	}
}

static void dial(struct exit_call *c)
{
	struct address a = { .port = c->port, .last = c->port };

	if (c->host.kind == HOST_NAME) {
		a.kind = ADDRESS_NAME;
		a.name = c->host.name;
		a.name_len = c->host.len;
	} else {
		a.kind = ADDRESS_TCP;
		a.is_v6 = c->host.kind == HOST_V6;
		memcpy(a.ip, c->host.ip, sizeof(a.ip));
	}
	reach_start(&c->reach, work->loop, &a, 0, DIAL_TIMEOUT_MS, c->cid, may,
		    on_reached, c);
}

static void on_asked(void *ctx, const struct host *host, uint16_t port)
{
	struct exit_call *c = ctx;
	const struct rules *only = &c->exit->fence.only;

	c->host = *host;
	c->port = port;
	c->special.kind = HOST_NONE;
	if (only->count > 0 && !rules_find(only, host, port))
		refuse(c, EACCES, "no only= allows it");
	else if (why_not(c->exit, host))
		refuse_special(c, host);
	else
		dial(c);
}

static void on_accepted(void *ctx, int fd, const struct listener_arrival *a)
{
	struct exit *e = ctx;
	struct exit_call *c = malloc(sizeof(*c));

	if (!c) {
		pump_reset(fd);
		listener_left(&e->listener);
		return;
	}
	c->exit = e;
	c->cid = a->from.kind == ORIGIN_VSOCK ? a->from.cid : 0;
	if (front_start(&c->front, work->loop, fd, true, on_asked, free_call,
			c) < 0)
		free_call(c);
}

/* --- the service --- */

static int bind_exit(struct exit *e, const struct plan_end *end,
		     struct service_fault *reterr)
{
	char text[ADDRESS_TEXT];
	const char *bad;
	size_t len;
	int r;

	/* The plan was checked. */
	fence_open(&e->fence);
	(void)fence_add(&e->fence, end->options.at, end->options.len, &bad,
			&len);
	r = listener_bind(&e->listener, &end->listen, 0, 0);
	if (r < 0) {
		address_text(&end->listen, text);
		return service_fail(reterr, end->options.line, text, -r);
	}
	e->pump = (struct pump_options){ .done = on_end,
					 .column = e->listener.column };
	return 0;
}

static int bind_all(const struct plan *p, struct service_fault *reterr)
{
	int r = 0;

	exits = calloc(p->exits.count, sizeof(*exits));
	if (!exits)
		return service_fail(reterr, 0, "egress", ENOMEM);
	for (; r == 0 && count < p->exits.count; count++)
		r = bind_exit(&exits[count], &p->exits.at[count], reterr);
	return r;
}

static int start_all(const struct service_work *w)
{
	int r = 0;

	work = w;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = listener_start(&exits[i].listener, w->loop, on_accepted,
				   &exits[i]);
	return r;
}

const struct service exit_service = { .name = "exit",
				      .is_wanted = plan_wants_exits,
				      .bind = bind_all,
				      .start = start_all };
