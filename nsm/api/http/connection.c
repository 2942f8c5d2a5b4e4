#include "nsm/api/http/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nsm/api/http/intake.h"
#include "nsm/api/http/router.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

enum {
	AHEAD = 4096,	  /* bytes that are read at once */
	READS = 8,	  /* before others get their turn */
	HEAD_OUT = 512,	  /* bytes of our lines of an answer's head */
	LINGER_MS = 2000, /* what a refused client still sends is read */
	LINGER_MAX = 1 << 20,
	TURNED_MAX = 16, /* that there is no room for, and get to know it */
	SHARE = CONNECTION_MAX / 4, /* that a user has for sure */
};

enum connection_state {
	FREE,
	READING, /* a head, a body, or nothing yet */
	SERVED,	 /* a route has it */
	SENDING,
	LINGERING, /* answered, and closed as soon as the client does or time ends */
};

struct connection {
	enum connection_state state;
	struct watch watch;
	struct timer timer;
	const struct connection_place *place;
	bool is_running;	/* further down in the stack */
	bool is_gone;		/* the client is */
	bool is_last;		/* no request is read any more */
	bool has_ended;		/* the client sends no more */
	bool had_one;		/* a request */
	int64_t since_ms;	/* it waits for a request */
	size_t from, ahead_len; /* of AHEAD: what was not fed yet */
	char *out;		/* the answer, and how much of it is sent */
	size_t out_len, sent, lingered;
	uint8_t ahead[AHEAD];
	gid_t groups[ACCESS_GROUPS_MAX];
	struct web_peer peer;
	struct intake in;
};

static struct {
	struct loop *loop;
	const struct web_route *const *tables;
	struct connection at[CONNECTION_MAX + TURNED_MAX];
	bool is_ending;
} all;

static void run(struct connection *c);
static void reply(struct web *w, int status, const char *type, const char *more,
		  const void *body, size_t len);

static struct connection *owner_of(struct web *w)
{
	struct intake *in = LOOP_OWNER(w, struct intake, web);

	return LOOP_OWNER(in, struct connection, in);
}

static void set_deadline(struct connection *c, int64_t ms)
{
	loop_timer(all.loop, &c->timer, loop_now_ms(all.loop) + ms);
}

/* --- the end --- */

static void drop_answer(struct connection *c)
{
	if (c->out)
		explicit_bzero(c->out, c->out_len);
	free(c->out);
	c->out = NULL;
	c->out_len = c->sent = 0;
}

static void end(struct connection *c)
{
	loop_untimer(all.loop, &c->timer);
	loop_remove(all.loop, &c->watch);
	close(c->watch.fd);
	drop_answer(c);
	intake_reset(&c->in);
	explicit_bzero(c->ahead, c->ahead_len);
	c->state = FREE;
}

/* A close with bytes unread would take the answer from the client. */
static void begin_to_linger(struct connection *c)
{
	if (c->is_gone || shutdown(c->watch.fd, SHUT_WR) < 0) {
		end(c);
		return;
	}
	explicit_bzero(c->ahead, c->ahead_len);
	c->ahead_len = c->from = c->lingered = 0;
	c->state = LINGERING;
	set_deadline(c, LINGER_MS);
}

/* --- the next request --- */

static void prepare(struct connection *c)
{
	intake_reset(&c->in);
	c->in.web.reply = reply;
	c->in.web.peer = c->peer;
	c->in.web.dialect = c->place->dialect;
	c->in.web.origin = c->place->origin;
	c->state = READING;
	c->since_ms = loop_now_ms(all.loop);
	set_deadline(c, c->had_one && c->from == c->ahead_len ?
				CONNECTION_IDLE_MS :
				CONNECTION_HEAD_MS);
}

/* --- answers --- */

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return status < 400 ? "OK" : "Error";
}

/* The head and the body of an answer, one after the other. False: there is no memory. */
static bool compose(struct connection *c, int status, const char *type,
		    const char *more, const void *body, size_t len)
{
	bool is_head = c->in.is_head;
	size_t cap = HEAD_OUT + strlen(more) + strlen(type) + len;
	int n;

	drop_answer(c);
	c->out = malloc(cap);
	if (!c->out)
		return false;
	c->out_len = cap;
	n = snprintf(
		c->out, cap,
		"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		"Cache-Control: no-store\r\n%sConnection: %s\r\n\r\n",
		status, reason_of(status), type, len, more,
		c->is_last ? "close" : "keep-alive");
	if (n < 0 || (size_t)n + len >= cap)
		return false;
	if (len > 0 && !is_head)
		memcpy(c->out + n, body, len);
	c->out_len = (size_t)n + (is_head ? 0 : len);
	return true;
}

static void reply(struct web *w, int status, const char *type, const char *more,
		  const void *body, size_t len)
{
	struct connection *c = owner_of(w);

	if (c->state == SENDING || c->state == FREE)
		return;
	/* Of a request that was not read to its end the next one is unknown. */
	if (c->in.state != INTAKE_DONE || !c->in.keeps_alive || c->has_ended ||
	    all.is_ending)
		c->is_last = true;
	w->own = NULL;
	if (c->is_gone || len > WEB_ANSWER_MAX || strlen(more) > WEB_MORE_MAX ||
	    !compose(c, status, type, more, body, len)) {
		c->is_gone = true;
		drop_answer(c);
	}
	c->state = SENDING;
	set_deadline(c, CONNECTION_SEND_MS);
	run(c);
}

/* --- a request --- */

static void choose_form(struct web *w)
{
	static const struct {
		const char *type;
		enum web_form form;
	} forms[] = {
		{ "application/json", WEB_JSON },
		{ "application/cbor", WEB_CBOR },
		{ "application/octet-stream", WEB_OCTETS },
	};
	const char *accept = web_header(w, "accept"), *at = NULL, *found;

	for (size_t i = 0; accept && i < sizeof(forms) / sizeof(forms[0]);
	     i++) {
		found = strcasestr(accept, forms[i].type);
		if (found && (!at || found < at)) {
			at = found;
			w->form = forms[i].form;
			w->has_accept = true;
		}
	}
}

/* Decides by the head alone. True: the request goes on. */
static bool admit(struct connection *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct web *w = &c->in.web;
	char allow[ROUTER_ALLOW] = "", body[WEB_ERROR_MAX];
	const char *why = c->place->is_local ? NULL : access_refuses(w);
	int status = 0;

	choose_form(w);
	if (why) {
		web_refuse(w, 403, "not_local", why);
		return false;
	}
	w->route = router_find(all.tables, w, &status, allow);
	if (!w->route) {
		web_answer_with(
			w, status, "application/json", allow, body,
			web_error_body(body,
				       status == 404 ? "no_route" : "no_method",
				       status == 404 ?
					       "there is nothing at this path" :
					       "not with this method"));
		return false;
	}
	if (!access_may(&w->peer, w->route->subject)) {
		web_refuse(w, 403, "not_allowed",
			   w->peer.is_known ?
				   "no rule allows it to this user" :
				   "no rule allows it to those on loopback");
		return false;
	}
	set_deadline(c, CONNECTION_BODY_MS);
	/* A client that does not get it sends its body after a while. */
	if (c->in.wants_continue && c->from == c->ahead_len)
		(void)send(c->watch.fd, go_on, sizeof(go_on) - 1,
			   MSG_NOSIGNAL | MSG_DONTWAIT);
	return true;
}

static void serve(struct connection *c)
{
	struct web *w = &c->in.web;

	loop_untimer(all.loop, &c->timer);
	c->state = SERVED;
	c->had_one = true;
	w->route->serve(w);
}

/* Returns whether there is more to do at once. */
static bool feed(struct connection *c)
{
	size_t used;
	enum intake_state s = intake_feed(&c->in, c->ahead + c->from,
					  c->ahead_len - c->from, &used);

	c->from += used;
	if (s == INTAKE_HEAD && !c->in.has_body)
		s = intake_feed(&c->in, NULL, 0, &used);
	if (s == INTAKE_HEAD || s == INTAKE_DONE) {
		if (!c->in.web.route && !admit(c))
			return true;
		if (s == INTAKE_HEAD)
			s = intake_feed(&c->in, NULL, 0, &used);
	}
	if (s == INTAKE_BAD)
		web_refuse(&c->in.web, c->in.status, c->in.code, c->in.why);
	else if (s == INTAKE_DONE)
		serve(c);
	else
		return c->from < c->ahead_len;
	return true;
}

/* Returns the number of bytes, 0: none now or ever again. */
static size_t fill(struct connection *c)
{
	ssize_t n = recv(c->watch.fd, c->ahead, sizeof(c->ahead), MSG_DONTWAIT);

	c->from = 0;
	c->ahead_len = n > 0 ? (size_t)n : 0;
	if (n == 0)
		c->has_ended = true;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		c->is_gone = true;
	return c->ahead_len;
}

static bool read_on(struct connection *c, int *reads)
{
	bool was_idle = !c->in.has_begun;

	if (c->from < c->ahead_len || c->in.state == INTAKE_HEAD)
		return feed(c);
	if (*reads == 0)
		return false;
	--*reads;
	if (fill(c) > 0) {
		if (was_idle && c->had_one)
			set_deadline(c, CONNECTION_HEAD_MS);
		return true;
	}
	if (c->has_ended || c->is_gone)
		end(c);
	return false;
}

static bool send_on(struct connection *c)
{
	ssize_t n;

	while (!c->is_gone && c->sent < c->out_len) {
		n = send(c->watch.fd, c->out + c->sent, c->out_len - c->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0)
			c->is_gone = true;
		else
			c->sent += (size_t)n;
	}
	drop_answer(c);
	if (c->is_gone)
		end(c);
	else if (c->is_last)
		begin_to_linger(c);
	else
		prepare(c);
	return true;
}

static void linger(struct connection *c)
{
	uint8_t waste[AHEAD];
	ssize_t n = recv(c->watch.fd, waste, sizeof(waste), MSG_DONTWAIT);

	if (n > 0)
		c->lingered += (size_t)n;
	if (n == 0 || c->lingered > LINGER_MAX ||
	    (n < 0 && errno != EAGAIN && errno != EINTR))
		end(c);
}

static void wait_for_more(struct connection *c)
{
	switch (c->state) {
	case READING:
	case LINGERING:
		loop_change(all.loop, &c->watch, EPOLLIN);
		break;
	case SENDING:
		loop_change(all.loop, &c->watch, EPOLLOUT);
		break;
	case SERVED:
		loop_change(all.loop, &c->watch, 0);
		break;
	case FREE:
	default:
		break;
	}
}

/* As far as it gets without waiting. What answers within it comes back to it. */
static void run(struct connection *c)
{
	int reads = READS;
	bool again = true;

	if (c->is_running)
		return;
	c->is_running = true;
	while (again)
		switch (c->state) {
		case READING:
			again = read_on(c, &reads);
			break;
		case SENDING:
			again = send_on(c);
			break;
		case LINGERING:
			linger(c);
			again = false;
			break;
		case SERVED:
		case FREE:
		default:
			again = false;
			break;
		}
	c->is_running = false;
	wait_for_more(c);
}

/* --- events --- */

static void on_ready(struct watch *s, uint32_t events)
{
	struct connection *c = LOOP_OWNER(s, struct connection, watch);

	/* It would be reported again in each turn. */
	if (c->state == SERVED) {
		if (events & (EPOLLHUP | EPOLLERR)) {
			c->is_gone = true;
			loop_remove(all.loop, s);
		}
		return;
	}
	run(c);
}

static void on_due(struct timer *t)
{
	struct connection *c = LOOP_OWNER(t, struct connection, timer);

	if (c->state == READING && c->in.has_begun) {
		c->is_last = true;
		web_refuse(&c->in.web, 408, "too_slow",
			   c->in.is_head_done ?
				   "the body was not there in time" :
				   "the head was not there in time");
	} else {
		end(c);
	}
}

/* --- the beginning --- */

void connection_open(struct loop *loop, const struct web_route *const *tables)
{
	all.loop = loop;
	all.tables = tables;
}

/* Who it is. False: the kernel does not say it, where it must. */
static bool identify(int fd, bool is_local, struct web_peer *ret,
		     gid_t groups[ACCESS_GROUPS_MAX])
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	*ret = (struct web_peer){ .groups = groups };
	if (!is_local)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	ret->is_known = true;
	ret->uid = cred.uid;
	ret->gid = cred.gid;
	ret->pid = cred.pid;
	len = ACCESS_GROUPS_MAX * sizeof(gid_t);
	/* Before Linux 4.13, and of more groups than there is room for: the first one alone. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		ret->group_count = len / sizeof(gid_t);
	return true;
}

static bool is_same_user(const struct web_peer *a, const struct web_peer *b)
{
	return a->is_known == b->is_known && (!a->is_known || a->uid == b->uid);
}

static size_t count_of(const struct web_peer *p)
{
	size_t n = 0;

	for (size_t i = 0; i < CONNECTION_MAX; i++)
		n += all.at[i].state != FREE &&
		     is_same_user(&all.at[i].peer, p);
	return n;
}

/* True if nothing of it waits to be read: its turn may come after that of a listener. */
static bool is_silent(const struct connection *c)
{
	char byte;

	return recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* True of one that was answered, and of which nothing has come since. */
static bool is_idle(const struct connection *c)
{
	return c->state == READING && c->had_one && !c->in.has_begun &&
	       is_silent(c);
}

/* Of a user with more than a share, for one with less: that which has not sent its request for the longest time. */
static struct connection *find_crowding(const struct web_peer *p)
{
	struct connection *oldest = NULL;

	if (count_of(p) >= SHARE)
		return NULL;
	for (size_t i = 0; i < CONNECTION_MAX; i++) {
		struct connection *c = &all.at[i];

		if (c->state == READING && count_of(&c->peer) > SHARE &&
		    (!oldest || c->since_ms < oldest->since_ms) && is_silent(c))
			oldest = c;
	}
	return oldest;
}

static struct connection *find_free(const struct web_peer *p)
{
	struct connection *oldest = NULL;

	for (size_t i = 0; i < CONNECTION_MAX; i++) {
		struct connection *c = &all.at[i];

		if (c->state == FREE)
			return c;
		/* One that was answered, and only waits, makes room. */
		if ((!oldest || c->since_ms < oldest->since_ms) && is_idle(c))
			oldest = c;
	}
	if (!oldest)
		oldest = find_crowding(p);
	if (oldest)
		end(oldest);
	return oldest;
}

/* One of loopback. */
static struct connection *find_idle(void)
{
	struct connection *oldest = NULL;

	for (size_t i = 0; i < CONNECTION_MAX; i++) {
		struct connection *c = &all.at[i];

		if (!c->peer.is_known &&
		    (!oldest || c->since_ms < oldest->since_ms) && is_idle(c))
			oldest = c;
	}
	return oldest;
}

bool connection_has_room(const struct connection_place *place)
{
	static const struct web_peer unknown = { .is_known = false };
	struct connection *idle;

	if (place->is_local || count_of(&unknown) < CONNECTION_USER_MAX)
		return true;
	idle = find_idle();
	if (idle)
		end(idle);
	return idle;
}

static void begin(struct connection *c, int fd,
		  const struct connection_place *place)
{
	c->place = place;
	c->watch = (struct watch){ .ready = on_ready, .fd = fd };
	c->timer = (struct timer){ .due = on_due };
	c->is_gone = c->is_last = c->has_ended = c->had_one = false;
	c->from = c->ahead_len = 0;
	prepare(c);
	if (loop_add(all.loop, &c->watch, EPOLLIN) < 0)
		end(c);
}

static struct connection *find_turned(void)
{
	for (size_t i = CONNECTION_MAX; i < CONNECTION_MAX + TURNED_MAX; i++)
		if (all.at[i].state == FREE)
			return &all.at[i];
	return NULL;
}

static void turn_away(int fd, const struct connection_place *place, int status,
		      const char *code, const char *message)
{
	char body[WEB_ERROR_MAX], out[WEB_ERROR_MAX + HEAD_OUT];
	size_t len = web_error_body(body, code, message);
	struct connection *c = find_turned();
	int n = snprintf(out, sizeof(out),
			 "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
			 "Content-Length: %zu\r\nRetry-After: 1\r\n"
			 "Connection: close\r\n\r\n%.*s",
			 status, reason_of(status), len, (int)len, body);

	/* What it has sent is read, and so its answer is not lost. */
	if (!c || n <= 0 ||
	    send(fd, out, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		close(fd);
		return;
	}
	begin(c, fd, place);
	if (c->state != FREE)
		begin_to_linger(c);
	wait_for_more(c);
}

void connection_take(int fd, const struct connection_place *place)
{
	struct connection *c;
	gid_t groups[ACCESS_GROUPS_MAX];
	struct web_peer peer;

	if (!identify(fd, place->is_local, &peer, groups)) {
		close(fd);
		return;
	}
	if (count_of(&peer) >= CONNECTION_USER_MAX) {
		turn_away(fd, place, 429, "too_many_connections",
			  "this user has 32 connections");
		return;
	}
	c = find_free(&peer);
	if (!c) {
		turn_away(fd, place, 503, "too_many_connections",
			  "there are 64 connections");
		return;
	}
	memcpy(c->groups, groups, sizeof(groups));
	c->peer = peer;
	c->peer.groups = c->groups;
	begin(c, fd, place);
}

void connection_forget(const struct web *w)
{
	for (size_t i = 0; i < CONNECTION_MAX + TURNED_MAX; i++) {
		struct connection *c = &all.at[i];

		if (c->state == FREE)
			continue;
		close(c->watch.fd);
		if (&c->in.web == w)
			continue;
		drop_answer(c);
		intake_reset(&c->in);
		explicit_bzero(c->ahead, c->ahead_len);
	}
}

bool connection_end(void)
{
	bool is_none = true;

	all.is_ending = true;
	for (size_t i = 0; i < CONNECTION_MAX + TURNED_MAX; i++) {
		struct connection *c = &all.at[i];

		if (c->state == LINGERING ||
		    (c->state == READING && !c->in.has_begun))
			end(c);
		is_none = is_none && c->state == FREE;
	}
	return is_none;
}
