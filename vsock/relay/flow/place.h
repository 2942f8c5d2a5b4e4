#ifndef VSOCK_RELAY_FLOW_PLACE_H
#define VSOCK_RELAY_FLOW_PLACE_H

#include <stdbool.h>

#include "vsock/relay/base/target.h"
#include "vsock/relay/plan/address.h"

/* Where the sockets of AF_UNIX are that addresses mean. */

enum { PLACE_PATH = TARGET_PATH_MAX };

/*
 * Writes the path of the socket for the first port of A, an ADDRESS_UNIX, _DIR or _MUX: that
 * to listen at, or to dial. False: it is too long for a socket.
 */
bool place_path(const struct address *a, bool listens, char ret[PLACE_PATH]);

#endif
