#ifndef VSOCK_RELAY_NETWORK_DEVICE_H
#define VSOCK_RELAY_NETWORK_DEVICE_H

#include "vsock/relay/plan/plan.h"

/* The network device of an enclave. */

#define DEVICE_NAME "tap0"

/*
 * Makes the device, with the address, MAC and MTU of P, a default route by the gateway, up, and
 * without IPv6. It is there as long as a process has the descriptor. Returns that,
 * non-blocking, each read and write a frame of Ethernet; or -errno, and in *RETERR what has
 * failed: a path or a word.
 */
int device_open(const struct plan_tap *p, const char **reterr);

#endif
