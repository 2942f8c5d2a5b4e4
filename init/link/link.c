#include "init/link/link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/loop.h"
#include "init/random.h"
#include "init/report.h"
#include "vsock/io.h"

enum { MESSAGE_BATCH = 16 }; /* in one turn */

/*
 * The state as it was told last. Not in struct link, which shares pages with what PID 1
 * writes in every enclave.
 */
static struct link_state told;

/* --- what it is made of --- */

bool link_has_helper(const struct link *l)
{
	const struct config_link *c = &l->work.config;

	return config_keeps_log(c) || c->status != CONFIG_STATUS_OFF ||
	       config_has_control(c) || c->control_local;
}

static int open_pipe(struct link *l, size_t stream)
{
	int fds[2];

	/* From birth: neither PID 1 nor a helper ever waits at one. */
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	l->work.reads[stream] = fds[0];
	l->writes[stream] = fds[1];
	return 0;
}

/* A service that cannot open its pipe anew writes by PID 1's end, and expects to wait. */
static int open_service_pipe(struct link *l, size_t stream)
{
	int r = open_pipe(l, stream);

	if (r == 0 && syscall(SYS_fcntl, l->writes[stream], F_SETFL, 0) < 0)
		r = -errno;
	return r;
}

static size_t stream_of(size_t service, int fd)
{
	return 1 + 2 * service + (size_t)(fd - 1);
}

static int open_streams(struct link *l, const struct config *c)
{
	struct link_shared *s = l->work.memory;
	const bool escapes = !l->work.config.log_is_raw;
	size_t stream;
	int r = open_pipe(l, 0);

	line_init(&s->lines[0], "init", false, escapes);
	for (size_t i = 0; i < c->service_count && r == 0; i++)
		for (int fd = 1; fd <= 2 && r == 0; fd++) {
			stream = stream_of(i, fd);
			line_init(&s->lines[stream],
				  c->services[i].supervision.name, fd == 2,
				  escapes);
			if (config_logs(c, &c->services[i], fd))
				r = open_service_pipe(l, stream);
		}
	stream = stream_of(c->service_count, 1);
	if (c->relayed_count > 0 && r == 0) {
		line_init(&s->lines[stream], "relay", false, escapes);
		r = open_pipe(l, stream++);
	}
	l->work.stream_count = stream;
	return r;
}

static int open_memory(struct link *l)
{
	struct link_work *w = &l->work;
	const bool has_log = config_keeps_log(&w->config);
	struct ring ring;

	w->memory_len = LINK_RING_AT;
	if (has_log)
		w->memory_len += RING_HEADER_BYTES + w->config.log_size;
	w->memory = mmap(NULL, w->memory_len, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->memory == MAP_FAILED) {
		w->memory = NULL;
		return -errno;
	}
	return has_log ? ring_init(&ring, (char *)w->memory + LINK_RING_AT,
				   w->memory_len - LINK_RING_AT) :
			 0;
}

void link_make_boot(struct link *l)
{
	if (l->work.boot[0] == '\0')
		(void)random_hex(l->work.boot, RECORD_BOOT_LEN);
}

int link_open(struct link *l, const struct config *c, const char **reterr_what)
{
	int r;

	l->work.config = c->link;
	*reterr_what = "log-size";
	if (!link_has_helper(l) && c->link.report == CONFIG_REPORT_OFF)
		return 0;
	l->helper.channel = l->report.channel = -1;
	for (size_t i = 0; i < LINK_STREAMS_MAX; i++)
		l->work.reads[i] = l->writes[i] = -1;
	r = open_memory(l);
	if (r < 0 || !config_keeps_log(&c->link))
		return r;
	*reterr_what = "log";
	return open_streams(l, c);
}

int link_stream(const struct link *l, size_t service, int fd)
{
	return l->work.stream_count == 0 ? -1 :
					   l->writes[stream_of(service, fd)];
}

int link_own_stream(const struct link *l)
{
	return l->work.stream_count == 0 ? -1 : l->writes[0];
}

/* --- the helper --- */

static void take_message(struct link *l, const struct link_message *m)
{
	switch (m->news) {
	case LINK_IS_READY:
		if (l->phase == LINK_STARTS)
			l->phase = LINK_SERVES;
		break;
	case LINK_CANNOT:
		l->fault = *m;
		break;
	default:
		l->asked(l->ctx, m);
		break;
	}
}

static bool take_one(struct link *l)
{
	struct link_message m;
	ssize_t n = recv(l->helper.channel, &m, sizeof(m), MSG_DONTWAIT);

	if (n == 0) /* its end; its death comes, too */
		loop_forget(l->loop, l->helper.channel);
	if (n == (ssize_t)sizeof(m))
		take_message(l, &m);
	return n > 0;
}

/* What the helper has sent; the rest is for the next turn. */
static void take_messages(void *ctx)
{
	for (int i = 0; i < MESSAGE_BATCH; i++)
		if (!take_one(ctx))
			return;
}

static void log_death(int status)
{
	struct text t;

	text_clear(&t);
	report_status(status, false, &t);
	text_add(&t, ", started again");
	log_line("link", "its process", text_string(&t));
}

static void start(struct link *l);

static void died(void *ctx, struct helper *h)
{
	struct link *l = ctx;

	/* All of it, which has been answered with ok. */
	while (take_one(l))
		;
	loop_forget(l->loop, h->channel);
	if (l->phase == LINK_STARTS) {
		l->phase = LINK_FAILED;
		if (l->fault.error == 0) /* without a word */
			l->fault.what = LINK_WHAT_MEMORY;
		return;
	}
	if (l->phase != LINK_SERVES)
		return;
	log_death(h->status);
	l->again_ms = io_now_ms() + l->pause_ms;
	l->pause_ms = l->pause_ms == 0 ? 100 : 2 * l->pause_ms;
	if (l->pause_ms > LINK_PAUSE_MAX_MS)
		l->pause_ms = LINK_PAUSE_MAX_MS;
}

static void start(struct link *l)
{
	struct helper_job job = {
		.work = &l->work,
		.keep = l->work.reads,
		.keep_count = l->work.stream_count,
	};
	int r = helper_start(&l->helper, HELPER_LINK, &job, l->children, died,
			     l);

	l->again_ms = 0;
	if (r == 0) {
		r = loop_watch(l->loop, l->helper.channel, take_messages, l);
		if (r == 0)
			return;
		helper_kill(&l->helper);
	}
	l->fault =
		(struct link_message){ .what = LINK_WHAT_MEMORY, .error = r };
	if (l->phase == LINK_STARTS)
		l->phase = LINK_FAILED;
	else
		l->again_ms = io_now_ms() + LINK_PAUSE_MAX_MS;
}

static int64_t next_deadline(const void *ctx)
{
	const struct link *l = ctx;

	return l->again_ms;
}

static void due(void *ctx, int64_t now_ms)
{
	struct link *l = ctx;

	if (l->again_ms != 0 && l->again_ms <= now_ms &&
	    l->phase == LINK_SERVES)
		start(l);
}

static bool has_begun(void *ctx)
{
	const struct link *l = ctx;

	return l->phase != LINK_STARTS;
}

static void name_fault(const struct link *l, struct text *object)
{
	static const char *const keys[] = {
		[LINK_WHAT_LOG] = "log-port ",
		[LINK_WHAT_STATUS] = "status-port ",
		[LINK_WHAT_CONTROL] = "control-port ",
		[LINK_WHAT_LOCAL] = "control-local",
		[LINK_WHAT_MEMORY] = "link",
	};
	const struct config_link *c = &l->work.config;
	const uint32_t ports[] = { c->log_port, c->status_port,
				   c->control_port };
	uint8_t what = l->fault.what < LINK_WHAT_MEMORY ? l->fault.what :
							  LINK_WHAT_MEMORY;

	text_clear(object);
	text_add(object, keys[what]);
	if (what < LINK_WHAT_LOCAL)
		text_add_number(object, ports[what]);
}

int link_start(struct link *l, struct loop *loop, struct children *c,
	       bool is_debug, struct text *reterr_object)
{
	struct link_shared *s = l->work.memory;

	if (!link_has_helper(l))
		return 0;
	l->loop = loop;
	l->children = c;
	l->phase = LINK_STARTS;
	s->is_debug = is_debug;
	loop_add_clock(loop, (struct loop_clock){ next_deadline, due, l });
	start(l);
	(void)loop_until(loop, has_begun, l, io_now_ms() + LINK_FIRST_MS);
	if (l->phase == LINK_SERVES)
		return 0;
	if (l->phase == LINK_STARTS) {
		l->fault = (struct link_message){ .what = LINK_WHAT_MEMORY,
						  .error = -ETIMEDOUT };
		helper_kill(&l->helper);
	}
	l->phase = LINK_ENDS;
	name_fault(l, reterr_object);
	return l->fault.error < 0 ? l->fault.error : -ECHILD;
}

/* --- the state --- */

static void publish(struct link *l)
{
	struct link_shared *s = l->work.memory;
	uint32_t version = __atomic_load_n(&s->version, __ATOMIC_SEQ_CST);

	__atomic_store_n(&s->version, version + 1, __ATOMIC_SEQ_CST);
	/* A reader that sees a byte of the new state also sees that it is being written. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	s->state = told;
	__atomic_store_n(&s->version, version + 2, __ATOMIC_SEQ_CST);
}

static void tell_of_state(const struct link *l)
{
	static const uint8_t byte = 1;

	/* If there is no room, it has words to read, and reads the state after them. */
	if (l->helper.channel >= 0)
		(void)send(l->helper.channel, &byte, 1,
			   MSG_NOSIGNAL | MSG_DONTWAIT);
}

void link_tell(struct link *l, const struct link_state *state)
{
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): snapshot.c zeroes all first */
	if (memcmp(state, &told, sizeof(*state)) == 0)
		return;
	told = *state;
	if (!l->work.memory)
		return;
	publish(l);
	tell_of_state(l);
}

/* --- the end --- */

/* One from before does not matter any more. */
static void overtake_report(struct link *l)
{
	l->is_overtaken = true;
	helper_kill(&l->report);
}

static bool has_ended(void *ctx)
{
	const struct link *l = ctx;

	return l->helper.pid == 0;
}

void link_end(struct link *l)
{
	int64_t began_ms = io_now_ms();

	/* The end is not to wait for a parent that does not take a first report. */
	overtake_report(l);
	if (l->phase != LINK_SERVES)
		return;
	l->phase = LINK_ENDS;
	l->again_ms = 0;
	if (l->helper.channel >= 0)
		(void)shutdown(l->helper.channel, SHUT_WR);
	(void)loop_until(l->loop, has_ended, l, began_ms + LINK_END_MS);
	helper_kill(&l->helper);
	l->end_took_ms = (int)(io_now_ms() - began_ms);
}

/* --- reports --- */

static void reported(void *ctx, struct helper *h)
{
	const struct link *l = ctx;
	struct text t;

	if (h->report.news == HELPER_DONE || l->is_overtaken)
		return;
	text_clear(&t);
	if (h->report.news == HELPER_FAULT)
		text_add(&t, strerror(-h->report.error));
	else
		report_status(h->status, false, &t);
	log_line("report", "not delivered", text_string(&t));
}

static bool is_reported(void *ctx)
{
	const struct helper *h = ctx;

	return h->pid == 0;
}

bool link_report(struct link *l, struct loop *loop, struct children *c,
		 bool is_last, int wait_ms)
{
	const int64_t now_ms = io_now_ms();
	struct helper_job job = {
		.work = &l->work,
		.byte = is_last,
		.record = &told.record,
		.keep = l->work.reads,
		.keep_count = is_last ? l->work.stream_count : 0,
		.until_ms = now_ms + (wait_ms > 0 ? wait_ms : LINK_STRICT_MS),
	};
	int r;

	overtake_report(l);
	if (!loop_until(loop, is_reported, &l->report, now_ms + LINK_KILL_MS)) {
		log_line("report", "not delivered", "the one before lives on");
		return false;
	}
	l->is_overtaken = false;
	r = helper_start(&l->report, HELPER_LAST, &job, c, reported, l);
	if (r < 0) {
		log_line("report", "fork", strerror(-r));
		return false;
	}
	if (wait_ms == 0)
		return false;
	if (!loop_until(loop, is_reported, &l->report, job.until_ms)) {
		/* Its death may come too late to be logged. */
		log_line("report", "not delivered", strerror(ETIMEDOUT));
		overtake_report(l);
		return false;
	}
	return l->report.report.news == HELPER_DONE;
}
