#ifndef VSOCK_RELAY_WIRE_FILTER_H
#define VSOCK_RELAY_WIRE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/plan/plan.h"

/*
 * Which Ethernet frames pass between an enclave and the network that its parent makes. Pure.
 *
 * In: ARP of the own network; IPv4 to the own address, without options, in one piece:
 *   TCP that is no first packet of a connection, or one to a port of `tap-accept`;
 *   UDP to such a port, or as an answer to what was sent not longer than FILTER_UDP_MS ago;
 *   ICMP as an answer to an echo, or about a packet that did not arrive.
 * Out: ARP, and IPv4 of the own address, in one piece or several.
 */

enum {
	FILTER_UDP_MS = 180 * 1000,
	FILTER_SETS = 256, /* of conversations over UDP, */
	FILTER_WAYS = 4,   /* and how many there are in one */
};

enum {
	FILTER_ETHER = 14, /* bytes of a head of Ethernet */
	FILTER_VLAN = 4,   /* and more in one with a tag, which does not pass */
};

/* A conversation over UDP that began inside. */
struct filter_udp {
	int64_t used_ms; /* 0: none */
	uint32_t peer;
	uint16_t peer_port, port;
};

struct filter {
	const struct plan_tap *plan;
	struct filter_udp udp[FILTER_SETS][FILTER_WAYS];
};

/* PLAN stays as long as F. */
void filter_open(struct filter *f, const struct plan_tap *plan);

enum { FILTER_PROBE = 42 };

/* Writes a frame that asks the gateway for its MAC, which answers it if it hears us. */
void filter_probe(const struct plan_tap *plan, uint8_t ret[FILTER_PROBE]);

/* True if the frame of LEN bytes may enter the enclave. NOW_MS is 1 or more and never less. */
bool filter_in(struct filter *f, const uint8_t *frame, size_t len,
	       int64_t now_ms);

/* True if the frame may leave it. */
bool filter_out(struct filter *f, const uint8_t *frame, size_t len,
		int64_t now_ms);

#endif
