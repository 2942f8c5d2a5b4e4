#include "vsock/relay/dns/ask.h"

#include <errno.h>
#include <string.h>

#include "vsock/relay/dns/messages.h"
#include "vsock/relay/flow/dial.h"

enum {
	LINKS = 4, /* a parent may answer one question after the other */
	TRIES = 3, /* one on a connection that is about to be closed, and one more */
	DIAL_MS = 2000,
	IDLE_MS = 10000,
	BACKOFF_FIRST_MS = 50,
	BACKOFF_LAST_MS = 1000,
	NONE = -1,
	OUT_MAX = ASK_MAX * (DNS_QUERY_MAX + 2),
};

enum link_state { DOWN, DIALLING, UP };

/* A connection to the parent. */
struct ask_link {
	struct messages stream;
	struct dial dial;
	enum link_state state;
	unsigned asked;	   /* questions that are under way on it */
	bool has_answered; /* since it is up */
	int64_t heard_ms;  /* the last answer */
	int64_t used_ms;
};

/* A question. Those under way are a list, oldest first. */
struct question {
	struct ask_from from;
	struct dns_query q;
	uint16_t id; /* on the connection; the query has it, too */
	uint8_t tries;
	int8_t link; /* NONE: of none at the moment */
	bool is_used;
	bool is_lost; /* with its connection */
	int64_t due_ms;
	int16_t before, after;
	uint16_t len;
	uint8_t query[DNS_QUERY_MAX];
};

static struct {
	struct loop *loop;
	const struct address *to;
	ask_answered_fn *answered;
	void (*settled)(void);
	struct ask_link links[LINKS];
	struct timer timer;
	unsigned count;
	int16_t first, last, free;
	unsigned failures; /* to connect, one after the other */
	int64_t again_ms;  /* not before */
	bool has_given;	   /* answers, since SETTLED was called */
} ask;

static struct question questions[ASK_MAX];

static void dispatch(struct question *q);

/* --- The list ------------------------------------------------------------------- */

static int16_t number(const struct question *q)
{
	return (int16_t)(q - questions);
}

static struct question *take(void)
{
	struct question *q = &questions[ask.free];

	ask.free = q->after;
	ask.count++;
	q->before = ask.last;
	q->after = NONE;
	if (ask.last == NONE)
		ask.first = number(q);
	else
		questions[ask.last].after = number(q);
	ask.last = number(q);
	q->is_used = true;
	q->is_lost = false;
	/* Its number is that of the place, and counts how often that was taken. */
	q->id = (uint16_t)(q->id + ASK_MAX);
	return q;
}

static void give(struct question *q)
{
	if (q->before == NONE)
		ask.first = q->after;
	else
		questions[q->before].after = q->after;
	if (q->after == NONE)
		ask.last = q->before;
	else
		questions[q->after].before = q->before;
	q->is_used = false;
	q->after = ask.free;
	ask.free = number(q);
	ask.count--;
	ask.has_given = true;
}

/* --- Answers -------------------------------------------------------------------- */

static void leave_link(struct question *q)
{
	if (q->link == NONE)
		return;
	ask.links[q->link].asked--;
	ask.links[q->link].used_ms = loop_now_ms(ask.loop);
	q->link = NONE;
}

static void answer(struct question *q, uint8_t *message, size_t len)
{
	struct ask_from from = q->from;
	size_t udp_size = q->q.udp_size;

	leave_link(q);
	dns_set_id(message, q->q.id);
	give(q);
	ask.answered(&from, message, len, udp_size);
}

static void fail(struct question *q, enum dns_rcode rcode, enum dns_why why)
{
	uint8_t message[DNS_ERROR_MAX];

	answer(q, message, dns_error(q->query, &q->q, rcode, why, message));
}

static void take_answer(struct ask_link *k, const uint8_t *message, size_t len)
{
	static uint8_t copy[DNS_MESSAGE_MAX];
	uint16_t id = dns_id(message);
	struct question *q = &questions[id % ASK_MAX];

	if (!q->is_used || q->id != id || q->link != (int8_t)(k - ask.links) ||
	    !dns_is_answer(message, len, q->query, &q->q))
		return;
	k->has_answered = true;
	k->heard_ms = loop_now_ms(ask.loop);
	ask.failures = 0;
	len = dns_check(message, len);
	if (len < q->q.question) {
		/* An error without a question is told, too. */
		fail(q, len ? dns_rcode_of(message) : DNS_SERVFAIL,
		     DNS_WHY_OTHER);
		return;
	}
	memcpy(copy, message, len);
	answer(q, copy, len);
}

/* --- Connections ------------------------------------------------------------------ */

static void set_timer(void)
{
	int64_t due_ms = INT64_MAX, idle_ms;

	if (ask.first != NONE)
		due_ms = questions[ask.first].due_ms;
	for (int i = 0; i < LINKS; i++) {
		if (ask.links[i].state != UP || ask.links[i].asked > 0)
			continue;
		idle_ms = ask.links[i].used_ms + IDLE_MS;
		due_ms = idle_ms < due_ms ? idle_ms : due_ms;
	}
	if (due_ms == INT64_MAX)
		loop_untimer(ask.loop, &ask.timer);
	else
		loop_timer(ask.loop, &ask.timer, due_ms);
}

/* After each event: what to wait for, and whether the caller has room again. */
static void settle(void)
{
	if (ask.has_given) {
		ask.has_given = false;
		ask.settled();
	}
	set_timer();
}

/* Nobody tries for a while. Several attempts at a time count as one. */
static void back_off(void)
{
	int64_t now_ms = loop_now_ms(ask.loop), ms = BACKOFF_FIRST_MS;

	if (now_ms < ask.again_ms)
		return;
	for (unsigned i = 0; i < ask.failures && ms < BACKOFF_LAST_MS; i++)
		ms *= 2;
	ask.failures++;
	ask.again_ms = now_ms + (ms < BACKOFF_LAST_MS ? ms : BACKOFF_LAST_MS);
}

/* A connection that is closed before an answer may be one that its server was about to close. */
static void count_failure(const struct ask_link *k)
{
	if (k->state == UP && k->has_answered)
		return;
	if (k->state == UP && ask.failures == 0)
		ask.failures = 1;
	else
		back_off();
}

/* K is down: its questions go to another connection, if they have not been asked too often. */
static void lose(struct ask_link *k)
{
	int8_t index = (int8_t)(k - ask.links);
	int16_t next;

	messages_close(&k->stream);
	count_failure(k);
	k->state = DOWN;
	/* First all leave it, as it may be the next connection as well. */
	for (int16_t i = ask.first; i != NONE; i = questions[i].after) {
		if (questions[i].link != index)
			continue;
		leave_link(&questions[i]);
		questions[i].is_lost = true;
	}
	for (int16_t i = ask.first; i != NONE; i = next) {
		next = questions[i].after;
		if (!questions[i].is_lost)
			continue;
		questions[i].is_lost = false;
		dispatch(&questions[i]);
	}
}

static void link_ready(struct source *s, uint32_t events)
{
	struct ask_link *k = LOOP_OWNER(s, struct ask_link, stream.source);
	int r = messages_ready(&k->stream, events), more;
	const uint8_t *message;
	size_t len;

	while (k->state == UP &&
	       (more = messages_next(&k->stream, &message, &len)) != 0) {
		if (more < 0) {
			r = more;
			break;
		}
		take_answer(k, message, len);
	}
	if (k->state == UP && r != 1 && r != -EAGAIN)
		lose(k);
	settle();
}

static void send_on(struct ask_link *k, struct question *q)
{
	/* If it fails its end is read, too, and then all its questions are lost. */
	(void)messages_send(&k->stream, q->query, q->len);
}

static void dialled(void *ctx, int fd)
{
	struct ask_link *k = ctx;
	int8_t index = (int8_t)(k - ask.links);

	if (fd < 0 || messages_open(&k->stream, ask.loop, fd, DNS_MESSAGE_MAX,
				    OUT_MAX, link_ready) < 0) {
		k->stream.source.fd = -1;
		lose(k);
		settle();
		return;
	}
	k->state = UP;
	k->has_answered = false;
	k->heard_ms = 0;
	k->used_ms = loop_now_ms(ask.loop);
	for (int16_t i = ask.first; i != NONE; i = questions[i].after)
		if (questions[i].link == index)
			send_on(k, &questions[i]);
	settle();
}

static void dial(struct ask_link *k)
{
	k->state = DIALLING;
	k->asked = 0;
	dial_start(&k->dial, ask.loop, ask.to, 0, DIAL_MS, dialled, k);
}

/*
 * The connection with the fewest questions, or a new one if all have some. NULL: the
 * parent cannot be reached.
 */
static struct ask_link *choose(void)
{
	bool may_dial = loop_now_ms(ask.loop) >= ask.again_ms;
	struct ask_link *best = NULL, *down = NULL;

	for (int i = LINKS - 1; i >= 0; i--) {
		struct ask_link *k = &ask.links[i];

		if (k->state == DOWN)
			down = k;
		else if (!best || k->asked <= best->asked)
			best = k;
	}
	if (down && may_dial && (!best || best->asked > 0)) {
		dial(down);
		best = down;
	}
	return best;
}

/* Sends Q on its way, or says that there is none. */
static void dispatch(struct question *q)
{
	struct ask_link *k = q->tries < TRIES ? choose() : NULL;

	if (!k) {
		fail(q, DNS_SERVFAIL, DNS_WHY_UNREACHABLE);
		return;
	}
	q->tries++;
	q->link = (int8_t)(k - ask.links);
	k->asked++;
	if (k->state == UP)
		send_on(k, q);
}

/* --- Time ----------------------------------------------------------------------- */

/* vsock does not notice that the other end is gone: a connection without any answer is closed. */
static void time_out(struct question *q)
{
	struct ask_link *k = q->link == NONE ? NULL : &ask.links[q->link];
	int64_t asked_ms = q->due_ms - ASK_TIMEOUT_MS;

	fail(q, DNS_SERVFAIL, DNS_WHY_UNREACHABLE);
	if (k && k->state == UP && k->heard_ms < asked_ms)
		lose(k);
}

static void due(struct timer *t)
{
	int64_t now_ms = loop_now_ms(ask.loop);

	(void)t;
	while (ask.first != NONE && questions[ask.first].due_ms <= now_ms)
		time_out(&questions[ask.first]);
	for (int i = 0; i < LINKS; i++) {
		struct ask_link *k = &ask.links[i];

		if (k->state != UP || k->asked > 0 ||
		    k->used_ms + IDLE_MS > now_ms)
			continue;
		messages_close(&k->stream);
		k->state = DOWN;
	}
	settle();
}

/* --- For the caller --------------------------------------------------------------- */

void ask_open(struct loop *l, const struct address *to,
	      ask_answered_fn *answered, void (*settled)(void))
{
	ask.loop = l;
	ask.to = to;
	ask.answered = answered;
	ask.settled = settled;
	ask.timer.due = due;
	ask.first = ask.last = NONE;
	ask.free = 0;
	for (int i = 0; i < ASK_MAX; i++) {
		questions[i].id = (uint16_t)i;
		questions[i].link = NONE;
		questions[i].after = (int16_t)(i + 1);
	}
	for (int i = 0; i < LINKS; i++)
		ask.links[i].stream.source.fd = -1;
}

bool ask_is_full(void)
{
	return ask.count == ASK_MAX;
}

bool ask_is_known(const struct ask_from *from, uint16_t id)
{
	for (int16_t i = ask.first; i != NONE; i = questions[i].after) {
		const struct question *q = &questions[i];

		if (q->q.id == id && !q->from.caller.serial &&
		    q->from.port == from->port && q->from.ip == from->ip)
			return true;
	}
	return false;
}

void ask_send(const struct ask_from *from, const uint8_t *m, size_t len,
	      const struct dns_query *query)
{
	struct question *q = take();

	q->from = *from;
	q->q = *query;
	q->tries = 0;
	q->link = NONE;
	q->due_ms = loop_now_ms(ask.loop) + ASK_TIMEOUT_MS;
	q->len = (uint16_t)len;
	memcpy(q->query, m, len);
	dns_set_id(q->query, q->id);
	dispatch(q);
	set_timer();
}
