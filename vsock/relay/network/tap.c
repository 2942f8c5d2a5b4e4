#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock/relay/flow/dial.h"
#include "vsock/relay/flow/loop.h"
#include "vsock/relay/flow/notice.h"
#include "vsock/relay/flow/service.h"
#include "vsock/relay/network/device.h"
#include "vsock/relay/wire/filter.h"
#include "vsock/relay/wire/frame.h"

/*
 * tap: a network device whose frames go over one connection to the parent. The device
 * stays while the connection comes and goes; what it sends meanwhile is dropped.
 */

enum {
	WRITE_MAX = 32768, /* of one packet of vsock */
	READ_MAX = 65536,  /* more than the longest frame */
	READS = 8,	   /* of the connection, a turn */
	DROPS = 64,	   /* frames that nobody takes, a turn */
	DIAL_MS = 5000,
	BACKOFF_FIRST_MS = 50,
	BACKOFF_LAST_MS = 5000,
	REPORT_MS = 60000,
	/*
	 * vsock can be written to when it has room for one byte: after a short write the
	 * next one waits, or a slow parent gets a packet for each few bytes.
	 */
	SHORT = 4096,
	SHORT_MS = 1,
	/* gvproxy answers the first frame, or it has lost the way. */
	PROBE_MS = 1000,
	PAUSE_LAST_MS = 1600,
};

enum tap_state {
	TAP_DOWN, /* until the timer is due */
	TAP_DIALLING,
	TAP_PAUSING, /* until gvproxy is ready */
	TAP_PROBING, /* until the first frame arrives */
	TAP_UP,
};

/* Why there is no connection. */
enum tap_loss {
	TAP_ERROR, /* of errno */
	TAP_CLOSED,
	TAP_LENGTH,
	TAP_PROBE,
	TAP_LOSSES,
};

static struct {
	const struct plan_tap *plan;
	struct loop *loop;
	enum tap_state state;
	struct source device, link;
	struct dial dial;
	struct timer timer, rest;
	bool is_resting; /* after a short write */
	struct filter filter;
	struct frame_reader in;
	size_t out_at,
		out_len; /* of OUT: what the connection does not take yet */
	int64_t backoff_ms, pause_ms;
	int64_t reported_ms[TAP_LOSSES]; /* 0: never */
} tap;

static uint8_t in[READ_MAX], out[WRITE_MAX];

static void lose(enum tap_loss loss, int error);
static void give_up(void);

static enum frame_format format(void)
{
	return tap.plan->framing == PLAN_FRAMING_QEMU ? FRAME_QEMU :
							FRAME_GVPROXY;
}

static size_t frame_max(void)
{
	return tap.plan->mtu + FILTER_ETHER;
}

static bool is_connected(void)
{
	return tap.state == TAP_PROBING || tap.state == TAP_UP;
}

/* --- From the device to the parent -------------------------------------------------- */

/* Nothing is read of the device while something waits, or may not be sent yet. */
static void wait_for(void)
{
	bool is_full = tap.out_len > 0;

	loop_change(tap.loop, &tap.device,
		    is_full || tap.state == TAP_PAUSING ? 0 : EPOLLIN);
	if (tap.link.fd >= 0)
		loop_change(tap.loop, &tap.link,
			    EPOLLIN | (is_full && !tap.is_resting ?
					       (uint32_t)EPOLLOUT :
					       0));
}

static void rest(void)
{
	tap.is_resting = true;
	loop_timer(tap.loop, &tap.rest, loop_now_ms(tap.loop) + SHORT_MS);
}

static void rested(struct timer *t)
{
	(void)t;
	tap.is_resting = false;
	wait_for();
}

/* Writes what waits. Returns 0 or -errno. */
static int flush(void)
{
	ssize_t n = 0;

	while (tap.out_len > 0 && !tap.is_resting) {
		n = send(tap.link.fd, out + tap.out_at, tap.out_len,
			 MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		tap.out_at += (size_t)n;
		tap.out_len -= (size_t)n;
		if (tap.out_len > 0 && n < SHORT)
			rest();
	}
	if (tap.out_len == 0)
		tap.out_at = 0;
	return 0;
}

/* Reads frames of the device for one write, as many as are there and fit. */
static void fill(void)
{
	size_t head = frame_head_len(format());
	uint8_t *at;
	ssize_t n;

	while (WRITE_MAX - tap.out_len >= head + frame_max()) {
		at = out + tap.out_len;
		n = read(tap.device.fd, at + head, frame_max());
		if (n <= 0)
			break;
		if (!filter_out(&tap.filter, at + head, (size_t)n,
				loop_now_ms(tap.loop)))
			continue;
		tap.out_len += frame_head(format(), (size_t)n, at) + (size_t)n;
	}
}

static void drop_frames(void)
{
	for (int i = 0; i < DROPS; i++)
		if (read(tap.device.fd, out, sizeof(out)) <= 0)
			break;
}

static void device_ready(struct source *s, uint32_t events)
{
	int r;

	(void)s;
	if (events & EPOLLERR) {
		give_up();
		return;
	}
	if (!is_connected()) {
		drop_frames();
		return;
	}
	if (tap.out_len == 0)
		fill();
	r = flush();
	if (r < 0)
		lose(TAP_ERROR, -r);
	else
		wait_for();
}

/* --- From the parent to the device -------------------------------------------------- */

/* Who sends to this MAC has read the frame that said it. */
static void note_frame(const uint8_t *frame)
{
	if (memcmp(frame, tap.plan->mac, sizeof(tap.plan->mac)) != 0)
		return;
	if (tap.state == TAP_PROBING)
		tap.state = TAP_UP;
	tap.backoff_ms = 0;
}

/* What the device does not take is lost, as in any network. */
static int take_frames(void)
{
	const uint8_t *frame;
	size_t len;
	int r;

	while ((r = frame_next(&tap.in, &frame, &len)) > 0) {
		note_frame(frame);
		if (filter_in(&tap.filter, frame, len, loop_now_ms(tap.loop)))
			(void)!write(tap.device.fd, frame, len);
	}
	return r;
}

/* Returns 1 if there may be more, 0, or -errno; or -ENODATA at the end. */
static int read_link(void)
{
	uint8_t *room;
	size_t len;
	ssize_t n;
	int r;

	room = frame_room(&tap.in, &len);
	n = recv(tap.link.fd, room, len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ENOTCONN)
		return -errno;
	if (n <= 0)
		return -ENODATA;
	frame_fill(&tap.in, (size_t)n);
	r = take_frames();
	return r < 0 ? r : 1;
}

static void link_ready(struct source *s, uint32_t events)
{
	int r = 1;

	(void)s;
	if (events & EPOLLOUT && is_connected())
		r = flush() < 0 ? -EPIPE : 1;
	for (int i = 0; r > 0 && i < READS; i++)
		r = read_link();
	if (r == -EMSGSIZE)
		lose(TAP_LENGTH, 0);
	else if (r == -ENODATA)
		lose(TAP_CLOSED, 0);
	else if (r < 0)
		lose(TAP_ERROR, -r);
	else
		wait_for();
}

/* --- The connection ----------------------------------------------------------------- */

static void set_timer(int64_t ms)
{
	loop_timer(tap.loop, &tap.timer, loop_now_ms(tap.loop) + ms);
}

/* Each reason once a minute: the parent decides how often there is one. */
static void report(enum tap_loss loss, int error)
{
	static const char *const words[] = {
		[TAP_CLOSED] = "the parent has closed the connection",
		[TAP_LENGTH] = "a frame has a length that cannot be",
		[TAP_PROBE] = "the gateway does not answer",
	};
	int64_t now_ms = loop_now_ms(tap.loop), *last = &tap.reported_ms[loss];

	if (*last && now_ms - *last < REPORT_MS)
		return;
	*last = now_ms;
	notice_of(&tap.plan->target, "%s; the network waits for it",
		  loss == TAP_ERROR ? strerror(error) : words[loss]);
}

static void close_link(void)
{
	if (tap.link.fd < 0)
		return;
	loop_remove(tap.loop, &tap.link);
	(void)close(tap.link.fd);
	tap.link.fd = -1;
}

/* Somebody inside has removed the device, which this process may not make again. */
static void give_up(void)
{
	notice(DEVICE_NAME, "it was removed; there is no network any more");
	loop_remove(tap.loop, &tap.device);
	loop_untimer(tap.loop, &tap.timer);
	loop_untimer(tap.loop, &tap.rest);
	dial_cancel(&tap.dial);
	close_link();
}

static void lose(enum tap_loss loss, int error)
{
	close_link();
	report(loss, error);
	tap.state = TAP_DOWN;
	tap.out_at = 0;
	tap.out_len = 0;
	tap.is_resting = false;
	loop_untimer(tap.loop, &tap.rest);
	tap.backoff_ms = tap.backoff_ms ? tap.backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (tap.backoff_ms > BACKOFF_LAST_MS)
		tap.backoff_ms = BACKOFF_LAST_MS;
	set_timer(tap.backoff_ms);
	wait_for();
}

/* The first frame, of which gvproxy's answer shows that it reads where frames begin. */
static void probe(void)
{
	uint8_t frame[FILTER_PROBE];
	int r;

	filter_probe(tap.plan, frame);
	tap.out_len = frame_head(format(), sizeof(frame), out);
	memcpy(out + tap.out_len, frame, sizeof(frame));
	tap.out_len += sizeof(frame);
	tap.state = TAP_PROBING;
	set_timer(PROBE_MS);
	r = flush();
	if (r < 0)
		lose(TAP_ERROR, -r);
	else
		wait_for();
}

static void dialled(void *ctx, int fd)
{
	size_t len = strlen(frame_gvproxy_hello);
	int r;

	(void)ctx;
	if (fd < 0) {
		lose(TAP_ERROR, -fd);
		return;
	}
	tap.link.fd = fd;
	tap.link.ready = link_ready;
	r = loop_add(tap.loop, &tap.link, EPOLLIN);
	if (r < 0) {
		(void)close(fd);
		tap.link.fd = -1;
		lose(TAP_ERROR, -r);
		return;
	}
	tap.in.start = 0;
	tap.in.end = 0;
	tap.state = TAP_UP;
	if (format() != FRAME_GVPROXY) {
		wait_for();
		return;
	}
	tap.state = TAP_PAUSING;
	if (send(fd, frame_gvproxy_hello, len, MSG_NOSIGNAL) != (ssize_t)len) {
		lose(TAP_ERROR, EPIPE);
		return;
	}
	set_timer(tap.pause_ms);
	wait_for();
}

static void due(struct timer *t)
{
	(void)t;
	if (tap.state == TAP_DOWN) {
		tap.state = TAP_DIALLING;
		dial_start(&tap.dial, tap.loop, &tap.plan->target, 0, DIAL_MS,
			   dialled, NULL);
	} else if (tap.state == TAP_PAUSING) {
		probe();
	} else if (tap.state == TAP_PROBING) {
		tap.pause_ms *= 2;
		if (tap.pause_ms > PAUSE_LAST_MS)
			tap.pause_ms = PAUSE_LAST_MS;
		lose(TAP_PROBE, 0);
	}
}

/* --- The service -------------------------------------------------------------------- */

static int bind_device(const struct plan *p, struct service_fault *reterr)
{
	const char *what;
	int fd = device_open(&p->tap, &what);

	tap.plan = &p->tap;
	tap.link.fd = -1;
	if (fd < 0)
		return service_fail(reterr, p->tap.line, what, -fd);
	tap.device.fd = fd;
	return 0;
}

static int start(const struct service_work *w)
{
	tap.loop = w->loop;
	tap.timer.due = due;
	tap.rest.due = rested;
	tap.pause_ms = FRAME_PAUSE_MS;
	tap.device.ready = device_ready;
	filter_open(&tap.filter, tap.plan);
	tap.in = (struct frame_reader){ .format = format(),
					.min = FILTER_ETHER,
					.max = frame_max() + FILTER_VLAN,
					.buf = in,
					.cap = sizeof(in) };
	set_timer(0);
	return loop_add(w->loop, &tap.device, EPOLLIN);
}

const struct service tap_service = {
	.name = "tap",
	.is_single = true,
	.is_wanted = plan_wants_tap,
	.bind = bind_device,
	.start = start,
};
