#include "vsock/relay/flow/listener.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vsock/relay/base/local.h"
#include "vsock/relay/flow/notice.h"
#include "vsock/relay/flow/place.h"
#include "vsock/relay/flow/tally.h"
#include "vsock/sock.h"

enum {
	ACCEPTS_MAX = 8, /* a turn; other workers take some, too */
	REST_MS = 100,
	BACKLOG = 4096, /* the kernel cuts it to somaxconn */
	MASK = 0111,	/* leaves 0666 of a socket */
};

union name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool is_inside;
static struct listener *all;

void listener_set_inside(void)
{
	is_inside = true;
}

/* --- binding ---------------------------------------------------------------------- */

static socklen_t name_of(const struct address *a, union name *ret)
{
	*ret = (union name){ 0 };
	if (a->is_v6) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons((uint16_t)a->port);
		memcpy(&ret->v6.sin6_addr, a->ip, sizeof(ret->v6.sin6_addr));
		return sizeof(ret->v6);
	}
	ret->v4.sin_family = AF_INET;
	ret->v4.sin_port = htons((uint16_t)a->port);
	memcpy(&ret->v4.sin_addr, a->ip, sizeof(ret->v4.sin_addr));
	return sizeof(ret->v4);
}

static int listen_tcp(const struct address *a)
{
	static const int on = 1;
	union name n;
	socklen_t len = name_of(a, &n);
	int fd, r;

	fd = socket(n.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd < 0)
		return -errno;
	/* Connections of a process before this one do not keep the port. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (!a->is_v6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, &n.any, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static int listen_vsock(const struct address *a, uint32_t buffer)
{
	int fd = sock_listen(a->port, buffer);

	/* A longer queue than PID 1's own ports need. */
	if (fd >= 0)
		(void)listen(fd, BACKLOG);
	return fd;
}

static int listen_local(const struct address *a)
{
	char path[PLACE_PATH];
	mode_t mask = 0;
	int fd;

	if (!place_path(a, true, path))
		return -ENAMETOOLONG;
	/*
	 * Whoever may connect to a port of loopback may connect to it. A chmod of its path, later
	 * and as root, could be one of another file: the directory may be a program's.
	 */
	if (is_inside)
		mask = umask(MASK);
	fd = local_listen(path);
	if (is_inside)
		(void)umask(mask);
	return fd;
}

static int listen_at(const struct address *a, uint32_t buffer)
{
	switch (a->kind) {
	case ADDRESS_VSOCK:
		return listen_vsock(a, buffer);
	case ADDRESS_TCP:
		return listen_tcp(a);
	case ADDRESS_UNIX:
	case ADDRESS_DIR:
	case ADDRESS_MUX:
		return listen_local(a);
	case ADDRESS_NONE:
	case ADDRESS_NAME:
		break;
	}
	return -EINVAL;
}

int listener_bind(struct listener *l, const struct address *a, uint32_t buffer,
		  uint32_t max)
{
	uint32_t count = address_ports(a);
	struct address one;
	int fd;

	*l = (struct listener){ .at = *a, .max = max, .column = tally_new() };
	l->next = all;
	all = l;
	l->sockets = calloc(count, sizeof(*l->sockets));
	if (!l->sockets || !l->column) {
		listener_close(l);
		return -ENOMEM;
	}
	for (; l->count < count; l->count++) {
		one = address_at(a, l->count);
		fd = listen_at(&one, buffer);
		if (fd < 0) {
			listener_close(l);
			return fd;
		}
		l->sockets[l->count].source.fd = fd;
		l->sockets[l->count].listener = l;
	}
	return 0;
}

static void forget(const struct listener *l)
{
	struct listener **at = &all;

	while (*at && *at != l)
		at = &(*at)->next;
	if (*at)
		*at = l->next;
}

void listener_close(struct listener *l)
{
	char path[PLACE_PATH];
	struct address one;

	if (l->loop && l->is_resting)
		loop_untimer(l->loop, &l->timer);
	for (uint32_t i = 0; i < l->count; i++) {
		if (l->loop && !l->is_resting)
			loop_remove(l->loop, &l->sockets[i].source);
		close(l->sockets[i].source.fd);
		one = address_at(&l->at, i);
		if (l->at.kind != ADDRESS_VSOCK && l->at.kind != ADDRESS_TCP &&
		    place_path(&one, true, path))
			(void)unlink(path);
	}
	free(l->sockets);
	forget(l);
	*l = (struct listener){ 0 };
}

void listener_close_all(void)
{
	while (all)
		listener_close(all);
}

/* --- resting ---------------------------------------------------------------------- */

bool listener_is_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM ||
	       error == -ENOBUFS;
}

void listener_rest(struct listener *l, int error)
{
	int64_t now = loop_now_ms(l->loop);

	if (l->is_resting)
		return;
	l->is_resting = true;
	for (uint32_t i = 0; i < l->count; i++)
		loop_remove(l->loop, &l->sockets[i].source);
	loop_timer(l->loop, &l->timer, now + REST_MS);
	if (tally_may_say(l->column, TALLY_RESTS, now))
		notice_of(&l->at, "%s; others wait",
			  error ? strerror(-error) :
				  "all its connections are taken");
}

static int go_on(struct listener *l)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < l->count; i++) {
		r = loop_add(l->loop, &l->sockets[i].source,
			     EPOLLIN | EPOLLEXCLUSIVE);
		for (; r < 0 && i > 0; i--)
			loop_remove(l->loop, &l->sockets[i - 1].source);
	}
	return r;
}

static void wake(struct listener *l)
{
	if (!l->is_resting)
		return;
	if (tally_has_place(l->column, l->max) && go_on(l) == 0) {
		l->is_resting = false;
		loop_untimer(l->loop, &l->timer);
	} else {
		loop_timer(l->loop, &l->timer, loop_now_ms(l->loop) + REST_MS);
	}
}

static void on_time(struct timer *t)
{
	wake(LOOP_OWNER(t, struct listener, timer));
}

void listener_report_all(void)
{
	for (const struct listener *l = all; l; l = l->next)
		notice_of(&l->at,
			  "%" PRIu64 " connections, %" PRIu64
			  " in all, %" PRIu64 " refused, %" PRIu64
			  " bytes in, %" PRIu64 " out",
			  tally_sum(l->column, TALLY_NOW),
			  tally_sum(l->column, TALLY_TOTAL),
			  tally_sum(l->column, TALLY_REFUSED),
			  tally_sum(l->column, TALLY_IN),
			  tally_sum(l->column, TALLY_OUT));
}

void listener_left(struct listener *l)
{
	tally_leave(l->column);
	wake(l);
}

/* --- accepting -------------------------------------------------------------------- */

static void read_name(const union name *n, struct origin *ret)
{
	if (n->any.sa_family == AF_INET) {
		ret->kind = ORIGIN_V4;
		ret->port = ntohs(n->v4.sin_port);
		memcpy(ret->ip, &n->v4.sin_addr, sizeof(n->v4.sin_addr));
	} else if (n->any.sa_family == AF_INET6) {
		ret->kind = ORIGIN_V6;
		ret->port = ntohs(n->v6.sin6_port);
		memcpy(ret->ip, &n->v6.sin6_addr, sizeof(n->v6.sin6_addr));
	}
}

void listener_end_of(int fd, struct origin *ret)
{
	union name n = { 0 };
	socklen_t len = sizeof(n);

	*ret = (struct origin){ .kind = ORIGIN_OTHER };
	if (getsockname(fd, &n.any, &len) == 0)
		read_name(&n, ret);
}

static int accept_one(const struct listener_socket *s, struct origin *ret)
{
	union name n = { 0 };
	socklen_t len = sizeof(n);
	int fd;

	*ret = (struct origin){ .kind = ORIGIN_OTHER };
	if (s->listener->at.kind == ADDRESS_VSOCK) {
		ret->kind = ORIGIN_VSOCK;
		return sock_accept(s->source.fd, &ret->cid);
	}
	/* Of a name of AF_UNIX there is the beginning, which is not looked at. */
	do
		fd = accept4(s->source.fd, &n.any, &len,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return -errno;
	if (s->listener->at.kind == ADDRESS_TCP)
		read_name(&n, ret);
	return fd;
}

static bool may_connect(const struct listener *l, const struct origin *from)
{
	if (from->kind != ORIGIN_VSOCK)
		return true;
	if (l->at.cid != ADDRESS_CID_ANY)
		return from->cid == l->at.cid;
	return !is_inside || from->cid == SOCK_CID_PARENT ||
	       from->cid == SOCK_CID_HOST;
}

static void take(const struct listener_socket *s, int fd,
		 const struct listener_arrival *a)
{
	struct listener *l = s->listener;

	tally_enter(l->column);
	if (may_connect(l, &a->from)) {
		l->accepted(l->ctx, fd, a);
		return;
	}
	close(fd);
	tally_add(l->column, TALLY_REFUSED, 1);
	listener_left(l);
}

static void on_ready(struct source *source, uint32_t events)
{
	struct listener_socket *s =
		LOOP_OWNER(source, struct listener_socket, source);
	struct listener *l = s->listener;
	struct listener_arrival a = { .index = (uint32_t)(s - l->sockets) };
	int fd;

	/* By one of those that have it, which cannot be undone: nothing comes any more. */
	if (events & EPOLLHUP) {
		listener_rest(l, -ESHUTDOWN);
		return;
	}
	for (int i = 0; i < ACCEPTS_MAX && !l->is_resting; i++) {
		if (!tally_has_place(l->column, l->max)) {
			listener_rest(l, 0);
			return;
		}
		fd = accept_one(s, &a.from);
		if (fd == -EAGAIN)
			return;
		if (fd >= 0)
			take(s, fd, &a);
		else if (listener_is_shortage(fd))
			listener_rest(l, fd);
		/* Any other error is of that connection. */
	}
}

int listener_start(struct listener *l, struct loop *loop,
		   listener_accepted_fn *accepted, void *ctx)
{
	l->loop = loop;
	l->accepted = accepted;
	l->ctx = ctx;
	l->timer.due = on_time;
	for (uint32_t i = 0; i < l->count; i++)
		l->sockets[i].source.ready = on_ready;
	return go_on(l);
}
