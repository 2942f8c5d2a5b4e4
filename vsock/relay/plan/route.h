#ifndef VSOCK_RELAY_PLAN_ROUTE_H
#define VSOCK_RELAY_PLAN_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/plan/address.h"

/*
 * What the value of a "forward" line asks for. Pure.
 *
 *	LISTEN TARGET [max=N] [buffer=SIZE] [idle=TIME] [half-close=no] [proxy=v2]
 */

enum {
	ROUTE_MAX_MAX = 1 << 20,
	ROUTE_BUFFER_MIN = 64 << 10, /* below it each read costs a packet */
	ROUTE_BUFFER_MAX = 64 << 20,
};

struct route {
	struct address listen, target;
	unsigned line;
	uint32_t max; /* connections at once; 0: no limit of its own */
	uint32_t
		buffer; /* bytes that a vsock socket may hold; 0: the kernel's */
	int64_t idle_ms;    /* without a byte; 0: for ever */
	bool no_half_close; /* a half-close is not passed on to the target */
	bool proxy_v2; /* the target first gets a PROXY header, version 2 */
		       /*
	 * If both have ranges these are of one length, and the N-th port goes to the N-th;
	 * if only the target has one, connections go to its ports in turn.
	 */
};

/*
 * Reads the LEN bytes at TEXT. FLAGS: ADDRESS_INSIDE or 0. Returns NULL, or why it is none;
 * *RETERR is the part of TEXT that is meant, whose length is *RETERR_LEN.
 */
const char *route_read(const char *text, size_t len, unsigned flags,
		       struct route *ret, const char **reterr,
		       size_t *reterr_len);

/* Reads one option, "max=7". *SEEN is 0 before the first. Returns NULL, or why it is none. */
const char *route_option(const char *word, size_t len, unsigned *seen,
			 struct route *r);

/* NULL, or why the ends and options of R do not go together. */
const char *route_check(const struct route *r);

#endif
