#include "nsm/kms/net/exchange.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nsm/kms/net/dial.h"
#include "vsock/io.h"

_Static_assert((int)KMSC_WORDS_SIZE == (int)DIAL_WORDS_SIZE &&
		       (int)KMSC_WORDS_SIZE == (int)TLS_WORDS_SIZE,
	       "words fit");

enum { PIECE = 4096 };

static int fail(struct exchange_fault *f, enum kmsc_step step, int r,
		const char *words)
{
	f->step = step;
	if (words)
		(void)snprintf(f->words, sizeof(f->words), "%s", words);
	return r;
}

/* True for what the peer, or the way to it, may do otherwise the next time. */
static bool is_passing(int r)
{
	switch (-r) {
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EAGAIN: /* a UNIX socket's queue is full */
	case ENOENT: /* there is no such socket yet */
		return true;
	default:
		return false;
	}
}

int exchange_open(struct exchange *e, const struct address *to,
		  const struct tls_setup *setup, int64_t deadline_ms,
		  struct exchange_fault *reterr)
{
	int r;

	*e = (struct exchange){ .fd = -1 };
	r = dial_connect(to, deadline_ms, reterr->words);
	if (r == -ETIMEDOUT && io_now_ms() >= deadline_ms)
		return fail(reterr, KMSC_STEP_CONNECT, -KMSC_E_TIMEOUT, NULL);
	if (r < 0)
		return fail(reterr, KMSC_STEP_CONNECT,
			    is_passing(r) ? -KMSC_E_CONNECT : r, NULL);
	e->fd = r;
	if (!setup)
		return 0;
	r = tls_connect(setup, e->fd, deadline_ms, &e->tls, reterr->words);
	if (r == 0)
		return 0;
	exchange_close(e);
	return fail(reterr, KMSC_STEP_TLS, r, NULL);
}

/* --- without TLS --- */

static int plain_read(int fd, void *buf, size_t cap, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left;
	ssize_t n;

	for (;;) {
		left = deadline_ms - io_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		n = recv(fd, buf, cap, 0);
		if (n >= 0)
			return (int)n;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (errno == EAGAIN &&
		    poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left) < 0 &&
		    errno != EINTR)
			return -errno;
	}
}

static int plain_failed(struct exchange_fault *f, enum kmsc_step step, int r)
{
	if (r == -ETIMEDOUT)
		return fail(f, step, -KMSC_E_TIMEOUT, "no answer in time");
	if (r == -ECONNRESET || r == -EPIPE)
		return fail(f, step, -KMSC_E_CLOSED,
			    "the peer closed the connection");
	return fail(f, step, r, nsmc_error_text(r));
}

/* --- both --- */

int exchange_send(struct exchange *e, const void *buf, size_t len,
		  int64_t deadline_ms, struct exchange_fault *reterr)
{
	int r;

	if (e->tls) {
		r = tls_write(e->tls, buf, len, deadline_ms, reterr->words);
		return r < 0 ? fail(reterr, KMSC_STEP_SEND, r, NULL) : 0;
	}
	r = io_write_full(e->fd, buf, len, deadline_ms);
	return r < 0 ? plain_failed(reterr, KMSC_STEP_SEND, r) : 0;
}

static int refused(struct exchange_fault *f, const struct http_answer *answer)
{
	enum http_fault why = answer->fault;
	int r = -KMSC_E_HTTP;

	if (why == HTTP_FAULT_CUT)
		return fail(f, KMSC_STEP_ANSWER, -KMSC_E_CLOSED,
			    answer->status ?
				    "the peer closed it within the answer" :
				    "the peer closed it without an answer");
	if (why == HTTP_FAULT_BODY_TOO_LONG ||
	    why == HTTP_FAULT_HEAD_TOO_LONG ||
	    why == HTTP_FAULT_TOO_MANY_BYTES ||
	    why == HTTP_FAULT_TOO_MANY_LINES)
		r = -KMSC_E_TOO_LONG;
	return fail(f, KMSC_STEP_ANSWER, r, http_fault_text(why));
}

static int receive_piece(struct exchange *e, char *buf, int64_t deadline_ms,
			 struct exchange_fault *f)
{
	int n;

	if (e->tls) {
		n = tls_read(e->tls, buf, PIECE, deadline_ms, f->words);
		return n < 0 ? fail(f, KMSC_STEP_ANSWER, n, NULL) : n;
	}
	n = plain_read(e->fd, buf, PIECE, deadline_ms);
	return n < 0 ? plain_failed(f, KMSC_STEP_ANSWER, n) : n;
}

int exchange_receive(struct exchange *e, struct http_answer *answer,
		     int64_t deadline_ms, struct exchange_fault *reterr)
{
	char piece[PIECE];
	size_t used;
	int n, r;

	do {
		n = receive_piece(e, piece, deadline_ms, reterr);
		if (n < 0)
			r = n;
		else if (n == 0)
			r = http_answer_eof(answer) == 1 ?
				    1 :
				    refused(reterr, answer);
		else if ((r = http_answer_feed(answer, piece, (size_t)n,
					       &used)) < 0)
			r = refused(reterr, answer);
	} while (r == 0);
	explicit_bzero(piece, sizeof(piece));
	return r < 0 ? r : 0;
}

void exchange_close(struct exchange *e)
{
	tls_free(e->tls);
	e->tls = NULL;
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

int exchange_plain(const struct address *to, const void *request, size_t len,
		   struct http_answer *answer, int64_t deadline_ms,
		   struct exchange_fault *reterr)
{
	struct exchange e;
	int r;

	r = exchange_open(&e, to, NULL, deadline_ms, reterr);
	if (r < 0)
		return r;
	r = exchange_send(&e, request, len, deadline_ms, reterr);
	if (r == 0)
		r = exchange_receive(&e, answer, deadline_ms, reterr);
	exchange_close(&e);
	return r;
}
