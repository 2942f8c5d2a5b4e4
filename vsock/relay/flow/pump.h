#ifndef VSOCK_RELAY_FLOW_PUMP_H
#define VSOCK_RELAY_FLOW_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/flow/loop.h"
#include "vsock/relay/flow/pool.h"

/*
 * Connections that are copied, both ways, each to its own end. An end of the stream is passed on
 * as such; a reset as a reset, as far as the socket knows one: vsock does not. No write
 * has more than 32768 bytes, which is what vsock carries whole everywhere.
 */

enum {
	PUMP_HALF_CLOSED_MS = 60000, /* without a byte, after one end */
	PUMP_WRITE_MAX = 32768,
};

/* ERROR: 0 after both ends, or -errno: what the first reset said, or -ETIMEDOUT. */
typedef void pump_done_fn(void *ctx, int error);

/* For all connections of a kind; must stay as long as they do. */
struct pump_options {
	pump_done_fn *done;
	int64_t idle_ms;       /* without a byte; 0: for ever */
	bool holds_half_close; /* the end of A goes to B after B's own */
	unsigned column;       /* of flow/tally, for the bytes; 0: none */
};

/* What was read already, or must go first. Lengths up to PUMP_WRITE_MAX. */
struct pump_before {
	const void *to_a, *to_b;
	size_t to_a_len, to_b_len;
};

struct pump;

/* All connections of a process. */
struct pumps {
	struct loop *loop;
	struct pool *pool;
	struct pump *slab; /* from 1 on */
	uint32_t room, fresh;
	uint32_t free; /* the first that was used and is free; 0: none */
	uint32_t count;
	uint32_t first, last; /* directions that wait for the pool */
	struct timer timer;
	uint8_t *buffer; /* PUMP_WRITE_MAX bytes */
};

/* Makes room for MAX connections. Returns 0 or -errno. */
int pump_open(struct pumps *set, struct loop *loop, struct pool *pool,
	      uint32_t max);

/* Resets all that are left, without a call of DONE. */
void pump_close(struct pumps *set);

/*
 * Takes the connected sockets A and B over, whatever it returns, and copies until both
 * directions have ended; then it closes them, and calls O->done with CTX once, never from
 * within pump_start. BEFORE may be NULL. Returns 0, or -errno: both were reset and DONE is not
 * called.
 */
int pump_start(struct pumps *set, int a, int b, const struct pump_options *o,
	       const struct pump_before *before, void *ctx);

/* Closes the socket FD so that its peer sees a reset, if its kind knows one. */
void pump_reset(int fd);

#endif
