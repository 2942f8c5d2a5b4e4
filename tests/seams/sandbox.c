/*
 * The filter as shipped, and the calls of tests/seams/sock.c and seam.c; and the number -1,
 * which tests/faults gives a call that is to fail.
 */

#define MORE                                                             \
	ALLOW(recvmsg), ALLOW(sendmsg), ALLOW(socketpair), ALLOW(fcntl), \
		ALLOW(writev), UNLESS(0xffffffff, 1),                    \
		RETURN(SECCOMP_RET_ALLOW),

#include "init/link/sandbox.c" /* NOLINT(bugprone-suspicious-include) */
