#include "vsock/relay/flow/pump.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock/relay/flow/tally.h"
#include "vsock/sock.h"

enum {
	ROUNDS = 4,   /* reads of one direction a turn */
	TINY = 4096,  /* a write to vsock that took less is followed by */
	DELAY_MS = 2, /* a pause of more than 1 ms */
	HUNGRY_MS =
		100, /* workers do not hear when another gives memory back */
	HUNGRY_WAKES = 16, /* directions that are then tried */
};

/* Of a side. */
enum {
	HAS_ENDED = 1,	/* it sends no more */
	WAS_SHUT = 2,	/* and is sent no more, as the other has ended, */
	IS_BROKEN = 4,	/* or as it takes no more */
	IS_PAUSED = 8,	/* writes to it wait for the timer */
	IS_HUNGRY = 16, /* reads for it wait for the pool, in the list */
	IS_VSOCK = 32,
	IS_ADDED = 64, /* to the loop, with EVENTS */
};

/* What is there of a connection: all that an idle one has. */
struct side {
	struct source source;
	uint32_t number; /* twice that of the pump, and which side it is */
	uint8_t flags;
	uint8_t events;
	union {
		/* Bytes for it: from START on in CHUNK. */
		struct {
			uint16_t start, len;
			pool_chunk chunk;
		};
		/* IS_HUNGRY: sides in the list, by number; 0: none. */
		struct {
			uint32_t before, after;
		};
	};
};

struct pump {
	struct side side[2];
	struct timer timer;
	const struct pump_options *options;
	void *ctx;
};

/* In the slab's first place. */
struct head {
	struct pumps *set;
};

_Static_assert(sizeof(struct pump) <= 112, "about a hundred bytes each");
_Static_assert(sizeof(struct head) <= sizeof(struct pump), "it fits");
_Static_assert((int)PUMP_WRITE_MAX == (int)POOL_LARGE, "a chunk has a read");

static struct pump *pump_of(struct side *s)
{
	return LOOP_OWNER(s - (s->number & 1), struct pump, side[0]);
}

static struct side *other(struct side *s)
{
	return s->number & 1 ? s - 1 : s + 1;
}

static struct pumps *set_of(struct pump *p)
{
	struct pump *slab = p - p->side[0].number / 2;

	return ((struct head *)(void *)slab)->set;
}

static bool is(const struct side *s, unsigned flags)
{
	return (s->flags & flags) != 0;
}

static void set_flag(struct side *s, unsigned flag)
{
	s->flags = (uint8_t)(s->flags | flag);
}

static void clear_flag(struct side *s, unsigned flag)
{
	s->flags = (uint8_t)(s->flags & ~flag);
}

/* Bytes that wait to be written to S. */
static size_t pending(const struct side *s)
{
	return is(s, IS_HUNGRY) ? 0 : s->len;
}

/* --- what the loop waits for ------------------------------------------------------ */

static bool is_read(struct side *s)
{
	const struct side *o = other(s);

	return !is(s, HAS_ENDED) && !is(o, IS_BROKEN | IS_HUNGRY) &&
	       pending(o) == 0;
}

static bool is_written(const struct side *s)
{
	return pending(s) > 0 && !is(s, IS_PAUSED);
}

static uint8_t wanted(struct side *s)
{
	return (uint8_t)((is_read(s) ? EPOLLIN : 0) |
			 (is_written(s) ? EPOLLOUT : 0));
}

static int add(struct pumps *set, struct side *s, uint8_t events)
{
	int r = loop_add(set->loop, &s->source, events);

	if (r == 0) {
		set_flag(s, IS_ADDED);
		s->events = events;
	}
	return r;
}

/* False: there is no memory. */
static bool watch(struct pumps *set, struct side *s)
{
	uint8_t events = wanted(s);

	/* What has come meanwhile is reported. */
	if (!is(s, IS_ADDED))
		return events == 0 || add(set, s, events) == 0;
	if (events != s->events)
		loop_change(set->loop, &s->source, events);
	s->events = events;
	return true;
}

static void unwatch(struct pumps *set, struct side *s)
{
	if (is(s, IS_ADDED))
		loop_remove(set->loop, &s->source);
	clear_flag(s, IS_ADDED);
	s->events = 0;
}

/* --- the list of those that wait for the pool -------------------------------------- */

static struct side *side_at(const struct pumps *set, uint32_t number)
{
	return &set->slab[number / 2].side[number & 1];
}

static void be_hungry(struct pumps *set, struct side *s)
{
	set_flag(s, IS_HUNGRY);
	s->before = set->last;
	s->after = 0;
	if (set->last)
		side_at(set, set->last)->after = s->number;
	else
		set->first = s->number;
	set->last = s->number;
	if (set->timer.slot == 0)
		loop_timer(set->loop, &set->timer,
			   loop_now_ms(set->loop) + HUNGRY_MS);
}

static void be_fed(struct pumps *set, struct side *s)
{
	if (!is(s, IS_HUNGRY))
		return;
	if (s->before)
		side_at(set, s->before)->after = s->after;
	else
		set->first = s->after;
	if (s->after)
		side_at(set, s->after)->before = s->before;
	else
		set->last = s->before;
	clear_flag(s, IS_HUNGRY);
	s->start = s->len = 0;
	s->chunk = 0;
	if (!set->first)
		loop_untimer(set->loop, &set->timer);
}

/* Lets the first that waits try again; the next turn reads for it. */
static void feed(struct pumps *set)
{
	struct side *s;

	if (!set->first || pool_offers(set->pool) == 0)
		return;
	s = side_at(set, set->first);
	be_fed(set, s);
	(void)watch(set, other(s));
}

static void on_hungry(struct timer *t)
{
	struct pumps *set = LOOP_OWNER(t, struct pumps, timer);

	for (int i = 0; i < HUNGRY_WAKES; i++)
		feed(set);
	if (set->first)
		loop_timer(set->loop, t, loop_now_ms(set->loop) + HUNGRY_MS);
}

/* --- the end ---------------------------------------------------------------------- */

void pump_reset(int fd)
{
	static const struct linger none = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

static void let_go(struct pumps *set, struct side *s)
{
	be_fed(set, s);
	if (s->chunk)
		pool_give(set->pool, s->chunk);
	s->chunk = 0;
	unwatch(set, s);
}

static void close_side(struct side *s, bool is_reset)
{
	if (is_reset)
		pump_reset(s->source.fd);
	else
		close(s->source.fd);
}

/* P is gone after it. */
static void release(struct pumps *set, struct pump *p, bool is_reset)
{
	loop_untimer(set->loop, &p->timer);
	for (int i = 0; i < 2; i++) {
		let_go(set, &p->side[i]);
		close_side(&p->side[i], is_reset);
	}
	p->side[0].after = set->free;
	set->free = p->side[0].number / 2;
	p->options = NULL;
	set->count--;
}

static void end(struct pump *p, int error, bool is_reset)
{
	struct pumps *set = set_of(p);
	const struct pump_options *o = p->options;
	void *ctx = p->ctx;

	release(set, p, is_reset);
	feed(set);
	o->done(ctx, error);
}

/* True if nothing more is sent to S. */
static bool is_over(const struct side *s)
{
	return is(s, WAS_SHUT | IS_BROKEN);
}

/* What has ended on the other side, and has been written to S. */
static bool has_all(struct side *s)
{
	return is(other(s), HAS_ENDED) && pending(s) == 0;
}

/* A target that would lose its answer at a half-close has nothing more to say first. */
static bool is_held(const struct pump *p, struct side *s)
{
	return p->options->holds_half_close && s == &p->side[1] &&
	       !has_all(other(s)) && !is_over(other(s));
}

static void pass_end(const struct pump *p, struct side *s)
{
	if (is_over(s) || !has_all(s) || is_held(p, s))
		return;
	(void)shutdown(s->source.fd, SHUT_WR);
	set_flag(s, WAS_SHUT);
}

static bool is_half(const struct pump *p)
{
	return is(&p->side[0], HAS_ENDED | IS_BROKEN) ||
	       is(&p->side[1], HAS_ENDED | IS_BROKEN);
}

/* Without a byte, it may stay as long as this; 0: for ever. */
static int64_t patience(const struct pump *p)
{
	int64_t ms = p->options->idle_ms;

	return is_half(p) && (ms == 0 || ms > PUMP_HALF_CLOSED_MS) ?
		       PUMP_HALF_CLOSED_MS :
		       ms;
}

static void schedule(struct pump *p)
{
	struct loop *l = set_of(p)->loop;
	int64_t ms = patience(p), pause = loop_now_ms(l) + DELAY_MS;

	if ((p->side[0].flags | p->side[1].flags) & IS_PAUSED) {
		/* What the other direction does must not put it off. */
		if (p->timer.slot == 0 || p->timer.due_ms > pause)
			loop_timer(l, &p->timer, pause);
	} else if (ms) {
		loop_timer(l, &p->timer, loop_now_ms(l) + ms);
	} else {
		loop_untimer(l, &p->timer);
	}
}

/* After each change. Returns false: P is gone. */
static bool settle(struct pump *p)
{
	struct pumps *set = set_of(p);

	pass_end(p, &p->side[0]);
	pass_end(p, &p->side[1]);
	if (is_over(&p->side[0]) && is_over(&p->side[1])) {
		end(p, 0, false);
		return false;
	}
	schedule(p);
	if (watch(set, &p->side[0]) && watch(set, &p->side[1]))
		return true;
	end(p, -ENOMEM, true);
	return false;
}

/* --- bytes ------------------------------------------------------------------------ */

/*
 * Writes to S. Returns the number of bytes taken, or -errno if it takes no more. Of the credit
 * of vsock, 1 byte makes it writable: after a tiny write it is left alone for a while.
 */
static ssize_t write_some(struct side *s, const uint8_t *bytes, size_t len)
{
	ssize_t n;

	do
		n = send(s->source.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == ENOMEM || errno == ENOBUFS)) {
		set_flag(s, IS_PAUSED);
		return 0;
	}
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if ((size_t)n < len && n > 0 && n < TINY && is(s, IS_VSOCK))
		set_flag(s, IS_PAUSED);
	return n;
}

static void break_off(struct pumps *set, struct side *s)
{
	be_fed(set, s);
	set_flag(s, IS_BROKEN);
	clear_flag(s, IS_PAUSED);
	if (s->chunk)
		pool_give(set->pool, s->chunk);
	s->chunk = 0;
	s->start = s->len = 0;
}

/* Keeps what S has not taken. False: there is no memory. */
static bool keep(struct pumps *set, struct side *s, const uint8_t *bytes,
		 size_t len)
{
	s->chunk = pool_take(set->pool, len);
	if (!s->chunk)
		return false;
	memcpy(pool_bytes(set->pool, s->chunk), bytes, len);
	s->start = 0;
	s->len = (uint16_t)len;
	return true;
}

/*
 * S has had ERROR in writing. Returns 0 if it only takes no more: what it says may still be on
 * its way, an answer to what it has not read, say. Else -errno: the connection is to be reset.
 */
static int fail(struct pumps *set, struct side *s, ssize_t error)
{
	if (error != -EPIPE && error != -ENOTCONN)
		return (int)error;
	break_off(set, s);
	return 0;
}

/* Returns 0, or -errno if the connection is to be reset. */
static int deliver(struct pumps *set, struct side *s, const uint8_t *bytes,
		   size_t len)
{
	ssize_t n = write_some(s, bytes, len);

	if (n < 0)
		return fail(set, s, n);
	if ((size_t)n < len && !keep(set, s, bytes + n, len - (size_t)n))
		return -ENOMEM;
	return 0;
}

static ssize_t read_some(const struct side *s, uint8_t *bytes, size_t cap)
{
	ssize_t n;

	do
		n = recv(s->source.fd, bytes, cap, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	/* Linux says ENOTCONN at the end of a vsock stream that was reset. */
	if (n < 0)
		return errno == ENOTCONN ? 0 : -errno;
	return n;
}

static void count(struct pump *p, const struct side *from, size_t len)
{
	if (p->options->column)
		tally_add(p->options->column,
			  from->number & 1 ? TALLY_OUT : TALLY_IN, len);
}

/*
 * Moves what FROM has said. Returns 1 if there may be more, 0, or -errno if the connection is
 * to be reset.
 */
static int move(struct pumps *set, struct side *from)
{
	struct side *to = other(from);
	size_t cap = pool_offers(set->pool), len;
	ssize_t n, more = -EAGAIN;
	int r;

	if (cap == 0) {
		be_hungry(set, to);
		return 0;
	}
	n = read_some(from, set->buffer, cap);
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	len = (size_t)n;
	/* Of vsock the number of packets is the limit: small pieces become one. */
	if (len > 0 && len < cap && is(to, IS_VSOCK)) {
		more = read_some(from, set->buffer + len, cap - len);
		len += more > 0 ? (size_t)more : 0;
	}
	if (n == 0 || more == 0)
		set_flag(from, HAS_ENDED);
	count(pump_of(from), from, len);
	r = len > 0 ? deliver(set, to, set->buffer, len) : 0;
	if (r == 0 && more < 0 && more != -EAGAIN)
		r = (int)more;
	return r < 0 ? r : len == cap;
}

/* Moves what FROM has said, some of it. Returns 0, or -errno as move does. */
static int move_some(struct pumps *set, struct side *from)
{
	int r = 1;

	for (int i = 0; i < ROUNDS && r > 0 && is_read(from); i++)
		r = move(set, from);
	return r < 0 ? r : 0;
}

/* Writes what waits for S, and then what comes behind it. Returns 0 or -errno likewise. */
static int flush(struct pumps *set, struct side *s)
{
	uint8_t *bytes = pool_bytes(set->pool, s->chunk) + s->start;
	ssize_t n = write_some(s, bytes, s->len);

	if (n < 0)
		return fail(set, s, n);
	s->start = (uint16_t)(s->start + n);
	s->len = (uint16_t)(s->len - n);
	if (s->len > 0)
		return 0;
	pool_give(set->pool, s->chunk);
	s->chunk = 0;
	feed(set);
	/* Without asking: as long as FROM is faster, the loop need not be told. */
	return is_read(other(s)) ? move_some(set, other(s)) : 0;
}

static int error_of(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static void on_ready(struct source *source, uint32_t events)
{
	struct side *s = LOOP_OWNER(source, struct side, source);
	struct pump *p = pump_of(s);
	struct pumps *set = set_of(p);
	int r = 0;

	if (is_written(s) && events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		r = flush(set, s);
	if (r == 0 && is_read(s) && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		r = move_some(set, s);
	/* What cannot be read now would hide it. */
	if (r == 0 && events & EPOLLERR && !is_read(s))
		r = fail(set, s, error_of(s->source.fd));
	if (r < 0) {
		end(p, r, true);
		return;
	}
	if (settle(p) && events & EPOLLHUP && s->events == 0)
		unwatch(set, s); /* it would be reported in each turn */
}

/*
 * Time is up: an orderly end, if nothing is on its way, and if nobody waits for an answer, of
 * which this would then be the end.
 */
static void give_up(struct pump *p)
{
	end(p, -ETIMEDOUT,
	    is_half(p) || pending(&p->side[0]) || pending(&p->side[1]));
}

static void on_time(struct timer *t)
{
	struct pump *p = LOOP_OWNER(t, struct pump, timer);
	struct pumps *set = set_of(p);
	bool was_paused = false;
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		struct side *s = &p->side[i];

		if (!is(s, IS_PAUSED))
			continue;
		was_paused = true;
		clear_flag(s, IS_PAUSED);
		r = flush(set, s);
	}
	if (!was_paused)
		give_up(p);
	else if (r < 0)
		end(p, r, true);
	else
		(void)settle(p);
}

/* --- the beginning ---------------------------------------------------------------- */

int pump_open(struct pumps *set, struct loop *loop, struct pool *pool,
	      uint32_t max)
{
	size_t size = ((size_t)max + 1) * sizeof(struct pump);
	void *at;

	*set = (struct pumps){ .loop = loop, .pool = pool, .room = max };
	set->timer.due = on_hungry;
	/* Pages that no connection has reached cost nothing. */
	at = mmap(NULL, size + PUMP_WRITE_MAX, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	set->buffer = at;
	set->slab = (void *)(set->buffer + PUMP_WRITE_MAX);
	((struct head *)(void *)set->slab)->set = set;
	return 0;
}

void pump_close(struct pumps *set)
{
	if (!set->buffer)
		return;
	loop_untimer(set->loop, &set->timer);
	for (uint32_t i = 1; i <= set->fresh; i++)
		if (set->slab[i].options)
			release(set, &set->slab[i], true);
	(void)munmap(set->buffer,
		     ((size_t)set->room + 1) * sizeof(struct pump) +
			     PUMP_WRITE_MAX);
	*set = (struct pumps){ 0 };
}

static void open_side(struct pump *p, uint32_t number, int fd)
{
	static const int on = 1;
	struct side *s = &p->side[number & 1];
	socklen_t len = sizeof(int);
	int domain = 0;

	*s = (struct side){ .source = { .ready = on_ready, .fd = fd },
			    .number = number };
	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	if (domain == SOCK_FAMILY)
		set_flag(s, IS_VSOCK);
	if (domain != AF_INET && domain != AF_INET6)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static struct pump *take_place(struct pumps *set, uint32_t *ret_number)
{
	uint32_t n = set->free;

	if (n)
		set->free = set->slab[n].side[0].after;
	else if (set->fresh < set->room)
		n = ++set->fresh;
	else
		return NULL;
	*ret_number = n;
	set->count++;
	return &set->slab[n];
}

static int begin(struct pumps *set, struct pump *p,
		 const struct pump_before *before)
{
	int r = 0;

	if (before && before->to_a_len)
		r = deliver(set, &p->side[0], before->to_a, before->to_a_len);
	if (r == 0 && before && before->to_b_len)
		r = deliver(set, &p->side[1], before->to_b, before->to_b_len);
	if (r < 0)
		return r;
	/* Also if there is nothing to do yet: an error is to be noticed. */
	for (int i = 0; i < 2 && r == 0; i++)
		r = add(set, &p->side[i], wanted(&p->side[i]));
	schedule(p);
	return r;
}

int pump_start(struct pumps *set, int a, int b, const struct pump_options *o,
	       const struct pump_before *before, void *ctx)
{
	uint32_t n = 0;
	struct pump *p = take_place(set, &n);
	int r;

	if (!p) {
		pump_reset(a);
		pump_reset(b);
		return -ENOMEM;
	}
	*p = (struct pump){ .timer.due = on_time, .options = o, .ctx = ctx };
	open_side(p, 2 * n, a);
	open_side(p, 2 * n + 1, b);
	r = begin(set, p, before);
	if (r < 0)
		release(set, p, true);
	return r;
}
