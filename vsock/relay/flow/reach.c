#include "vsock/relay/flow/reach.h"

#include <errno.h>
#include <string.h>

enum { LEAST_MS = 1000 };

static void on_dialled(void *ctx, int fd);

/* The next address that may be dialled; false: there is none. */
static bool next(struct reach *r)
{
	const struct resolve_ip *ip;

	for (; r->at < r->count; r->at++) {
		ip = &r->ips[r->at];
		if (r->may && !r->may(r->ctx, ip))
			continue;
		r->to.kind = ADDRESS_TCP;
		r->to.is_v6 = ip->is_v6;
		memcpy(r->to.ip, ip->ip, sizeof(r->to.ip));
		r->at++;
		return true;
	}
	return false;
}

/* What is left of the time is shared by the addresses that are left. */
static void dial_next(struct reach *r)
{
	int64_t left_ms = r->due_ms - loop_now_ms(r->loop);
	unsigned left = r->count - r->at + 1U;

	left_ms = left_ms / left > LEAST_MS ? left_ms / left : LEAST_MS;
	dial_start(&r->dial, r->loop, &r->to, r->buffer, (int)left_ms,
		   on_dialled, r);
}

static void on_dialled(void *ctx, int fd)
{
	struct reach *r = ctx;

	if (fd < 0 && loop_now_ms(r->loop) < r->due_ms && next(r)) {
		dial_next(r);
		return;
	}
	r->done(r->ctx, fd);
}

static void on_resolved(void *ctx, int error, const struct resolve_ip *ips,
			size_t count)
{
	struct reach *r = ctx;

	r->is_unknown = error != 0;
	if (error != 0) {
		r->done(r->ctx, error);
		return;
	}
	r->count = (uint8_t)count;
	memcpy(r->ips, ips, count * sizeof(*ips));
	if (next(r))
		dial_next(r);
	else
		r->done(r->ctx, -EACCES);
}

void reach_start(struct reach *r, struct loop *l, const struct address *a,
		 uint32_t buffer, int timeout_ms, uint32_t owner,
		 bool (*may)(void *ctx, const struct resolve_ip *ip),
		 dial_done_fn *done, void *ctx)
{
	*r = (struct reach){ .to = address_at(a, 0),
			     .loop = l,
			     .done = done,
			     .may = may,
			     .ctx = ctx,
			     .buffer = buffer,
			     .due_ms = loop_now_ms(l) + timeout_ms };
	if (a->kind == ADDRESS_NAME)
		resolve_start(&r->resolve, l, a->name, a->name_len, RESOLVE_ANY,
			      owner, on_resolved, r);
	else
		dial_start(&r->dial, l, a, buffer, timeout_ms, done, ctx);
}

void reach_cancel(struct reach *r)
{
	resolve_cancel(&r->resolve);
	dial_cancel(&r->dial);
}
