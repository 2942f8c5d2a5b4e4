#include "vsock/relay/egress/via.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock/relay/flow/pump.h"
#include "vsock/relay/wire/enclaver.h"
#include "vsock/relay/wire/socks.h"

/* Of SOCKS5; the others have one step. */
enum { CHOICE, REPLY };

enum { NOTHING, DIALLING, LOST, NO_ANSWER, REFUSED };

/* The descriptor goes over to the owner, or is closed. */
static void finish(struct via *v, int error, size_t used)
{
	int fd = v->source.fd;

	loop_untimer(v->loop, &v->timer);
	loop_remove(v->loop, &v->source);
	if (error < 0) {
		pump_reset(fd);
		v->done(v->ctx, error, v->in, 0);
		return;
	}
	v->done(v->ctx, fd, v->in + used, v->len - used);
}

static void fail(struct via *v, int refusal, int error)
{
	v->refusal = (uint8_t)refusal;
	finish(v, error, 0);
}

static void refused(struct via *v, unsigned answered, int error)
{
	v->answered = answered;
	fail(v, REFUSED, error);
}

/* --- one protocol each; they look at what has come --- */

static void read_connect(struct via *v)
{
	long len = http_head_len(v->in, v->len, v->seen);
	static struct http_response r;

	v->seen = v->len;
	if (len == 0)
		return;
	if (len < 0 || http_response_read(v->in, (size_t)len, &r) < 0)
		fail(v, NO_ANSWER, -EPROTO);
	else if (r.status >= 200 && r.status < 300)
		finish(v, 0, (size_t)len);
	else if (r.status == 504)
		refused(v, r.status, -ETIMEDOUT);
	else
		refused(v, r.status, -ECONNREFUSED);
}

static int error_of(enum socks_reply reply)
{
	if (reply == SOCKS_TIMEOUT)
		return -ETIMEDOUT;
	return reply == SOCKS_UNREACHABLE ? -EHOSTUNREACH : -ECONNREFUSED;
}

static void read_socks(struct via *v)
{
	const uint8_t *in = (const uint8_t *)v->in;
	enum socks_reply reply;
	int len = v->step == CHOICE ? socks_read_choice(in, v->len) :
				      socks_read_reply(in, v->len, &reply);

	if (len < 0)
		fail(v, NO_ANSWER, -EPROTO);
	if (len <= 0)
		return;
	if (v->step == CHOICE) {
		v->step = REPLY;
		v->len -= (size_t)len;
		memmove(v->in, v->in + len, v->len);
		v->out_at = 0;
		v->out_len = socks_write_request(&v->host, v->port, v->out);
		loop_change(v->loop, &v->source, EPOLLOUT);
	} else if (reply == SOCKS_DONE) {
		finish(v, 0, (size_t)len);
	} else {
		refused(v, reply, error_of(reply));
	}
}

static void read_frame(struct via *v)
{
	int error = 0;
	int len = enclaver_read_answer((const uint8_t *)v->in, v->len, &error);

	if (len < 0)
		fail(v, NO_ANSWER, -EPROTO);
	else if (len > 0 && error)
		refused(v, (unsigned)error,
			error == ETIMEDOUT ? -ETIMEDOUT : -ECONNREFUSED);
	else if (len > 0)
		finish(v, 0, (size_t)len);
}

static void begin(struct via *v)
{
	if (v->how == PLAN_VIA_CONNECT)
		v->out_len =
			http_connect_write(&v->host, v->port, (char *)v->out);
	else if (v->how == PLAN_VIA_SOCKS5)
		v->out_len = socks_write_methods(v->out);
	else
		v->out_len = enclaver_write_request(&v->host, v->port, v->out);
}

static void look(struct via *v)
{
	if (v->how == PLAN_VIA_CONNECT)
		read_connect(v);
	else if (v->how == PLAN_VIA_SOCKS5)
		read_socks(v);
	else
		read_frame(v);
}

/* --- the socket --- */

static bool is_later(void)
{
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
	       errno == ENOMEM;
}

static void write_out(struct via *v)
{
	ssize_t n = send(v->source.fd, v->out + v->out_at,
			 v->out_len - v->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && !is_later()) {
		fail(v, LOST, -errno);
		return;
	}
	if (n > 0)
		v->out_at += (size_t)n;
	if (v->out_at < v->out_len)
		return;
	v->out_at = v->out_len = 0;
	loop_change(v->loop, &v->source, EPOLLIN);
}

static void read_in(struct via *v)
{
	ssize_t n = recv(v->source.fd, v->in + v->len, sizeof(v->in) - v->len,
			 MSG_DONTWAIT);

	if (n < 0 && is_later())
		return;
	if (n <= 0) {
		fail(v, LOST,
		     n < 0 && errno != ENOTCONN ? -errno : -ECONNRESET);
		return;
	}
	v->len += (size_t)n;
	look(v);
}

static void on_ready(struct source *s, uint32_t events)
{
	struct via *v = LOOP_OWNER(s, struct via, source);

	(void)events;
	if (v->out_len > 0) {
		write_out(v);
		return;
	}
	read_in(v);
}

static void on_due(struct timer *t)
{
	struct via *v = LOOP_OWNER(t, struct via, timer);

	fail(v, NO_ANSWER, -ETIMEDOUT);
}

static void on_dialled(void *ctx, int fd)
{
	struct via *v = ctx;
	int r;

	if (fd < 0) {
		v->refusal = DIALLING;
		v->done(v->ctx, fd, v->in, 0);
		return;
	}
	v->source = (struct source){ .fd = fd, .ready = on_ready };
	v->timer.due = on_due;
	begin(v);
	r = loop_add(v->loop, &v->source, EPOLLOUT);
	if (r < 0) {
		fail(v, LOST, r);
		return;
	}
	loop_timer(v->loop, &v->timer, loop_now_ms(v->loop) + VIA_TIMEOUT_MS);
}

void via_start(struct via *v, struct loop *l, const struct address *target,
	       enum plan_via how, const struct host *host, uint16_t port,
	       via_done_fn *done, void *ctx)
{
	memset(v, 0, offsetof(struct via, out));
	v->loop = l;
	v->how = how;
	v->host = *host;
	v->port = port;
	v->done = done;
	v->ctx = ctx;
	dial_start(&v->dial, l, target, 0, DIAL_TIMEOUT_MS, on_dialled, v);
}

void via_words(const struct via *v, int error, char ret[VIA_WORDS])
{
	static const char *const words[] = {
		[NOTHING] = "",
		[DIALLING] = "the parent's proxy cannot be reached",
		[LOST] = "the parent's proxy closed",
		[NO_ANSWER] = "the parent's proxy gave no answer",
	};

	if (v->refusal == REFUSED)
		(void)snprintf(ret, VIA_WORDS,
			       "the parent's proxy refuses it (%u)",
			       v->answered);
	else
		(void)snprintf(ret, VIA_WORDS, "%s: %s", words[v->refusal],
			       strerror(-error));
}
