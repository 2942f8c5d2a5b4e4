#include "init/beat.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/log.h"
#include "init/loop.h"
#include "vsock/heartbeat.h"
#include "vsock/io.h"

_Static_assert(BEAT_MAX_MS >=
		       HEARTBEAT_CONNECT_MS + 2 * HEARTBEAT_REPLY_MS + 2000,
	       "the last connect attempt may end 2 s late");

/* --- in words --- */

static void add_reason(int stage, int r, struct text *t)
{
	static const char *const texts[] = {
		[HEARTBEAT_CONNECT] = "no connection: ",
		[HEARTBEAT_SEND] = "not sent: ",
		[HEARTBEAT_REPLY] = "sent, but not answered: ",
	};

	if (r == -EPROTO) {
		text_add(t, "the parent answered with another byte");
		return;
	}
	text_add(t, texts[stage <= HEARTBEAT_REPLY ? stage : HEARTBEAT_REPLY]);
	text_add(t, strerror(-r));
}

static void add_address(uint32_t port, struct text *t)
{
	text_add(t, "CID 3 port ");
	text_add_number(t, port);
}

static void say(const struct beat *b, const char *reason)
{
	struct text object;

	text_clear(&object);
	add_address(b->port, &object);
	log_line("heartbeat", text_string(&object), reason);
}

/* Once: it may go on so for minutes. */
static void say_once(struct beat *b, const char *reason)
{
	if (!b->has_said)
		say(b, reason);
	b->has_said = true;
}

/* --- in PID 1 --- */

static void try_later(struct beat *b)
{
	uint32_t pause = BEAT_PAUSE_MS;

	for (uint32_t i = 0; i < b->tries && pause < BEAT_PAUSE_MAX_MS; i++)
		pause *= 2;
	b->tries++;
	b->again_ms = io_now_ms() +
		      (pause < BEAT_PAUSE_MAX_MS ? pause : BEAT_PAUSE_MAX_MS);
	if (b->state == BEAT_TRIES && b->again_ms > b->give_up_ms) {
		b->state = BEAT_FAILED;
		b->again_ms = 0;
	}
}

/*
 * Its process was killed, or never reached the parent. One that was killed may have sent the
 * byte: then the next one finds nobody, and does no harm.
 */
static void gone(void *ctx, struct helper *h)
{
	struct beat *b = ctx;
	struct text object, t;

	if (h != b->helper ||
	    (b->state != BEAT_TRIES && b->state != BEAT_WAITS))
		return;
	b->kill_ms = 0;
	if (h->report.news == HELPER_DONE) {
		b->state = BEAT_ANSWERED;
		text_clear(&object);
		add_address(b->port, &object);
		log_debug("heartbeat", text_string(&object),
			  b->byte == HEARTBEAT_BYTE ? "answered" : "negative");
		return;
	}
	text_clear(&t);
	if (h->report.news != HELPER_FAULT) {
		say_once(b, "its process was killed before it was through");
		try_later(b);
		return;
	}
	add_reason(h->report.stage, h->report.error, &t);
	say_once(b, text_string(&t));
	/* The parent takes one connection: a second byte would find nobody. */
	if (h->report.stage == HEARTBEAT_CONNECT &&
	    h->report.error != -EAFNOSUPPORT)
		try_later(b);
	else
		b->state = BEAT_FAILED;
}

static void start(struct beat *b)
{
	struct helper_job job = { .port = b->port,
				  .byte = b->byte,
				  .waits = b->state == BEAT_WAITS };
	struct text t;
	int r;

	b->again_ms = 0;
	/* Killed, and not gone yet: something traces it. */
	if (b->helper->pid != 0) {
		try_later(b);
		return;
	}
	r = helper_start(b->helper, HELPER_BEAT, &job, b->children, gone, b);
	if (r == 0) {
		/* One that waits has its time when it is told. */
		if (b->state == BEAT_TRIES)
			b->kill_ms = io_now_ms() + BEAT_MAX_MS;
		return;
	}
	text_clear(&t);
	text_add(&t, "fork: ");
	text_add(&t, strerror(-r));
	say_once(b, text_string(&t));
	try_later(b);
}

static int64_t next_deadline(const void *ctx)
{
	const struct beat *b = ctx;

	if (b->again_ms == 0 || (b->kill_ms != 0 && b->kill_ms < b->again_ms))
		return b->kill_ms;
	return b->again_ms;
}

static void due(void *ctx, int64_t now_ms)
{
	struct beat *b = ctx;

	if (b->again_ms != 0 && b->again_ms <= now_ms)
		start(b);
	if (b->kill_ms == 0 || b->kill_ms > now_ms)
		return;
	/* It takes less, unless it was stopped. */
	b->kill_ms = 0;
	helper_kill(b->helper);
}

void beat_init(struct beat *b, struct loop *l, struct children *c)
{
	*b = (struct beat){ .children = c, .helper = b->helpers };
	b->helpers[0].channel = b->helpers[1].channel = -1;
	loop_add_clock(l, (struct loop_clock){ next_deadline, due, b });
}

void beat_prepare(struct beat *b, uint32_t port)
{
	b->state = BEAT_WAITS;
	b->port = port;
	b->byte = HEARTBEAT_BYTE;
	start(b);
}

void beat_send(struct beat *b, uint32_t port, uint8_t byte)
{
	bool waits = b->state == BEAT_WAITS && b->helper->pid != 0 &&
		     port == b->port;

	b->port = port;
	b->byte = byte;
	b->tries = 0;
	b->has_said = false;
	b->state = BEAT_TRIES;
	b->give_up_ms = io_now_ms() + BEAT_GIVE_UP_MS;
	b->kill_ms = io_now_ms() + BEAT_MAX_MS;
	if (waits && helper_go(b->helper, byte))
		return;
	if (b->helper->pid != 0) {
		/* It says another thing, or does not hear. */
		helper_kill(b->helper);
		b->helper = &b->helpers[b->helper == b->helpers];
	}
	start(b);
}

void beat_give_up(struct beat *b)
{
	b->again_ms = b->give_up_ms = 0;
	if (b->helper->pid == 0 && b->state != BEAT_ANSWERED)
		b->state = BEAT_FAILED;
	if (b->state == BEAT_WAITS) {
		b->state = BEAT_OFF;
		helper_kill(b->helper);
	}
}

void beat_cancel(struct beat *b)
{
	if (b->state != BEAT_TRIES)
		return; /* one that waits can say the other thing */
	b->again_ms = b->kill_ms = 0;
	b->state = BEAT_OFF;
	helper_kill(b->helper);
}

bool beat_is_over(const struct beat *b)
{
	return b->state != BEAT_TRIES ||
	       (b->helper->pid == 0 && b->again_ms == 0);
}

int beat_by_hand(uint32_t port)
{
	enum heartbeat_stage stage;
	struct text t;
	int r = heartbeat_positive(port, &stage);

	if (r == 0)
		return 0;
	text_clear(&t);
	text_add(&t, "init: heartbeat: ");
	add_address(port, &t);
	text_add(&t, ": ");
	add_reason((int)stage, r, &t);
	text_add(&t, "\n");
	(void)!write(2, t.buf, t.len);
	return 1;
}
