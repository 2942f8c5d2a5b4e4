#include "init/spec/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/check.h"

enum { NR = offsetof(struct seccomp_data, nr) };

#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define RET(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define IS(value, yes, no) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define CHECK_CODE(...)                                    \
	check((const struct sock_filter[]){ __VA_ARGS__ }, \
	      sizeof((const struct sock_filter[]){ __VA_ARGS__ }), &call)

static bool hand_over;

static int check(const void *code, size_t len, const char **call)
{
	void *copy = malloc(len + !len);
	int r;

	/* Of just that size: the sanitizer sees what is one too many. */
	REQUIRE(copy);
	memcpy(copy, code, len);
	r = seccomp_check(copy, len, seccomp_own_arch(), hand_over, call);
	free(copy);
	return r;
}

TEST(a_filter_that_allows_is_fine)
{
	const char *call = NULL;

	CHECK_INT(CHECK_CODE(RET(SECCOMP_RET_ALLOW)), 0);
	CHECK_INT(CHECK_CODE(RET(SECCOMP_RET_LOG)), 0);
	CHECK_INT(CHECK_CODE(LOAD(NR), IS(SYS_setuid, 0, 1),
			     RET(SECCOMP_RET_KILL_PROCESS),
			     RET(SECCOMP_RET_ALLOW)),
		  0);
	CHECK(!call);
}

TEST(what_is_still_needed_is_named)
{
	static const struct {
		unsigned nr;
		const char *name;
	} needed[] = { { SYS_execve, "execve" },
		       { SYS_write, "write" },
		       { SYS_exit_group, "exit_group" } };
	const char *call;

	for (size_t i = 0; i < 3; i++) {
		call = NULL;
		CHECK_INT(CHECK_CODE(LOAD(NR), IS(needed[i].nr, 0, 1),
				     RET(SECCOMP_RET_ERRNO | EPERM),
				     RET(SECCOMP_RET_ALLOW)),
			  -SECCOMP_E_FORBIDS);
		CHECK_STR(call, needed[i].name);
	}
	CHECK_INT(CHECK_CODE(RET(SECCOMP_RET_KILL_PROCESS)),
		  -SECCOMP_E_FORBIDS);
	CHECK_INT(CHECK_CODE(RET(SECCOMP_RET_TRACE)), -SECCOMP_E_FORBIDS);
	CHECK_INT(CHECK_CODE(RET(SECCOMP_RET_USER_NOTIF)), -SECCOMP_E_FORBIDS);
}

/* PID 1 waits for deadlines: without a clock none of them comes. */
TEST(hand_over_needs_the_clock_as_well)
{
	const char *call = NULL;

	for (int with = 0; with < 2; with++) {
		hand_over = with;
		CHECK_INT(CHECK_CODE(LOAD(NR), IS(SYS_clock_gettime, 0, 1),
				     RET(SECCOMP_RET_ERRNO | EPERM),
				     RET(SECCOMP_RET_ALLOW)),
			  with ? -SECCOMP_E_FORBIDS : 0);
		CHECK_INT(CHECK_CODE(RET(SECCOMP_RET_ALLOW)), 0);
	}
	CHECK_STR(call, "clock_gettime");
}

TEST(a_filter_for_another_machine_is_seen)
{
	const struct sock_filter code[] = {
		LOAD(offsetof(struct seccomp_data, arch)),
		IS(AUDIT_ARCH_AARCH64, 1, 0),
		RET(SECCOMP_RET_KILL_PROCESS),
		RET(SECCOMP_RET_ALLOW),
	};
	const char *call;

	CHECK_INT(seccomp_check(code, sizeof(code), SECCOMP_AARCH64, false,
				&call),
		  0);
	CHECK_INT(seccomp_check(code, sizeof(code), SECCOMP_X86_64, false,
				&call),
		  -SECCOMP_E_FORBIDS);
	CHECK_INT(SECCOMP_AARCH64, AUDIT_ARCH_AARCH64);
	CHECK_INT(SECCOMP_X86_64, AUDIT_ARCH_X86_64);
}

#define HINT(arch, ...)                                                   \
	seccomp_hint((const struct sock_filter[]){ __VA_ARGS__ },         \
		     sizeof((const struct sock_filter[]){ __VA_ARGS__ }), \
		     arch)
enum { ARCH = offsetof(struct seccomp_data, arch) };

/* Kills getpid, where the architecture is not looked at first. */
#define KILL_GETPID                                                    \
	LOAD(NR), IS(SYS_getpid, 0, 1), RET(SECCOMP_RET_KILL_PROCESS), \
		RET(SECCOMP_RET_ALLOW)

TEST(a_filter_blind_to_the_architecture_is_remarked)
{
	const uint32_t archs[] = { SECCOMP_X86_64, SECCOMP_AARCH64 };
	const char *hint;

	CHECK_INT(SECCOMP_I386, AUDIT_ARCH_I386);
	CHECK_INT(SECCOMP_ARM, AUDIT_ARCH_ARM);
	for (int i = 0; i < 2; i++) {
		hint = HINT(archs[i], KILL_GETPID);
		CHECK(hint && strstr(hint, "does not look"));
		hint = HINT(archs[i], RET(SECCOMP_RET_ALLOW));
		CHECK(hint && strstr(hint, "does not look"));
		/* It looks, and does nothing by it. */
		hint = HINT(archs[i], LOAD(ARCH), IS(archs[i], 0, 0),
			    KILL_GETPID);
		CHECK(hint && strstr(hint, "does not look"));
		/* What is not ours is let through unseen. */
		hint = HINT(archs[i], LOAD(ARCH), IS(archs[i], 1, 0),
			    RET(SECCOMP_RET_ALLOW), KILL_GETPID);
		CHECK(hint && strstr(hint, "all 32-bit calls"));
		hint = HINT(archs[i], LOAD(ARCH), IS(archs[i], 1, 0),
			    RET(SECCOMP_RET_LOG), KILL_GETPID);
		CHECK(hint && strstr(hint, "all 32-bit calls"));
	}
}

TEST(a_filter_that_looks_at_the_architecture_is_fine)
{
	/* Another one is killed, as libseccomp does by default. */
	CHECK(!HINT(SECCOMP_X86_64, LOAD(ARCH), IS(SECCOMP_X86_64, 1, 0),
		    RET(SECCOMP_RET_KILL_PROCESS), KILL_GETPID));
	CHECK(!HINT(SECCOMP_AARCH64, LOAD(ARCH), IS(SECCOMP_AARCH64, 1, 0),
		    RET(SECCOMP_RET_ERRNO | ENOSYS), KILL_GETPID));
	/* 32-bit calls have numbers of their own: getpid is 20 there. */
	CHECK(!HINT(SECCOMP_X86_64, LOAD(ARCH), IS(SECCOMP_I386, 0, 4),
		    LOAD(NR), IS(20, 0, 1), RET(SECCOMP_RET_KILL_PROCESS),
		    RET(SECCOMP_RET_ALLOW), KILL_GETPID));
}

TEST(sizes_are_bounded)
{
	static struct sock_filter code[4097];
	const char *call;

	for (size_t i = 0; i < 4097; i++)
		code[i] = (struct sock_filter)RET(SECCOMP_RET_ALLOW);
	CHECK_INT(check(code, 0, &call), -SECCOMP_E_SIZE);
	CHECK_INT(check(code, 7, &call), -SECCOMP_E_SIZE);
	CHECK_INT(check(code, 12, &call), -SECCOMP_E_SIZE);
	CHECK_INT(check(code, 4096 * 8, &call), 0);
	CHECK_INT(check(code, 4097 * 8, &call), -SECCOMP_E_SIZE);
}

/* Whether this kernel takes it, and what it then says to getpriority. */
static bool kernel_takes(const struct sock_filter *code, size_t n)
{
	struct sock_fprog program = { (unsigned short)n,
				      (struct sock_filter *)(uintptr_t)code };
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) !=
		      0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) == 0 :
				   true; /* it forbids its own exit */
}

/* The kernel is what we did not write: each opcode, with some operands. */
TEST(the_kernel_takes_what_we_take)
{
	static const uint32_t ks[] = {
		0, 1, 4, 15, 16, 31, 32, 60, 63, 64, 68
	};
	const char *call;
	size_t taken = 0;

	for (unsigned op = 0; op < 0x100; op++)
		for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
			const struct sock_filter code[] = {
				BPF_STMT(BPF_ST, ks[i] < 16 ? ks[i] : 0),
				{ (uint16_t)op, 0, 0, ks[i] },
				RET(SECCOMP_RET_ALLOW),
			};
			bool ours = check(code, sizeof(code), &call) !=
				    -SECCOMP_E_CODE;

			/* A fork takes a millisecond with sanitizers. */
			if ((op + i) % CHECK_SOME_WITH_SANITIZERS == 0 &&
			    ours != kernel_takes(code, 3))
				CHECK_FAIL("code %#x, k %u: %d", op, ks[i],
					   ours);
			taken += ours;
		}
	CHECK(taken > 100);
}

/* Jumps: of one and of both branches past the end. */
TEST(jumps_stay_inside)
{
	const char *call;

	CHECK_INT(CHECK_CODE(IS(0, 1, 0), RET(SECCOMP_RET_ALLOW)),
		  -SECCOMP_E_CODE);
	CHECK_INT(CHECK_CODE(IS(0, 0, 1), RET(SECCOMP_RET_ALLOW)),
		  -SECCOMP_E_CODE);
	CHECK_INT(CHECK_CODE(BPF_STMT(BPF_JMP | BPF_JA, 1),
			     RET(SECCOMP_RET_ALLOW)),
		  -SECCOMP_E_CODE);
	CHECK_INT(CHECK_CODE(BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff),
			     RET(SECCOMP_RET_ALLOW)),
		  -SECCOMP_E_CODE);
	CHECK_INT(CHECK_CODE(LOAD(NR)), -SECCOMP_E_CODE);
	CHECK_INT(CHECK_CODE(BPF_STMT(BPF_JMP | BPF_JA, 1),
			     RET(SECCOMP_RET_KILL_PROCESS),
			     RET(SECCOMP_RET_ALLOW)),
		  0);
}

/* What a calculation comes to, by where it jumps. */
TEST(calculations_are_the_kernels)
{
	static const struct {
		uint16_t op;
		uint32_t a, b, want;
	} cases[] = {
		{ BPF_ADD, 0xffffffff, 2, 1 },
		{ BPF_SUB, 1, 2, 0xffffffff },
		{ BPF_MUL, 0x10001, 0x10001, 0x20001 },
		{ BPF_DIV, 7, 2, 3 },
		{ BPF_AND, 6, 3, 2 },
		{ BPF_OR, 6, 3, 7 },
		{ BPF_XOR, 6, 3, 5 },
		{ BPF_LSH, 1, 31, 0x80000000 },
		{ BPF_RSH, 0x80000000, 31, 1 },
		{ BPF_NEG, 1, 0, 0xffffffff },
	};
	const char *call;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sock_filter code[] = {
			BPF_STMT(BPF_LDX | BPF_IMM, cases[i].b),
			BPF_STMT(BPF_STX, 3),
			BPF_STMT(BPF_LD | BPF_IMM, cases[i].a),
			BPF_STMT(BPF_LDX | BPF_MEM, 3),
			BPF_STMT(BPF_ALU | cases[i].op |
					 (cases[i].op == BPF_NEG ? 0 : BPF_X),
				 0),
			BPF_STMT(BPF_MISC | BPF_TAX, 0),
			BPF_STMT(BPF_MISC | BPF_TXA, 0),
			IS(cases[i].want, 0, 1),
			RET(SECCOMP_RET_ALLOW),
			RET(SECCOMP_RET_KILL_PROCESS),
		};

		if (check(code, sizeof(code), &call) != 0)
			CHECK_FAIL("operation %#x", cases[i].op);
		CHECK(kernel_takes(code, 10));
	}
	/* A division by nothing kills. */
	CHECK_INT(CHECK_CODE(BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
			     RET(SECCOMP_RET_ALLOW)),
		  -SECCOMP_E_FORBIDS);
}

/* --- vsock = none --- */

enum {
	VSOCK = 40,
	NOT_THERE = SECCOMP_RET_ERRNO | ENOSYS,
	NO_FAMILY = SECCOMP_RET_ERRNO | EAFNOSUPPORT,
};

static uint32_t decide(uint32_t arch, int nr, uint64_t first)
{
	const struct seccomp_data d = { .arch = arch,
					.nr = nr,
					.args = { first, first, first } };

	return seccomp_decide(seccomp_no_vsock, SECCOMP_NO_VSOCK_LEN, &d);
}

TEST(without_vsock_is_a_filter_that_lets_a_program_run)
{
	const char *call = NULL;

	hand_over = true;
	CHECK_INT(check(seccomp_no_vsock, SECCOMP_NO_VSOCK_LEN, &call), 0);
	CHECK(!seccomp_hint(seccomp_no_vsock, SECCOMP_NO_VSOCK_LEN,
			    seccomp_own_arch()));
	CHECK(kernel_takes(seccomp_no_vsock, SECCOMP_NO_VSOCK_LEN / 8));
}

/* All calls of both architectures, with each family that there is, and in each form. */
TEST(without_vsock_all_else_is_as_before)
{
	const bool is_x86 = seccomp_own_arch() == SECCOMP_X86_64;
	const uint32_t other = is_x86 ? SECCOMP_I386 : SECCOMP_ARM;
	const int pair = is_x86 ? 360 : 288, one = is_x86 ? 359 : 281;

	for (int nr = -1; nr < 1200; nr++)
		for (uint64_t family = 0; family < 64; family++) {
			uint32_t own = SECCOMP_RET_ALLOW, foreign = own;

			if (nr >= SYS_io_uring_setup &&
			    nr <= SYS_io_uring_setup + 2)
				own = foreign = NOT_THERE;
			if (family == VSOCK &&
			    (nr == SYS_socket || nr == SYS_socketpair))
				own = NO_FAMILY;
			if (family == VSOCK && (nr == one || nr == pair))
				foreign = NO_FAMILY;
			if (nr == 102)
				foreign = NOT_THERE;
			CHECK_INT(decide(seccomp_own_arch(), nr, family), own);
			CHECK_INT(decide(seccomp_own_arch(), nr | 0x40000000,
					 family),
				  nr < 0 ? SECCOMP_RET_ALLOW : own);
			CHECK_INT(decide(other, nr, family), foreign);
		}
}

TEST(of_the_family_the_kernel_sees_half_a_register)
{
	const uint64_t high = (uint64_t)1 << 32;

	CHECK_INT(decide(seccomp_own_arch(), SYS_socket, high | VSOCK),
		  NO_FAMILY);
	CHECK_INT(decide(seccomp_own_arch(), SYS_socket, ~(high - 1) | VSOCK),
		  NO_FAMILY);
	CHECK_INT(decide(seccomp_own_arch(), SYS_socket, high * VSOCK),
		  SECCOMP_RET_ALLOW);
}

static void take_vsock(void)
{
	const struct sock_fprog program = {
		.len = SECCOMP_NO_VSOCK_LEN / 8,
		.filter = (struct sock_filter *)(uintptr_t)seccomp_no_vsock,
	};

	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) ==
		0);
}

static int error_of(long r)
{
	return r < 0 ? errno : 0;
}

TEST(the_kernel_says_what_the_filter_decides)
{
	int fds[2], status;
	pid_t pid;

	take_vsock();
	CHECK_INT(error_of(syscall(SYS_socket, VSOCK, SOCK_STREAM, 0)),
		  EAFNOSUPPORT);
	CHECK_INT(error_of(syscall(SYS_socketpair, VSOCK, SOCK_STREAM, 0, fds)),
		  EAFNOSUPPORT);
	CHECK_INT(error_of(syscall(SYS_io_uring_setup, 1, NULL)), ENOSYS);
	CHECK_INT(error_of(syscall(SYS_io_uring_setup + 1, -1)), ENOSYS);
	CHECK_INT(error_of(syscall(SYS_io_uring_setup + 2, -1)), ENOSYS);
	CHECK_INT(error_of(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), 0);
	CHECK_INT(
		error_of(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds)),
		0);
	/* A child has it, too. */
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0)
		_exit(error_of(syscall(SYS_socket, VSOCK, SOCK_STREAM, 0)) !=
		      EAFNOSUPPORT);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

CHECK_MAIN("seccomp")
