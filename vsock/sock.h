#ifndef VSOCK_SOCK_H
#define VSOCK_SOCK_H

#include <stdint.h>

/*
 * Seam: the only AF_VSOCK in the tree.
 */

enum { SOCK_CID_PARENT = 3 };

/*
 * Makes one attempt at a stream connection to PORT at CID, within TIMEOUT_MS
 * milliseconds (the kernel itself gives up after 2 s). Returns a descriptor,
 * non-blocking and close-on-exec, the caller's; or -errno: -ECONNRESET if
 * nothing listens there (vsock knows no refusal), -ETIMEDOUT, -ENODEV if there
 * is no transport to CID, -EAFNOSUPPORT if the kernel has no vsock at all.
 */
int sock_connect(uint32_t cid, uint32_t port, int timeout_ms);

#endif
