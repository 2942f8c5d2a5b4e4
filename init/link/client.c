#include "init/link/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init/link/excerpt.h"
#include "vsock/io.h"
#include "vsock/sock.h"

enum {
	/* Packets are what is scarce: small ones wait a little for more. */
	SMALL = 4096,
	SMALL_PAUSE_MS = 5,
	/* EPOLLOUT says one byte: after that little has gone, a peer is given time. */
	SHORT_PAUSE_MS = 1,
	NO_MEMORY_PAUSE_MS = 20,
	CONSOLE_PAUSE_MS =
		20, /* poll says nothing of a console that is stopped */
};

static char buf[CLIENT_WRITE_MAX];

static bool reads_log(const struct client *c)
{
	return c->kind == CLIENT_LOG || c->kind == CLIENT_CONSOLE;
}

static bool has_command(const struct client *c)
{
	return c->kind == CLIENT_CONTROL || c->kind == CLIENT_LOCAL;
}

void client_begin(struct client *c, enum client_kind kind, int fd, char *out,
		  size_t cap, const struct client_view *v)
{
	*c = (struct client){
		.fd = fd,
		.kind = kind,
		.out = out,
		.out_cap = cap,
		.version = v->version - 1, /* it knows none yet */
	};
	if (has_command(c))
		c->end_ms = v->now_ms + CLIENT_COMMAND_MS;
}

void client_close(struct client *c)
{
	if (c->fd >= 0 && c->kind != CLIENT_CONSOLE)
		close(c->fd);
	c->fd = -1;
}

/* --- what it gets --- */

/* Leaves PID 1's own lines out, which it writes to the console by itself. */
static size_t without_own(const char *from, size_t n)
{
	static const char own[] = "init: ";
	const char *end = memchr(from, '\n', n);
	size_t len = end ? (size_t)(end - from) + 1 : n;

	return n >= sizeof(own) - 1 && memcmp(from, own, sizeof(own) - 1) == 0 ?
		       len :
		       0;
}

/* How far whole lines that are not PID 1's reach. */
static size_t own_free(const char *from, size_t n)
{
	size_t at = 0;
	const char *end;

	while (at < n && without_own(from + at, n - at) == 0) {
		end = memchr(from + at, '\n', n - at);
		if (!end)
			return n;
		at = (size_t)(end - from) + 1;
	}
	return at;
}

/* What the console is to show next: *RET_SKIP bytes are passed over before it. */
static size_t console_next(struct client *c, const struct client_view *v,
			   size_t *ret_skip)
{
	size_t n = reader_next(&c->reader, v->ring, buf, sizeof(buf));
	const char *end;

	*ret_skip = 0;
	if (n == 0)
		return n;
	if (c->reader.in_line) {
		end = memchr(buf, '\n', n);
		return end ? (size_t)(end - buf) + 1 : n;
	}
	/* Whole lines: whose the rest of one is only its begin would say. */
	end = memrchr(buf, '\n', n);
	if (end)
		n = (size_t)(end - buf) + 1;
	*ret_skip = without_own(buf, n);
	return *ret_skip > 0 ? n : own_free(buf, n);
}

static size_t log_next(struct client *c, const struct client_view *v)
{
	size_t n, skip = 0;

	if (c->kind == CLIENT_LOG) {
		n = reader_next(&c->reader, v->ring, buf, sizeof(buf));
		return n < v->budget ? n : (size_t)v->budget;
	}
	n = console_next(c, v, &skip);
	while (skip > 0) {
		reader_sent(&c->reader, buf, skip);
		n = console_next(c, v, &skip);
	}
	return n;
}

static void fill_status(struct client *c, const struct client_view *v)
{
	struct record r = v->state->record;

	memcpy(r.boot, v->work->boot, sizeof(r.boot));
	r.says_report = true;
	r.report = v->work->config.report != CONFIG_REPORT_OFF;
	r.uptime_ms = (uint64_t)v->now_ms;
	c->out_at = 0;
	if (c->kind == CLIENT_LOCAL ||
	    v->work->config.status == CONFIG_STATUS_FULL)
		c->out_len = record_write_full(&r, v->state->services,
					       v->state->service_count, c->out,
					       c->out_cap);
	else
		c->out_len = record_write(&r, c->out, c->out_cap);
	c->version = v->version;
}

static void answer(struct client *c, const char *head, const char *text)
{
	size_t len = strlen(head), more = strlen(text);

	memcpy(c->out, head, len);
	memcpy(c->out + len, text, more);
	c->out[len + more] = '\n';
	c->out_len = len + more + 1;
	c->out_at = 0;
}

static void obey(struct client *c, const struct link_message *m,
		 const struct client_view *v)
{
	if (send(v->channel, m, sizeof(*m), MSG_NOSIGNAL | MSG_DONTWAIT) ==
	    (ssize_t)sizeof(*m))
		answer(c, "ok", "");
	else
		answer(c, "no: ", "busy, try again");
}

static void take_command(struct client *c, size_t len,
			 const struct client_view *v)
{
	struct command command;

	command_parse(c->in, len, c->kind == CLIENT_LOCAL, &v->work->config,
		      v->state, &command);
	switch (command.kind) {
	case COMMAND_ORDER:
		obey(c, &command.message, v);
		break;
	case COMMAND_STATUS:
		fill_status(c, v);
		break;
	case COMMAND_LOG:
		if (v->ring)
			c->out_len = excerpt_of(
				v->ring,
				v->state->services[command.service].name,
				c->out, c->out_cap);
		else
			answer(c, "no: ", "no log is kept");
		break;
	case COMMAND_REFUSED:
		answer(c, "no: ", command.reason);
		break;
	}
	c->has_heard_all = true;
	c->end_ms = v->now_ms + CLIENT_COMMAND_MS;
}

/* --- reading and writing --- */

static void hear_command(struct client *c, const struct client_view *v)
{
	ssize_t n = recv(c->fd, c->in + c->heard, sizeof(c->in) - c->heard,
			 MSG_DONTWAIT);
	const char *end;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) { /* half a command is none */
		client_close(c);
		return;
	}
	c->heard += (size_t)n;
	end = memchr(c->in, '\n', c->heard);
	if (end)
		take_command(c, (size_t)(end - c->in), v);
	else if (c->heard == sizeof(c->in))
		take_command(c, c->heard, v); /* longer than any */
}

/* Who reads has nothing to say, but may shut its direction down. */
static void hear(struct client *c)
{
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n == 0 && !c->is_leaving) {
		c->has_heard_all = true;
		return;
	}
	c->heard += n > 0 ? (size_t)n : 0;
	if (n <= 0 || c->heard > CLIENT_IN_MAX)
		client_close(c);
}

static ssize_t put(const struct client *c, const char *from, size_t n)
{
	if (c->kind == CLIENT_CONSOLE)
		return write(c->fd, from, n);
	return send(c->fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* What became of an attempt to write LEN bytes: N, or errno. Whether to go on. */
static bool has_put(struct client *c, ssize_t n, size_t len, int64_t now_ms)
{
	c->is_blocked = false;
	c->next_ms = 0;
	if (n < 0 && errno == EAGAIN) {
		c->is_blocked = true;
		if (c->kind == CLIENT_CONSOLE)
			c->next_ms = now_ms + CONSOLE_PAUSE_MS;
	} else if (n < 0 && (errno == ENOMEM || errno == ENOBUFS)) {
		c->next_ms = now_ms + NO_MEMORY_PAUSE_MS;
	} else if (n <= 0 && errno != EINTR) {
		client_close(c);
	} else if (n > 0 && (size_t)n < len && n < SMALL) {
		c->next_ms = now_ms + SHORT_PAUSE_MS;
	}
	return n > 0 && (size_t)n == len;
}

/* Everything has been sent, and is whole when the peer closes. */
static void leave(struct client *c, int64_t now_ms)
{
	if (c->kind == CLIENT_CONSOLE) {
		client_close(c);
		return;
	}
	(void)shutdown(c->fd, SHUT_WR);
	c->is_leaving = true;
	c->end_ms = now_ms + CLIENT_LEAVE_MS;
}

/* Whether a note was sent, whole: its text comes at once. */
static bool send_piece(struct client *c, struct client_view *v)
{
	size_t len = log_next(c, v);
	bool is_note = reader_has_note(&c->reader);
	ssize_t n;

	if (len == 0)
		return false;
	n = put(c, buf, len);
	if (n > 0) {
		reader_sent(&c->reader, buf, (size_t)n);
		if (c->kind == CLIENT_LOG)
			v->budget -= (size_t)n;
	}
	if (!has_put(c, n, len, v->now_ms))
		return false;
	if (len < SMALL && !v->is_final)
		c->next_ms = v->now_ms + SMALL_PAUSE_MS;
	return is_note;
}

static void send_log(struct client *c, struct client_view *v)
{
	if (send_piece(c, v))
		(void)send_piece(c, v);
	if (c->fd >= 0 && c->reader.has_ended &&
	    !reader_has_more(&c->reader, v->ring))
		leave(c, v->now_ms);
}

static void send_out(struct client *c, struct client_view *v)
{
	size_t len;
	ssize_t n;

	if (c->out_at == c->out_len && c->kind == CLIENT_STATUS &&
	    c->version != v->version)
		fill_status(c, v);
	len = c->out_len - c->out_at;
	if (len > CLIENT_WRITE_MAX)
		len = CLIENT_WRITE_MAX;
	if (len > 0) {
		n = put(c, c->out + c->out_at, len);
		if (n > 0)
			c->out_at += (size_t)n;
		(void)has_put(c, n, len, v->now_ms);
	}
	if (c->fd < 0 || c->out_at < c->out_len)
		return;
	if ((has_command(c) && c->has_heard_all) ||
	    (c->kind == CLIENT_STATUS && v->is_final &&
	     c->version == v->version))
		leave(c, v->now_ms);
}

static bool wants_to_send(const struct client *c, const struct client_view *v)
{
	if (c->is_leaving || c->is_connecting)
		return false;
	if (reads_log(c))
		return reader_has_more(&c->reader, v->ring);
	return c->out_at < c->out_len || (has_command(c) && c->has_heard_all) ||
	       (c->kind == CLIENT_STATUS &&
		(c->version != v->version || v->is_final));
}

static bool may_send(const struct client *c, const struct client_view *v)
{
	return wants_to_send(c, v) && c->next_ms <= v->now_ms &&
	       (c->kind != CLIENT_LOG || v->budget > 0);
}

short client_events(const struct client *c, const struct client_view *v)
{
	int events = 0;

	if (c->kind == CLIENT_CONSOLE) /* its turn is by the clock */
		return 0;
	if (c->is_connecting)
		return POLLOUT;
	if (!c->has_heard_all || c->is_leaving)
		events |= POLLIN;
	if (c->is_blocked && may_send(c, v))
		events |= POLLOUT;
	return (short)events;
}

int64_t client_next(const struct client *c, const struct client_view *v)
{
	int64_t next = c->end_ms;

	if (!wants_to_send(c, v) ||
	    (c->is_blocked && c->kind != CLIENT_CONSOLE))
		return next;
	if (c->kind == CLIENT_LOG && v->budget == 0)
		return next; /* the budget's own time comes */
	if (next == 0 || c->next_ms < next)
		next = c->next_ms > 0 ? c->next_ms : v->now_ms;
	return next;
}

static void decide_connection(struct client *c)
{
	c->is_connecting = false;
	if (sock_connect_end(c->fd) < 0)
		client_close(c);
}

void client_turn(struct client *c, short revents, struct client_view *v)
{
	if (c->is_connecting && revents)
		decide_connection(c);
	if (c->fd < 0 || c->is_connecting)
		return;
	if (revents & (POLLIN | POLLERR | POLLHUP)) {
		if (has_command(c) && !c->has_heard_all)
			hear_command(c, v);
		else if (c->kind != CLIENT_CONSOLE)
			hear(c);
	}
	/* Both directions are closed, or worse. */
	if (c->fd >= 0 && c->has_heard_all && revents & (POLLERR | POLLHUP))
		client_close(c);
	/* The console is not polled: its next try is by the clock. */
	if (revents & POLLOUT || c->kind == CLIENT_CONSOLE)
		c->is_blocked = false;
	if (c->fd >= 0 && !c->is_blocked && may_send(c, v)) {
		if (reads_log(c))
			send_log(c, v);
		else
			send_out(c, v);
	}
	if (c->fd >= 0 && c->end_ms != 0 && c->end_ms <= v->now_ms)
		client_close(c);
}
