#include "init/beat.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "init/log.h"
#include "vsock/heartbeat.h"

_Static_assert(BEAT_MAX_MS >=
		       HEARTBEAT_CONNECT_MS + 2 * HEARTBEAT_REPLY_MS + 2000,
	       "the last connect attempt may end 2 s late");

static const char *stage_text(enum heartbeat_stage stage)
{
	static const char *const texts[] = {
		[HEARTBEAT_CONNECT] = "no connection: ",
		[HEARTBEAT_SEND] = "not sent: ",
		[HEARTBEAT_REPLY] = "sent, but not answered: ",
	};

	return texts[stage];
}

static _Noreturn void run_child(uint32_t port, uint8_t byte)
{
	enum heartbeat_stage stage = HEARTBEAT_CONNECT;
	struct text object, t;
	int r;

	if (byte == HEARTBEAT_BYTE)
		r = heartbeat_positive(port, &stage);
	else
		r = heartbeat_negative(port, byte, &stage);
	text_clear(&object);
	text_add(&object, "CID 3 port ");
	text_add_number(&object, port);
	if (r < 0) {
		text_clear(&t);
		if (r == -EPROTO) {
			text_add(&t, "the parent answered with another byte");
		} else {
			text_add(&t, stage_text(stage));
			text_add(&t, strerror(-r));
		}
		log_line("heartbeat", text_string(&object), text_string(&t));
	} else {
		log_debug("heartbeat", text_string(&object),
			  byte == HEARTBEAT_BYTE ? "answered" : "negative");
	}
	_exit(r < 0);
}

static pid_t start(uint32_t port, uint8_t byte)
{
	pid_t pid = _Fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_child(port, byte);
	return pid;
}

pid_t beat_positive(uint32_t port)
{
	return start(port, HEARTBEAT_BYTE);
}

pid_t beat_negative(uint32_t port, uint8_t step)
{
	return start(port, step);
}
