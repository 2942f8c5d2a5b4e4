/*
 * Stands as /init before the real one: a system call fails from now on, for all
 * that runs, as the word deny=CALL:ERRNO[:ARGUMENT:VALUE] of the kernel's command
 * line asks; then becomes /init.real, PID 1 still.
 */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	int number;
} calls[] = {
#define CALL(name, shown) { #name, SYS_##name },
#include "tests/faults/calls.h"
#undef CALL
};

static int number_of(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].number;
	return -1;
}

#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned int)(at))
#define IS(value, yes, no) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)(value), yes, no)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (unsigned int)(action))

/* Low halves of arguments do: there are no long ones among ours. */
static int deny(int number, unsigned int error, unsigned int arg,
		unsigned int value)
{
	const size_t at = offsetof(struct seccomp_data, args) + 8 * arg;
	struct sock_filter one[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		IS(number, 0, 3),
		LOAD(at),
		IS(value, 0, 1),
		RETURN(SECCOMP_RET_ERRNO | error),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_filter all[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		IS(number, 0, 1),
		RETURN(SECCOMP_RET_ERRNO | error),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 6, one };

	if (arg > 5)
		program = (struct sock_fprog){ 4, all };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv, char **envp)
{
	const char *word = getenv("deny");
	unsigned int arg = 6, value = 0;
	char name[32] = "";
	unsigned int error = 0;

	(void)argc;
	if (word && (sscanf(word, "%31[^:]:%u:%u:%i", name, &error, &arg,
			    (int *)&value) < 2 ||
		     number_of(name) < 0 ||
		     deny(number_of(name), error, arg, value) < 0))
		dprintf(1, "@deny=%s: %s\n", word, strerror(errno));
	execve("/init.real", argv, envp);
	dprintf(1, "@deny=/init.real: %s\n", strerror(errno));
	return 1;
}
