#ifndef VSOCK_HEARTBEAT_H
#define VSOCK_HEARTBEAT_H

#include <stdint.h>

/*
 * The boot heartbeat of nitro-cli's run-enclave (enclave_proc, "enclave ready"):
 * the parent listens at CID 3, mostly port 9000, for one connection, reads one byte
 * and echoes 0xB7. Any other byte makes it give the enclave up at once.
 */

enum {
	HEARTBEAT_BYTE = 0xB7,
	/* The longest that each part takes. */
	HEARTBEAT_CONNECT_MS = 10000,
	HEARTBEAT_REPLY_MS = 10000,
	HEARTBEAT_CLOSE_MS = 2000,
};

/* Where a heartbeat failed. */
enum heartbeat_stage {
	HEARTBEAT_CONNECT,
	HEARTBEAT_SEND,
	HEARTBEAT_REPLY,
};

/*
 * Tells the parent, at PORT of CID 3, that the application runs, and waits for
 * its echo. Tries to connect for HEARTBEAT_CONNECT_MS. Once a byte was sent it
 * makes no second connection, since the parent accepts one. Returns 0, or
 * -errno with *RETERR_STAGE set; -EPROTO means an echo of the wrong byte.
 */
int heartbeat_positive(uint32_t port, enum heartbeat_stage *reterr_stage);

/*
 * Tells the parent that the boot has failed, by CODE, any byte but
 * HEARTBEAT_BYTE (-EINVAL). Then waits for the parent to close, since bytes on
 * their way are lost when the machine restarts. Returns as above.
 */
int heartbeat_negative(uint32_t port, uint8_t code,
		       enum heartbeat_stage *reterr_stage);

#endif
