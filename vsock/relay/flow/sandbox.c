#include "vsock/relay/flow/sandbox.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "vsock/seccomp.h"

/* A call that is allowed, whatever its arguments, to those that need it; 0: to all. */
struct call {
	uint16_t number;
	uint8_t needs;
};

/* In the order in which they are frequent. */
static const struct call calls[] = {
	{ __NR_recvfrom, 0 },
	{ __NR_sendto, 0 },
	{ __NR_epoll_ctl, 0 },
	{ __NR_epoll_pwait, 0 },
#ifdef __NR_epoll_wait
	{ __NR_epoll_wait, 0 },
#endif
	{ __NR_read, 0 },
	{ __NR_write, 0 },
	{ __NR_accept4, 0 },
	{ __NR_connect, 0 },
	{ __NR_close, 0 },
	{ __NR_shutdown, 0 },
	{ __NR_getsockopt, 0 },
	{ __NR_setsockopt, 0 },
	{ __NR_getsockname, 0 },
	{ __NR_clock_gettime, 0 },
	{ __NR_recvmsg, 0 },
	{ __NR_sendmsg, 0 },
	{ __NR_readv, 0 },
	{ __NR_writev, 0 },
	{ __NR_setitimer, 0 }, /* flow/loop's guard */
	{ __NR_madvise, 0 },
	{ __NR_munmap, 0 },
	{ __NR_mremap, 0 },
	{ __NR_brk, 0 },
	{ __NR_ppoll, 0 },
#ifdef __NR_poll
	{ __NR_poll, 0 },
#endif
	{ __NR_getrandom, 0 },
	{ __NR_getpid, 0 },
	{ __NR_gettid, 0 },
	{ __NR_rt_sigprocmask, 0 },
	{ __NR_rt_sigreturn, 0 },
	{ __NR_futex, 0 }, /* musl's locks */
	/* A sleep goes on by it when the process was stopped or frozen. */
	{ __NR_restart_syscall, 0 },
	{ __NR_exit_group, 0 },
	{ __NR_exit, 0 },
	{ __NR_bind, SANDBOX_DATAGRAMS },
	{ __NR_fcntl, SANDBOX_CHILDREN | SANDBOX_FILES },
#ifdef __NR_fork
	{ __NR_fork, SANDBOX_CHILDREN },
#endif
	{ __NR_set_tid_address, SANDBOX_CHILDREN }, /* of musl's fork */
	{ __NR_wait4, SANDBOX_CHILDREN },
	{ __NR_kill, SANDBOX_CHILDREN },
	{ __NR_getppid, SANDBOX_CHILDREN },
	{ __NR_rt_sigtimedwait, SANDBOX_CHILDREN },
	{ __NR_rt_sigaction, SANDBOX_CHILDREN },
	{ __NR_pipe2, SANDBOX_CHILDREN },
	{ __NR_socketpair, SANDBOX_CHILDREN },
	{ __NR_epoll_create1, SANDBOX_CHILDREN },
	{ __NR_prctl, SANDBOX_CHILDREN },
	{ __NR_unlinkat, SANDBOX_CHILDREN },
#ifdef __NR_unlink
	{ __NR_unlink, SANDBOX_CHILDREN },
#endif
	{ __NR_lseek, SANDBOX_FILES },
	{ __NR_fstat, SANDBOX_FILES },
	{ __NR_newfstatat, SANDBOX_FILES },
#ifdef __NR_stat
	{ __NR_stat, SANDBOX_FILES },
#endif
};

static void allow_calls(struct seccomp_program *p, unsigned needs)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!calls[i].needs || calls[i].needs & needs)
			seccomp_allow(p, calls[i].number);
	seccomp_allow_sockets(p, needs & SANDBOX_DATAGRAMS);
	seccomp_allow_process(p, needs & SANDBOX_CHILDREN,
			      needs & SANDBOX_FILES);
}

int sandbox_enter(unsigned needs)
{
	struct seccomp_program p;

	seccomp_begin(&p);
	allow_calls(&p, needs);
	return seccomp_enter(&p);
}
