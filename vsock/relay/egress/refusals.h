#ifndef VSOCK_RELAY_EGRESS_REFUSALS_H
#define VSOCK_RELAY_EGRESS_REFUSALS_H

#include <stdint.h>

/*
 * Lines on stderr about what was refused: a program, or a peer, cannot make more than
 * REFUSALS_MAX in REFUSALS_MS, and how many were left out is said in the next one.
 */

enum { REFUSALS_MAX = 10, REFUSALS_MS = 60000 };

struct refusals {
	const char *object; /* with which lines begin */
	int64_t since_ms;
	unsigned printed;
	uint64_t omitted;
};

void refusals_print(struct refusals *r, int64_t now_ms, const char *words);

#endif
