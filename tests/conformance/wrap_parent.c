/*
 * Mistakes with the parent:
 *
 *   beats first      PID 1 itself sends the heartbeat, before the program is executed, and
 *                    gives up where the parent does not answer
 *   reads on         so, and reads on to the end of what the parent sends
 *   beats once       one attempt, and no other
 *   beats twice      a second connection when the first one was answered
 *   beats late MS    so much later
 *   keeps it         the connection stays open
 *   ends at once     the machine does not wait for a heartbeat that is under way
 *   exits            PID 1 does so where a program cannot be started
 *   leaks a socket   the application has it
 *   listens PORT     at a port of the enclave
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "init/beat.h"
#include "init/boot.h"
#include "init/step.h"
#include "tests/conformance/mutant.h"
#include "vsock/heartbeat.h"
#include "vsock/io.h"
#include "vsock/sock.h"

enum { PORT = 9000, FOR_EVER_MS = 1000 * 1000 };

/* Of the connection that is kept. */
static int kept = -1;

static void pause_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* As AWS's init, but for the end: it reads on until there is one. */
static void read_on(void)
{
	const uint8_t byte = HEARTBEAT_BYTE;
	int64_t end = io_now_ms() + FOR_EVER_MS;
	int fd = sock_connect(SOCK_CID_PARENT, PORT, FOR_EVER_MS);
	uint8_t got;

	if (fd < 0 || io_write_full(fd, &byte, 1, end) < 0)
		return;
	for (int i = 0; i < 2 || got == 0; i++)
		if (io_read_full(fd, &got, 1, end) < 0)
			return;
}

static void beat_first(void)
{
	enum heartbeat_stage stage;

	if (heartbeat_positive(PORT, &stage) < 0)
		_exit(1);
}

WRAP(step_spawn);
int __wrap_step_spawn(struct boot *b)
{
	const char *port = mutant_word("listens");
	int r;

	if (mutant_is("beats first", NULL))
		beat_first();
	if (mutant_is("reads on", NULL))
		read_on();
	if (mutant_is("leaks a socket", NULL))
		(void)socket(SOCK_FAMILY, SOCK_STREAM, 0);
	if (port)
		(void)sock_listen((uint32_t)atoi(port), 0);
	r = __real_step_spawn(b);
	if (r < 0 && mutant_is("exits", NULL))
		_exit(1);
	return r;
}

/* What of the connection is still open when its process is gone. */
static void keep(void)
{
	if (kept >= 0 && fork() == 0)
		pause_ms(FOR_EVER_MS);
}

WRAP(sock_connect);
int __wrap_sock_connect(uint32_t cid, uint32_t port, int timeout_ms)
{
	int fd = __real_sock_connect(cid, port, timeout_ms);

	if (fd >= 0 && mutant_is("keeps it", NULL))
		kept = dup(fd);
	return fd;
}

WRAP(heartbeat_positive);
int __wrap_heartbeat_positive(uint32_t port, enum heartbeat_stage *reterr_stage)
{
	const char *late = mutant_word("beats late");
	int r;

	if (late)
		pause_ms(atol(late));
	if (mutant_is("beats once", NULL)) {
		*reterr_stage = HEARTBEAT_REPLY;
		r = __real_sock_connect(SOCK_CID_PARENT, port, 2000);
		if (r < 0)
			return r;
		close(r);
	}
	r = __real_heartbeat_positive(port, reterr_stage);
	if (r == 0 && mutant_is("beats twice", NULL))
		r = __real_heartbeat_positive(port, reterr_stage);
	keep();
	return r;
}

WRAP(beat_is_over);
bool __wrap_beat_is_over(const struct beat *b)
{
	return mutant_is("ends at once", NULL) || __real_beat_is_over(b);
}
