#include "vsock/relay/egress/exchange.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock/relay/flow/tally.h"

enum { LINGER_MS = 2000, READ_MAX = HTTP_HEAD_MAX };

/* Bytes that wait to be written. */
struct waiting {
	size_t at, len;
};

struct party {
	struct source source;
	bool is_added;
	uint32_t events;
	bool has_ended; /* it sends no more */
};

struct exchange {
	struct party client, server;
	struct timer timer;
	struct loop *loop;
	const struct pump_options *options;
	void *ctx;
	struct http_body body; /* of the request */
	bool is_deaf;	       /* the server takes no more of the request */
	bool has_head;	       /* of the answer that is the last one */
	bool was_answered;     /* a byte was sent to the client */
	bool was_shut;	       /* and the end, after the last */
	size_t head_len, seen;
	struct waiting up, down;
	char up_bytes[HTTP_REWRITE_MAX];
	char down_bytes[HTTP_REWRITE_MAX + HTTP_HEAD_MAX];
	char head[HTTP_HEAD_MAX];
};

_Static_assert(sizeof(((struct exchange *)0)->down_bytes) >= PUMP_WRITE_MAX,
	       "it has room for a read");

static void unwatch(struct exchange *x, struct party *p)
{
	if (p->is_added)
		loop_remove(x->loop, &p->source);
	p->is_added = false;
}

static void end(struct exchange *x, int error)
{
	const struct pump_options *o = x->options;
	void *ctx = x->ctx;

	loop_untimer(x->loop, &x->timer);
	unwatch(x, &x->client);
	unwatch(x, &x->server);
	if (error) {
		pump_reset(x->client.source.fd);
		pump_reset(x->server.source.fd);
	} else {
		close(x->client.source.fd);
		close(x->server.source.fd);
	}
	free(x);
	o->done(ctx, error);
}

static int watch(struct exchange *x, struct party *p, uint32_t events)
{
	if (events == 0) {
		/* Else its errors would come in each turn. */
		unwatch(x, p);
		return 0;
	}
	if (p->is_added) {
		if (p->events != events)
			loop_change(x->loop, &p->source, events);
		p->events = events;
		return 0;
	}
	p->is_added = true;
	p->events = events;
	return loop_add(x->loop, &p->source, events);
}

static bool discards(const struct exchange *x)
{
	return x->body.is_over || x->is_deaf || x->was_shut;
}

/* Waits for what can be done. Returns 0 or -errno. */
static int settle(struct exchange *x)
{
	uint32_t client = 0, server = 0;
	int r;

	if (!x->client.has_ended && (discards(x) || x->up.len == 0))
		client |= EPOLLIN;
	if (x->down.len > 0)
		client |= EPOLLOUT;
	if (!x->server.has_ended && x->down.len == 0)
		server |= EPOLLIN;
	if (x->up.len > 0 && !x->is_deaf)
		server |= EPOLLOUT;
	r = watch(x, &x->client, client);
	return r < 0 ? r : watch(x, &x->server, server);
}

/* Returns what FD has taken, or -errno. */
static ssize_t write_some(int fd, const char *bytes, size_t len)
{
	ssize_t n;

	if (len > PUMP_WRITE_MAX)
		len = PUMP_WRITE_MAX;
	n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
			       errno == ENOMEM ?
		       0 :
		       -errno;
}

static void took(struct waiting *w, size_t n)
{
	w->at += n;
	w->len -= n;
	if (w->len == 0)
		w->at = 0;
}

/* A server that has heard enough may still answer. */
static void write_up(struct exchange *x)
{
	ssize_t n;

	if (x->up.len == 0 || x->is_deaf)
		return;
	n = write_some(x->server.source.fd, x->up_bytes + x->up.at, x->up.len);
	if (n < 0) {
		x->is_deaf = true;
		x->up = (struct waiting){ 0, 0 };
		return;
	}
	took(&x->up, (size_t)n);
	tally_add(x->options->column, TALLY_IN, (uint64_t)n);
}

static int write_down(struct exchange *x)
{
	ssize_t n;

	if (x->down.len == 0)
		return 0;
	n = write_some(x->client.source.fd, x->down_bytes + x->down.at,
		       x->down.len);
	if (n < 0)
		return (int)n;
	x->was_answered |= n > 0;
	took(&x->down, (size_t)n);
	tally_add(x->options->column, TALLY_OUT, (uint64_t)n);
	return 0;
}

/* --- the request --- */

/* Puts the body's part of LEN bytes at the end of what waits. Returns 0 or -errno. */
static int pass_up(struct exchange *x, const char *bytes, size_t len)
{
	long n = http_body_pass(&x->body, bytes, len);

	if (n < 0)
		return -EPROTO;
	memmove(x->up_bytes + x->up.at + x->up.len, bytes, (size_t)n);
	x->up.len += (size_t)n;
	return 0;
}

/* Returns what has come, 0 at the end, or -errno: -EAGAIN if nothing is there. */
static ssize_t read_some(int fd, char *to, size_t cap)
{
	ssize_t n = recv(fd, to, cap, MSG_DONTWAIT);

	if (n >= 0)
		return n;
	if (errno == EINTR)
		return -EAGAIN;
	/* So says vsock at the end of a stream that was reset. */
	return errno == ENOTCONN ? 0 : -errno;
}

static int read_client(struct exchange *x)
{
	static char dropped[READ_MAX];
	bool drops = discards(x);
	char *to = drops ? dropped : x->up_bytes;
	ssize_t n;

	if (x->client.has_ended || (!drops && x->up.len > 0))
		return 0;
	n = read_some(x->client.source.fd, to, READ_MAX);
	if (n < 0)
		return n == -EAGAIN ? 0 : (int)n;
	if (n > 0)
		return drops ? 0 : pass_up(x, to, (size_t)n);
	x->client.has_ended = true;
	if (!x->body.is_over)
		(void)shutdown(x->server.source.fd, SHUT_WR);
	loop_timer(x->loop, &x->timer,
		   loop_now_ms(x->loop) + PUMP_HALF_CLOSED_MS);
	return 0;
}

/* --- the answer --- */

static void put_down(struct exchange *x, const char *bytes, size_t len)
{
	memcpy(x->down_bytes + x->down.at + x->down.len, bytes, len);
	x->down.len += len;
}

/* In place of an answer that is none. Returns 0, or -errno if another one has begun. */
static int give_up(struct exchange *x, const char *words)
{
	char answer[HTTP_ANSWER_MAX];
	size_t len;

	if (x->was_answered || x->down.len > 0)
		return -EPROTO;
	len = http_answer_write(502, words, answer);
	put_down(x, answer, len);
	x->has_head = true;
	x->server.has_ended = true;
	x->is_deaf = true;
	return 0;
}

/* An interim head, or the last one with what has come of its body. Returns 0 or -errno. */
static int pass_head(struct exchange *x, size_t len)
{
	static char out[HTTP_REWRITE_MAX];
	static struct http_response r;
	size_t written;

	if (http_response_read(x->head, len, &r) < 0 || r.status == 101)
		return give_up(x, "the server's answer is not well-formed");
	x->has_head = r.status >= 200;
	written = http_response_rewrite(&r, x->has_head, out);
	put_down(x, out, written);
	x->head_len -= len;
	x->seen = 0;
	if (x->has_head)
		put_down(x, x->head + len, x->head_len);
	else
		memmove(x->head, x->head + len, x->head_len);
	return 0;
}

/* One head at a time: what waits for the client is never more than that. */
static int find_head(struct exchange *x)
{
	long len;

	if (x->has_head || x->down.len > 0)
		return 0;
	len = http_head_len(x->head, x->head_len, x->seen);
	x->seen = x->head_len;
	if (len < 0)
		return give_up(x, "the server's answer is not well-formed");
	return len == 0 ? 0 : pass_head(x, (size_t)len);
}

static int read_server(struct exchange *x)
{
	char *to = x->has_head ? x->down_bytes : x->head + x->head_len;
	size_t cap = x->has_head ? PUMP_WRITE_MAX :
				   sizeof(x->head) - x->head_len;
	ssize_t n;

	if (x->server.has_ended || x->down.len > 0)
		return 0;
	n = read_some(x->server.source.fd, to, cap);
	if (n == -EAGAIN)
		return 0;
	if (n < 0 && x->has_head)
		return (int)n;
	if (n <= 0) {
		x->server.has_ended = true;
		return x->has_head ?
			       0 :
			       give_up(x,
				       "the server closed without an answer");
	}
	if (x->client.has_ended)
		loop_timer(x->loop, &x->timer,
			   loop_now_ms(x->loop) + PUMP_HALF_CLOSED_MS);
	if (x->has_head)
		x->down.len = (size_t)n;
	else
		x->head_len += (size_t)n;
	return find_head(x);
}

/* --- turns --- */

/* True: all is said, X is gone. */
static bool is_done(struct exchange *x)
{
	if (!x->server.has_ended || x->down.len > 0)
		return false;
	if (!x->was_shut) {
		(void)shutdown(x->client.source.fd, SHUT_WR);
		x->was_shut = true;
		loop_timer(x->loop, &x->timer,
			   loop_now_ms(x->loop) + LINGER_MS);
	}
	/* A close with bytes that were not read would take the answer away. */
	if (!x->client.has_ended)
		return false;
	end(x, 0);
	return true;
}

/* Writes to the client, also of heads that have come with the one before. */
static int answer(struct exchange *x)
{
	int r;

	for (;;) {
		r = write_down(x);
		if (r < 0 || x->down.len > 0)
			return r;
		r = find_head(x);
		if (r < 0 || x->down.len == 0)
			return r;
	}
}

/* After each read: writes, and waits. X may be gone. */
static void go_on(struct exchange *x, int r)
{
	write_up(x);
	if (r == 0)
		r = answer(x);
	if (r == 0 && is_done(x))
		return;
	if (r == 0)
		r = settle(x);
	if (r < 0)
		end(x, r);
}

static void on_client(struct source *s, uint32_t events)
{
	struct exchange *x = LOOP_OWNER(s, struct exchange, client.source);

	if (events & EPOLLERR)
		end(x, -ECONNRESET);
	else
		go_on(x, events & (EPOLLIN | EPOLLHUP) ? read_client(x) : 0);
}

static void on_server(struct source *s, uint32_t events)
{
	struct exchange *x = LOOP_OWNER(s, struct exchange, server.source);

	go_on(x, events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? read_server(x) : 0);
}

static void on_due(struct timer *t)
{
	struct exchange *x = LOOP_OWNER(t, struct exchange, timer);

	end(x, x->was_shut ? 0 : -ETIMEDOUT);
}

int exchange_start(struct loop *l, int client, int server,
		   const struct http_request *r, const void *more,
		   size_t more_len, const void *early, size_t early_len,
		   const struct pump_options *o, void *ctx)
{
	struct exchange *x = malloc(sizeof(*x));
	int err = -ENOMEM;

	if (x) {
		memset(x, 0, offsetof(struct exchange, up_bytes));
		x->client.source =
			(struct source){ .fd = client, .ready = on_client };
		x->server.source =
			(struct source){ .fd = server, .ready = on_server };
		x->timer.due = on_due;
		x->loop = l;
		x->options = o;
		x->ctx = ctx;
		x->body = r->body;
		x->up.len = http_request_rewrite(r, x->up_bytes);
		x->head_len = early_len;
		memcpy(x->head, early, early_len);
		err = pass_up(x, more, more_len);
	}
	/* Before the server's end is read. */
	if (err == 0)
		err = find_head(x);
	if (err == 0)
		err = settle(x);
	if (err == 0)
		return 0;
	if (x) {
		unwatch(x, &x->client);
		unwatch(x, &x->server);
	}
	free(x);
	pump_reset(client);
	pump_reset(server);
	return err;
}
