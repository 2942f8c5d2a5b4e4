#ifndef VSOCK_SOCK_H
#define VSOCK_SOCK_H

#include <stdint.h>

/*
 * Seam: the only AF_VSOCK in the tree.
 */

enum {
	SOCK_CID_HOST = 2,
	SOCK_CID_PARENT = 3,
	SOCK_FAMILY = 40, /* for filters of system calls */
};

/*
 * Makes one attempt at a stream connection to PORT at CID, within TIMEOUT_MS
 * milliseconds (the kernel itself gives up after 2 s). Returns a descriptor,
 * non-blocking and close-on-exec, the caller's; or -errno: -ECONNRESET if
 * nothing listens there (vsock knows no refusal), -ETIMEDOUT, -ENODEV if there
 * is no transport to CID, -EAFNOSUPPORT if the kernel has no vsock at all.
 */
int sock_connect(uint32_t cid, uint32_t port, int timeout_ms);

/*
 * The same without waiting: sock_connect_begin returns a descriptor, which can be written
 * to as soon as it is decided; then sock_connect_end returns 0 or how it failed. The
 * descriptor is the caller's in either case.
 */
int sock_connect_begin(uint32_t cid, uint32_t port);
int sock_connect_end(int fd);

/* The same with a window of BUFFER bytes, as sock_listen has it. */
int sock_connect_begin_sized(uint32_t cid, uint32_t port, uint32_t buffer);

/*
 * Listens on PORT of every CID that this machine has. BUFFER is the size in bytes of the
 * windows of accepted connections, in which data is kept that nobody reads; 0: the
 * kernel's 256 KiB. Returns a descriptor, non-blocking and close-on-exec, the
 * caller's; or -errno: -EADDRINUSE if the port is taken, -EACCES below 1024 without
 * CAP_NET_BIND_SERVICE, -EAFNOSUPPORT if the kernel has no vsock at all.
 */
int sock_listen(uint32_t port, uint32_t buffer);

/*
 * Takes a connection that waits at the listening descriptor FD. Returns it, non-blocking
 * and close-on-exec, the caller's, and the CID of the peer; or -errno: -EAGAIN if none
 * waits.
 */
int sock_accept(int fd, uint32_t *ret_cid);

#endif
