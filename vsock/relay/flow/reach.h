#ifndef VSOCK_RELAY_FLOW_REACH_H
#define VSOCK_RELAY_FLOW_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/flow/dial.h"
#include "vsock/relay/flow/resolve.h"

/*
 * A connection to an address of any kind: a name is looked up, and its addresses are tried
 * one after the other. Embedded in its owner.
 */

struct reach {
	struct dial dial;
	struct resolve resolve;
	struct address to; /* that is being tried */
	struct loop *loop;
	dial_done_fn *done;
	bool (*may)(void *ctx, const struct resolve_ip *ip);
	void *ctx;
	int64_t due_ms;
	uint32_t buffer;
	uint8_t at, count; /* of the addresses of the name */
	bool is_unknown;   /* DONE's error is one of resolve_words */
	struct resolve_ip ips[RESOLVE_IPS];
};

/*
 * As dial_start, but for a name as well, which has the first of its ports alone. MAY, if it is not NULL, decides for each address of a name
 * whether it may be dialled; if it may be for none, DONE gets -EACCES. OWNER is that of resolve_start.
 */
void reach_start(struct reach *r, struct loop *l, const struct address *a,
		 uint32_t buffer, int timeout_ms, uint32_t owner,
		 bool (*may)(void *ctx, const struct resolve_ip *ip),
		 dial_done_fn *done, void *ctx);

/* DONE will not be called. Safe for one that has ended, and for one of zeros. */
void reach_cancel(struct reach *r);

#endif
