#ifndef VSOCK_RELAY_EGRESS_EXCHANGE_H
#define VSOCK_RELAY_EGRESS_EXCHANGE_H

#include <stddef.h>

#include "vsock/relay/flow/loop.h"
#include "vsock/relay/flow/pump.h"
#include "vsock/relay/wire/http.h"

/*
 * One request to a proxy with an http:// URL, and its answer. What the client sends beyond the
 * request is dropped, never sent to its server: the next request may be for another one. The
 * client is told that the connection closes, and it does.
 */

/*
 * Takes the connected CLIENT and SERVER over, whatever it returns. MORE is what has come behind
 * R's head, EARLY what has come from the server. O->done is called once with CTX, never from
 * within; of O its column is used as well. Returns 0, or -errno: both were reset and DONE is not
 * called.
 */
int exchange_start(struct loop *l, int client, int server,
		   const struct http_request *r, const void *more,
		   size_t more_len, const void *early, size_t early_len,
		   const struct pump_options *o, void *ctx);

#endif
