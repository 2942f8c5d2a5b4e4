#include "vsock/relay/dns/callers.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct callers *owner_of(struct caller *k)
{
	return LOOP_OWNER(k - k->id.index, struct callers, at);
}

static bool is_open(const struct caller *k)
{
	return k->stream.source.fd >= 0;
}

static void drop(struct callers *c, struct caller *k)
{
	messages_close(&k->stream);
	listener_left(&c->listener);
}

/* Questions of K, and of the other connections of the same enclave. */
static unsigned asked_by(const struct callers *c, const struct caller *k)
{
	unsigned n = 0;

	if (!k->cid)
		return k->asked;
	for (int i = 0; i < CALLERS_MAX; i++)
		if (is_open(&c->at[i]) && c->at[i].cid == k->cid)
			n += c->at[i].asked;
	return n;
}

static bool has_room(const struct callers *c, const struct caller *k)
{
	return asked_by(c, k) < c->max && !c->is_full();
}

/* All that it has asked is answered, and nothing more comes. */
static bool is_done(const struct callers *c, const struct caller *k)
{
	return k->has_ended && k->asked == 0 && has_room(c, k) &&
	       !messages_are_waiting(&k->stream);
}

static int take(struct callers *c, struct caller *k, const uint8_t *m,
		size_t len)
{
	uint8_t error[DNS_ERROR_MAX];
	int r;

	k->used_ms = loop_now_ms(c->loop);
	k->asked++;
	r = c->take(c, &k->id, m, len, error);
	if (r == 0)
		return 0;
	k->asked--;
	return r < 0 ? r : messages_send(&k->stream, error, (size_t)r);
}

/* Takes the queries that have come, as far as there is room for them. */
static void serve(struct callers *c, struct caller *k)
{
	const uint8_t *m;
	size_t len;
	int r = 0;

	while (r >= 0 && is_open(k) && has_room(c, k)) {
		r = messages_next(&k->stream, &m, &len);
		if (r == 0)
			break;
		if (r > 0)
			r = take(c, k, m, len);
	}
	if (!is_open(k))
		return;
	if (r < 0 || is_done(c, k))
		drop(c, k);
	else
		messages_pause(&k->stream, k->has_ended || !has_room(c, k));
}

static void ready(struct source *s, uint32_t events)
{
	struct caller *k = LOOP_OWNER(s, struct caller, stream.source);
	struct callers *c = owner_of(k);
	int r = messages_ready(&k->stream, events);

	if (r == 0 && !(events & (EPOLLHUP | EPOLLERR))) {
		k->has_ended = true;
	} else if (r != 1 && r != -EAGAIN) {
		drop(c, k);
		return;
	}
	serve(c, k);
}

/* When the next one will have been idle for too long. */
static void set_timer(struct callers *c)
{
	int64_t due_ms = INT64_MAX;

	for (int i = 0; i < CALLERS_MAX; i++)
		if (is_open(&c->at[i]) && c->at[i].used_ms < due_ms)
			due_ms = c->at[i].used_ms;
	if (due_ms < INT64_MAX)
		loop_timer(c->loop, &c->timer, due_ms + c->idle_ms);
}

static void idle(struct timer *t)
{
	struct callers *c = LOOP_OWNER(t, struct callers, timer);
	int64_t now_ms = loop_now_ms(c->loop);

	for (int i = 0; i < CALLERS_MAX; i++) {
		struct caller *k = &c->at[i];

		if (!is_open(k) || k->used_ms + c->idle_ms > now_ms)
			continue;
		/* A question has a time of its own, and is answered then. */
		if (k->asked > 0)
			k->used_ms = now_ms;
		else
			drop(c, k);
	}
	set_timer(c);
}

/* A place for a connection of CID; NULL: there is none, or none for that enclave. */
static struct caller *find_place(struct callers *c, uint32_t cid)
{
	struct caller *k = NULL;
	unsigned n = 0;

	for (int i = 0; i < CALLERS_MAX; i++)
		if (!is_open(&c->at[i]))
			k = &c->at[i];
		else
			n += cid && c->at[i].cid == cid;
	return n < CALLERS_SHARE ? k : NULL;
}

static void accepted(void *ctx, int fd, const struct listener_arrival *a)
{
	uint32_t cid = a->from.kind == ORIGIN_VSOCK ? a->from.cid : 0;
	struct callers *c = ctx;
	struct caller *k = find_place(c, cid);

	if (!k)
		(void)close(fd);
	if (!k || messages_open(&k->stream, c->loop, fd, DNS_QUERY_MAX,
				CALLERS_OUT, ready) < 0) {
		listener_left(&c->listener);
		return;
	}
	k->id = (struct caller_id){ .serial = ++c->serial,
				    .index = (uint32_t)(k - c->at) };
	k->cid = cid;
	k->asked = 0;
	k->has_ended = false;
	k->used_ms = loop_now_ms(c->loop);
	set_timer(c);
}

int callers_bind(struct callers *c, const struct address *at)
{
	return listener_bind(&c->listener, at, 0, CALLERS_MAX);
}

int callers_start(struct callers *c, struct loop *l)
{
	c->loop = l;
	c->timer.due = idle;
	for (int i = 0; i < CALLERS_MAX; i++)
		c->at[i].stream.source.fd = -1;
	return listener_start(&c->listener, l, accepted, c);
}

void callers_answer(struct callers *c, const struct caller_id *from,
		    const uint8_t *answer, size_t len)
{
	struct caller *k = &c->at[from->index];

	if (!is_open(k) || k->id.serial != from->serial)
		return;
	k->asked--;
	k->used_ms = loop_now_ms(c->loop);
	if (messages_send(&k->stream, answer, len) < 0)
		drop(c, k);
}

void callers_settle(struct callers *c)
{
	for (int i = 0; i < CALLERS_MAX; i++)
		if (is_open(&c->at[i]))
			serve(c, &c->at[i]);
}
