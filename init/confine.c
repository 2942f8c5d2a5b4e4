#include "init/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/spec/capability.h"
#include "init/spec/seccomp.h"
#include "init/text.h"
#include "rootfs/file.h"
#include "rootfs/protect.h"

enum { KEEP_CAPS = 1 << 4 }; /* SECBIT_KEEP_CAPS, which exec takes away */

/* --- one stage each: 0 or -errno --- */

static int put_number(int proc_fd, const char *name, int number)
{
	struct text t;
	int fd;

	text_clear(&t);
	text_add_number(&t, number);
	fd = openat(proc_fd, name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return file_put_text(fd, text_string(&t));
}

/*
 * Where the kernel groups tasks by session for the scheduler, as AWS's does, the
 * nice value counts within the session only, and a service is a session. The group
 * has a value of its own, of which without a session of our own others had a part.
 * Not all kernels have it, and where we lack privileges it can be set ten times a
 * second only; in a container its control group decides anyhow.
 */
static int set_nice(int nice, int proc_fd)
{
	if (syscall(SYS_setpriority, PRIO_PROCESS, 0, nice) < 0)
		return -errno;
	if (getsid(0) == getpid())
		(void)put_number(proc_fd, "self/autogroup", nice);
	return 0;
}

static int set_limit(const struct config_limit *from, int number)
{
	const struct rlimit limit = {
		.rlim_cur = from->soft,
		.rlim_max = from->hard,
	};

	/* musl's setrlimit brings what it takes to stop all threads. */
	return prlimit(0, number, &limit, NULL) < 0 ? -errno : 0;
}

/* True if CAP is past the last one of this kernel. */
static bool is_unknown(int cap)
{
	return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) < 0 && errno == EINVAL;
}

/* Drops all that the kernel knows and BOUNDING lacks. */
static int drop_capabilities(uint64_t bounding)
{
	int r;

	for (int i = 0; i < 64; i++) {
		if (i < CAPABILITY_COUNT && bounding >> i & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0)
			continue;
		r = -errno;
		return r == -EINVAL && i > 0 && is_unknown(i) ? 0 : r;
	}
	return 0;
}

static int set_securebits(const struct confine *c)
{
	unsigned long bits = c->asked.securebits;

	/* What becomes ambient has to outlive the change of the user. */
	if (c->asked.ambient && c->has_ids)
		bits |= KEEP_CAPS;
	if (bits == 0)
		return 0;
	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? -errno : 0;
}

/* By raw calls: libc's would have all threads follow, of which there are none. */
static int set_ids(const struct confine *c)
{
	if (syscall(SYS_setgroups, c->group_count, c->groups) < 0 ||
	    syscall(SYS_setgid, c->gid) < 0 || syscall(SYS_setuid, c->uid) < 0)
		return -errno;
	return 0;
}

static int raise_ambient(uint64_t set, bool is_root)
{
	/* linux/capability.h, version 3: two halves. */
	const struct {
		uint32_t version;
		int pid;
	} head = { 0x20080522, 0 };
	struct {
		uint32_t effective, permitted, inheritable;
	} data[2];

	if (set == 0)
		return 0;
	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (int half = 0; half < 2; half++) {
		uint32_t bits = (uint32_t)(set >> (32 * half));

		if (!is_root)
			data[half].permitted = data[half].effective = bits;
		data[half].inheritable = bits;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return -errno;
	for (unsigned long i = 0; i < CAPABILITY_COUNT; i++)
		if (set >> i & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return -errno;
	return 0;
}

/* True if exec must not grant privileges. */
static bool is_locked_in(const struct confine *c)
{
	return c->asked.no_new_privileges ||
	       ((c->filter_len > 0 || c->asked.no_vsock) && c->has_ids &&
		c->uid != 0);
}

static int set_flag(int option, unsigned long value)
{
	return prctl(option, value, 0, 0, 0) < 0 ? -errno : 0;
}

static int set_filter(const void *code, size_t len)
{
	const struct sock_fprog program = {
		.len = (unsigned short)(len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)code,
	};

	if (len == 0)
		return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ?
		       -errno :
		       0;
}

/* --- the order --- */

/* How limits are taken: strictly, or where there is WARN leniently. */
struct limiter {
	confine_warn_fn *warn;
	void *ctx;
	enum confine_stage failed;
};

/* Takes the result R of STAGE, of which a container may go without. */
static int pass(struct limiter *l, enum confine_stage stage, int r)
{
	if (r == 0)
		return 0;
	l->failed = stage;
	if (!l->warn)
		return r;
	l->warn(l->ctx, stage, r);
	return 0;
}

/* The score and nice value come first, which a limit may forbid to change. */
static int set_limits(const struct confine *c, int proc_fd, struct limiter *l)
{
	const struct config_limits *limits = c->limits;
	int r = 0;

	if (c->asked.oom_score_adjust.is_set)
		r = pass(l, CONFINE_OOM,
			 put_number(proc_fd, "self/oom_score_adj",
				    c->asked.oom_score_adjust.value));
	if (r == 0 && c->asked.nice.is_set)
		r = pass(l, CONFINE_NICE,
			 set_nice(c->asked.nice.value, proc_fd));
	for (int i = 0; limits && i < CONFIG_LIMITS && r == 0; i++)
		if (limits->set >> i & 1)
			r = pass(l, (enum confine_stage)(CONFINE_LIMIT + i),
				 set_limit(&limits->of[i], i));
	if (r == 0 && c->asked.umask.is_set)
		(void)umask((mode_t)c->asked.umask.value);
	return r;
}

static int apply(const struct confine *c, int stage)
{
	switch (stage) {
	case CONFINE_KERNEL:
		return c->protect_kernel ? protect_kernel() : 0;
	case CONFINE_BOUNDING:
		return c->asked.bounding_is_set ?
			       drop_capabilities(c->asked.bounding) :
			       0;
	case CONFINE_SECUREBITS:
		return set_securebits(c);
	case CONFINE_USER:
		return c->has_ids ? set_ids(c) : 0;
	case CONFINE_DUMPABLE:
		/*
		 * The kernel does this for a change of the user, unless
		 * fs.suid_dumpable is 1, but not for root. Until now nobody with
		 * fewer capabilities than PID 1 could trace us.
		 */
		return c->undumpable ? set_flag(PR_SET_DUMPABLE, 0) : 0;
	case CONFINE_AMBIENT:
		return raise_ambient(c->asked.ambient,
				     !c->has_ids || c->uid == 0);
	case CONFINE_PRIVILEGES:
		return is_locked_in(c) ? set_flag(PR_SET_NO_NEW_PRIVS, 1) : 0;
	case CONFINE_FILTER:
		return set_filter(c->filter, c->filter_len);
	case CONFINE_VSOCK:
		return set_filter(seccomp_no_vsock,
				  c->asked.no_vsock ? SECCOMP_NO_VSOCK_LEN : 0);
	default:
		return 0;
	}
}

/* The order of the enum is the order in which they are taken. */
static int apply_all(const struct confine *c, int first, int last,
		     enum confine_stage *reterr_stage)
{
	int r = 0;

	for (int stage = first; stage <= last && r == 0; stage++) {
		r = apply(c, stage);
		if (r < 0)
			*reterr_stage = (enum confine_stage)stage;
	}
	return r;
}

int confine_begin(const struct confine *c, int proc_fd, confine_warn_fn *warn,
		  void *ctx, enum confine_stage *reterr_stage)
{
	struct limiter limiter = { .warn = warn, .ctx = ctx };
	int r = set_limits(c, proc_fd, &limiter);

	if (r < 0) {
		*reterr_stage = limiter.failed;
		return r;
	}
	return apply_all(c, CONFINE_KERNEL, CONFINE_DUMPABLE, reterr_stage);
}

int confine_finish(const struct confine *c, enum confine_stage *reterr_stage)
{
	return apply_all(c, CONFINE_AMBIENT, CONFINE_FILTER, reterr_stage);
}

void confine_name_stage(enum confine_stage stage, struct text *t)
{
	static const struct {
		uint8_t stage;
		char words[23];
	} names[] = {
		{ CONFINE_OOM, "oom-score-adjust" },
		{ CONFINE_NICE, "nice" },
		{ CONFINE_KERNEL, "protect-kernel" },
		{ CONFINE_BOUNDING, "capability-bounding-set" },
		{ CONFINE_SECUREBITS, "securebits" },
		{ CONFINE_USER, "user" },
		{ CONFINE_DUMPABLE, "PR_SET_DUMPABLE" },
		{ CONFINE_AMBIENT, "ambient-capabilities" },
		{ CONFINE_PRIVILEGES, "no-new-privileges" },
		{ CONFINE_VSOCK, "vsock" },
		{ CONFINE_FILTER, "seccomp" },
	};

	if (stage >= CONFINE_LIMIT) {
		text_add(t, config_limit_key((int)stage - CONFINE_LIMIT));
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].stage == (uint8_t)stage)
			text_add_bytes(t, names[i].words,
				       strnlen(names[i].words,
					       sizeof(names[i].words)));
}
