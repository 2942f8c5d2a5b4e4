/* The filter as shipped, and the calls of tests/seams/sock.c and seam.c. */

#define MORE                                                             \
	ALLOW(recvmsg), ALLOW(sendmsg), ALLOW(socketpair), ALLOW(fcntl), \
		ALLOW(writev),

#include "init/link/sandbox.c" /* NOLINT(bugprone-suspicious-include) */
