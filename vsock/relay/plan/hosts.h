#ifndef VSOCK_RELAY_PLAN_HOSTS_H
#define VSOCK_RELAY_PLAN_HOSTS_H

#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/plan/plan.h"
#include "vsock/relay/plan/rules.h"

/*
 * Names that programs reach without a proxy: the words NAME:PORT[,PORT]... of egress-names. Pure.
 * The N-th distinct name of all lines has address N of vsock/inside.h.
 */

enum {
	HOSTS_NAMES_MAX = 256, /* INSIDE_NAMES_MAX */
	HOSTS_PAIRS_MAX = 384,
};

struct hosts_pair {
	uint16_t name; /* its number */
	uint16_t port;
};

struct hosts {
	size_t names, pairs;
	struct plan_value name
		[HOSTS_NAMES_MAX]; /* without a dot at its end, with its first line */
	struct hosts_pair pair[HOSTS_PAIRS_MAX]; /* each once, in order */
};

/* Reads the rules of E, which have been read before, by plan_read. */
void hosts_rules(const struct plan_egress *e, struct rules *ret_allow,
		 struct rules *ret_deny);

/*
 * Reads all lines of egress-names, whose text must stay. Returns 0, or -EINVAL with *RETERR, if a
 * word is none, or if ALLOW and DENY do not let one be reached.
 */
int hosts_read(const struct plan_values *lines, const struct rules *allow,
	       const struct rules *deny, struct hosts *ret,
	       struct plan_fault *reterr);

#endif
