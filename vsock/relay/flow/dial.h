#ifndef VSOCK_RELAY_FLOW_DIAL_H
#define VSOCK_RELAY_FLOW_DIAL_H

#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/flow/loop.h"
#include "vsock/relay/plan/address.h"

/* A connection that is being made; embedded in its owner. */

/*
 * FD is connected, non-blocking, close-on-exec, and the caller's; or it is -errno: -ECONNRESET
 * or -ECONNREFUSED if nothing listens there, -ETIMEDOUT, -EPROTO if a monitor's answer to
 * CONNECT is none.
 */
typedef void dial_done_fn(void *ctx, int fd);

struct dial {
	struct source source;
	struct timer timer;
	struct loop *loop;
	struct address to; /* one port */
	dial_done_fn *done;
	void *ctx;
	int64_t due_ms;
	size_t seen; /* bytes of the answer to CONNECT */
	uint32_t buffer;
	int result;
	uint8_t state;
};

enum { DIAL_TIMEOUT_MS = 10000 };

/*
 * Connects to A within TIMEOUT_MS, to one of its ports in turn if it is a range. DONE is
 * called once, never from within dial_start, unless dial_cancel comes first; by then D is
 * free. The text that A points into must stay as long. BUFFER is the window of a vsock socket in bytes; 0: the
 * kernel's. An ADDRESS_NAME is refused with -EINVAL: flow/resolve makes addresses of names.
 */
void dial_start(struct dial *d, struct loop *l, const struct address *a,
		uint32_t buffer, int timeout_ms, dial_done_fn *done, void *ctx);

/* DONE will not be called. Safe for one that has ended, and for one of zeros. */
void dial_cancel(struct dial *d);

#endif
