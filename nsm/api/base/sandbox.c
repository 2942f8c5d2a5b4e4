#include "nsm/api/base/sandbox.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "vsock/seccomp.h"

enum {
	ANY_SOCKET = SANDBOX_SERVES | SANDBOX_CONNECTS | SANDBOX_LOOKS_UP,
	DATAGRAMS = SANDBOX_SERVES | SANDBOX_LOOKS_UP | SANDBOX_NOTIFIES,
	ANY_FILE = SANDBOX_SERVES | SANDBOX_LOOKS_UP | SANDBOX_READS,
};

/* Linux's drivers/misc/nsm.c: _IOWR(0x0a, 0x0, struct nsm_raw) */
#define NSM_REQUEST 0xc0200a00U

/* A call that is allowed, whatever its arguments, to those that need it; 0: to all. */
static const struct {
	uint16_t number;
	uint8_t needs;
} calls[] = {
	{ __NR_recvfrom, 0 },
	{ __NR_sendto, 0 },
	{ __NR_read, 0 },
	{ __NR_write, 0 },
	{ __NR_readv, 0 },
	{ __NR_writev, 0 },
	{ __NR_recvmsg, 0 },
	{ __NR_sendmsg, 0 },
	{ __NR_close, 0 },
	{ __NR_shutdown, 0 },
	{ __NR_socketpair, 0 },
	{ __NR_clock_gettime, 0 },
	{ __NR_munmap, 0 },
	{ __NR_mremap, 0 },
	{ __NR_madvise, 0 },
	{ __NR_brk, 0 },
	{ __NR_ppoll, 0 },
#ifdef __NR_poll
	{ __NR_poll, 0 },
#endif
	{ __NR_getrandom, 0 },
	{ __NR_getpid, 0 },
	{ __NR_gettid, 0 },
	{ __NR_getppid, 0 },
	{ __NR_getuid, 0 },
	{ __NR_fcntl, 0 },
	{ __NR_fstat, 0 },
	{ __NR_rt_sigprocmask, 0 },
	{ __NR_rt_sigreturn, 0 },
	{ __NR_futex, 0 }, /* musl's locks */
	{ __NR_restart_syscall, 0 },
	{ __NR_exit_group, 0 },
	{ __NR_exit, 0 },
	{ __NR_epoll_ctl, SANDBOX_SERVES },
	{ __NR_epoll_pwait, SANDBOX_SERVES },
#ifdef __NR_epoll_wait
	{ __NR_epoll_wait, SANDBOX_SERVES },
#endif
	{ __NR_accept4, SANDBOX_SERVES },
	{ __NR_setitimer, SANDBOX_SERVES }, /* base/loop's guard */
#ifdef __NR_fork
	{ __NR_fork, SANDBOX_SERVES },
#endif
	{ __NR_set_tid_address, SANDBOX_SERVES }, /* of musl's fork */
	{ __NR_wait4, SANDBOX_SERVES },
	{ __NR_kill, SANDBOX_SERVES },
	{ __NR_prctl, SANDBOX_SERVES },
	{ __NR_unlinkat, SANDBOX_SERVES },
#ifdef __NR_unlink
	{ __NR_unlink, SANDBOX_SERVES },
#endif
	{ __NR_connect, ANY_SOCKET },
	{ __NR_getsockopt, ANY_SOCKET },
	{ __NR_setsockopt, ANY_SOCKET },
	{ __NR_getsockname, ANY_SOCKET },
	{ __NR_bind, SANDBOX_LOOKS_UP | SANDBOX_SERVES },
	{ __NR_lseek, ANY_FILE },
	{ __NR_newfstatat, ANY_FILE },
#ifdef __NR_stat
	{ __NR_stat, ANY_FILE },
#endif
};

static void allow_calls(struct seccomp_program *p, unsigned needs)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!calls[i].needs || calls[i].needs & needs)
			seccomp_allow(p, calls[i].number);
	if (needs & ANY_SOCKET)
		seccomp_allow_sockets(p, needs & DATAGRAMS);
	else if (needs & SANDBOX_NOTIFIES)
		seccomp_allow_notices(p);
	if (needs & (SANDBOX_NSM | SANDBOX_SERVES))
		seccomp_allow_with(p, __NR_ioctl, 1, NSM_REQUEST);
	seccomp_allow_process(p, needs & SANDBOX_SERVES, needs & ANY_FILE);
}

int sandbox_enter(unsigned needs)
{
	struct seccomp_program p;

	seccomp_begin(&p);
	allow_calls(&p, needs);
	return seccomp_enter(&p);
}
