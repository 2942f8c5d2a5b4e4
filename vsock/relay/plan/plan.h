#ifndef VSOCK_RELAY_PLAN_PLAN_H
#define VSOCK_RELAY_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/plan/address.h"
#include "vsock/relay/plan/route.h"

/*
 * What a configuration asks relay for: the enclave's lines, or a file of the parent's. Pure;
 * mkeif and relay read the same. Plain data, which points only into the text.
 */

enum {
	PLAN_TEXT_MAX = 256 << 10,
	PLAN_ROUTES_MAX = 64,
	PLAN_LINES_MAX = 64, /* of one key that repeats */
	PLAN_ENDS_MAX = 16,
	PLAN_ACCEPTS_MAX = 64,
	PLAN_WORKERS_MAX = 64,
	PLAN_WORDS = 256,
};

enum plan_side {
	PLAN_INSIDE, /* the enclave's end */
	PLAN_PARENT,
};

/* The value of a line. */
struct plan_value {
	const char *at; /* no NUL ends it */
	size_t len;
	unsigned line; /* from 1; 0: the line is not there */
};

/* The values of a key that repeats, in order. */
struct plan_values {
	size_t count;
	struct plan_value at[PLAN_LINES_MAX];
};

enum plan_via {
	PLAN_VIA_CONNECT,
	PLAN_VIA_ENCLAVER,
	PLAN_VIA_SOCKS5,
};

/* egress, egress-...: inside */
struct plan_egress {
	unsigned
		line; /* of "egress", or else of the first egress-names; 0: none */
	struct address listen; /* tcp; ADDRESS_NONE: egress-names alone */
	struct address target; /* vsock; default 3:17002 */
	enum plan_via via;
	struct plan_values allow, deny; /* plan/rules reads them */
	struct plan_values names;	/* plan/hosts reads them */
};

/* dns-forward, dns-allow: inside */
struct plan_dns {
	unsigned line; /* 0: none */
	struct address target;
	struct plan_values allow;
};

enum plan_framing {
	PLAN_FRAMING_GVPROXY,
	PLAN_FRAMING_QEMU,
};

/* Ports that are reachable from outside over the tap. */
struct plan_accept {
	uint16_t first, last;
	bool is_udp;
};

/* tap, tap-...: inside; defaults are filled in */
struct plan_tap {
	unsigned line; /* 0: none */
	struct address target;
	enum plan_framing framing;
	uint8_t ip[4];
	unsigned prefix;
	uint8_t gateway[4];
	uint8_t mac[6];
	unsigned mtu;
	size_t accepts;
	struct plan_accept accept[PLAN_ACCEPTS_MAX];
};

/* exit or dns: the parent's ends; the value after the address is plan/fence's or dns/servers' */
struct plan_end {
	struct address listen;
	struct plan_value options;
};

struct plan_ends {
	size_t count;
	struct plan_end at[PLAN_ENDS_MAX];
};

struct plan {
	enum plan_side side;
	uint32_t workers; /* forward-workers; 0: the processors, up to 4 */
	uint64_t memory;  /* forward-memory; 16M: of stalled data, in all */
	uint32_t max;	  /* forward-max; 4096: connections in all */
	struct plan_tap tap;
	size_t routes;
	struct route route[PLAN_ROUTES_MAX];
	struct plan_egress egress;
	struct plan_dns dns;
	struct plan_ends exits;	    /* exit = LISTEN [OPTION]... */
	struct plan_ends resolvers; /* dns = LISTEN [OPTION]... */
};

struct plan_fault {
	unsigned line; /* 0: of none */
	char words[PLAN_WORDS];
};

/*
 * Reads LEN bytes of lines "KEY = VALUE"; # begins a comment line. Returns 0, or -EINVAL
 * with *RETERR. TEXT must stay as long as *RET, which is all zeros before: clearing it would
 * take pages of what nobody asks for.
 */
int plan_read(const char *text, size_t len, enum plan_side side,
	      struct plan *ret, struct plan_fault *reterr);

/* Here rather than in the parts: relay asks for each, and reads no page of those that it does not need. */
bool plan_wants_egress(const struct plan *p);
bool plan_wants_dns(const struct plan *p);
bool plan_wants_tap(const struct plan *p);
bool plan_wants_exits(const struct plan *p);
bool plan_wants_resolvers(const struct plan *p);

#endif
