#include "vsock/relay/monitor/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vsock/io.h"
#include "vsock/relay/monitor/channel.h"
#include "vsock/relay/monitor/wait.h"

enum { SEND_MS = 5000 };

static void wait_for_link(const struct link *l, int64_t until_ms)
{
	struct wait w;

	wait_begin(&w);
	link_wait(l, &w);
	wait_until(&w, until_ms);
	wait_turn(&w);
}

/* Waits until what is sent reaches the port. */
static int wait_until_connected(struct link *l, int64_t until_ms)
{
	int64_t now;
	char none;
	int r;

	while (!link_is_connected(l)) {
		now = io_now_ms();
		/* Nothing is read before that but the answer to CONNECT. */
		r = link_read(l, &none, 0);
		if (link_is_connected(l))
			return 0;
		if (r < 0 && r != -EAGAIN)
			return r;
		if (r == -EAGAIN && now >= until_ms)
			return -ETIMEDOUT;
		if (r == -EAGAIN)
			wait_for_link(l, until_ms);
	}
	return 0;
}

static int read_answer(struct link *l, int64_t until_ms,
		       char ret[CONTROL_ANSWER_MAX])
{
	size_t len = 0;
	int64_t now;
	char c;
	int n;

	for (;;) {
		now = io_now_ms();
		n = link_read(l, &c, 1);
		if (n == 0 || n == -ECONNRESET)
			return -ECONNRESET;
		if (n == -EAGAIN && now >= until_ms)
			return -ETIMEDOUT;
		if (n == -EAGAIN) {
			wait_for_link(l, until_ms);
			continue;
		}
		if (n < 0)
			return n;
		if (c == '\n' || c == '\0')
			break;
		if (len == CONTROL_ANSWER_MAX - 1)
			return -EMSGSIZE;
		ret[len++] = c;
	}
	ret[len] = '\0';
	return 0;
}

static int ask_once(const struct target *a, uint32_t port, const char *command,
		    char ret[CONTROL_ANSWER_MAX])
{
	struct link l = { .fd = -1 };
	int64_t until = io_now_ms() + CONTROL_ANSWER_MS;
	char line[80];
	int len, r;

	len = snprintf(line, sizeof(line), "%s\n", command);
	r = link_connect(&l, a, port);
	if (r < 0)
		return r;
	r = wait_until_connected(&l, until);
	if (r == 0)
		r = io_write_full(l.fd, line, (size_t)len,
				  io_now_ms() + SEND_MS);
	if (r == 0)
		r = read_answer(&l, until, ret);
	link_close(&l);
	return r == -EPIPE ? -ECONNRESET : r;
}

int control_ask(const struct target *a, uint32_t port, const char *command,
		int64_t until_ms, char ret[CONTROL_ANSWER_MAX])
{
	const struct link none = { .fd = -1 };
	int delay = CHANNEL_DELAY_MIN_MS, r;

	for (;;) {
		r = ask_once(a, port, command, ret);
		if (r == 0 || io_now_ms() + delay >= until_ms)
			return r;
		wait_for_link(&none, io_now_ms() + delay);
		if (delay < CHANNEL_DELAY_MAX_MS)
			delay *= 2;
	}
}

bool control_is_there(const struct target *a, uint32_t port)
{
	int64_t until;
	struct link l = { .fd = -1 };
	bool is_connected;
	char c;
	int n;

	if (link_connect(&l, a, port) < 0)
		return false;
	(void)wait_until_connected(&l, io_now_ms() + LINK_CONNECT_MS);
	until = io_now_ms() + CONTROL_PROBE_MS;
	do {
		wait_for_link(&l, until);
		n = link_read(&l, &c, 1);
	} while ((n > 0 || n == -EAGAIN) && io_now_ms() < until);
	is_connected = link_is_connected(&l);
	link_close(&l);
	return is_connected && (n > 0 || n == -EAGAIN);
}
