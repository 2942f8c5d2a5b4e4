#ifndef VSOCK_RELAY_DNS_SERVERS_H
#define VSOCK_RELAY_DNS_SERVERS_H

#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/plan/address.h"

/* The name servers that the parent asks. */

enum { SERVERS_MAX = 3, SERVERS_PORT = 53 };

struct servers {
	size_t count;
	struct address at[SERVERS_MAX]; /* of ADDRESS_TCP, for UDP as well */
	/* The file that they are from, and when to look again. */
	int64_t file[4], again_ms;
};

/*
 * Adds the one that the LEN bytes at TEXT are: IP, or IPv4:PORT, or [IPv6]:PORT. Returns NULL, or why it is
 * none.
 */
const char *servers_add(struct servers *s, const char *text, size_t len);

/*
 * Reads those of /etc/resolv.conf if the file has changed, at which it looks once a second at
 * most. Without any it is 127.0.0.1, as for the C library; more than SERVERS_MAX are left out, and
 * so are addresses of one interface alone (%eth0).
 */
void servers_refresh(struct servers *s, int64_t now_ms);

#endif
