#include "init/link/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "vsock/sock.h"

#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000U
#endif

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define UNLESS(value, skip) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define ALLOW(call) UNLESS(__NR_##call, 1), RETURN(SECCOMP_RET_ALLOW)

/* What stands for vsock in tests is another kind of socket. */
#ifndef MORE
#define MORE
#endif

int sandbox_enter(void)
{
	static const struct sock_filter filter[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		/* In the order in which they are frequent. */
		ALLOW(ppoll),
#ifdef __NR_poll
		ALLOW(poll),
#endif
		ALLOW(read),
		ALLOW(sendto),
		ALLOW(recvfrom),
		ALLOW(write),
		ALLOW(clock_gettime),
		ALLOW(accept4),
		ALLOW(close),
		ALLOW(connect),
		ALLOW(shutdown),
		ALLOW(getsockopt),
		ALLOW(exit_group),
		ALLOW(rt_sigreturn),
		/* A poll goes on by it when the process was stopped or frozen. */
		ALLOW(restart_syscall),
		MORE
			/* The last: what follows looks at its argument. */
			UNLESS(__NR_socket, 3),
		LOAD(args[0]),
		UNLESS(SOCK_FAMILY, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = (struct sock_filter *)(uintptr_t)filter,
	};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ?
		       -errno :
		       0;
}
