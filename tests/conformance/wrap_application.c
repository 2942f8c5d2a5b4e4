/* Mistakes with what an application starts with, and with the network that it finds. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/spec/config.h"
#include "init/stdio.h"
#include "init/supervise.h"
#include "rootfs/etc.h"
#include "tests/conformance/mutant.h"

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text));
	close(fd);
}

/* --- between fork and exec; more of it: wrap_field.c, wrap_images.c, wrap_pid1.c --- */

static void set_limit(const char *word)
{
	unsigned number, value;
	struct rlimit l;

	if (sscanf(word, "%u %u", &number, &value) != 2)
		return;
	l.rlim_cur = l.rlim_max = value;
	(void)setrlimit((int)number, &l);
}

static void leak(const char *path)
{
	(void)!open(path, O_RDONLY); // NOLINT
}

static void enter(const char *path)
{
	(void)!chdir(path);
}

static void set_nice(const char *word)
{
	(void)setpriority(PRIO_PROCESS, 0, atoi(word));
}

static void set_score(const char *word)
{
	put("/proc/self/oom_score_adj", word);
}

static void set_cpu(const char *word)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)atoi(word), &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static void join(const char *word)
{
	gid_t group = (gid_t)atoi(word);

	(void)setgroups(1, &group);
}

static void bequeath(const char *word)
{
	/* linux/capability.h, version 3: two halves. */
	const struct {
		uint32_t version;
		int pid;
	} head = { 0x20080522, 0 };
	struct {
		uint32_t effective, permitted, inheritable;
	} data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return;
	data[0].inheritable |= 1U << atoi(word);
	(void)syscall(SYS_capset, &head, data);
}

static void lock_in(const char *word)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, (unsigned long)atoi(word), 0, 0, 0);
}

static void be(const char *word)
{
	(void)personality(strtoul(word, NULL, 16));
}

/* No socket of family WORD. */
static void filter(const char *word)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(word), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]),
					    code };

	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* By descriptor WORD, whose session it leads already. */
static void be_controlled(const char *word)
{
	(void)ioctl(atoi(word), TIOCSCTTY, 0);
}

/* "start-limit 1 1000" and its like. */
static const struct {
	const char *name;
	void (*make)(const char *word);
} mistakes[] = {
	{ "start-limit", set_limit },
	{ "start-leaking", leak },
	{ "start-in", enter },
	{ "start-nice", set_nice },
	{ "start-score", set_score },
	{ "start-on-cpu", set_cpu },
	{ "start-in-group", join },
	{ "start-bequeathing", bequeath },
	{ "start-locked-in", lock_in },
	{ "start-personality", be },
	{ "start-without-family", filter },
	{ "start-controlled-by", be_controlled },
};

/* After what init does for descriptors, before what it does for rights. */
WRAP(stdio_close_others);
void __wrap_stdio_close_others(void)
{
	__real_stdio_close_others();
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
		if (mutant_word(mistakes[i].name))
			mistakes[i].make(mutant_word(mistakes[i].name));
}

/* --- PID 1 --- */

/* The application takes its place. */
WRAP(supervise_init);
void __wrap_supervise_init(struct supervise *s, const struct config *c,
			   struct loop *l, struct children *children,
			   int proc_fd)
{
	if (mutant_is("hand-over", NULL))
		((struct config *)(uintptr_t)c)->hand_over = true;
	__real_supervise_init(s, c, l, children, proc_fd);
}

/* It is the process of a user. */
WRAP(supervise_start);
int __wrap_supervise_start(struct supervise *s)
{
	unsigned user;

	if (mutant_word("be-user")) {
		user = (unsigned)atoi(mutant_word("be-user"));
		(void)syscall(SYS_setresgid, user, user, user);
		(void)syscall(SYS_setresuid, user, user, user);
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	}
	return __real_supervise_start(s);
}

/* --- the network, names and settings --- */

/* The one message of init's that is for lo, which it has set up by then. */
WRAP(send);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
	if (mutant_is("lo-has-no-ipv6", NULL))
		put("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "1");
	return __real_send(fd, data, len, flags);
}

WRAP(etc_sysctl);
int __wrap_etc_sysctl(const char *name, const char *value)
{
	long r;

	if (mutant_takes("etc_sysctl", &r, NULL, "%s,%s,", name, value))
		return (int)r;
	return __real_etc_sysctl(name, value);
}
