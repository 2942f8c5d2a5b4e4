#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vsock/relay/flow/listener.h"
#include "vsock/relay/flow/notice.h"
#include "vsock/relay/flow/pump.h"
#include "vsock/relay/flow/reach.h"
#include "vsock/relay/flow/service.h"
#include "vsock/relay/flow/tally.h"

/* A line of the plan at work. */
struct forward {
	const struct route *route;
	struct listener listener;
	struct pump_options options;
};

/* Until its target answers. */
struct passage {
	struct reach reach;
	struct forward *forward;
	int fd;
	struct origin from;
};

static struct forward *forwards;
static size_t count;
static const struct service_work *work;

static void report(const struct forward *f, const char *why)
{
	unsigned column = f->listener.column;

	if (tally_may_say(column, TALLY_REFUSALS, loop_now_ms(work->loop)))
		notice_of(&f->route->target, "%s; refused so far: %llu", why,
			  (unsigned long long)tally_sum(column, TALLY_REFUSED));
}

static void refuse(struct forward *f, int fd, const char *why)
{
	pump_reset(fd);
	tally_add(f->listener.column, TALLY_REFUSED, 1);
	report(f, why);
	listener_left(&f->listener);
}

static void on_end(void *ctx, int error)
{
	struct forward *f = ctx;

	(void)error;
	listener_left(&f->listener);
}

static void pass_on(struct forward *f, const struct passage *p, int target)
{
	uint8_t header[ORIGIN_HEADER_MAX];
	struct pump_before before = { .to_b = header };
	struct origin to;

	if (f->route->proxy_v2) {
		listener_end_of(p->fd, &to);
		before.to_b_len = origin_header(&p->from, &to, header);
	}
	if (pump_start(work->pumps, p->fd, target, &f->options, &before, f) < 0)
		listener_left(&f->listener);
}

static void on_dialled(void *ctx, int fd)
{
	struct passage *p = ctx;

	struct listener *l = &p->forward->listener;

	if (fd < 0)
		refuse(p->forward, p->fd,
		       p->reach.is_unknown ? resolve_words(fd) : strerror(-fd));
	else
		pass_on(p->forward, p, fd);
	/* The next one would be refused as well: it waits. */
	if (listener_is_shortage(fd))
		listener_rest(l, fd);
	free(p);
}

/* To the port of the target that goes with the one that was called. */
static struct address target_of(const struct route *r, uint32_t index)
{
	if (address_ports(&r->listen) > 1 && address_ports(&r->target) > 1)
		return address_at(&r->target, index);
	return r->target;
}

static void on_accepted(void *ctx, int fd, const struct listener_arrival *a)
{
	struct forward *f = ctx;
	struct address target = target_of(f->route, a->index);
	struct passage *p = malloc(sizeof(*p));

	if (!p) {
		refuse(f, fd, strerror(ENOMEM));
		return;
	}
	*p = (struct passage){ .forward = f, .fd = fd, .from = a->from };
	reach_start(&p->reach, work->loop, &target, f->route->buffer,
		    DIAL_TIMEOUT_MS,
		    a->from.kind == ORIGIN_VSOCK ? a->from.cid : 0, NULL,
		    on_dialled, p);
}

static bool is_wanted(const struct plan *p)
{
	return p->routes > 0;
}

static int fail(const struct route *r, int error, struct service_fault *ret)
{
	char text[ADDRESS_TEXT];

	address_text(&r->listen, text);
	return service_fail(ret, r->line, text, -error);
}

static int bind_all(const struct plan *plan, struct service_fault *reterr)
{
	const struct route *route;
	struct forward *f;
	int r;

	forwards = calloc(plan->routes, sizeof(*forwards));
	for (; forwards && count < plan->routes; count++) {
		route = &plan->route[count];
		f = &forwards[count];
		r = listener_bind(&f->listener, &route->listen, route->buffer,
				  route->max);
		if (r < 0)
			return fail(route, r, reterr);
		f->route = route;
		f->options =
			(struct pump_options){ .done = on_end,
					       .idle_ms = route->idle_ms,
					       .holds_half_close =
						       route->no_half_close,
					       .column = f->listener.column };
	}
	return forwards ? 0 : service_fail(reterr, 0, "forward", ENOMEM);
}

static int start_all(const struct service_work *w)
{
	int r = 0;

	work = w;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = listener_start(&forwards[i].listener, w->loop, on_accepted,
				   &forwards[i]);
	return r;
}

const struct service forward_service = { .name = "forward",
					 .is_wanted = is_wanted,
					 .bind = bind_all,
					 .start = start_all };
