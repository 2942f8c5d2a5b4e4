#ifndef VSOCK_RELAY_PLAN_SPECIAL_H
#define VSOCK_RELAY_PLAN_SPECIAL_H

#include "vsock/relay/plan/host.h"

/*
 * Addresses that are not of the internet: IANA's special-purpose registries of IPv4 and IPv6, and
 * what they do not list but must not be reached, either. Pure.
 */

/*
 * What the address H is of, in words ("link-local"), or NULL if it is of the internet. Of an IPv6
 * address with an IPv4 address within (mapped, 6to4, NAT64) the latter counts.
 */
const char *special_words(const struct host *h);

#endif
