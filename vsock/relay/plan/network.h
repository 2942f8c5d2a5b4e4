#ifndef VSOCK_RELAY_PLAN_NETWORK_H
#define VSOCK_RELAY_PLAN_NETWORK_H

#include "vsock/relay/plan/plan.h"

/*
 * The values of tap-... Each reads LEN bytes at TEXT and returns NULL, or why they are none.
 * Pure.
 */

/* gvproxy's network, as far as the plan names none. */
void network_defaults(struct plan_tap *t);

const char *network_address(const char *text, size_t len, struct plan_tap *t);
const char *network_gateway(const char *text, size_t len, struct plan_tap *t);
const char *network_mac(const char *text, size_t len, struct plan_tap *t);

/* Words PORT[-LAST][/tcp|/udp]; those of several lines add up. */
const char *network_accept(const char *text, size_t len, struct plan_tap *t);

/* NULL, or why address and gateway cannot be of one network. */
const char *network_check(const struct plan_tap *t);

#endif
