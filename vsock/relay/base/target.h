#ifndef VSOCK_RELAY_BASE_TARGET_H
#define VSOCK_RELAY_BASE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

/* Where an enclave is. Pure. */

enum target_kind {
	TARGET_CID, /* of this machine's vsock */
	TARGET_MUX, /* a socket of a virtual machine monitor: CONNECT PORT */
	TARGET_DIR, /* a directory with a socket a port */
};

struct target {
	enum target_kind kind;
	uint32_t cid;
	const char *path; /* of the other two; the caller's */
	const char *text; /* as the user wrote it; the caller's */
};

enum { TARGET_PATH_MAX = 108 }; /* as in struct sockaddr_un, with the NUL */

/*
 * Reads CID, mux:PATH or dir:PATH. Returns NULL, or why it is none of them. TEXT must
 * stay as long as *RET.
 */
const char *target_read(const char *text, struct target *ret);

/*
 * Writes the path of the socket at which PORT of the enclave is reached, or, with
 * LISTENS, at which the enclave reaches PORT of the parent. A is no CID. False: the path
 * is too long for a socket.
 */
bool target_path(const struct target *a, uint32_t port, bool listens,
		 char ret[TARGET_PATH_MAX]);

/* Reads a port: 0 to 2^32 - 2. */
bool target_port(const char *text, uint32_t *ret);

#endif
