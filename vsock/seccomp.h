#ifndef VSOCK_SECCOMP_H
#define VSOCK_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A filter of system calls, written call by call (Linux's seccomp(2)): what was not allowed when
 * it is entered ends the process. For relay and the local API; the link of PID 1 has a constant
 * one.
 */

enum {
	SECCOMP_CODE_MAX =
		320 /* instructions; more are left out, and end the process */
};

struct seccomp_program {
	struct sock_filter code[SECCOMP_CODE_MAX];
	unsigned short len;
};

/* Begins P: calls of another architecture end the process. */
void seccomp_begin(struct seccomp_program *p);

/* Allows the call NUMBER, whatever its arguments. */
void seccomp_allow(struct seccomp_program *p, uint32_t number);

/* Allows the call NUMBER if its argument N, an int, has none of BITS. */
void seccomp_allow_without(struct seccomp_program *p, uint32_t number, int n,
			   uint32_t bits);

/* Allows the call NUMBER if its argument N, an int, is VALUE. */
void seccomp_allow_with(struct seccomp_program *p, uint32_t number, int n,
			uint32_t value);

/* Allows sockets of the families UNIX, INET, INET6 and VSOCK: streams, and datagrams. */
void seccomp_allow_sockets(struct seccomp_program *p, bool has_datagrams);

/* Allows datagrams of the family UNIX, and no other socket. */
void seccomp_allow_notices(struct seccomp_program *p);

/*
 * Allows what any process needs whose calls are filtered: memory, which is never code; with FORKS processes, but no threads or
 * namespaces; with READS to open files for reading alone.
 */
void seccomp_allow_process(struct seccomp_program *p, bool forks, bool reads);

/* Ends P, and has the process under it from now on. Returns 0 or -errno. */
int seccomp_enter(struct seccomp_program *p);

#endif
