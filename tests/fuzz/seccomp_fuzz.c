/*
 * Filters of system calls. Those that are taken, and those that forbid what is
 * needed, are filters that this machine's kernel takes; those that are none, it
 * refuses.
 */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/spec/seccomp.h"

enum { CODE_MAX = SECCOMP_FILE_MAX / sizeof(struct sock_filter) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* Tried by a child, behind an instruction that allows all: what it says is not met. */
static bool kernel_takes(const struct sock_filter *code, size_t n)
{
	struct sock_filter all[CODE_MAX];
	const struct sock_fprog program = { .len = (unsigned short)(n + 1),
					    .filter = all };
	int status = 0;
	pid_t pid;

	all[0] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
					      SECCOMP_RET_ALLOW);
	memcpy(all + 1, code, n * sizeof(*code));
	/* With this memory, of which fork would copy the sanitizer's tables: the filter is the child's own. */
	pid = vfork();
	require(pid >= 0);
	if (pid == 0)
		_exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0,
			    0) < 0);
	while (waitpid(pid, &status, 0) < 0) /* libFuzzer has an alarm */
		require(errno == EINTR);
	require(WIFEXITED(status));
	return WEXITSTATUS(status) == 0;
}

/* Words of memory that are read before they are written: the kernel alone looks. */
static bool reads_memory(const struct sock_filter *code, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (code[i].code == (BPF_LD | BPF_MEM) ||
		    code[i].code == (BPF_LDX | BPF_MEM))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of just that size: the sanitizer sees what is one too many. */
	struct sock_filter *code = malloc(size + !size);
	size_t n = size / sizeof(*code);
	const char *call = NULL;
	int r;

	require(code);
	memcpy(code, data, size);
	r = seccomp_check(code, size, seccomp_own_arch(), size % 2, &call);
	require(r == 0 || r == -SECCOMP_E_SIZE || r == -SECCOMP_E_CODE ||
		r == -SECCOMP_E_FORBIDS);
	require(!call == (r != -SECCOMP_E_FORBIDS));
	require(*seccomp_error_text(r));
	if (r == -SECCOMP_E_SIZE)
		require(n == 0 || size % sizeof(*code) != 0 || n > CODE_MAX);
	else if (n == CODE_MAX)
		; /* no room for one more */
	else if (r == -SECCOMP_E_CODE)
		require(!kernel_takes(code, n));
	else
		require(reads_memory(code, n) || kernel_takes(code, n));
	if (r == 0)
		(void)seccomp_hint(code, size, seccomp_own_arch());
	free(code);
	return 0;
}
