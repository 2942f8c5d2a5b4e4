#include "init/spec/seccomp.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>

enum {
	CODE_MAX = SECCOMP_FILE_MAX / sizeof(struct sock_filter),
	CALLS = 512, /* no architecture has larger numbers yet */
};

/* What stands between the filter and the program, and what tells why not. */
static const struct {
	char name[14];
	bool of_hand_over; /* PID 1, which has set it on itself, waits by this clock */
	int x86_64, aarch64;
} needed[] = {
	{ "execve", false, 59, 221 },
	{ "write", false, 1, 64 },
	{ "exit_group", false, 231, 94 },
	{ "clock_gettime", true, 228, 113 },
};

/* --- vsock = none --- */

#if defined(__x86_64__)
enum { OWN_SOCKET = 41, OWN_PAIR = 53, OTHER_SOCKET = 359, OTHER_PAIR = 360 };
#define OWN_ARCH SECCOMP_X86_64
#else
enum { OWN_SOCKET = 198, OWN_PAIR = 199, OTHER_SOCKET = 281, OTHER_PAIR = 288 };
#define OWN_ARCH SECCOMP_AARCH64
#endif

enum {
	X32_BIT =
		0x40000000, /* the same calls with another width of pointers */
	OTHER_SOCKETCALL = 102, /* of i386; arm has none */
	RINGS = 425, /* io_uring_setup, _enter, _register: everywhere */
	RINGS_END = 428,
	FAMILY = 40,	/* of vsock */
	NOT_THERE = 38, /* ENOSYS */
	NO_FAMILY = 97, /* EAFNOSUPPORT */
};

#define LOAD(member)                       \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
		 offsetof(struct seccomp_data, member))
#define IF(test, value, yes, no) \
	BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), (yes), (no))
#define SAY(decision) BPF_STMT(BPF_RET | BPF_K, (decision))

/* Of an argument the kernel takes the lower half, which comes first. */
const struct sock_filter seccomp_no_vsock[] = {
	/* 0 */ LOAD(arch),
	/* 1 */ IF(BPF_JEQ, OWN_ARCH, 0, 4),
	/* 2 */ LOAD(nr),
	/* 3 */ BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)X32_BIT),
	/* 4 */ IF(BPF_JEQ, OWN_SOCKET, 7, 0),
	/* 5 */ IF(BPF_JEQ, OWN_PAIR, 6, 4),
	/* 6 */ LOAD(nr), /* of a 32-bit call */
	/* 7 */ IF(BPF_JEQ, OTHER_SOCKET, 4, 0),
	/* 8 */ IF(BPF_JEQ, OTHER_PAIR, 3, 0),
	/* 9 */ IF(BPF_JEQ, OTHER_SOCKETCALL, 5, 0),
	/* 10 */ IF(BPF_JGE, RINGS_END, 3, 0),
	/* 11 */ IF(BPF_JGE, RINGS, 3, 2),
	/* 12 */ LOAD(args[0]),
	/* 13 */ IF(BPF_JEQ, FAMILY, 2, 0),
	/* 14 */ SAY(SECCOMP_RET_ALLOW),
	/* 15 */ SAY(SECCOMP_RET_ERRNO | NOT_THERE),
	/* 16 */ SAY(SECCOMP_RET_ERRNO | NO_FAMILY),
};

_Static_assert(sizeof(seccomp_no_vsock) == SECCOMP_NO_VSOCK_LEN,
	       "as the header says");

uint32_t seccomp_own_arch(void)
{
#if defined(__x86_64__)
	return SECCOMP_X86_64;
#elif defined(__aarch64__)
	return SECCOMP_AARCH64;
#else
#error "an architecture that no enclave has"
#endif
}

/* --- what the kernel takes --- */

static bool is_alu(uint16_t code)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_DIV:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
	case BPF_LSH:
	case BPF_RSH:
		return (code & ~(BPF_OP(code) | BPF_X)) == BPF_ALU;
	case BPF_NEG:
		return code == (BPF_ALU | BPF_NEG);
	default:
		return false;
	}
}

static bool is_jump(uint16_t code)
{
	switch (BPF_OP(code)) {
	case BPF_JA:
		return code == (BPF_JMP | BPF_JA);
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET:
		return (code & ~(BPF_OP(code) | BPF_X)) == BPF_JMP;
	default:
		return false;
	}
}

static bool is_load(const struct sock_filter *f)
{
	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return f->k < sizeof(struct seccomp_data) && f->k % 4 == 0;
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
		return true;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return f->k < BPF_MEMWORDS;
	default:
		return false;
	}
}

/* LEFT instructions stand behind it. */
static bool is_valid(const struct sock_filter *f, size_t left)
{
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
	case BPF_LDX:
	case BPF_ST:
	case BPF_STX:
		return is_load(f);
	case BPF_ALU:
		if (f->code == (BPF_ALU | BPF_DIV | BPF_K) && f->k == 0)
			return false;
		if ((f->code == (BPF_ALU | BPF_LSH | BPF_K) ||
		     f->code == (BPF_ALU | BPF_RSH | BPF_K)) &&
		    f->k >= 32)
			return false;
		return is_alu(f->code);
	case BPF_JMP:
		if (!is_jump(f->code))
			return false;
		return f->code == (BPF_JMP | BPF_JA) ?
			       f->k < left :
			       f->jt < left && f->jf < left;
	case BPF_RET:
		return f->code == (BPF_RET | BPF_K) ||
		       f->code == (BPF_RET | BPF_A);
	case BPF_MISC:
		return f->code == (BPF_MISC | BPF_TAX) ||
		       f->code == (BPF_MISC | BPF_TXA);
	default:
		return false;
	}
}

/* --- what it does --- */

static uint32_t calculate(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b; /* the caller sees to 0 */
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return b < 32 ? a << b : 0;
	case BPF_RSH:
		return b < 32 ? a >> b : 0;
	default:
		return -a;
	}
}

static bool jumps(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default:
		return a & b;
	}
}

/* What the N instructions at CODE, all valid, say to D. They only go forward. */
static uint32_t run(const struct sock_filter *code, size_t n,
		    const struct seccomp_data *d)
{
	uint32_t a = 0, x = 0, b, mem[BPF_MEMWORDS] = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct sock_filter *f = &code[i];

		b = BPF_SRC(f->code) == BPF_X ? x : f->k;
		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (BPF_MODE(f->code) == BPF_ABS)
				memcpy(&a, (const char *)d + f->k, sizeof(a));
			else
				a = BPF_MODE(f->code) == BPF_LEN ? sizeof(*d) :
				    BPF_MODE(f->code) == BPF_MEM ? mem[f->k] :
								   f->k;
			break;
		case BPF_LDX:
			x = BPF_MODE(f->code) == BPF_LEN ? sizeof(*d) :
			    BPF_MODE(f->code) == BPF_MEM ? mem[f->k] :
							   f->k;
			break;
		case BPF_ST:
			mem[f->k] = a;
			break;
		case BPF_STX:
			mem[f->k] = x;
			break;
		case BPF_ALU:
			if (BPF_OP(f->code) == BPF_DIV && b == 0)
				return SECCOMP_RET_KILL;
			a = calculate(f->code, a, b);
			break;
		case BPF_JMP:
			i += f->code == (BPF_JMP | BPF_JA) ? f->k :
			     jumps(f->code, a, b)	   ? f->jt :
							     f->jf;
			break;
		case BPF_RET:
			return f->code == (BPF_RET | BPF_A) ? a : f->k;
		default:
			if (f->code == (BPF_MISC | BPF_TAX))
				x = a;
			else
				a = x;
			break;
		}
	}
	return SECCOMP_RET_KILL;
}

uint32_t seccomp_decide(const void *code, size_t len,
			const struct seccomp_data *d)
{
	return run(code, len / sizeof(struct sock_filter), d);
}

static bool lets_through(uint32_t decision)
{
	uint32_t action = decision & SECCOMP_RET_ACTION_FULL;

	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

int seccomp_check(const void *code, size_t len, uint32_t arch, bool hand_over,
		  const char **reterr_call)
{
	const struct sock_filter *f = code;
	struct seccomp_data d = { .arch = arch };
	size_t n = len / sizeof(*f);

	if (len % sizeof(*f) != 0 || n == 0 || n > CODE_MAX)
		return -SECCOMP_E_SIZE;
	for (size_t i = 0; i < n; i++)
		if (!is_valid(&f[i], n - i - 1))
			return -SECCOMP_E_CODE;
	if (BPF_CLASS(f[n - 1].code) != BPF_RET)
		return -SECCOMP_E_CODE;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		d.nr = arch == SECCOMP_X86_64 ? needed[i].x86_64 :
						needed[i].aarch64;
		if ((needed[i].of_hand_over && !hand_over) ||
		    lets_through(run(f, n, &d)))
			continue;
		*reterr_call = needed[i].name;
		return -SECCOMP_E_FORBIDS;
	}
	return 0;
}

const char *seccomp_hint(const void *code, size_t len, uint32_t arch)
{
	const size_t n = len / sizeof(struct sock_filter);
	struct seccomp_data ours = { .arch = arch }, other = {
		.arch = arch == SECCOMP_X86_64 ? SECCOMP_I386 : SECCOMP_ARM,
	};
	bool same = true, all = true;
	uint32_t decision;

	for (int nr = 0; nr < CALLS && (same || all); nr++) {
		ours.nr = other.nr = nr;
		decision = run(code, n, &other);
		same = same && decision == run(code, n, &ours);
		all = all && lets_through(decision);
	}
	if (same)
		return "it does not look at the architecture of a call: a "
		       "kernel with IA32_EMULATION or COMPAT takes 32-bit "
		       "calls too, and the filter mistakes each for the "
		       "64-bit call of its number";
	if (all)
		return "it lets all 32-bit calls through: a kernel with "
		       "IA32_EMULATION or COMPAT takes them, and nothing "
		       "filters them";
	return NULL;
}

const char *seccomp_error_text(int r)
{
	return codes_text(SECCOMP_ERRORS(CODES_TEXT), SECCOMP_E_BEFORE, r);
}
