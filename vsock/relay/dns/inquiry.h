#ifndef VSOCK_RELAY_DNS_INQUIRY_H
#define VSOCK_RELAY_DNS_INQUIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/dns/callers.h"
#include "vsock/relay/dns/messages.h"
#include "vsock/relay/dns/servers.h"
#include "vsock/relay/flow/dial.h"
#include "vsock/relay/flow/loop.h"
#include "vsock/relay/wire/dns.h"

/*
 * A query of an enclave that the parent's servers are asked: by UDP, one after the other, each
 * time from another port and with another number; and by TCP if the answer is cut. What does not match is
 * not looked at.
 */

enum {
	INQUIRY_MS = 4000, /* less than the enclave waits */
	INQUIRY_TRY_MS = 1200,
};

struct inquiry;

/* The answer, LEN bytes with the number of the query, there until DONE returns; I is free by then. */
typedef void inquiry_done_fn(struct inquiry *i, uint8_t *answer, size_t len);

struct inquiry {
	/* The caller's of inquiry_start. */
	bool is_used;
	struct callers *callers;
	struct caller_id from;

	struct source udp;
	struct timer timer;
	struct dial dial;
	struct messages tcp;
	struct loop *loop;
	inquiry_done_fn *done;
	struct servers servers;
	unsigned tries;
	int64_t due_ms;
	uint16_t id; /* the caller's */
	struct dns_query q;
	uint16_t len;
	uint8_t query[DNS_QUERY_MAX]; /* as it is sent */
};

/*
 * Asks SERVERS for the LEN bytes at M, which have been read to Q. DONE is called once; also from
 * within inquiry_start.
 */
void inquiry_start(struct inquiry *i, struct loop *loop,
		   const struct servers *servers, const uint8_t *m, size_t len,
		   const struct dns_query *q, inquiry_done_fn *done);

#endif
