#ifndef TESTS_FAULTS_BLOCKING_H
#define TESTS_FAULTS_BLOCKING_H

/* Which system calls can block: what PID 1 may do once code of the image has run. */

#include <stdint.h>
#include <sys/types.h>

/* A call that a stopped process is about to make. */
struct blocking_call {
	pid_t pid;
	uint64_t number, args[6];
	uint64_t sp;
};

/*
 * Why CALL can block: because of what it is, or of what it is asked for; NULL if it cannot. One
 * call site of poll or ppoll with a timeout is allowed, which is the first that is seen: the loop's.
 * The text is valid until the next call.
 */
const char *blocking_reason(const struct blocking_call *call);

#endif
