/*
 * The order, by outcome: the system calls of what comes before a stage succeed
 * without doing anything, those from there on fail, and that stage has to be the
 * one that is reported. Needs no privileges.
 */

#include "init/confine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "init/text.h"
#include "tests/unit/temp.h"

enum { ANY = -1, CODE_MAX = 100 };

/* In their order. ARGUMENT is the number of the one that has VALUE. */
static const struct {
	int stage;
	unsigned int call;
	int argument;
	unsigned int value;
} rows[] = {
	{ CONFINE_NICE, SYS_setpriority, ANY, 0 },
	{ CONFINE_LIMIT + RLIMIT_CORE, SYS_prlimit64, 1, RLIMIT_CORE },
	{ CONFINE_LIMIT + RLIMIT_NOFILE, SYS_prlimit64, 1, RLIMIT_NOFILE },
	{ CONFINE_KERNEL, SYS_unshare, ANY, 0 },
	{ CONFINE_BOUNDING, SYS_prctl, 0, PR_CAPBSET_DROP },
	{ CONFINE_SECUREBITS, SYS_prctl, 0, PR_SET_SECUREBITS },
	{ CONFINE_USER, SYS_setgroups, ANY, 0 },
	{ CONFINE_USER, SYS_setgid, ANY, 0 },
	{ CONFINE_USER, SYS_setuid, ANY, 0 },
	{ CONFINE_DUMPABLE, SYS_prctl, 0, PR_SET_DUMPABLE },
	{ CONFINE_AMBIENT, SYS_capget, ANY, 0 },
	{ CONFINE_AMBIENT, SYS_capset, ANY, 0 },
	{ CONFINE_AMBIENT, SYS_prctl, 0, PR_CAP_AMBIENT },
	{ CONFINE_PRIVILEGES, SYS_prctl, 0, PR_SET_NO_NEW_PRIVS },
	{ CONFINE_FILTER, SYS_prctl, 0, PR_SET_SECCOMP },
};
enum { KERNEL = 3, AMBIENT = 10, ROWS = sizeof(rows) / sizeof(rows[0]) };

static const struct config_limits limits = {
	.set = 1 << RLIMIT_CORE | 1 << RLIMIT_NOFILE,
	.of[RLIMIT_CORE] = { 0, 0 },
	.of[RLIMIT_NOFILE] = { 77, 99 },
};
static const uint32_t groups[] = { 2345, 3456 };
static const struct sock_filter allow_all[] = {
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static const struct confine all = {
	.asked.oom_score_adjust = { true, 321 },
	.asked.nice = { true, 3 },
	.asked.umask = { true, 027 },
	.limits = &limits,
	.asked.bounding_is_set = true,
	.asked.bounding = 1 << 10,
	.asked.ambient = 1 << 10,
	.asked.securebits = 1,
	.has_ids = true,
	.uid = 1234,
	.gid = 2345,
	.groups = groups,
	.group_count = 2,
	.undumpable = true,
	.asked.no_new_privileges = true,
	.filter = allow_all,
	.filter_len = sizeof(allow_all),
};

#define LOAD(field)                        \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
		 (unsigned int)offsetof(struct seccomp_data, field))

/* Calls of rows before the K-th do nothing, the others fail. */
static void fail_from(size_t k)
{
	struct sock_filter code[CODE_MAX];
	struct sock_fprog program = { 0, code };
	unsigned short n = 0;

	for (size_t i = 0; i < ROWS; i++) {
		const bool any = rows[i].argument == ANY;

		REQUIRE(n + 6 < CODE_MAX);
		code[n++] = (struct sock_filter)LOAD(nr);
		code[n++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, rows[i].call, 0,
			any ? 1 : 3);
		if (!any) {
			code[n++] = (struct sock_filter)LOAD(args[0]);
			code[n - 1].k += 8 * (unsigned int)rows[i].argument;
			code[n++] = (struct sock_filter)BPF_JUMP(
				BPF_JMP | BPF_JEQ | BPF_K, rows[i].value, 0, 1);
		}
		code[n++] = (struct sock_filter)BPF_STMT(
			BPF_RET | BPF_K,
			SECCOMP_RET_ERRNO | (i < k ? 0 : EPERM));
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						 SECCOMP_RET_ALLOW);
	program.len = n;
	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* A /proc of the test's own. */
static int make_proc(void)
{
	int fd;

	temp_enter();
	REQUIRE(mkdir("self", 0755) == 0);
	temp_text("self/oom_score_adj", "", 0644);
	temp_text("self/autogroup", "", 0644);
	fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	return fd;
}

static void check_file(const char *path, const char *wanted)
{
	char got[20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, got, sizeof(got) - 1);

	REQUIRE(n >= 0);
	got[n] = '\0';
	CHECK_STR(got, wanted);
	close(fd);
}

static unsigned int warned; /* bit N: stage N */

static void warn(void *ctx, enum confine_stage stage, int r)
{
	CHECK(ctx == &warned);
	CHECK_INT(r, -EPERM);
	warned |= 1U << (stage >= CONFINE_LIMIT ? stage - CONFINE_LIMIT + 16 :
						  stage);
}

static int confine(const struct confine *c, int proc, confine_warn_fn *w,
		   int *ret_stage)
{
	enum confine_stage stage = (enum confine_stage)0;
	int r = confine_begin(c, proc, w, &warned, &stage);

	if (r == 0)
		r = confine_finish(c, &stage);
	*ret_stage = (int)stage;
	return r;
}

/* In a child, since filters are for ever. */
static void check_order(size_t k, int proc)
{
	struct confine c = all;
	int stage, r, status;
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		/* That it comes, but not what it does, which is more than this. */
		c.protect_kernel = k <= KERNEL;
		fail_from(k);
		r = confine(&c, proc, NULL, &stage);
		CHECK_INT(r, k < ROWS ? -EPERM : 0);
		CHECK_INT(stage, k < ROWS ? rows[k].stage : 0);
		_exit(check_failures > 0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	if (!CHECK_INT(status, 0))
		CHECK_FAIL("at row %zu", k);
}

TEST(the_order_is_that_of_the_stages)
{
	int proc = make_proc();

	for (size_t k = 0; k <= ROWS; k++)
		check_order(k, proc);
	check_file("self/oom_score_adj", "321");
	temp_leave();
}

TEST(the_score_is_first)
{
	int proc = make_proc(), stage;

	REQUIRE(unlink("self/oom_score_adj") == 0);
	fail_from(0);
	CHECK_INT(confine(&all, proc, NULL, &stage), -ENOENT);
	CHECK_INT(stage, CONFINE_OOM);
	/* Not to hang on what is in its place. */
	REQUIRE(mkfifo("self/oom_score_adj", 0644) == 0);
	CHECK_INT(confine(&all, proc, NULL, &stage), -ENXIO);
	CHECK_INT(stage, CONFINE_OOM);
	temp_leave();
}

TEST(the_mask_of_files_comes_after_the_limits)
{
	int proc = make_proc(), stage;
	struct confine c = all;

	(void)umask(0);
	fail_from(2);
	CHECK_INT(confine(&c, proc, NULL, &stage), -EPERM);
	CHECK_INT(stage, CONFINE_LIMIT + RLIMIT_NOFILE);
	CHECK_INT(umask(0), 0);
	c.limits = NULL;
	c.protect_kernel = true;
	CHECK_INT(confine(&c, proc, NULL, &stage), -EPERM);
	CHECK_INT(stage, CONFINE_KERNEL);
	CHECK_INT(umask(0), 027);
	temp_leave();
}

TEST(a_container_goes_on_without_limits)
{
	int proc = make_proc(), stage;
	const unsigned int core = 16 + RLIMIT_CORE, files = 16 + RLIMIT_NOFILE;

	fail_from(0);
	CHECK_INT(confine(&all, proc, warn, &stage), -EPERM);
	CHECK_INT(stage, CONFINE_BOUNDING);
	CHECK_INT(warned, 1U << CONFINE_NICE | 1U << core | 1U << files);
	temp_leave();
}

TEST(what_is_not_asked_for_is_not_done)
{
	const struct confine none = { 0 };
	int proc = make_proc(), stage;
	mode_t mask = umask(0123);

	(void)mask;
	fail_from(0);
	CHECK_INT(confine(&none, proc, NULL, &stage), 0);
	CHECK_INT(stage, 0);
	CHECK_INT(umask(0), 0123);
	check_file("self/oom_score_adj", "");
	temp_leave();
}

/* The kernel takes no filter from a user without no-new-privileges. */
TEST(a_filter_of_a_user_brings_no_new_privileges)
{
	struct confine c = { .has_ids = true,
			     .uid = 1,
			     .filter = allow_all,
			     .filter_len = sizeof(allow_all) };
	int proc = make_proc(), stage;

	fail_from(AMBIENT);
	CHECK_INT(confine(&c, proc, NULL, &stage), -EPERM);
	CHECK_INT(stage, CONFINE_PRIVILEGES);
	c.uid = 0;
	CHECK_INT(confine(&c, proc, NULL, &stage), -EPERM);
	CHECK_INT(stage, CONFINE_FILTER);
	c.uid = 1;
	c.has_ids = false;
	CHECK_INT(confine(&c, proc, NULL, &stage), -EPERM);
	CHECK_INT(stage, CONFINE_FILTER);
	temp_leave();
}

/* So does the filter of vsock = none, which comes before one that may forbid it. */
TEST(vsock_is_taken_before_the_filter)
{
	struct confine c = { .has_ids = true,
			     .uid = 1,
			     .asked.no_vsock = true };
	int proc = make_proc(), stage;

	fail_from(AMBIENT);
	CHECK_INT(confine(&c, proc, NULL, &stage), -EPERM);
	CHECK_INT(stage, CONFINE_PRIVILEGES);
	c.uid = 0;
	c.filter = allow_all;
	c.filter_len = sizeof(allow_all);
	CHECK_INT(confine(&c, proc, NULL, &stage), -EPERM);
	CHECK_INT(stage, CONFINE_VSOCK);
	temp_leave();
}

/* Between the two halves the program is looked up, without ambient capabilities. */
TEST(the_user_is_the_end_of_the_first_half)
{
	enum confine_stage stage = (enum confine_stage)0;
	int proc = make_proc();

	fail_from(AMBIENT);
	CHECK_INT(confine_begin(&all, proc, NULL, NULL, &stage), 0);
	CHECK_INT(stage, 0);
	CHECK_INT(confine_finish(&all, &stage), -EPERM);
	CHECK_INT(stage, CONFINE_AMBIENT);
	temp_leave();
}

/* --- nice, between sessions --- */

static void set_nice(int proc)
{
	const struct confine c = { .asked.nice = { true, 3 } };
	int stage;

	CHECK_INT(confine(&c, proc, NULL, &stage), 0);
}

TEST(nice_is_the_sessions_too)
{
	int proc = make_proc();

	/* Of somebody else's session it is not ours to say. */
	REQUIRE(getsid(0) != getpid());
	set_nice(proc);
	check_file("self/autogroup", "");
	REQUIRE(setsid() == getpid());
	set_nice(proc);
	check_file("self/autogroup", "3");
	/* A kernel that does not group by session. */
	REQUIRE(unlink("self/autogroup") == 0);
	set_nice(proc);
	temp_leave();
}

/* --- for a process of our own --- */

TEST(undumpable_is_also_for_root)
{
	const struct confine c = { .undumpable = true };
	int stage;

	REQUIRE(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
	CHECK_INT(confine(&c, -1, NULL, &stage), 0);
	CHECK_INT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}

TEST(all_of_it_can_be_had_by_root)
{
	struct confine c = all;
	uid_t uid[3];
	int stage, proc;

	if (geteuid() != 0)
		return;
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(proc >= 0 && setsid() == getpid());
	CHECK_INT(confine(&c, proc, NULL, &stage), 0);
	CHECK_INT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	CHECK_INT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_INT(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 2);
	CHECK_INT(prctl(PR_CAPBSET_READ, 10, 0, 0, 0), 1);
	CHECK_INT(prctl(PR_CAPBSET_READ, 0, 0, 0, 0), 0);
	CHECK_INT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 10, 0, 0), 1);
	CHECK_INT(getresuid(&uid[0], &uid[1], &uid[2]), 0);
	CHECK_INT(uid[0], 1234);
	CHECK_INT(uid[1], 1234);
	CHECK_INT(uid[2], 1234);
}

TEST(stages_have_the_names_of_their_keys)
{
	static const struct {
		int stage;
		const char *name;
	} names[] = {
		{ CONFINE_OOM, "oom-score-adjust" },
		{ CONFINE_NICE, "nice" },
		{ CONFINE_KERNEL, "protect-kernel" },
		{ CONFINE_BOUNDING, "capability-bounding-set" },
		{ CONFINE_SECUREBITS, "securebits" },
		{ CONFINE_USER, "user" },
		{ CONFINE_AMBIENT, "ambient-capabilities" },
		{ CONFINE_PRIVILEGES, "no-new-privileges" },
		{ CONFINE_FILTER, "seccomp" },
		{ CONFINE_LIMIT + RLIMIT_NPROC, "limit-nproc" },
		{ CONFINE_LIMIT + RLIMIT_CPU, "limit-cpu" },
	};
	struct text t;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		text_clear(&t);
		confine_name_stage((enum confine_stage)names[i].stage, &t);
		CHECK_STR(text_string(&t), names[i].name);
	}
}

CHECK_MAIN("confine")
