#ifndef VSOCK_RELAY_EGRESS_FRONT_H
#define VSOCK_RELAY_EGRESS_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/flow/loop.h"
#include "vsock/relay/flow/pump.h"
#include "vsock/relay/plan/host.h"
#include "vsock/relay/wire/http.h"

/*
 * A client of a proxy, from its first byte until it has its answer: CONNECT, other methods with
 * http:// URLs, SOCKS5, and enclaver's frames where they are taken; the first bytes say
 * which. Embedded in its owner.
 */

enum {
	FRONT_HEAD_MS = 10000,	/* for all that it asks with */
	FRONT_LINGER_MS = 2000, /* after a refusal, until it closes */
};

/* HOST and PORT are wanted: front_accept or front_refuse is next, now or later. */
typedef void front_asked_fn(void *ctx, const struct host *host, uint16_t port);

/* It has gone, unheard or refused; its descriptor is closed and it may be freed. */
typedef void front_left_fn(void *ctx);

struct front {
	struct source source; /* fd: the client, whose owner this is */
	struct timer timer;
	struct loop *loop;
	front_asked_fn *asked;
	front_left_fn *left;
	void *ctx;
	uint8_t protocol, state;
	bool takes_frames;
	size_t len, used; /* bytes that came, and of these, what was read */
	size_t seen;	  /* by the search for a head's end */
	struct http_request request;
	char bytes[HTTP_HEAD_MAX];
};

/* Takes FD over. Calls nothing before it has returned; on -errno FD was reset. */
int front_start(struct front *f, struct loop *l, int fd, bool takes_frames,
		front_asked_fn *asked, front_left_fn *left, void *ctx);

/*
 * Says that SERVER is connected and passes on, both ways; EARLY are bytes that came from it
 * already. O->done is called with CTX at the end; F may be freed now. Returns 0, or -errno: both
 * were reset and DONE is not called.
 */
int front_accept(struct front *f, int server, struct pumps *pumps,
		 const struct pump_options *o, void *ctx, const void *early,
		 size_t early_len);

/*
 * Says why not: ERROR is an errno, EACCES for what no rule allows; WORDS a line without control
 * characters. LEFT is called when the client has gone, maybe before this returns.
 */
void front_refuse(struct front *f, int error, const char *words);

#endif
