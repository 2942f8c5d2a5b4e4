#ifndef VSOCK_RELAY_FLOW_RESOLVE_H
#define VSOCK_RELAY_FLOW_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/flow/loop.h"
#include "vsock/relay/flow/service.h"

/*
 * Names to addresses, at the parent, as the C library knows them: /etc/hosts, then the servers
 * of /etc/resolv.conf. A process of its own forks a child for each lookup, which may
 * block; workers ask it and go on. What is found is used for RESOLVE_KEEP_MS, and what
 * fails is looked up again for the next who asks.
 */

enum {
	RESOLVE_IPS = 6, /* of a name; more are not tried */
	RESOLVE_KEEP_MS = 10000,
	RESOLVE_TIMEOUT_MS = 12000, /* until DONE is called, at most */
};

enum resolve_family { RESOLVE_ANY, RESOLVE_V4, RESOLVE_V6 };

struct resolve_ip {
	bool is_v6;
	uint8_t ip[16];
};

/*
 * COUNT addresses, 1 or more, in the order in which they should be tried, if ERROR is 0;
 * else -ENOENT: there is no such name, or none of that family; -EAGAIN: the servers gave no
 * answer; -ETIMEDOUT; -ENOBUFS: too many lookups at once.
 */
typedef void resolve_done_fn(void *ctx, int error, const struct resolve_ip *ips,
			     size_t count);

/* A lookup; embedded in its owner. */
struct resolve {
	struct resolve *next;
	struct timer timer;
	struct loop *loop;
	resolve_done_fn *done; /* NULL: none is under way */
	void *ctx;
	uint32_t id;
	int error;
};

/*
 * Looks up the LEN bytes at NAME, which need not stay. DONE is called once, never from
 * within resolve_start, unless resolve_cancel comes first; by then R is free. OWNER, if it is not 0,
 * has no more than its share of the lookups, as it could keep others from theirs. Only where
 * the plan has names or exits, and in workers.
 */
void resolve_start(struct resolve *r, struct loop *l, const char *name,
		   size_t len, enum resolve_family family, uint32_t owner,
		   resolve_done_fn *done, void *ctx);

/* DONE will not be called. Safe for one that has ended, and for one of zeros. */
void resolve_cancel(struct resolve *r);

/* A family for all lookups that name none: vsock-proxy's -4 and -6. Before workers are forked. */
void resolve_prefer(enum resolve_family family);

/* For a message: why a name was not found. */
const char *resolve_words(int error);

extern const struct service resolve_service;

#endif
