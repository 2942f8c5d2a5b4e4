#include "vsock/relay/dns/inquiry.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 2 }; /* how often each server is asked */

static void ask_next(struct inquiry *i);

static const struct address *server_of(const struct inquiry *i)
{
	return &i->servers.at[i->tries % i->servers.count];
}

/* --- The end ---------------------------------------------------------------------- */

static void close_udp(struct inquiry *i)
{
	if (i->udp.fd < 0)
		return;
	loop_remove(i->loop, &i->udp);
	(void)close(i->udp.fd);
	i->udp.fd = -1;
}

static void finish(struct inquiry *i, uint8_t *answer, size_t len)
{
	close_udp(i);
	dial_cancel(&i->dial);
	messages_close(&i->tcp);
	loop_untimer(i->loop, &i->timer);
	dns_set_id(answer, i->id);
	i->done(i, answer, len);
}

static void fail(struct inquiry *i, enum dns_rcode rcode)
{
	uint8_t answer[DNS_ERROR_MAX];

	finish(i, answer,
	       dns_error(i->query, &i->q, rcode, DNS_WHY_UNREACHABLE, answer));
}

/* True if another server may know better. */
static bool is_refusal(const struct inquiry *i, const uint8_t *answer)
{
	enum dns_rcode r = dns_rcode_of(answer);

	return (r == DNS_SERVFAIL || r == DNS_NOTIMP || r == DNS_REFUSED) &&
	       i->tries + 1 < i->servers.count;
}

/* LEN bytes that match, of UDP or TCP. */
static void take(struct inquiry *i, uint8_t *answer, size_t len)
{
	len = dns_check(answer, len);
	if (len < i->q.question)
		fail(i, len ? dns_rcode_of(answer) : DNS_SERVFAIL);
	else
		finish(i, answer, len);
}

/* --- TCP -------------------------------------------------------------------------- */

static void tcp_ready(struct source *s, uint32_t events)
{
	static uint8_t copy[DNS_MESSAGE_MAX];
	struct inquiry *i = LOOP_OWNER(s, struct inquiry, tcp.source);
	int r = messages_ready(&i->tcp, events), more;
	const uint8_t *m;
	size_t len;

	while ((more = messages_next(&i->tcp, &m, &len)) > 0) {
		if (!dns_is_answer(m, len, i->query, &i->q))
			continue;
		memcpy(copy, m, len);
		take(i, copy, len);
		return;
	}
	if (more < 0 || (r != 1 && r != -EAGAIN))
		fail(i, DNS_SERVFAIL);
}

static void dialled(void *ctx, int fd)
{
	struct inquiry *i = ctx;
	int r = fd;

	if (fd >= 0)
		r = messages_open(&i->tcp, i->loop, fd, DNS_MESSAGE_MAX,
				  DNS_QUERY_MAX + FRAME_HEAD_MAX, tcp_ready);
	if (r >= 0)
		r = messages_send(&i->tcp, i->query, i->len);
	if (r < 0)
		fail(i, DNS_SERVFAIL);
}

/* What is left of the time is for this one. */
static void ask_by_tcp(struct inquiry *i)
{
	close_udp(i);
	loop_timer(i->loop, &i->timer, i->due_ms);
	dial_start(&i->dial, i->loop, server_of(i), 0, INQUIRY_MS, dialled, i);
}

/* --- UDP -------------------------------------------------------------------------- */

static void udp_ready(struct source *s, uint32_t events)
{
	static uint8_t answer[DNS_MESSAGE_MAX];
	struct inquiry *i = LOOP_OWNER(s, struct inquiry, udp);
	ssize_t n = recv(s->fd, answer, sizeof(answer), 0);

	(void)events;
	if (n < 0) {
		/* Nobody listens there, or there is no way. */
		if (errno != EAGAIN && errno != EINTR)
			ask_next(i);
		return;
	}
	if (!dns_is_answer(answer, (size_t)n, i->query, &i->q))
		return;
	if (dns_is_cut(answer))
		ask_by_tcp(i);
	else if (is_refusal(i, answer))
		ask_next(i);
	else
		take(i, answer, (size_t)n);
}

static int connect_to(int fd, const struct address *a)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)a->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)a->port) };

	memcpy(&v4.sin_addr, a->ip, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, a->ip, sizeof(v6.sin6_addr));
	if (a->is_v6)
		return connect(fd, (const struct sockaddr *)&v6, sizeof(v6));
	return connect(fd, (const struct sockaddr *)&v4, sizeof(v4));
}

/* With a new number, from a new port, which the kernel chooses at random. */
static int ask_by_udp(struct inquiry *i)
{
	const struct address *a = server_of(i);
	uint16_t id;
	int fd;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	dns_set_id(i->query, id);
	fd = socket(a->is_v6 ? AF_INET6 : AF_INET,
		    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	i->udp = (struct source){ .ready = udp_ready, .fd = fd };
	if (connect_to(fd, a) < 0 || loop_add(i->loop, &i->udp, EPOLLIN) < 0) {
		(void)close(fd);
		i->udp.fd = -1;
		return -EIO;
	}
	return send(fd, i->query, i->len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* --- One after the other ------------------------------------------------------------ */

/* Asks the server whose turn it is, or the first one after it that can be asked. */
static void ask(struct inquiry *i)
{
	int64_t due_ms = loop_now_ms(i->loop) + INQUIRY_TRY_MS;

	for (; i->tries < ROUNDS * i->servers.count; i->tries++) {
		if (ask_by_udp(i) == 0) {
			loop_timer(i->loop, &i->timer,
				   due_ms < i->due_ms ? due_ms : i->due_ms);
			return;
		}
		close_udp(i);
	}
	fail(i, DNS_SERVFAIL);
}

static void ask_next(struct inquiry *i)
{
	close_udp(i);
	i->tries++;
	ask(i);
}

static void due(struct timer *t)
{
	struct inquiry *i = LOOP_OWNER(t, struct inquiry, timer);

	if (loop_now_ms(i->loop) >= i->due_ms)
		fail(i, DNS_SERVFAIL);
	else
		ask_next(i);
}

void inquiry_start(struct inquiry *i, struct loop *loop,
		   const struct servers *servers, const uint8_t *m, size_t len,
		   const struct dns_query *q, inquiry_done_fn *done)
{
	i->loop = loop;
	i->done = done;
	i->servers = *servers;
	i->q = *q;
	i->id = q->id;
	i->tries = 0;
	i->due_ms = loop_now_ms(loop) + INQUIRY_MS;
	i->timer = (struct timer){ .due = due };
	i->dial = (struct dial){ 0 };
	i->udp.fd = -1;
	i->tcp.source.fd = -1;
	i->len = (uint16_t)len;
	memcpy(i->query, m, len);
	ask(i);
}
