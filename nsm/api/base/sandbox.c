#include "nsm/api/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

enum {
	SOCK_TYPE = 0xf,  /* of the second argument of socket */
	FILTER_MAX = 320, /* instructions */
	NO_READING = O_ACCMODE | O_CREAT | O_TRUNC,
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

struct program {
	struct sock_filter code[FILTER_MAX];
	unsigned short len;
};

static void put(struct program *p, uint16_t code, uint32_t k, uint8_t jt,
		uint8_t jf)
{
	if (p->len < FILTER_MAX)
		p->code[p->len++] = (struct sock_filter){ code, jt, jf, k };
}

static void load(struct program *p, size_t offset)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The low half: Linux looks at no more of an int, and both machines are little-endian. */
static void load_argument(struct program *p, int n)
{
	load(p, offsetof(struct seccomp_data, args) + 8 * (size_t)n);
}

static void finish(struct program *p, uint32_t what)
{
	put(p, BPF_RET | BPF_K, what, 0, 0);
}

/* What follows, up to end_of, is for VALUE alone. Returns where it begins. */
static unsigned short begin(struct program *p, uint32_t value)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
	return p->len;
}

static void end_of(struct program *p, unsigned short from)
{
	p->code[from - 1].jf = (uint8_t)(p->len - from);
}

static void allow_if(struct program *p, uint32_t value)
{
	unsigned short from = begin(p, value);

	finish(p, SECCOMP_RET_ALLOW);
	end_of(p, from);
}

/* NUMBER, if its argument N has none of BITS. */
static void put_unless_bits(struct program *p, uint32_t number, int n,
			    uint32_t bits)
{
	unsigned short from = begin(p, number);

	load_argument(p, n);
	put(p, BPF_ALU | BPF_AND | BPF_K, bits, 0, 0);
	allow_if(p, 0);
	finish(p, SECCOMP_RET_KILL_PROCESS);
	end_of(p, from);
}

/* The families that addresses have; streams, and datagrams for readiness and for names. */
static void put_socket(struct program *p, unsigned needs)
{
	unsigned short from = begin(p, __NR_socket);

	load_argument(p, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, needs & ANY_SOCKET ? 4 : 1,
	    0);
	if (!(needs & ANY_SOCKET)) {
		finish(p, SECCOMP_RET_KILL_PROCESS);
		load_argument(p, 1);
		put(p, BPF_ALU | BPF_AND | BPF_K, SOCK_TYPE, 0, 0);
		allow_if(p, SOCK_DGRAM);
		finish(p, SECCOMP_RET_KILL_PROCESS);
		end_of(p, from);
		return;
	}
	put(p, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 3, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 2, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, SOCK_FAMILY, 1, 0);
	finish(p, SECCOMP_RET_KILL_PROCESS);
	load_argument(p, 1);
	put(p, BPF_ALU | BPF_AND | BPF_K, SOCK_TYPE, 0, 0);
	allow_if(p, SOCK_STREAM);
	if (needs & DATAGRAMS)
		allow_if(p, SOCK_DGRAM);
	finish(p, SECCOMP_RET_KILL_PROCESS);
	end_of(p, from);
}

static void put_ioctl(struct program *p)
{
	unsigned short from = begin(p, __NR_ioctl);

	load_argument(p, 1);
	allow_if(p, NSM_REQUEST);
	finish(p, SECCOMP_RET_KILL_PROCESS);
	end_of(p, from);
}

static void put_all(struct program *p, unsigned needs)
{
	load(p, offsetof(struct seccomp_data, arch));
	put(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	finish(p, SECCOMP_RET_KILL_PROCESS);
	load(p, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!calls[i].needs || calls[i].needs & needs)
			allow_if(p, calls[i].number);
	if (needs & (ANY_SOCKET | SANDBOX_NOTIFIES))
		put_socket(p, needs);
	if (needs & (SANDBOX_NSM | SANDBOX_SERVES))
		put_ioctl(p);
	/* Memory is never code. */
	put_unless_bits(p, __NR_mmap, 2, PROT_EXEC);
	put_unless_bits(p, __NR_mprotect, 2, PROT_EXEC);
	/* A process, and no thread or namespace. */
	if (needs & SANDBOX_SERVES)
		put_unless_bits(p, __NR_clone, 0, ~(uint32_t)CSIGNAL);
	if (needs & ANY_FILE) {
		put_unless_bits(p, __NR_openat, 2, NO_READING);
#ifdef __NR_open
		put_unless_bits(p, __NR_open, 1, NO_READING);
#endif
	}
	finish(p, SECCOMP_RET_KILL_PROCESS);
}

int sandbox_enter(unsigned needs)
{
	struct program p = { 0 };
	struct sock_fprog program = { .filter = p.code };

	put_all(&p, needs);
	program.len = p.len;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ?
		       -errno :
		       0;
}
