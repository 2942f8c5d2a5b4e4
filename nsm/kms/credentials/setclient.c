#include "nsm/kms/credentials/setclient.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsm/kms/credentials/frame.h"
#include "nsm/kms/credentials/frames.h"
#include "nsm/kms/credentials/reason.h"
#include "vsock/io.h"
#include "vsock/sock.h"

enum { SILENT_MS = 10000 };

static int64_t at_most(int64_t deadline_ms)
{
	int64_t left = deadline_ms - io_now_ms();

	if (left < 0)
		return 0;
	return left < SILENT_MS ? left : SILENT_MS;
}

/* One frame, one answer; true: it had credentials. */
static bool take_frame(struct frames *f, const char *end, int64_t deadline_ms,
		       struct kmsc_credentials *ret)
{
	struct frame *frame = malloc(sizeof(*frame));
	const char *why;
	bool has = false;

	if (!frame)
		return false;
	why = frame_read(f->buf, (size_t)(end - f->buf), false, frame);
	frames_drop(f, end);
	if (!why && frame->kind == FRAME_OTHER)
		why = "Operation not recognized";
	if (!why) {
		*ret = frame->credentials;
		has = true;
	}
	(void)frames_answer(f, !why, why, at_most(deadline_ms));
	frame_free(frame);
	free(frame);
	return has;
}

static bool serve(int fd, int64_t deadline_ms, struct kmsc_credentials *ret)
{
	struct frames *f = calloc(1, sizeof(*f));
	bool has = false;
	char *end;

	if (!f)
		return false;
	f->fd = fd;
	while (!has && frames_next(f, at_most(deadline_ms),
				   at_most(deadline_ms), &end) == FRAMES_ONE)
		has = take_frame(f, end, deadline_ms, ret);
	explicit_bzero(f, sizeof(*f));
	free(f);
	return has;
}

/* 1: a connection was served without a result; 0: *RET is set. */
static int accept_one(int listener, const struct address *at,
		      int64_t deadline_ms, struct kmsc_credentials *ret)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int64_t left = deadline_ms - io_now_ms();
	uint32_t cid = 0;
	bool has = false;
	int fd;

	if (left <= 0)
		return -KMSC_E_NO_CREDENTIALS;
	if (poll(&p, 1, (int)left) <= 0)
		return 1;
	fd = sock_accept(listener, &cid);
	if (fd < 0)
		return fd == -EAGAIN || fd == -EINTR || fd == -ECONNABORTED ||
				       fd == -ECONNRESET ?
			       1 :
			       fd;
	if (at->cid == ADDRESS_CID_ANY || at->cid == cid)
		has = serve(fd, deadline_ms, ret);
	close(fd);
	return has ? 0 : 1;
}

int setclient_wait(const struct address *at, int64_t deadline_ms,
		   struct kmsc_credentials *ret, char words[KMSC_WORDS_SIZE])
{
	int listener = sock_listen(at->port, 0), r = 1;

	if (listener < 0)
		return reason(words, listener,
			      "cannot listen on vsock port %u: %s", at->port,
			      strerror(-listener));
	while (r > 0)
		r = accept_one(listener, at, deadline_ms, ret);
	close(listener);
	if (r == -KMSC_E_NO_CREDENTIALS)
		return reason(words, r,
			      "nobody has sent a SetClient to vsock port %u",
			      at->port);
	return r < 0 ? reason(words, r, "vsock port %u: %s", at->port,
			      strerror(-r)) :
		       0;
}
