#ifndef TESTS_FAULTS_CALLERS_H
#define TESTS_FAULTS_CALLERS_H

/* Who calls: return addresses on a stopped process' stack, with names. */

#include <stdint.h>
#include <sys/types.h>

/*
 * Reads the symbols of what PID executes, a static program for this machine, once. 0, or -errno:
 * then there are addresses in the place of names.
 */
int callers_open(pid_t pid);

/*
 * The place from which PID, stopped at PC with the stack SP, called the function NAME or OTHER: the return address. 0:
 * there is none on the stack. Only calls of a fixed function are seen.
 */
uint64_t callers_site(pid_t pid, uint64_t sp, const char *name,
		      const char *other);

/*
 * Puts the functions of return addresses on the stack into TEXT of CAP bytes, innermost first, as "read < file_read < main".
 * There is nothing to unwind by: an address of an earlier call may stand among them.
 */
void callers_show(pid_t pid, uint64_t pc, uint64_t sp, char *text, size_t cap);

#endif
