#ifndef VSOCK_RELAY_PLAN_HOST_H
#define VSOCK_RELAY_PLAN_HOST_H

#include <stddef.h>
#include <stdint.h>

/* A host as programs and users write it. Pure. */

enum host_kind { HOST_NONE, HOST_NAME, HOST_V4, HOST_V6 };

enum {
	HOST_MAX = 253,	 /* bytes of a name */
	HOST_TEXT = 256, /* what host_text writes, its NUL included */
	HOST_PORT_TEXT = HOST_TEXT + 6,
};

struct host {
	enum host_kind kind;
	uint8_t ip[16]; /* 4 or 16 bytes, in the network's order */
	size_t len;
	char name[HOST_MAX +
		  1]; /* in lower case, without a dot at its end, with a NUL */
};

/*
 * Reads the LEN bytes at TEXT: an IPv4 address of four decimal numbers, an IPv6 address in
 * brackets or without them, or a name of letters, digits, - and _, of which case and one dot at
 * the end do not count. An IPv4 address that is mapped into IPv6 is the IPv4 address. Returns
 * NULL, or why it is none: a name that ends in a number (0x7f.1, 2130706433) is none, since
 * C libraries take it for an address.
 */
const char *host_read(const char *text, size_t len, struct host *ret);

/* The same of the 4 or 16 bytes of an address. */
void host_of_v4(const uint8_t ip[4], struct host *ret);
void host_of_v6(const uint8_t ip[16], struct host *ret);

/* Writes it with a NUL, an IPv6 address in brackets; and with a colon and PORT. */
void host_text(const struct host *h, char ret[HOST_TEXT]);
void host_port_text(const struct host *h, uint16_t port,
		    char ret[HOST_PORT_TEXT]);

#endif
