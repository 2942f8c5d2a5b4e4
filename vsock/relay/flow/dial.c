#include "vsock/relay/flow/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock/relay/base/local.h"
#include "vsock/relay/flow/place.h"
#include "vsock/sock.h"

enum {
	AGAIN_MS = 10, /* until the next attempt, where a queue is full */
};

enum dial_state {
	IDLE,
	CONNECTING, /* it can be written to when it is decided */
	ASKING,	    /* a monitor: its answer is to come */
	WAITING,    /* for the next attempt */
	DECIDED,    /* RESULT; DONE is told in the next turn */
};

static void forget(struct dial *d)
{
	if (d->state == CONNECTING || d->state == ASKING)
		loop_remove(d->loop, &d->source);
	loop_untimer(d->loop, &d->timer);
	d->state = IDLE;
}

static void finish(struct dial *d, int result)
{
	int fd = d->source.fd;

	forget(d);
	if (result < 0 && fd >= 0)
		close(fd);
	d->source.fd = -1;
	d->done(d->ctx, result < 0 ? result : fd);
}

static void on_connected(struct source *s, uint32_t events)
{
	struct dial *d = LOOP_OWNER(s, struct dial, source);
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	finish(d, -error);
}

static void on_answer(struct source *s, uint32_t events)
{
	struct dial *d = LOOP_OWNER(s, struct dial, source);
	int r = local_answer(s->fd, &d->seen);

	(void)events;
	if (r != -EAGAIN)
		finish(d, r);
}

static int connect_local(const struct address *a)
{
	char path[PLACE_PATH];
	int fd, r;

	if (!place_path(a, false, path))
		return -ENAMETOOLONG;
	fd = local_connect(path);
	if (fd < 0 || a->kind != ADDRESS_MUX)
		return fd;
	r = local_ask(fd, a->port);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int connect_tcp(const struct address *a)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)a->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)a->port) };
	const void *to = &v4;
	socklen_t len = sizeof(v4);
	int fd, r;

	memcpy(&v4.sin_addr, a->ip, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, a->ip, sizeof(v6.sin6_addr));
	if (a->is_v6) {
		to = &v6;
		len = sizeof(v6);
	}
	fd = socket(a->is_v6 ? AF_INET6 : AF_INET,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, to, len) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static int connect_to(const struct address *a, uint32_t buffer)
{
	switch (a->kind) {
	case ADDRESS_VSOCK:
		return sock_connect_begin_sized(
			a->cid == ADDRESS_CID_ANY ? SOCK_CID_PARENT : a->cid,
			a->port, buffer);
	case ADDRESS_TCP:
		return connect_tcp(a);
	case ADDRESS_UNIX:
	case ADDRESS_DIR:
	case ADDRESS_MUX:
		return connect_local(a);
	case ADDRESS_NONE:
	case ADDRESS_NAME:
		break;
	}
	return -EINVAL;
}

/* What is decided is told in the next turn. */
static void decide(struct dial *d, int result)
{
	d->state = DECIDED;
	d->result = result;
	loop_timer(d->loop, &d->timer, loop_now_ms(d->loop));
}

static void wait_at(struct dial *d, enum dial_state state, uint32_t events,
		    void (*ready)(struct source *s, uint32_t events))
{
	int r;

	d->source.ready = ready;
	r = loop_add(d->loop, &d->source, events);
	if (r < 0) {
		decide(d, r);
		return;
	}
	d->state = (uint8_t)state;
	loop_timer(d->loop, &d->timer, d->due_ms);
}

static void attempt(struct dial *d)
{
	int64_t again_ms = loop_now_ms(d->loop) + AGAIN_MS;
	int fd = connect_to(&d->to, d->buffer);

	if (fd == -EAGAIN) {
		d->state = WAITING;
		loop_timer(d->loop, &d->timer,
			   again_ms < d->due_ms ? again_ms : d->due_ms);
		return;
	}
	if (fd < 0) {
		decide(d, fd);
		return;
	}
	d->source.fd = fd;
	if (d->to.kind == ADDRESS_MUX)
		wait_at(d, ASKING, EPOLLIN, on_answer);
	else if (d->to.kind == ADDRESS_VSOCK || d->to.kind == ADDRESS_TCP)
		wait_at(d, CONNECTING, EPOLLOUT, on_connected);
	else
		decide(d, 0);
}

static void on_time(struct timer *t)
{
	struct dial *d = LOOP_OWNER(t, struct dial, timer);

	if (d->state == DECIDED)
		finish(d, d->result);
	else if (d->state == WAITING && loop_now_ms(d->loop) < d->due_ms)
		attempt(d);
	else
		finish(d, -ETIMEDOUT);
}

void dial_start(struct dial *d, struct loop *l, const struct address *a,
		uint32_t buffer, int timeout_ms, dial_done_fn *done, void *ctx)
{
	static uint32_t turn;

	*d = (struct dial){ .source.fd = -1,
			    .timer.due = on_time,
			    .loop = l,
			    .to = address_at(a, turn++ % address_ports(a)),
			    .buffer = buffer,
			    .done = done,
			    .ctx = ctx };
	d->due_ms = loop_now_ms(l) + timeout_ms;
	attempt(d);
}

void dial_cancel(struct dial *d)
{
	if (d->state == IDLE)
		return;
	forget(d);
	if (d->source.fd >= 0)
		close(d->source.fd);
	d->source.fd = -1;
}
