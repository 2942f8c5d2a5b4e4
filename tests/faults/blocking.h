#ifndef TESTS_FAULTS_BLOCKING_H
#define TESTS_FAULTS_BLOCKING_H

/* Tells which system calls PID 1 may make once code of the image has run. */

#include <stdint.h>
#include <sys/types.h>

/* A call that a stopped process is about to make. */
struct blocking_call {
	pid_t pid;
	uint64_t number, args[6];
	uint64_t sp;
};

/*
 * Returns why CALL could block, or NULL if it cannot. One call site of poll and ppoll
 * may wait: the first that is seen, which is the loop's. The text is valid until the
 * next call.
 */
const char *blocking_reason(const struct blocking_call *call);

#endif
