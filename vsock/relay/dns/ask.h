#ifndef VSOCK_RELAY_DNS_ASK_H
#define VSOCK_RELAY_DNS_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/dns/callers.h"
#include "vsock/relay/flow/loop.h"
#include "vsock/relay/plan/address.h"
#include "vsock/relay/wire/dns.h"

/*
 * Questions of DNS to the parent, over a few connections that are made when there is something
 * to ask, and closed when there has been nothing for a while. A question has a number of its own on
 * its connection; what comes with another, or with another question, is dropped.
 */

enum {
	ASK_MAX = 256,	       /* questions at once */
	ASK_TIMEOUT_MS = 4500, /* less than the 5 s of resolvers */
};

/* Who asks: a caller, or by UDP an address, in the order of the network. */
struct ask_from {
	struct caller_id caller;
	uint32_t ip;
	uint16_t port;
};

/*
 * The answer to what FROM has asked, LEN bytes that may be changed, with the number of the query;
 * UDP_SIZE is what its sender takes in a datagram. May be called from within ask_send, and must not
 * ask.
 */
typedef void ask_answered_fn(const struct ask_from *from, uint8_t *answer,
			     size_t len, size_t udp_size);

/*
 * The parent is at TO, which stays. SETTLED is called after answers, when there may be room for
 * more questions; it may ask, and is not called from within ask_send.
 */
void ask_open(struct loop *l, const struct address *to,
	      ask_answered_fn *answered, void (*settled)(void));

/* No question is taken now. */
bool ask_is_full(void);

/* The same of FROM, by UDP, is under way with this number. */
bool ask_is_known(const struct ask_from *from, uint16_t id);

/* Asks the LEN bytes at M, which have been read to Q. Not if ask_is_full. */
void ask_send(const struct ask_from *from, const uint8_t *m, size_t len,
	      const struct dns_query *q);

#endif
