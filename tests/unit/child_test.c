/*
 * Children, as real processes: who is told of which death, what a tracer can keep from
 * PID 1, and a kernel that has no clone3.
 */

#include "init/child.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/loop.h"
#include "tests/unit/check.h"
#include "vsock/io.h"

static struct loop loop;
static struct children children;

static void set_up(void)
{
	sigset_t set;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	loop.signal_fd = -1;
	loop_block_signals();
	/* Of check.h: a test that hangs is ended. */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	REQUIRE(proc >= 0);
	child_init(&children, &loop, proc);
	REQUIRE(loop_open(&loop, false) == 0);
}

/* --- one child --- */

struct death {
	int count, status;
};

static void died(void *ctx, int status)
{
	struct death *d = ctx;

	d->count++;
	d->status = status;
}

static bool is_dead(void *ctx)
{
	const struct death *d = ctx;

	return d->count > 0;
}

static bool is_alone(void *ctx)
{
	(void)ctx;
	return children.is_alone;
}

static pid_t fork_one(struct death *d)
{
	return child_fork(&children, -1, NULL, died, d);
}

/* A child that does nothing until it is killed. */
static pid_t fork_idle(struct death *d)
{
	pid_t pid = fork_one(d);

	if (pid == 0)
		for (;;)
			(void)pause();
	return pid;
}

static void wait_for(struct death *d)
{
	CHECK(loop_until(&loop, is_dead, d, -1));
	CHECK_INT(d->count, 1);
}

static int free_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

TEST(a_death_is_told_once_with_its_status)
{
	struct death a = { 0 }, b = { 0 };
	int before;
	pid_t pid;

	set_up();
	before = free_fd();
	pid = fork_one(&a);
	if (pid == 0)
		_exit(7);
	REQUIRE(pid > 0);
	CHECK(child_is_known(&children, pid));
	wait_for(&a);
	CHECK(WIFEXITED(a.status) && WEXITSTATUS(a.status) == 7);
	CHECK(!child_is_known(&children, pid));

	pid = fork_idle(&b);
	CHECK_INT(kill(pid, SIGKILL), 0);
	wait_for(&b);
	CHECK(WIFSIGNALED(b.status) && WTERMSIG(b.status) == SIGKILL);
	CHECK(a.count == 1);
	CHECK(loop_until(&loop, is_alone, NULL, -1));
	CHECK_INT(free_fd(), before);
}

TEST(nobody_is_known_at_first)
{
	set_up();
	CHECK(!child_is_known(&children, getpid()));
	CHECK(!child_reap(&children));
	CHECK(children.is_alone);
}

static bool was_free;
static struct death second;

static void fork_the_next(void *ctx, int status)
{
	pid_t pid;

	died(ctx, status);
	pid = fork_one(&second);
	if (pid == 0)
		_exit(3);
	was_free = pid > 0 && pid == children.table[0].pid;
}

TEST(who_is_told_may_fork_the_next_one)
{
	struct death first = { 0 };
	pid_t pid;

	set_up();
	pid = child_fork(&children, -1, NULL, fork_the_next, &first);
	if (pid == 0)
		_exit(0);
	wait_for(&first);
	CHECK(was_free); /* the place of the one that it was told of */
	wait_for(&second);
	CHECK_INT(WEXITSTATUS(second.status), 3);
	CHECK_INT(first.count, 1);
}

TEST(others_are_reaped_and_nobody_is_told)
{
	struct death d = { 0 };
	pid_t pid;

	set_up();
	REQUIRE(fork_idle(&d) > 0);
	pid = fork(); /* as an orphan comes to PID 1 */
	if (pid == 0)
		_exit(1);
	while (kill(pid, 0) == 0)
		loop_turn(&loop, -1);
	CHECK_INT(d.count, 0);
	CHECK(!children.is_alone);
	CHECK_INT(kill(children.table[0].pid, SIGKILL), 0);
	wait_for(&d);
}

/* --- many --- */

TEST(a_turn_reaps_a_batch_and_the_next_one_the_rest)
{
	enum { MANY = 300 };
	siginfo_t info;
	pid_t last = 0;

	set_up();
	for (int i = 0; i < MANY; i++) {
		last = fork();
		if (last == 0)
			_exit(0);
		REQUIRE(last > 0);
		/* All of them are dead by the time that they are reaped. */
		REQUIRE(waitid(P_PID, (id_t)last, &info, WEXITED | WNOWAIT) ==
			0);
	}
	CHECK(child_reap(&children));
	CHECK(!children.is_alone);
	CHECK(!child_reap(&children));
	CHECK(children.is_alone);
}

TEST(a_batch_does_not_lose_a_death_that_is_told)
{
	struct death d = { 0 };
	siginfo_t info;
	pid_t pid;

	set_up();
	for (int i = 0; i < 300; i++) {
		pid = i == 299 ? fork_one(&d) : fork();
		if (pid == 0)
			_exit(5);
		REQUIRE(pid > 0);
		REQUIRE(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) ==
			0);
	}
	/* Its pidfd is readable in the first turn, and it is nobody's prisoner. */
	loop_turn(&loop, -1);
	wait_for(&d);
	CHECK_INT(WEXITSTATUS(d.status), 5);
	CHECK_INT(children.table[0].traced_ms, 0);
}

TEST(there_is_room_for_so_many)
{
	struct death deaths[CHILD_MAX + 1] = { 0 };
	pid_t pids[CHILD_MAX];

	set_up();
	for (int i = 0; i < CHILD_MAX; i++) {
		pids[i] = fork_idle(&deaths[i]);
		REQUIRE(pids[i] > 0);
	}
	CHECK_INT(fork_one(&deaths[CHILD_MAX]), -EAGAIN);
	for (int i = 0; i < CHILD_MAX; i++)
		CHECK(child_is_known(&children, pids[i]));
	CHECK_INT(kill(pids[7], SIGKILL), 0);
	wait_for(&deaths[7]);
	pids[7] = fork_idle(&deaths[CHILD_MAX]);
	CHECK(pids[7] > 0);
	for (int i = 0; i < CHILD_MAX; i++)
		CHECK_INT(kill(pids[i], SIGKILL), 0);
	CHECK(loop_until(&loop, is_alone, NULL, -1));
	for (int i = 0; i <= CHILD_MAX; i++)
		CHECK_INT(deaths[i].count, 1);
}

static void nothing(void *ctx)
{
	(void)ctx;
}

TEST(without_room_for_its_pidfd_a_death_is_told_all_the_same)
{
	struct death d = { 0 };
	pid_t pid;

	set_up();
	while (loop_watch(&loop, loop.signal_fd, nothing, NULL) == 0)
		;
	pid = fork_one(&d);
	if (pid == 0)
		_exit(0);
	REQUIRE(pid > 0);
	wait_for(&d);
}

/* --- tracers --- */

/*
 * A process that traces PID and has it killed, and then lives on: it takes note of the
 * death, if it TAKES_NOTE, or never does.
 */
static pid_t fork_tracer(pid_t pid, bool takes_note)
{
	int fds[2], status;
	pid_t tracer;
	char byte;

	REQUIRE(pipe(fds) == 0);
	tracer = fork();
	if (tracer == 0) {
		if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
			_exit(1);
		(void)kill(pid, SIGKILL);
		if (takes_note)
			(void)waitpid(pid, &status, __WALL);
		(void)!write(fds[1], "x", 1);
		for (;;)
			(void)pause();
	}
	close(fds[1]);
	/* An end: it may not trace anybody here. */
	if (read(fds[0], &byte, 1) != 1)
		tracer = 0;
	close(fds[0]);
	return tracer;
}

/* A child that everybody may trace, wherever that takes a word of its own. */
static pid_t fork_victim(struct death *d)
{
	pid_t pid = fork_one(d);

	if (pid == 0) {
		(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
		for (;;)
			(void)pause();
	}
	return pid;
}

TEST(a_death_that_a_tracer_hides_is_told_and_ends_the_tracer)
{
	struct death d = { 0 };
	pid_t pid, tracer;
	int64_t began;

	set_up();
	pid = fork_victim(&d);
	REQUIRE(pid > 0);
	if (children.table[0].pidfd < 0)
		return; /* a kernel without them */
	tracer = fork_tracer(pid, false);
	REQUIRE(tracer > 0);
	began = io_now_ms();
	/* It is dead, and cannot be reaped: the loop does not turn for it, either. */
	while (children.table[0].traced_ms == 0)
		loop_turn(&loop, -1);
	CHECK(children.table[0].traced_ms >= began + CHILD_TRACED_MS);
	CHECK_INT(d.count, 0);
	CHECK_INT(kill(tracer, 0), 0);
	wait_for(&d);
	CHECK(io_now_ms() >= began + CHILD_TRACED_MS);
	CHECK(WIFSIGNALED(d.status) && WTERMSIG(d.status) == SIGKILL);
	CHECK_INT(children.table[0].traced_ms, 0);
	CHECK(loop_until(&loop, is_alone, NULL, -1));
}

TEST(a_tracer_that_takes_note_in_time_lives_on)
{
	struct death d = { 0 };
	pid_t pid, tracer;

	set_up();
	pid = fork_victim(&d);
	REQUIRE(pid > 0);
	tracer = fork_tracer(pid, true);
	REQUIRE(tracer > 0);
	wait_for(&d);
	CHECK(WIFSIGNALED(d.status) && WTERMSIG(d.status) == SIGKILL);
	CHECK_INT(children.table[0].traced_ms, 0);
	CHECK_INT(kill(tracer, 0), 0);
	(void)kill(tracer, SIGKILL);
}

/* --- kernels --- */

/* System call NUMBER fails by ERROR from now on. */
static void fail_call(unsigned int number, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
			 SECCOMP_RET_ERRNO | (unsigned int)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = code };

	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

TEST(without_clone3_there_is_fork)
{
	static const int errors[] = { ENOSYS, EPERM };

	for (size_t i = 0; i < 2; i++) {
		struct death d = { 0 };
		bool is_in_cgroup = true;
		pid_t pid;

		set_up();
		fail_call(SYS_clone3, errors[i]);
		pid = child_fork(&children, 0, &is_in_cgroup, died, &d);
		if (pid == 0)
			_exit(9);
		REQUIRE(pid > 0);
		CHECK(children.is_last_resort && !is_in_cgroup);
		CHECK(children.table[0].pidfd < 0);
		wait_for(&d);
		CHECK_INT(WEXITSTATUS(d.status), 9);
		children = (struct children){ 0 };
		loop = (struct loop){ 0 };
	}
}

TEST(a_want_of_processes_is_no_want_of_clone3)
{
	struct death d = { 0 };

	set_up();
	fail_call(SYS_clone3, EAGAIN);
	CHECK_INT(fork_one(&d), -EAGAIN);
	CHECK(!children.is_last_resort);
	CHECK_INT(children.table[0].pid, 0);
}

TEST(a_group_that_cannot_be_entered_at_once_is_left_to_the_child)
{
	struct death d = { 0 };
	bool is_in_cgroup = true;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid_t pid;

	set_up();
	REQUIRE(null >= 0);
	pid = child_fork(&children, null, &is_in_cgroup, died, &d);
	if (pid == 0)
		_exit(0);
	REQUIRE(pid > 0);
	CHECK(!is_in_cgroup);
	wait_for(&d);
}

TEST(a_child_knows_that_it_is_one)
{
	struct death d = { 0 };
	pid_t parent = getpid(), pid;

	set_up();
	pid = fork_one(&d);
	if (pid == 0)
		_exit(getpid() == parent || getppid() != parent);
	wait_for(&d);
	CHECK(WIFEXITED(d.status) && WEXITSTATUS(d.status) == 0);
}

CHECK_MAIN("child")
