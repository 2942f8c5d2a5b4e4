#ifndef VSOCK_RELAY_MONITOR_CHANNEL_H
#define VSOCK_RELAY_MONITOR_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/monitor/link.h"

/* A port of an enclave that speaks first, connected to again whenever it has to be. */

struct wait;

enum {
	CHANNEL_DELAY_MIN_MS = 50, /* before the next attempt; doubled */
	CHANNEL_DELAY_MAX_MS = 2000,
	CHANNEL_FIRST_MS = 5000, /* within which the first byte comes */
};

struct channel {
	const struct target *address;
	uint32_t port;
	struct link link;
	bool is_up;   /* the port has said something on this connection */
	bool was_up;  /* or on any */
	bool is_over; /* it is not connected to again */
	int error;    /* an errno of the last attempt; 0: it has connected */
	int delay_ms;
	int64_t due_ms; /* when to connect; or when the first byte is late */
};

/* Nothing is connected yet. ADDRESS stays the caller's. */
void channel_open(struct channel *c, const struct target *address,
		  uint32_t port);

/* Connects if it is time. True: there is a new connection. */
bool channel_connect(struct channel *c);

/* Takes a connection that the enclave has made, where there is none. */
void channel_take(struct channel *c, const struct link *link);

/*
 * Reads up to LEN bytes. Returns their number; -EAGAIN: there are none; 0: the connection,
 * which has been closed, was there and has ended.
 */
int channel_read(struct channel *c, void *buf, size_t len);

/* True if the last attempt failed by what no time mends: a path, a permission. */
bool channel_is_hopeless(const struct channel *c);

/* Adds what the channel waits for. */
void channel_wait(const struct channel *c, struct wait *w);

/* Nothing is connected any more. */
void channel_close(struct channel *c);

#endif
