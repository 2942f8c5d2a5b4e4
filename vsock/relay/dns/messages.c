#include "vsock/relay/dns/messages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	WRITE_MAX = 32768, /* of one packet of vsock */
	DNS_MIN = 12,
};

int messages_open(struct messages *m, struct loop *l, int fd, size_t max,
		  size_t out_max, void (*ready)(struct source *s, uint32_t))
{
	size_t cap = max + FRAME_HEAD_MAX;
	int r;

	*m = (struct messages){ .source = { .ready = ready, .fd = fd },
				.loop = l,
				.out_max = out_max,
				.events = EPOLLIN };
	m->in = (struct frame_reader){ .format = FRAME_DNS,
				       .min = DNS_MIN,
				       .max = max,
				       .buf = malloc(cap),
				       .cap = cap };
	r = m->in.buf ? loop_add(l, &m->source, m->events) : -ENOMEM;
	if (r == 0)
		return 0;
	free(m->in.buf);
	m->in.buf = NULL;
	m->source.fd = -1;
	(void)close(fd);
	return r;
}

static void wait_for(struct messages *m)
{
	uint32_t events = (m->is_paused ? 0 : (uint32_t)EPOLLIN) |
			  (m->out_len > 0 ? (uint32_t)EPOLLOUT : 0);

	if (events == m->events)
		return;
	m->events = events;
	loop_change(m->loop, &m->source, events);
}

/* Writes what waits, as far as it goes. */
static int flush(struct messages *m)
{
	size_t len;
	ssize_t n;

	while (m->out_len > 0) {
		len = m->out_len < WRITE_MAX ? m->out_len : WRITE_MAX;
		n = send(m->source.fd, m->out + m->out_at, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		m->out_at += (size_t)n;
		m->out_len -= (size_t)n;
	}
	if (m->out_len == 0) {
		free(m->out);
		m->out = NULL;
		m->out_at = 0;
	}
	wait_for(m);
	return 0;
}

int messages_ready(struct messages *m, uint32_t events)
{
	uint8_t *room;
	size_t len;
	ssize_t n;
	int r;

	if (events & EPOLLOUT) {
		r = flush(m);
		if (r < 0)
			return r;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return -EAGAIN;
	room = frame_room(&m->in, &len);
	/* The owner has paused and takes the rest first, if it can still answer. */
	if (len == 0)
		return events & (EPOLLHUP | EPOLLERR) ? 0 : -EAGAIN;
	n = recv(m->source.fd, room, len, 0);
	if (n < 0)
		return errno == ENOTCONN ? 0 :
		       errno == EINTR	 ? -EAGAIN :
					   -errno;
	frame_fill(&m->in, (size_t)n);
	return n > 0;
}

int messages_next(struct messages *m, const uint8_t **ret, size_t *ret_len)
{
	return frame_next(&m->in, ret, ret_len);
}

/* Makes room for LEN bytes behind those that wait. */
static bool reserve(struct messages *m, size_t len)
{
	uint8_t *out;

	if (m->out_len + len > m->out_max)
		return false;
	if (m->out_len > 0 && m->out_at > 0)
		memmove(m->out, m->out + m->out_at, m->out_len);
	m->out_at = 0;
	out = realloc(m->out, m->out_len + len);
	if (!out)
		return false;
	m->out = out;
	return true;
}

int messages_send(struct messages *m, const uint8_t *message, size_t len)
{
	uint8_t head[FRAME_HEAD_MAX];
	size_t n = frame_head(FRAME_DNS, len, head);
	bool is_idle = m->out_len == 0;

	if (!reserve(m, n + len))
		return -ENOBUFS;
	memcpy(m->out + m->out_len, head, n);
	memcpy(m->out + m->out_len + n, message, len);
	m->out_len += n + len;
	/* What waits already goes first, as soon as it can. */
	return is_idle ? flush(m) : 0;
}

bool messages_are_waiting(const struct messages *m)
{
	return m->out_len > 0;
}

void messages_pause(struct messages *m, bool yes)
{
	m->is_paused = yes;
	wait_for(m);
}

void messages_close(struct messages *m)
{
	if (m->source.fd < 0)
		return;
	loop_remove(m->loop, &m->source);
	(void)close(m->source.fd);
	m->source.fd = -1;
	free(m->in.buf);
	free(m->out);
	m->in.buf = NULL;
	m->out = NULL;
	m->out_len = 0;
	m->out_at = 0;
}
