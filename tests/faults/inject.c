/*
 * Runs a jail, and has one system call of its PID 1, or of a child of it, fail.
 *
 * inject [-l FILE] [-f WHO:CALL:N:ERRNO] JAIL [ARGUMENT]...
 *   -l  a line for each call: "WHO CALL N RESULT ARGUMENTS"
 *   -f  the Nth CALL of WHO does not happen and fails by ERRNO, a number; with
 *       "N+" so do all that follow; with 0 it happens, and WHO is killed behind it.
 *       "hit" stands before its line in FILE
 * WHO is init, or a child of it by the name that it gives itself first of all
 * (PR_SET_NAME, a call that is not counted), the next one of that name with #2
 * behind it, and so on. PID 1 is counted from its first call as /init on, a child
 * to its exec and no longer. "is childN NAME" is a line of FILE: who the Nth fork
 * of PID 1 was for. "step NAME" is one when PID 1 gives itself a name: then it is
 * counted from 1 again, and init@NAME is WHO.
 *
 * Once a child of PID 1 has executed something, a call of PID 1 that can block is
 * a line of FILE, before the call's own, with tabs: "blocks", the call and its
 * arguments, why, and from where.
 *
 * Not strace, which counts for each process by itself and cannot tell PID 1 from
 * its children; what is counted here is held against it by a test.
 *
 * Ends as the jail does. A fault of ours is 125.
 */

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/blocking.h"
#include "tests/faults/callers.h"

enum {
	FAULT = 125,
	CALLS = 512, /* numbers of system calls */
	TRACED = 64, /* processes at a time */
	NAMES = 64,  /* of children */
	NAME = 16,   /* bytes of one, as PR_SET_NAME has it */
	TEXT = 256,
};

static const struct {
	const char *name, *shown;
	int number;
} known[] = {
#define CALL(name, shown) { #name, shown, SYS_##name },
#include "tests/faults/calls.h"
#undef CALL
};

/* Which one is to fail. */
static struct {
	char who[24], call[32];
	long first, error;
	bool more;
} fault;

static FILE *list;

static struct traced {
	pid_t pid;	      /* 0: free */
	char who[24];	      /* empty: not looked at */
	bool is_known, waits; /* of whom it is the child; until we know */
	bool is_inside, is_hit;
	struct __ptrace_syscall_info entry;
	long number, counts[CALLS];
} traced[TRACED];

static pid_t jail_pid, init_pid;
static int forks;
static bool image_ran; /* a child of PID 1 has executed something */
static char step[NAME + 5] = "init@start";

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	_exit(FAULT);
}

static struct traced *find(pid_t pid)
{
	for (size_t i = 0; i < TRACED; i++)
		if (traced[i].pid == pid)
			return &traced[i];
	return NULL;
}

/* The one of that number, made if there is none. */
static struct traced *take(pid_t pid)
{
	struct traced *t = find(pid);

	if (t)
		return t;
	t = find(0);
	if (!t) {
		errno = ENOSPC;
		die("processes");
	}
	*t = (struct traced){ .pid = pid };
	return t;
}

static size_t index_of(uint64_t number)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if ((uint64_t)known[i].number == number)
			return i;
	return sizeof(known) / sizeof(known[0]);
}

static const char *name_of(uint64_t number)
{
	static char text[32];
	size_t i = index_of(number);

	if (i < sizeof(known) / sizeof(known[0]))
		return known[i].name;
	(void)snprintf(text, sizeof(text), "call%llu",
		       (unsigned long long)number);
	return text;
}

/* --- what is shown of a call --- */

/* A string of the process, or the LEN bytes, with a mark for what is not plain. */
static void show_string(pid_t pid, uint64_t at, size_t len)
{
	char text[TEXT] = "";
	struct iovec to = { text, len < TEXT - 1 ? len : TEXT - 1 };
	struct iovec from = { (void *)(uintptr_t)at, to.iov_len };
	ssize_t n = -1;

	/* A string may end just before what is not mapped. */
	for (; at && from.iov_len > 0 && n < 0; from.iov_len /= 2)
		n = process_vm_readv(pid, &to, 1, &from, 1, 0);
	if (n < 0) {
		fputs(" -", list);
		return;
	}
	fputc(' ', list);
	for (ssize_t i = 0; i < n && text[i]; i++)
		fputc(text[i] > ' ' && text[i] < 0x7f ? text[i] : '_', list);
	if (text[0] == '\0')
		fputs("''", list);
}

static void show_arguments(const struct traced *t)
{
	size_t i = index_of(t->entry.entry.nr);
	const char *shown =
		i < sizeof(known) / sizeof(known[0]) ? known[i].shown : "xxx";
	const uint64_t *arg = t->entry.entry.args;

	for (; *shown; shown++, arg++) {
		if (*shown == 'd')
			fprintf(list, " %d", (int)*arg);
		else if (*shown == 'x')
			fprintf(list, " 0x%llx", (unsigned long long)*arg);
		else if (*shown == 's')
			show_string(t->pid, *arg, TEXT);
		else if (*shown == 'S')
			show_string(t->pid, *arg, arg[1]);
	}
}

static void show_call(const struct traced *t, int64_t result)
{
	fprintf(list, "%s %s %ld %lld", t->who, name_of(t->entry.entry.nr),
		t->number, (long long)result);
	show_arguments(t);
	fputc('\n', list);
	(void)fflush(list);
}

/* Lists the call that PID 1 is about to make, if it could block. */
static void show_blocking(const struct traced *t)
{
	const struct __ptrace_syscall_info *i = &t->entry;
	struct blocking_call call = { .pid = t->pid,
				      .number = i->entry.nr,
				      .sp = i->stack_pointer };
	char from[TEXT];
	const char *why;

	memcpy(call.args, i->entry.args, sizeof(call.args));
	why = blocking_reason(&call);
	if (!why)
		return;
	callers_show(t->pid, i->instruction_pointer, i->stack_pointer, from,
		     sizeof(from));
	fprintf(list, "blocks\t%s", name_of(i->entry.nr));
	show_arguments(t);
	fprintf(list, "\t%s\t%s\n", why, from);
	(void)fflush(list);
}

/* --- registers --- */

#ifdef __x86_64__
static void skip_call(pid_t pid)
{
	if (ptrace(PTRACE_POKEUSER, pid,
		   offsetof(struct user_regs_struct, orig_rax), -1L) < 0)
		die("orig_rax");
}

static void set_result(pid_t pid, long result)
{
	if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax),
		   result) < 0)
		die("rax");
}
#else
static void skip_call(pid_t pid)
{
	int none = -1;
	struct iovec iov = { &none, sizeof(none) };

	if (ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &iov) < 0)
		die("NT_ARM_SYSTEM_CALL");
}

static void set_result(pid_t pid, long result)
{
	struct user_regs_struct regs;
	struct iovec iov = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov) < 0)
		die("registers");
	regs.regs[0] = (unsigned long)result;
	if (ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov) < 0)
		die("x0");
}
#endif

/* --- what happens --- */

/* Reads the name that a process gives itself by PR_SET_NAME. */
static void fetch_name(pid_t pid, uint64_t at, char name[NAME])
{
	struct iovec to = { name, NAME - 1 };
	struct iovec from = { (void *)(uintptr_t)at, NAME - 1 };

	memset(name, 0, NAME);
	for (; from.iov_len > 0; from.iov_len--)
		if (process_vm_readv(pid, &to, 1, &from, 1, 0) > 0)
			break;
}

/* Names a child; the second one of a name has #2 after it, and so on. */
static void name_child(struct traced *t, const char *name)
{
	static struct {
		char name[NAME];
		int times;
	} named[NAMES];
	char own[sizeof(t->who)];
	size_t n = 0;

	while (n < NAMES && named[n].times && strcmp(named[n].name, name) != 0)
		n++;
	if (n == NAMES) {
		errno = ENOSPC;
		die("names");
	}
	(void)strcpy(named[n].name, name);
	named[n].times++;
	(void)snprintf(own, sizeof(own), named[n].times == 1 ? "%s" : "%s#%d",
		       name, named[n].times);
	if (list)
		fprintf(list, "is %s %s\n", t->who, own);
	(void)strcpy(t->who, own);
	memset(t->counts, 0, sizeof(t->counts));
}

/*
 * Counts the calls of PID 1 from 1 again: how often its loop has turned until then is
 * not the same in each boot.
 */
static void begin_step(struct traced *t, const char *name)
{
	(void)snprintf(step, sizeof(step), "init@%s", name);
	memset(t->counts, 0, sizeof(t->counts));
	if (list)
		fprintf(list, "step %s\n", name);
}

/* Takes the call if it is a mark of marks.c's; it is not counted then. */
static bool take_mark(struct traced *t, const struct __ptrace_syscall_info *i)
{
	char name[NAME];

	if (i->entry.nr != SYS_prctl || i->entry.args[0] != PR_SET_NAME)
		return false;
	fetch_name(t->pid, i->entry.args[1], name);
	if (t->pid != init_pid)
		name_child(t, name);
	else
		begin_step(t, name);
	return true;
}

static bool is_fault(const struct traced *t)
{
	if ((strcmp(t->who, fault.who) != 0 &&
	     (t->pid != init_pid || strcmp(step, fault.who) != 0)) ||
	    strcmp(name_of(t->entry.entry.nr), fault.call) != 0)
		return false;
	return fault.more ? t->number >= fault.first : t->number == fault.first;
}

static void enter_call(struct traced *t, const struct __ptrace_syscall_info *i)
{
	uint64_t number = i->entry.nr;

	if (take_mark(t, i))
		return;
	t->is_inside = true;
	t->entry = *i;
	t->number = ++t->counts[number < CALLS ? number : 0];
	t->is_hit = is_fault(t);
	if (list && image_ran && t->pid == init_pid)
		show_blocking(t);
	/* Linux closes the descriptor, whatever close() then says. */
	if (t->is_hit && number != SYS_close && fault.error != 0)
		skip_call(t->pid);
	/* That never comes back. */
	if (number == SYS_exit_group && list)
		show_call(t, 0);
}

static void leave_call(struct traced *t, const struct __ptrace_syscall_info *i)
{
	if (!t->is_inside) /* the exec before it was counted */
		return;
	t->is_inside = false;
	if (t->is_hit && fault.error == 0)
		(void)kill(t->pid, SIGKILL);
	else if (t->is_hit)
		set_result(t->pid, -fault.error);
	if (t->is_hit && list)
		fputs("hit ", list);
	if (list)
		show_call(t, t->is_hit && fault.error != 0 ? -fault.error :
							     i->exit.rval);
}

static void see_call(struct traced *t)
{
	struct __ptrace_syscall_info i;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof(i), &i) < 0)
		return; /* killed meanwhile */
	if (i.op == PTRACE_SYSCALL_INFO_ENTRY)
		enter_call(t, &i);
	else if (i.op == PTRACE_SYSCALL_INFO_EXIT)
		leave_call(t, &i);
}

/* The jail's own exec, then PID 1's; a child's ends our interest in it. */
static bool see_exec(struct traced *t)
{
	if (t->pid == jail_pid)
		return true;
	if (init_pid == 0) {
		init_pid = t->pid;
		(void)strcpy(t->who, "init");
		(void)callers_open(t->pid);
		return true;
	}
	image_ran |= t->who[0] != '\0';
	if (list && t->is_inside)
		show_call(t, 0);
	return false;
}

static void go_on(const struct traced *t, int sig)
{
	(void)ptrace(t->who[0] ? PTRACE_SYSCALL : PTRACE_CONT, t->pid, 0, sig);
}

static void see_fork(const struct traced *parent)
{
	unsigned long pid;
	struct traced *t;

	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, &pid) < 0)
		return;
	t = take((pid_t)pid);
	t->is_known = true;
	if (parent->pid == init_pid)
		(void)snprintf(t->who, sizeof(t->who), "child%d", ++forks);
	if (t->waits)
		go_on(t, 0);
	t->waits = false;
}

static void see_stop(struct traced *t, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	switch (event) {
	case PTRACE_EVENT_EXEC:
		if (see_exec(t))
			break;
		(void)ptrace(PTRACE_DETACH, t->pid, 0, 0);
		t->pid = 0;
		return;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		see_fork(t);
		break;
	case PTRACE_EVENT_STOP:
		/* A child's first, or a real one, which is to last. */
		if (sig != SIGTRAP) {
			(void)ptrace(PTRACE_LISTEN, t->pid, 0, 0);
			return;
		}
		/* It may come before its parent tells of the fork. */
		t->waits = !t->is_known;
		if (t->waits)
			return;
		break;
	default:
		if (sig == (SIGTRAP | 0x80)) {
			see_call(t);
			break;
		}
		go_on(t, sig);
		return;
	}
	go_on(t, 0);
}

static _Noreturn void follow(void)
{
	int status;
	pid_t pid;
	struct traced *t;

	for (;;) {
		pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			die("waitpid");
		t = take(pid);
		if (WIFSTOPPED(status)) {
			see_stop(t, status);
			continue;
		}
		t->pid = 0;
		if (pid != jail_pid)
			continue;
		if (WIFEXITED(status))
			_exit(WEXITSTATUS(status));
		(void)signal(WTERMSIG(status), SIG_DFL);
		(void)raise(WTERMSIG(status));
		_exit(FAULT);
	}
}

static void parse_fault(const char *text)
{
	char plus = 0;

	if (sscanf(text, "%23[^:]:%31[^:]:%ld:%ld", fault.who, fault.call,
		   &fault.first, &fault.error) == 4)
		return;
	if (sscanf(text, "%23[^:]:%31[^:]:%ld%c:%ld", fault.who, fault.call,
		   &fault.first, &plus, &fault.error) == 5 &&
	    plus == '+') {
		fault.more = true;
		return;
	}
	errno = EINVAL;
	die(text);
}

int main(int argc, char **argv)
{
	int fds[2], c;
	char byte;

	while ((c = getopt(argc, argv, "+l:f:")) != -1) {
		if (c == 'l') {
			list = fopen(optarg, "we");
			if (!list)
				die(optarg);
		} else if (c == 'f') {
			parse_fault(optarg);
		} else {
			return FAULT;
		}
	}
	if (optind == argc) {
		errno = EINVAL;
		die("no jail");
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		die("pipe");
	jail_pid = fork();
	if (jail_pid < 0)
		die("fork");
	if (jail_pid == 0) {
		close(fds[1]);
		if (read(fds[0], &byte, 1) == 1)
			(void)execv(argv[optind], argv + optind);
		die(argv[optind]);
	}
	if (ptrace(PTRACE_SEIZE, jail_pid, 0,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
			   PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
			   PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) < 0)
		die("ptrace");
	take(jail_pid)->is_known = true;
	if (write(fds[1], "", 1) != 1)
		die("pipe");
	follow();
}
