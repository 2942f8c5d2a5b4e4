#ifndef VSOCK_RELAY_FLOW_LOOKUP_H
#define VSOCK_RELAY_FLOW_LOOKUP_H

#include <stdint.h>

#include "vsock/relay/flow/resolve.h"
#include "vsock/relay/flow/service.h"
#include "vsock/relay/plan/address.h"

/*
 * The process that looks names up for all workers: it forks a child for each name that is not
 * known, which asks the C library, and tells all who have asked for that name. flow/resolve is
 * the workers' half.
 */

enum {
	LOOKUP_CHILDREN = 48,
	LOOKUP_ASKERS = 1536,
	LOOKUP_CHILDREN_SHARE = 32, /* of one owner */
	LOOKUP_ASKERS_SHARE = 1024,
	LOOKUP_KNOWN = 128,	 /* names that are kept */
	LOOKUP_CHILD_MS = 10000, /* then the child is killed */
};

/* One message each, of SOCK_SEQPACKET. */
struct lookup_question {
	uint32_t id; /* the asker's */
	uint32_t owner;
	uint8_t family;
	uint8_t len;
	char name[ADDRESS_NAME_MAX];
};

struct lookup_answer {
	uint32_t id;
	int32_t error; /* as resolve_done_fn has it */
	uint32_t count;
	struct resolve_ip ips[RESOLVE_IPS];
};

extern const struct service lookup_service;

/* Where worker NUMBER asks: a descriptor, which stays lookup's, or -ENOTCONN. */
int lookup_end(unsigned number);

#endif
