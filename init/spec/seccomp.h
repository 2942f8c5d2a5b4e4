#ifndef INIT_SPEC_SECCOMP_H
#define INIT_SPEC_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/spec/codes.h"

/*
 * A filter of system calls: the bytes of an array of struct sock_filter, as
 * libseccomp's seccomp_export_bpf(3) writes them. Pure: the program is checked as
 * the kernel does (kernel/seccomp.c, seccomp_check_filter), and run over what a
 * process still needs once it is set.
 */

struct seccomp_data;

enum {
	SECCOMP_FILE_MAX = 4096 * 8, /* BPF_MAXINSNS instructions */
	SECCOMP_NO_VSOCK_LEN = 17 * 8,
};

/* Each code and its text, which seccomp_error_text returns. */
/* clang-format off */
#define SECCOMP_ERRORS(ERROR) \
	ERROR(SECCOMP_E_SIZE, "not 1 to 4096 instructions of 8 bytes") \
	ERROR(SECCOMP_E_CODE, "no filter that the kernel takes") \
	ERROR(SECCOMP_E_FORBIDS, "it forbids ") /* the call is named after it */
/* clang-format on */

enum seccomp_error { SECCOMP_E_BEFORE = 6299, SECCOMP_ERRORS(CODES_CODE) };

/* AUDIT_ARCH_... of linux/audit.h */
#define SECCOMP_X86_64 0xc000003eU
#define SECCOMP_AARCH64 0xc00000b7U
/* What 32-bit calls of these come as. */
#define SECCOMP_I386 0x40000003U
#define SECCOMP_ARM 0x40000028U

/*
 * Checks the LEN bytes at CODE for the architecture ARCH: returns 0 or
 * -SECCOMP_E_..., for SECCOMP_E_FORBIDS with the name of the call in *RETERR_CALL.
 * What it makes of arguments is not seen: they are all 0 here. With HAND_OVER PID 1 sets
 * the filter on itself, and needs what ends the machine where the exec fails.
 */
int seccomp_check(const void *code, size_t len, uint32_t arch, bool hand_over,
		  const char **reterr_call);

/*
 * What to say of a filter that seccomp_check has taken for ARCH and that does not look at
 * the architecture of a call, or lets all calls of the other one through; or NULL. A
 * kernel with IA32_EMULATION (on arm64: COMPAT) lets each 64-bit program make 32-bit
 * calls: such a filter decides on them by the numbers of other calls, or not at all.
 */
const char *seccomp_hint(const void *code, size_t len, uint32_t arch);

/* What CODE, which seccomp_check has taken, says to the call D: SECCOMP_RET_... */
uint32_t seccomp_decide(const void *code, size_t len,
			const struct seccomp_data *d);

/*
 * The filter of vsock = none, of SECCOMP_NO_VSOCK_LEN bytes, for this machine's architecture:
 * no socket of that family, by a call of whichever form. Where its arguments cannot be seen,
 * which is in memory and in a ring of io_uring, the call is as one that the kernel lacks.
 */
extern const struct sock_filter seccomp_no_vsock[];

/* This machine's. */
uint32_t seccomp_own_arch(void);

/* The words for one of these. Never NULL. */
const char *seccomp_error_text(int r);

#endif
