#ifndef VSOCK_RELAY_WIRE_SOCKS_H
#define VSOCK_RELAY_WIRE_SOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/plan/host.h"

/* SOCKS5 (RFC 1928) without authentication, CONNECT alone. Pure. */

enum {
	SOCKS_VERSION = 5, /* the first byte of all that is sent */
	SOCKS_MESSAGE_MAX = 4 + 1 + 255 + 2,
};

/* What an answer says. */
enum socks_reply {
	SOCKS_DONE = 0,
	SOCKS_FAILED = 1,
	SOCKS_DENIED = 2,
	SOCKS_UNREACHABLE = 4,
	SOCKS_REFUSED = 5,
	SOCKS_TIMEOUT = 6,
	SOCKS_NO_COMMAND = 7,
	SOCKS_NO_ADDRESS = 8,
};

/*
 * These read what is at the beginning of LEN bytes and return its length; 0: it is not whole
 * yet; or -1.
 */

/* The client's methods. *RET: what to answer, 2 bytes of which the second is 0xff if there is none. */
int socks_read_methods(const uint8_t *bytes, size_t len, uint8_t ret[2]);

/* What it asks for; on -1 *RETERR is what to answer. */
int socks_read_request(const uint8_t *bytes, size_t len, struct host *ret,
		       uint16_t *ret_port, enum socks_reply *reterr);

/* The server's choice of a method: only that of none is good. */
int socks_read_choice(const uint8_t *bytes, size_t len);

/* The server's answer. */
int socks_read_reply(const uint8_t *bytes, size_t len, enum socks_reply *ret);

/* These return the length of what they write. */
size_t socks_write_methods(uint8_t ret[SOCKS_MESSAGE_MAX]);
size_t socks_write_request(const struct host *host, uint16_t port,
			   uint8_t ret[SOCKS_MESSAGE_MAX]);
size_t socks_write_reply(enum socks_reply reply,
			 uint8_t ret[SOCKS_MESSAGE_MAX]);

#endif
