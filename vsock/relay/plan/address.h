#ifndef VSOCK_RELAY_PLAN_ADDRESS_H
#define VSOCK_RELAY_PLAN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where something listens or is connected to, as users write it. Pure.
 *
 *	vsock:[CID:]PORT[-LAST]		a port, or a range of them
 *	tcp:IP:PORT[-LAST]		IPv4, or IPv6 in brackets
 *	tcp:NAME:PORT			a name that is looked up (parent, targets)
 *	unix:PATH
 *	dir:PATH:PORT[-LAST]		the parent: a directory with a socket a port
 *	mux:PATH:PORT[-LAST]		the parent: a socket of a monitor, CONNECT PORT
 */

enum address_kind {
	ADDRESS_NONE,
	ADDRESS_VSOCK,
	ADDRESS_TCP,
	ADDRESS_NAME, /* tcp: with a name instead of an address */
	ADDRESS_UNIX,
	ADDRESS_DIR,
	ADDRESS_MUX,
};

enum {
	ADDRESS_RANGE_MAX = 256,
	ADDRESS_PATH_MAX = 107, /* as in struct sockaddr_un, without the NUL */
	ADDRESS_NAME_MAX = 253,
	ADDRESS_TEXT = 320, /* what address_text writes, its NUL included */
	ADDRESS_CID_PARENT = 3,
};

/* No CID was named: when listening anyone may connect, when dialling it is the parent. */
#define ADDRESS_CID_ANY UINT32_MAX

struct address {
	enum address_kind kind;
	/* vsock: whom to dial; of what listens, the only one that may connect */
	uint32_t cid;
	uint32_t port, last; /* equal if it is no range; unix: 0 */
	bool is_v6;
	uint8_t ip[16]; /* tcp: 4 or 16 bytes in the network's order */
	const char *
		name; /* a path or name, within the text that was read; no NUL ends it */
	size_t name_len;
};

/* What may be written where. */
enum {
	ADDRESS_LISTENS = 1, /* no name to look up, and TCP port 0 is none */
	ADDRESS_INSIDE = 2,  /* the enclave's end: no names, dir: and mux: */
	ADDRESS_SINGLE = 4,  /* no range */
};

/*
 * Reads the LEN bytes at TEXT, of which *RET points to some. FLAGS: ADDRESS_... Returns
 * NULL, or why it is none.
 */
const char *address_read(const char *text, size_t len, unsigned flags,
			 struct address *ret);

/* The number of its ports: 1 or more. */
uint32_t address_ports(const struct address *a);

/* The same address with only the port that is INDEX ports after the first. */
struct address address_at(const struct address *a, uint32_t index);

/* True if both would listen on the same port, socket or path. */
bool address_overlaps(const struct address *a, const struct address *b);

/* Writes it as it is read, with a NUL. Bytes of a path that are not printed are '?'. */
void address_text(const struct address *a, char ret[ADDRESS_TEXT]);

#endif
