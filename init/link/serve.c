#include "init/link/serve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "init/helper.h"
#include "init/link/client.h"
#include "init/link/sandbox.h"
#include "init/link/shared.h"
#include "init/link/stream.h"
#include "init/log.h"
#include "init/loop.h"
#include "rootfs/bind.h"
#include "vsock/io.h"
#include "vsock/sock.h"

enum {
	STATUS_MAX = 8, /* connections at a time */
	CONTROL_MAX = 4,
	LOCAL_MAX = 4,
	LOG_FIRST = 0,
	STATUS_FIRST = LOG_FIRST + CONFIG_LOG_READERS_MAX,
	CONTROL_FIRST = STATUS_FIRST + STATUS_MAX,
	LOCAL_FIRST = CONTROL_FIRST + CONTROL_MAX,
	CONSOLE_AT = LOCAL_FIRST + LOCAL_MAX,
	CLIENTS = CONSOLE_AT + 1,

	ANSWER_MAX = 256,
	EXCERPT_MAX = 65536,
	LOG_WINDOW = 128 * 1024,
	WINDOW = 64 * 1024,
	REST_MS =
		100, /* after a connection for which there was no descriptor */
	TAKES = 4,
	FLUSH_MS = 1000, /* a line that does not end is shown after that time */
	FINISH_MS = 900, /* for readers to take the rest */
	RATE_MS = 100,	 /* of log-rate, which is of a second */
	DIAL_MIN_MS = 50,
	DIAL_MAX_MS = 5000,
	RESEND = 256 * 1024, /* bytes that may have been on their way */
	LISTENERS = 4,
	POLL_MAX = LISTENERS + 1 + LINK_STREAMS_MAX + CLIENTS,
};

#define FOLDER "/run/enclave"
#define SOCKET FOLDER "/control"

static struct serve {
	const struct link_work *work;
	int channel;
	struct link_shared *shared;
	struct ring ring;
	struct link_state state; /* as it was read last */
	uint32_t state_version;
	struct client_view view;
	int listeners[LISTENERS];	    /* by enum link_what */
	int64_t flush_ms[LINK_STREAMS_MAX]; /* 0: no line is open */
	int64_t refill_ms;
	int64_t rest_ms; /* no connection is taken before; 0: none failed */
	int64_t dial_ms, dial_pause_ms; /* log = connect */
	bool is_finishing;
	int64_t finish_ms;
	struct client clients[CLIENTS];
	struct pollfd polls[POLL_MAX];
	size_t poll_count;
} s;

static char status_out[STATUS_MAX][RECORD_FULL_MAX];
static char control_out[CONTROL_MAX][ANSWER_MAX];
static char local_out[LOCAL_MAX][EXCERPT_MAX];

/* --- as root, before anything is given up --- */

static int cannot(const struct helper_job *job, enum link_what what, int error)
{
	const struct link_message m = { .news = LINK_CANNOT,
					.what = (uint8_t)what,
					.error = error };

	(void)send(job->channel, &m, sizeof(m), MSG_NOSIGNAL);
	return 1;
}

static int listen_local(void)
{
	static const struct sockaddr_un un = { .sun_family = AF_UNIX,
					       .sun_path = SOCKET };
	int fd, r = bind_own_folder(FOLDER, 0755);

	if (r < 0)
		return r;
	close(r);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(SOCKET); /* of a helper before */
	/* Nobody may connect before its mode is set: nobody is told of. */
	if (bind(fd, (const struct sockaddr *)&un, sizeof(un)) < 0 ||
	    chmod(SOCKET, 0600) < 0 || listen(fd, LOCAL_MAX) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static bool listens(const struct config_link *c, enum link_what what)
{
	switch (what) {
	case LINK_WHAT_LOG:
		return c->log == CONFIG_LOG_LISTEN;
	case LINK_WHAT_STATUS:
		return c->status != CONFIG_STATUS_OFF;
	case LINK_WHAT_CONTROL:
		return config_has_control(c);
	case LINK_WHAT_LOCAL:
		return c->control_local;
	case LINK_WHAT_MEMORY:
		break;
	}
	return false;
}

static int open_listener(const struct config_link *c, enum link_what what)
{
	switch (what) {
	case LINK_WHAT_LOG:
		return sock_listen(c->log_port, LOG_WINDOW);
	case LINK_WHAT_STATUS:
		return sock_listen(c->status_port, WINDOW);
	case LINK_WHAT_CONTROL:
		return sock_listen(c->control_port, WINDOW);
	case LINK_WHAT_LOCAL:
	case LINK_WHAT_MEMORY:
		break;
	}
	return listen_local();
}

int serve_prepare(const struct helper_job *job)
{
	const struct config_link *c = &job->work->config;

	for (int what = 0; what < LISTENERS; what++) {
		s.listeners[what] = -1;
		if (!listens(c, (enum link_what)what))
			continue;
		s.listeners[what] = open_listener(c, (enum link_what)what);
		if (s.listeners[what] < 0)
			return cannot(job, (enum link_what)what,
				      s.listeners[what]);
	}
	return 0;
}

/* --- what PID 1 says --- */

/* PID 1 may be writing it: then its next word comes, too. */
static void read_state(void)
{
	const uint32_t *version = &s.shared->version;
	uint32_t before = __atomic_load_n(version, __ATOMIC_SEQ_CST);
	struct link_state state = s.shared->state;

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (before % 2 != 0 ||
	    __atomic_load_n(version, __ATOMIC_SEQ_CST) != before ||
	    before == s.state_version)
		return;
	s.state_version = before;
	if (s.work->config.status == CONFIG_STATUS_FULL ||
	    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): snapshot.c zeroes all first */
	    memcmp(&state.record, &s.state.record, sizeof(state.record)) != 0)
		s.view.version++;
	s.state = state;
}

static void finish(int64_t now_ms)
{
	s.is_finishing = true;
	s.finish_ms = now_ms + FINISH_MS;
	for (size_t i = 0; s.view.ring && i < s.work->stream_count; i++)
		if (s.work->reads[i] >= 0)
			stream_end(s.shared, i, s.work->reads[i], &s.ring);
	s.view.is_final = true;
	for (size_t i = 0; i < CLIENTS; i++)
		reader_end(&s.clients[i].reader);
	/* There is nobody any more to command. */
	for (size_t i = CONTROL_FIRST; i < CONSOLE_AT; i++)
		if (!s.clients[i].has_heard_all)
			client_close(&s.clients[i]);
}

static void take_orders(void)
{
	uint8_t byte;
	ssize_t n;

	while ((n = recv(s.channel, &byte, 1, MSG_DONTWAIT)) == 1)
		read_state();
	if (n < 0)
		return;
	read_state();
	finish(s.view.now_ms);
}

/* --- connections --- */

static struct client *find_free(size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		if (s.clients[i].fd < 0)
			return &s.clients[i];
	return NULL;
}

static bool is_known_peer(int fd, enum link_what what, uint32_t cid)
{
	struct ucred u = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(u);

	if (what != LINK_WHAT_LOCAL)
		return cid == SOCK_CID_PARENT || cid == SOCK_CID_HOST;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len) == 0 &&
	       u.uid == 0;
}

static int take_connection(enum link_what what, uint32_t *ret_cid)
{
	int fd;

	*ret_cid = 0;
	if (what != LINK_WHAT_LOCAL)
		return sock_accept(s.listeners[what], ret_cid);
	fd = accept4(s.listeners[what], NULL, NULL,
		     SOCK_CLOEXEC | SOCK_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* A place for a connection of KIND, one of COUNT from FIRST on, with its part of OUT. */
struct place {
	enum client_kind kind;
	size_t first, count;
	char *out;
	size_t out_cap;
};

static struct place place_of(enum link_what what)
{
	switch (what) {
	case LINK_WHAT_LOG:
		break;
	case LINK_WHAT_STATUS:
		return (struct place){ CLIENT_STATUS, STATUS_FIRST, STATUS_MAX,
				       status_out[0], RECORD_FULL_MAX };
	case LINK_WHAT_CONTROL:
		return (struct place){ CLIENT_CONTROL, CONTROL_FIRST,
				       CONTROL_MAX, control_out[0],
				       ANSWER_MAX };
	case LINK_WHAT_LOCAL:
	case LINK_WHAT_MEMORY:
		return (struct place){ CLIENT_LOCAL, LOCAL_FIRST, LOCAL_MAX,
				       local_out[0], EXCERPT_MAX };
	}
	return (struct place){ CLIENT_LOG, LOG_FIRST,
			       s.work->config.log_readers, NULL, 0 };
}

static void begin_reader(struct client *c, uint64_t pos)
{
	reader_init(&c->reader, pos, s.work->boot);
	c->began = pos;
	if (s.is_finishing)
		reader_end(&c->reader);
}

/* One for which there is no place is closed at once: it sees an end, and comes again. */
static void accept_one(enum link_what what)
{
	const struct place p = place_of(what);
	struct client *c;
	uint32_t cid;
	int fd = take_connection(what, &cid);

	/* A listener that cannot be served stays readable. */
	if (fd < 0 && fd != -EAGAIN)
		s.rest_ms = s.view.now_ms + REST_MS;
	if (fd < 0)
		return;
	c = is_known_peer(fd, what, cid) ? find_free(p.first, p.count) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	client_begin(c, p.kind, fd,
		     p.out ? p.out + p.out_cap *
					     (size_t)(c - &s.clients[p.first]) :
			     NULL,
		     p.out_cap, &s.view);
	begin_reader(c, 0);
}

/* --- log = connect --- */

static bool dials(void)
{
	return s.work->config.log == CONFIG_LOG_CONNECT;
}

static void plan_dial(void)
{
	if (s.clients[LOG_FIRST].fd >= 0 || s.dial_ms != 0 || !dials() ||
	    s.is_finishing)
		return;
	s.dial_ms = s.view.now_ms + s.dial_pause_ms;
	s.dial_pause_ms = s.dial_pause_ms * 2 < DIAL_MAX_MS ?
				  s.dial_pause_ms * 2 :
				  DIAL_MAX_MS;
}

/* Bytes that the last connection took may have been lost with it. */
static void dial(void)
{
	struct client *c = &s.clients[LOG_FIRST];
	int fd = sock_connect_begin(SOCK_CID_PARENT, s.work->config.log_port);

	s.dial_ms = 0;
	if (fd < 0)
		return;
	client_begin(c, CLIENT_LOG, fd, NULL, 0, &s.view);
	begin_reader(
		c, s.shared->dialled > RESEND ? s.shared->dialled - RESEND : 0);
	c->is_connecting = true;
}

static void note_dialled(void)
{
	struct client *c = &s.clients[LOG_FIRST];

	if (!dials() || c->fd < 0 || c->reader.pos == c->began)
		return;
	s.shared->dialled = c->reader.pos;
	s.dial_pause_ms = DIAL_MIN_MS;
}

/* --- the loop --- */

static void watch(int fd, short events)
{
	s.polls[s.poll_count++] = (struct pollfd){ .fd = fd, .events = events };
}

/* In the order in which turn looks at them. What is not there is -1, which poll skips. */
static void watch_all(void)
{
	bool rests = s.is_finishing || s.rest_ms > s.view.now_ms;

	s.poll_count = 0;
	watch(s.is_finishing ? -1 : s.channel, POLLIN);
	for (int i = 0; i < LISTENERS; i++)
		watch(rests ? -1 : s.listeners[i], POLLIN);
	for (size_t i = 0; i < s.work->stream_count; i++)
		watch(s.is_finishing ? -1 : s.work->reads[i], POLLIN);
	for (size_t i = 0; i < CLIENTS; i++)
		watch(s.clients[i].kind == CLIENT_CONSOLE ? -1 :
							    s.clients[i].fd,
		      s.clients[i].fd < 0 ?
			      0 :
			      client_events(&s.clients[i], &s.view));
}

static int64_t find_next(void)
{
	int64_t next = loop_sooner(s.dial_ms, s.finish_ms);

	if (s.rest_ms > s.view.now_ms)
		next = loop_sooner(next, s.rest_ms);
	if (s.view.budget == 0)
		next = loop_sooner(next, s.refill_ms);
	for (size_t i = 0; i < s.work->stream_count; i++)
		next = loop_sooner(next, s.flush_ms[i]);
	for (size_t i = 0; i < CLIENTS; i++)
		if (s.clients[i].fd >= 0)
			next = loop_sooner(next,
					   client_next(&s.clients[i], &s.view));
	return next;
}

static int timeout(void)
{
	int64_t next = find_next(), left = next - s.view.now_ms;

	return next == 0    ? -1 :
	       left <= 0    ? 0 :
	       left > 60000 ? 60000 :
			      (int)left;
}

static void refill(void)
{
	const uint64_t rate = s.work->config.log_rate;

	if (rate == 0) {
		s.view.budget = UINT64_MAX;
		return;
	}
	if (s.refill_ms > s.view.now_ms)
		return;
	s.view.budget = rate * RATE_MS / 1000;
	s.refill_ms = s.view.now_ms + RATE_MS;
}

static void drain(size_t i, short revents)
{
	const struct line *l = &s.shared->lines[i];

	/* A pipe's worth, and then the others. */
	for (int n = 0; revents && n < TAKES; n++)
		if (!stream_take(s.shared, i, s.work->reads[i], &s.ring))
			break;
	if (s.flush_ms[i] != 0 && s.flush_ms[i] <= s.view.now_ms && !revents)
		stream_flush(s.shared, i, &s.ring);
	if (!line_is_open(l))
		s.flush_ms[i] = 0;
	else if (revents || s.flush_ms[i] == 0)
		s.flush_ms[i] = s.view.now_ms + FLUSH_MS;
}

static void turn(void)
{
	const struct pollfd *p = s.polls + 1;

	for (int i = 0; i < LISTENERS; i++, p++)
		if (p->revents)
			accept_one((enum link_what)i);
	for (size_t i = 0; i < s.work->stream_count; i++, p++)
		if (p->fd >= 0)
			drain(i, p->revents);
	for (size_t i = 0; i < CLIENTS; i++, p++) {
		if (s.clients[i].fd < 0)
			continue;
		/* One that has come in this turn was not asked about yet. */
		client_turn(&s.clients[i],
			    p->fd == s.clients[i].fd ? p->revents : 0, &s.view);
	}
	note_dialled();
	if (s.dial_ms != 0 && s.dial_ms <= s.view.now_ms)
		dial();
	plan_dial();
}

static bool all_are_gone(void)
{
	for (size_t i = 0; i < CLIENTS; i++)
		if (s.clients[i].fd >= 0)
			return false;
	return true;
}

static bool is_over(void)
{
	return s.is_finishing &&
	       (all_are_gone() || s.finish_ms <= s.view.now_ms);
}

/* A ring that a killed helper has left broken begins anew. */
static void open_ring(void)
{
	char *mem = (char *)s.work->memory + LINK_RING_AT;
	size_t len = s.work->memory_len - LINK_RING_AT;

	if (!config_keeps_log(&s.work->config))
		return;
	if (ring_open(&s.ring, mem, len) == 0 ||
	    ring_init(&s.ring, mem, len) == 0)
		s.view.ring = &s.ring;
}

static void open_memory(const struct helper_job *job)
{
	s.work = job->work;
	s.channel = job->channel;
	s.shared = job->work->memory;
	s.dial_pause_ms = DIAL_MIN_MS;
	s.dial_ms = dials() ? 1 : 0;
	for (size_t i = 0; i < CLIENTS; i++)
		s.clients[i].fd = -1;
	s.view = (struct client_view){
		.work = s.work,
		.state = &s.state,
		.channel = s.channel,
		.now_ms = io_now_ms(),
	};
	open_ring();
	if (s.view.ring)
		stream_repair(s.shared, s.work->stream_count, &s.ring);
	if (!s.view.ring || !s.shared->is_debug || log_descriptor() < 0)
		return;
	client_begin(&s.clients[CONSOLE_AT], CLIENT_CONSOLE, log_descriptor(),
		     NULL, 0, &s.view);
	/* What a helper before has shown is not shown again. */
	begin_reader(&s.clients[CONSOLE_AT], ring_head(&s.ring));
}

int serve_run(const struct helper_job *job)
{
	const struct link_message ready = { .news = LINK_IS_READY };

	open_memory(job);
	read_state();
	/* A kernel without filters is no reason to have no log. */
	(void)sandbox_enter();
	if (send(s.channel, &ready, sizeof(ready), MSG_NOSIGNAL) < 0)
		return 1;
	while (!is_over()) {
		refill();
		watch_all();
		if (poll(s.polls, s.poll_count, timeout()) < 0 &&
		    errno != EINTR)
			return 1;
		s.view.now_ms = io_now_ms();
		if (s.polls[0].revents)
			take_orders();
		turn();
	}
	return 0;
}
