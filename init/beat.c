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

static _Noreturn void run_child(uint8_t byte)
{
	enum heartbeat_stage stage = HEARTBEAT_CONNECT;
	struct text t;
	int r;

	if (byte == HEARTBEAT_BYTE)
		r = heartbeat_positive(&stage);
	else
		r = heartbeat_negative(byte, &stage);
	if (r < 0) {
		text_clear(&t);
		if (r == -EPROTO) {
			text_add(&t, "the parent answered with another byte");
		} else {
			text_add(&t, stage_text(stage));
			text_add(&t, strerror(-r));
		}
		log_line("heartbeat", "CID 3 port 9000", text_string(&t));
	} else {
		log_debug("heartbeat", "CID 3 port 9000",
			  byte == HEARTBEAT_BYTE ? "answered" : "negative");
	}
	_exit(0);
}

static pid_t start(uint8_t byte)
{
	pid_t pid = _Fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_child(byte);
	return pid;
}

pid_t beat_positive(void)
{
	return start(HEARTBEAT_BYTE);
}

pid_t beat_negative(uint8_t step)
{
	return start(step);
}
