#include "vsock/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
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
	SOCK_TYPE = 0xf, /* of the second argument of socket */
	NO_READING = O_ACCMODE | O_CREAT | O_TRUNC, /* of open's */
};

static void put(struct seccomp_program *p, uint16_t code, uint32_t k,
		uint8_t jt, uint8_t jf)
{
	if (p->len < SECCOMP_CODE_MAX)
		p->code[p->len++] = (struct sock_filter){ code, jt, jf, k };
}

static void load(struct seccomp_program *p, size_t offset)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The low half: Linux looks at no more of an int, and both machines are little-endian. */
static void load_argument(struct seccomp_program *p, int n)
{
	load(p, offsetof(struct seccomp_data, args) + 8 * (size_t)n);
}

static void end_process(struct seccomp_program *p)
{
	put(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
}

/* What follows, up to end_of, is for VALUE alone. Returns where it begins. */
static unsigned short begin(struct seccomp_program *p, uint32_t value)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
	return p->len;
}

static void end_of(struct seccomp_program *p, unsigned short from)
{
	p->code[from - 1].jf = (uint8_t)(p->len - from);
}

static void jump_if(struct seccomp_program *p, uint32_t value, uint8_t over)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, value, over, 0);
}

void seccomp_begin(struct seccomp_program *p)
{
	p->len = 0;
	load(p, offsetof(struct seccomp_data, arch));
	jump_if(p, ARCH, 1);
	end_process(p);
	load(p, offsetof(struct seccomp_data, nr));
}

void seccomp_allow(struct seccomp_program *p, uint32_t number)
{
	unsigned short from = begin(p, number);

	put(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	end_of(p, from);
}

void seccomp_allow_without(struct seccomp_program *p, uint32_t number, int n,
			   uint32_t bits)
{
	unsigned short from = begin(p, number);

	load_argument(p, n);
	put(p, BPF_ALU | BPF_AND | BPF_K, bits, 0, 0);
	seccomp_allow(p, 0);
	end_process(p);
	end_of(p, from);
}

void seccomp_allow_with(struct seccomp_program *p, uint32_t number, int n,
			uint32_t value)
{
	unsigned short from = begin(p, number);

	load_argument(p, n);
	seccomp_allow(p, value);
	end_process(p);
	end_of(p, from);
}

/* Behind the families: one of these kinds, or the end. */
static void finish_socket(struct seccomp_program *p, unsigned short from,
			  bool has_streams, bool has_datagrams)
{
	end_process(p);
	load_argument(p, 1);
	put(p, BPF_ALU | BPF_AND | BPF_K, SOCK_TYPE, 0, 0);
	if (has_streams)
		seccomp_allow(p, SOCK_STREAM);
	if (has_datagrams)
		seccomp_allow(p, SOCK_DGRAM);
	end_process(p);
	end_of(p, from);
}

void seccomp_allow_sockets(struct seccomp_program *p, bool has_datagrams)
{
	unsigned short from = begin(p, __NR_socket);

	load_argument(p, 0);
	jump_if(p, AF_UNIX, 4);
	jump_if(p, AF_INET, 3);
	jump_if(p, AF_INET6, 2);
	jump_if(p, SOCK_FAMILY, 1);
	finish_socket(p, from, true, has_datagrams);
}

void seccomp_allow_notices(struct seccomp_program *p)
{
	unsigned short from = begin(p, __NR_socket);

	load_argument(p, 0);
	jump_if(p, AF_UNIX, 1);
	finish_socket(p, from, false, true);
}

void seccomp_allow_process(struct seccomp_program *p, bool forks, bool reads)
{
	seccomp_allow_without(p, __NR_mmap, 2, PROT_EXEC);
	seccomp_allow_without(p, __NR_mprotect, 2, PROT_EXEC);
	if (forks)
		seccomp_allow_without(p, __NR_clone, 0, ~(uint32_t)CSIGNAL);
	if (reads) {
		seccomp_allow_without(p, __NR_openat, 2, NO_READING);
#ifdef __NR_open
		seccomp_allow_without(p, __NR_open, 1, NO_READING);
#endif
	}
}

int seccomp_enter(struct seccomp_program *p)
{
	struct sock_fprog program = { .filter = p->code };

	end_process(p);
	program.len = p->len;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ?
		       -errno :
		       0;
}
