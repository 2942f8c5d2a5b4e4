#ifndef VSOCK_RELAY_MONITOR_LINK_H
#define VSOCK_RELAY_MONITOR_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/base/target.h"

/* Connections to enclaves and of enclaves, whatever their address is. */

struct wait;

/* A connection. */
struct link {
	int fd;		    /* -1: none */
	bool is_connecting; /* to a CID: not decided yet, until DUE_MS at the latest */
	int64_t due_ms;
	/* The answer to CONNECT is to come: so much of it has been read. */
	bool is_asking;
	size_t seen;
};

/*
 * Begins an attempt to connect to PORT of the enclave at A, and does not wait for it: for a
 * CID link_read says within LINK_CONNECT_MS how it failed. Returns 0, or -errno:
 * -ECONNRESET if nothing listens there.
 */
int link_connect(struct link *l, const struct target *a, uint32_t port);

enum { LINK_CONNECT_MS = 1000 };

/*
 * Reads up to LEN bytes. Returns their number, 0 at the end of the stream, or -errno:
 * -EAGAIN if there are none yet, -ECONNRESET also if nothing listens.
 */
int link_read(struct link *l, void *buf, size_t len);

/* True if what is sent now reaches the port. */
bool link_is_connected(const struct link *l);

/* Adds what link_read waits for. */
void link_wait(const struct link *l, struct wait *w);

/* Safe if there is none. */
void link_close(struct link *l);

/* A port of the parent. */
struct link_listener {
	int fd; /* -1: none */
	bool is_vsock;
	char path[TARGET_PATH_MAX]; /* of its socket; empty: none */
};

enum { LINK_LISTENERS_MAX = 64 };

/*
 * Listens at PORT, where the enclave at A reaches it; A that is NULL or a CID stands for
 * all enclaves of this machine's vsock. Returns 0, or -errno: -EADDRINUSE if another
 * process does, -ENFILE if there are LINK_LISTENERS_MAX. A socket that is left over from a
 * process is replaced; a signal that ends this one removes it. L stays where it is until
 * link_unlisten.
 */
int link_listen(struct link_listener *l, const struct target *a, uint32_t port);

/*
 * Takes a connection that waits, and the CID that it comes from, 0 where it comes from no
 * vsock. Returns 0, or -errno: -EAGAIN if none waits.
 */
int link_accept(struct link_listener *l, struct link *ret, uint32_t *ret_cid);

/* Why link_listen has failed, in words. */
const char *link_reason(int error);

/* Removes the socket, too. Safe if there is none. */
void link_unlisten(struct link_listener *l);

#endif
