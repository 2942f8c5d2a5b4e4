#ifndef VSOCK_RELAY_FLOW_NOTICE_H
#define VSOCK_RELAY_FLOW_NOTICE_H

#include "vsock/relay/plan/address.h"

/*
 * Lines on stderr. Their callers see to it that a peer cannot make many of them. They do not
 * wait where stderr does not block, as inside an enclave: what it does not take is lost.
 */

/* "relay: OBJECT: ...", in one line without control characters; OBJECT may be NULL. */
__attribute__((format(printf, 2, 3))) void notice(const char *object,
						  const char *format, ...);

/* The same of an address. */
__attribute__((format(printf, 2, 3))) void notice_of(const struct address *a,
						     const char *format, ...);

#endif
