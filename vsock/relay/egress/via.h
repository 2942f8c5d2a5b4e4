#ifndef VSOCK_RELAY_EGRESS_VIA_H
#define VSOCK_RELAY_EGRESS_VIA_H

#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/flow/dial.h"
#include "vsock/relay/flow/loop.h"
#include "vsock/relay/plan/host.h"
#include "vsock/relay/plan/plan.h"
#include "vsock/relay/wire/http.h"

/* A connection to a host, by way of a proxy at the parent. Embedded in its owner. */

enum {
	VIA_TIMEOUT_MS =
		30000, /* in all: the proxy looks up names, and dials */
	VIA_WORDS = 160,
};

/*
 * FD is connected and the caller's, and EARLY are bytes that have come from it, to be used
 * before this returns; or it is -errno.
 */
typedef void via_done_fn(void *ctx, int fd, const void *early, size_t len);

struct via {
	struct dial dial;
	struct source source;
	struct timer timer;
	struct loop *loop;
	via_done_fn *done;
	void *ctx;
	enum plan_via how;
	uint8_t step;
	uint8_t refusal;   /* what has failed, and */
	unsigned answered; /* the status or number that the proxy gave for it */
	struct host host;
	uint16_t port;
	size_t out_at, out_len; /* what is to be written */
	size_t len, seen;	/* what has come */
	uint8_t out[HTTP_ANSWER_MAX];
	char in[HTTP_HEAD_MAX];
};

/* Calls DONE once, never from within. TARGET must stay as long. */
void via_start(struct via *v, struct loop *l, const struct address *target,
	       enum plan_via how, const struct host *host, uint16_t port,
	       via_done_fn *done, void *ctx);

/* Why it failed, as a part of a sentence. ERROR is what DONE got. */
void via_words(const struct via *v, int error, char ret[VIA_WORDS]);

#endif
