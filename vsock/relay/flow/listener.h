#ifndef VSOCK_RELAY_FLOW_LISTENER_H
#define VSOCK_RELAY_FLOW_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/flow/loop.h"
#include "vsock/relay/plan/address.h"
#include "vsock/relay/wire/origin.h"

/*
 * Where connections arrive: an address, with a socket for each of its ports, and the limits
 * of it. The first process binds it; each worker starts the sockets that it has inherited.
 *
 * A listener that reaches a limit, its own or that of all connections (flow/tally), or that
 * finds no descriptor or memory free, rests: connections wait in the kernel's queue. It
 * goes on when one of its connections has ended, and looks again each 100 ms.
 */

struct listener_arrival {
	struct origin from;
	uint32_t index; /* of the port in the address' range */
};

/*
 * FD is non-blocking, close-on-exec, and the callee's. It counts until listener_left is
 * called for it, which must be once.
 */
typedef void listener_accepted_fn(void *ctx, int fd,
				  const struct listener_arrival *a);

struct listener_socket {
	struct source source;
	struct listener *listener;
};

struct listener {
	struct listener *next;		 /* of all in this process */
	struct listener_socket *sockets; /* its own */
	uint32_t count;
	struct address at;
	uint32_t max;
	unsigned column; /* of flow/tally */
	struct loop *loop;
	listener_accepted_fn *accepted;
	void *ctx;
	struct timer timer;
	bool is_resting;
};

/*
 * Of this process: inside an enclave, where a listener that names no CID takes connections
 * of vsock from the parent's CIDs alone, 3 and 2, and a socket of AF_UNIX is for all users.
 */
void listener_set_inside(void);

/*
 * Listens at A. BUFFER is the window of vsock connections in bytes; 0: the kernel's. MAX:
 * connections at once; 0: no limit but that of all. What is left over of a socket of AF_UNIX
 * is replaced. The text that A points into must stay, and L where it is until
 * listener_close. Returns 0, or -errno, with L empty: -EADDRINUSE if another process listens there.
 */
int listener_bind(struct listener *l, const struct address *a, uint32_t buffer,
		  uint32_t max);

/* In a worker: calls ACCEPTED for connections from now on. Returns 0 or -errno. */
int listener_start(struct listener *l, struct loop *loop,
		   listener_accepted_fn *accepted, void *ctx);

/* What FD, which was accepted, was connected to. */
void listener_end_of(int fd, struct origin *ret);

/* For lack of descriptors or memory: an errno that passes when others have ended. */
bool listener_is_shortage(int error);

/*
 * Rests as if it had found the shortage ERROR, a negative errno, itself: what could be accepted
 * could not be dialled.
 */
void listener_rest(struct listener *l, int error);

/* A connection that ACCEPTED was called for has ended. */
void listener_left(struct listener *l);

/*
 * Closes its sockets, and removes those of AF_UNIX: not for a worker that ends. Safe for an
 * empty one.
 */
void listener_close(struct listener *l);

/* The same for all. */
void listener_close_all(void);

/* Writes a line on stderr for each, with the sums of its counters over all workers. */
void listener_report_all(void);

#endif
