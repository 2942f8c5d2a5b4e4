#ifndef VSOCK_RELAY_DNS_MESSAGES_H
#define VSOCK_RELAY_DNS_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/flow/loop.h"
#include "vsock/relay/wire/frame.h"

/*
 * DNS messages over a connection, each after its length (RFC 7766). What cannot be written
 * is kept, up to a limit; memory is there only while there are bytes.
 */

struct messages {
	struct source source; /* its FD is -1: none */
	struct loop *loop;
	struct frame_reader in;
	uint8_t *out;
	size_t out_at, out_len, out_max;
	uint32_t events; /* that are waited for */
	bool is_paused;	 /* nothing is to be read */
};

/*
 * FD is M's from now on, also if this fails. MAX: the longest message that is read; OUT_MAX:
 * bytes that wait to be written. READY is called with EPOLL... bits; it calls messages_ready.
 * Returns 0 or -errno.
 */
int messages_open(struct messages *m, struct loop *l, int fd, size_t max,
		  size_t out_max, void (*ready)(struct source *s, uint32_t));

/*
 * Writes what waits, and reads what is there, once. Returns 1, 0 at the end of the stream,
 * -EAGAIN, or how the connection has failed.
 */
int messages_ready(struct messages *m, uint32_t events);

/*
 * The next message that has been read whole, there until messages_ready is called. Returns 1, 0 if
 * there is none, or -EMSGSIZE, after which there will be none.
 */
int messages_next(struct messages *m, const uint8_t **ret, size_t *ret_len);

/* Sends, now or later. Returns 0, or how the connection has failed: -ENOBUFS if too much waits. */
int messages_send(struct messages *m, const uint8_t *message, size_t len);

/* Bytes wait to be written. */
bool messages_are_waiting(const struct messages *m);

/* With YES no byte is read, until it is called without. */
void messages_pause(struct messages *m, bool yes);

/* Safe if there is none; M is all there as before but for its descriptor. */
void messages_close(struct messages *m);

#endif
