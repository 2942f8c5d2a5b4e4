#include "vsock/relay/flow/resolve.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "vsock/relay/flow/lookup.h"

static enum resolve_family preferred;
static struct source source = { .fd = -1 };
static struct resolve *pending; /* in no order */
static uint32_t last_id;

void resolve_prefer(enum resolve_family family)
{
	preferred = family;
}

static void forget(struct resolve *r)
{
	struct resolve **at = &pending;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	loop_untimer(r->loop, &r->timer);
}

static void finish(struct resolve *r, int error, const struct resolve_ip *ips,
		   size_t count)
{
	resolve_done_fn *done = r->done;

	forget(r);
	r->done = NULL;
	done(r->ctx, error, ips, count);
}

static void on_time(struct timer *t)
{
	struct resolve *r = LOOP_OWNER(t, struct resolve, timer);

	finish(r, r->error, NULL, 0);
}

static void on_answer(struct source *s, uint32_t events)
{
	struct lookup_answer a;
	struct resolve *r;
	ssize_t n = recv(s->fd, &a, sizeof(a), MSG_DONTWAIT);

	(void)events;
	if (n != (ssize_t)sizeof(a))
		return;
	/* One of the worker before this one, or that was cancelled, has no owner. */
	for (r = pending; r; r = r->next) {
		if (r->id != a.id)
			continue;
		finish(r, a.error, a.ips, a.error == 0 ? a.count : 0);
		return;
	}
}

/* Fills the question and sends it. Returns 0 or -errno. */
static int ask(const struct resolve *r, const char *name, size_t len,
	       enum resolve_family family, uint32_t owner)
{
	struct lookup_question q = { .id = r->id,
				     .owner = owner,
				     .family = (uint8_t)family };

	if (source.fd < 0)
		return -ENOTCONN;
	if (len == 0 || len > sizeof(q.name))
		return -ENOENT;
	q.len = (uint8_t)len;
	memcpy(q.name, name, len);
	if (send(source.fd, &q, sizeof(q), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return errno == EAGAIN ? -ENOBUFS : -errno;
	return 0;
}

void resolve_start(struct resolve *r, struct loop *l, const char *name,
		   size_t len, enum resolve_family family, uint32_t owner,
		   resolve_done_fn *done, void *ctx)
{
	int64_t due_ms = loop_now_ms(l);

	*r = (struct resolve){ .timer.due = on_time,
			       .loop = l,
			       .done = done,
			       .ctx = ctx,
			       .id = ++last_id,
			       .next = pending };
	pending = r;
	r->error = ask(r, name, len, family == RESOLVE_ANY ? preferred : family,
		       owner);
	if (r->error == 0) {
		r->error = -ETIMEDOUT;
		due_ms += RESOLVE_TIMEOUT_MS;
	}
	loop_timer(l, &r->timer, due_ms);
}

void resolve_cancel(struct resolve *r)
{
	if (!r->done)
		return;
	forget(r);
	r->done = NULL;
}

const char *resolve_words(int error)
{
	switch (error) {
	case -ENOENT:
		return "there is no such name";
	case -ETIMEDOUT:
		return "its lookup took too long";
	case -ENOBUFS:
		return "too many names are being looked up";
	default:
		return "its lookup got no answer";
	}
}

/* --- The service --------------------------------------------------------------- */

static int bind_nothing(const struct plan *p, struct service_fault *reterr)
{
	(void)p;
	(void)reterr;
	return 0;
}

static int start(const struct service_work *w)
{
	source.fd = lookup_end(w->number);
	source.ready = on_answer;
	/* No answer to the worker that was here before is taken for one to this. */
	last_id = (uint32_t)loop_now_ms(w->loop) << 8;
	return source.fd < 0 ? source.fd : loop_add(w->loop, &source, EPOLLIN);
}

static bool is_wanted(const struct plan *p)
{
	return lookup_service.is_wanted(p);
}

const struct service resolve_service = {
	.name = "names",
	.is_wanted = is_wanted,
	.bind = bind_nothing,
	.start = start,
};
