#ifndef TESTS_FAULTS_CALLERS_H
#define TESTS_FAULTS_CALLERS_H

/* Finds and names the callers of a stopped process by its stack. */

#include <stdint.h>
#include <sys/types.h>

/*
 * Reads the symbols of the program that PID executes; it has to be a static one.
 * Returns 0, or -errno: then addresses are shown in place of names.
 */
int callers_open(pid_t pid);

/*
 * Returns the place in the program, a return address, from which PID with the stack
 * pointer SP called the function NAME or OTHER; 0 if the stack has none. Calls by
 * pointer are not found.
 */
uint64_t callers_site(pid_t pid, uint64_t sp, const char *name,
		      const char *other);

/*
 * Writes the functions whose return addresses are on the stack into TEXT of CAP
 * bytes, the innermost first, as "read < file_read < main". The program has no
 * unwind tables: a return address of an earlier call may be among them.
 */
void callers_show(pid_t pid, uint64_t pc, uint64_t sp, char *text, size_t cap);

#endif
