#ifndef VSOCK_RELAY_WIRE_ORIGIN_H
#define VSOCK_RELAY_WIRE_ORIGIN_H

#include <stddef.h>
#include <stdint.h>

/* Who has connected, and the PROXY protocol, version 2, that tells a target. Pure. */

enum origin_kind {
	ORIGIN_OTHER, /* a socket of AF_UNIX */
	ORIGIN_VSOCK,
	ORIGIN_V4,
	ORIGIN_V6,
};

/* One end of a connection. */
struct origin {
	enum origin_kind kind;
	uint32_t cid;	/* vsock */
	uint16_t port;	/* v4, v6 */
	uint8_t ip[16]; /* 4 or 16 bytes, in the network's order */
};

enum { ORIGIN_HEADER_MAX = 16 + 36 };

/*
 * Writes the header: of a connection from FROM to TO if both are v4 or both v6, of an unknown
 * one else. Returns its length.
 */
size_t origin_header(const struct origin *from, const struct origin *to,
		     uint8_t ret[ORIGIN_HEADER_MAX]);

#endif
