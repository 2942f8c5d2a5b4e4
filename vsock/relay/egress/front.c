#include "vsock/relay/egress/front.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock/relay/egress/exchange.h"
#include "vsock/relay/wire/enclaver.h"
#include "vsock/relay/wire/socks.h"

enum { UNKNOWN, SOCKS, SOCKS_CHOSEN, HTTP, FRAMES };
enum { READING, ASKED, DRAINING };
enum { TELLS = 3 /* bytes that tell the protocol */, SOCKS4 = 4 };

static void leave(struct front *f)
{
	front_left_fn *left = f->left;
	void *ctx = f->ctx;

	loop_untimer(f->loop, &f->timer);
	loop_remove(f->loop, &f->source);
	close(f->source.fd);
	left(ctx);
}

/* What does not fit into an empty socket is not for a client that reads. */
static void say(const struct front *f, const void *bytes, size_t len)
{
	(void)send(f->source.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Bytes that are not read would make of the end a reset, which takes the answer away. */
static void drain(struct front *f)
{
	uint8_t was = f->state;

	f->state = DRAINING;
	(void)shutdown(f->source.fd, SHUT_WR);
	if (was == ASKED && loop_add(f->loop, &f->source, EPOLLIN) < 0) {
		leave(f);
		return;
	}
	loop_timer(f->loop, &f->timer, loop_now_ms(f->loop) + FRONT_LINGER_MS);
}

static void refuse_http(struct front *f, unsigned status, const char *words)
{
	char answer[HTTP_ANSWER_MAX];

	say(f, answer, http_answer_write(status, words, answer));
	drain(f);
}

static void refuse_socks(struct front *f, enum socks_reply reply)
{
	uint8_t answer[SOCKS_MESSAGE_MAX];

	say(f, answer, socks_write_reply(reply, answer));
	drain(f);
}

static void refuse_frame(struct front *f, int error, const char *words)
{
	uint8_t answer[ENCLAVER_WRITE_MAX];

	say(f, answer, enclaver_write_answer(error, words, answer));
	drain(f);
}

static unsigned status_of(int error)
{
	switch (error) {
	case EACCES:
		return 403;
	case ETIMEDOUT:
		return 504;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
		return 503;
	default:
		return 502;
	}
}

static enum socks_reply reply_of(int error)
{
	switch (error) {
	case EACCES:
		return SOCKS_DENIED;
	case ETIMEDOUT:
		return SOCKS_TIMEOUT;
	case ECONNREFUSED:
		return SOCKS_REFUSED;
	case ENOENT:
	case ENETUNREACH:
	case EHOSTUNREACH:
		return SOCKS_UNREACHABLE;
	default:
		return SOCKS_FAILED;
	}
}

void front_refuse(struct front *f, int error, const char *words)
{
	if (f->protocol == HTTP)
		refuse_http(f, status_of(error), words);
	else if (f->protocol == FRAMES)
		refuse_frame(f, error, words);
	else
		refuse_socks(f, reply_of(error));
}

/* --- what it asks --- */

static void ask(struct front *f, size_t used, const struct host *host,
		uint16_t port)
{
	f->used += used;
	f->state = ASKED;
	loop_untimer(f->loop, &f->timer);
	/* Until it has an answer it is not heard, not even leaving. */
	loop_remove(f->loop, &f->source);
	f->asked(f->ctx, host, port);
}

/* False: it is not whole, or F may be gone. */
static bool read_http(struct front *f)
{
	long n = http_head_len(f->bytes, f->len, f->seen);
	const char *why;
	int status;

	f->seen = f->len;
	if (n == 0)
		return false;
	if (n < 0 && f->len >= HTTP_HEAD_MAX) {
		refuse_http(f, 431, "the head has more than 16384 bytes");
		return false;
	}
	if (n < 0) {
		refuse_http(f, 400,
			    "the head has lines that do not end in CR LF");
		return false;
	}
	status = http_request_read(f->bytes, (size_t)n, &f->request, &why);
	if (status)
		refuse_http(f, (unsigned)status, why);
	else
		ask(f, (size_t)n, &f->request.host, f->request.port);
	return false;
}

static bool choose_method(struct front *f)
{
	uint8_t answer[2];
	int n = socks_read_methods((const uint8_t *)f->bytes, f->len, answer);

	if (n <= 0)
		return false;
	say(f, answer, sizeof(answer));
	if (answer[1] != 0) {
		drain(f);
		return false;
	}
	f->used = (size_t)n;
	f->protocol = SOCKS_CHOSEN;
	return true;
}

static bool read_socks(struct front *f)
{
	enum socks_reply reply;
	struct host host;
	uint16_t port;
	int n = socks_read_request((const uint8_t *)f->bytes + f->used,
				   f->len - f->used, &host, &port, &reply);

	if (n < 0)
		refuse_socks(f, reply);
	else if (n > 0)
		ask(f, (size_t)n, &host, port);
	return false;
}

static bool read_frame(struct front *f)
{
	struct host host;
	uint16_t port;
	int n = enclaver_read_request((const uint8_t *)f->bytes, f->len, &host,
				      &port);

	if (n < 0)
		refuse_frame(f, EINVAL, "no host and port were asked for");
	else if (n > 0)
		ask(f, (size_t)n, &host, port);
	return false;
}

static void refuse_unknown(struct front *f)
{
	static const uint8_t no_socks4[8] = { 0, 91 };

	if (f->bytes[0] == SOCKS4)
		say(f, no_socks4, sizeof(no_socks4));
	drain(f);
}

static bool tell_protocol(struct front *f)
{
	char first = f->bytes[0];

	if (f->takes_frames && f->len < TELLS)
		return false;
	if (f->takes_frames && f->bytes[2] == '{')
		f->protocol = FRAMES;
	else if (first == SOCKS_VERSION)
		f->protocol = SOCKS;
	else if ((first >= 'A' && first <= 'Z') ||
		 (first >= 'a' && first <= 'z'))
		f->protocol = HTTP;
	else
		refuse_unknown(f);
	return f->protocol != UNKNOWN;
}

/* One step. True: another one may follow. */
static bool step(struct front *f)
{
	switch (f->protocol) {
	case UNKNOWN:
		return tell_protocol(f);
	case SOCKS:
		return choose_method(f);
	case SOCKS_CHOSEN:
		return read_socks(f);
	case HTTP:
		return read_http(f);
	default:
		return read_frame(f);
	}
}

static void discard(struct front *f)
{
	ssize_t n =
		recv(f->source.fd, f->bytes, sizeof(f->bytes), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		leave(f);
}

static void on_ready(struct source *s, uint32_t events)
{
	struct front *f = LOOP_OWNER(s, struct front, source);
	ssize_t n;

	(void)events;
	if (f->state == DRAINING) {
		discard(f);
		return;
	}
	n = recv(s->fd, f->bytes + f->len, sizeof(f->bytes) - f->len,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		leave(f);
		return;
	}
	f->len += (size_t)n;
	while (step(f))
		;
}

static void on_due(struct timer *t)
{
	struct front *f = LOOP_OWNER(t, struct front, timer);

	if (f->state == READING && f->protocol == HTTP)
		refuse_http(f, 408, "the head took longer than 10 s");
	else
		leave(f);
}

int front_start(struct front *f, struct loop *l, int fd, bool takes_frames,
		front_asked_fn *asked, front_left_fn *left, void *ctx)
{
	int r;

	/* Not the bytes: most of their pages are never touched. */
	memset(f, 0, offsetof(struct front, request));
	f->source = (struct source){ .fd = fd, .ready = on_ready };
	f->timer = (struct timer){ .due = on_due };
	f->loop = l;
	f->takes_frames = takes_frames;
	f->asked = asked;
	f->left = left;
	f->ctx = ctx;
	r = loop_add(l, &f->source, EPOLLIN);
	if (r < 0) {
		pump_reset(fd);
		return r;
	}
	loop_timer(l, &f->timer, loop_now_ms(l) + FRONT_HEAD_MS);
	return 0;
}

/* --- what it gets --- */

/* The answer, and behind it EARLY. */
static size_t write_answer(const struct front *f, char *to, const void *early,
			   size_t early_len)
{
	size_t len;

	if (f->protocol == HTTP) {
		len = strlen(http_connected);
		memcpy(to, http_connected, len);
	} else if (f->protocol == FRAMES) {
		len = enclaver_write_answer(0, "", (uint8_t *)to);
	} else {
		len = socks_write_reply(SOCKS_DONE, (uint8_t *)to);
	}
	memcpy(to + len, early, early_len);
	return len + early_len;
}

int front_accept(struct front *f, int server, struct pumps *pumps,
		 const struct pump_options *o, void *ctx, const void *early,
		 size_t early_len)
{
	static char answer[HTTP_ANSWER_MAX + HTTP_HEAD_MAX];
	struct pump_before before = { .to_b = f->bytes + f->used,
				      .to_b_len = f->len - f->used };

	if (early_len > HTTP_HEAD_MAX)
		early_len = HTTP_HEAD_MAX;
	if (f->protocol == HTTP && !f->request.is_connect)
		return exchange_start(f->loop, f->source.fd, server,
				      &f->request, before.to_b, before.to_b_len,
				      early, early_len, o, ctx);
	before.to_a = answer;
	before.to_a_len = write_answer(f, answer, early, early_len);
	return pump_start(pumps, f->source.fd, server, o, &before, ctx);
}
