/*
 * Whom the culling kills, by a /proc of plain files, in which no signal reaches anybody;
 * and at last for real, in a PID namespace.
 */

#include "init/cull.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/child.h"
#include "tests/unit/check.h"
#include "tests/unit/temp.h"

/* --- the seam --- */

enum { SENT_MAX = 4096 };

static struct {
	pid_t pid;
	int sig;
} sent[SENT_MAX];
static size_t sent_count;
static bool is_real;

int kill(pid_t pid, int sig)
{
	if (is_real)
		return (int)syscall(SYS_kill, pid, sig);
	REQUIRE(sent_count < SENT_MAX);
	sent[sent_count].pid = pid;
	sent[sent_count++].sig = sig;
	return 0;
}

/* How often PID got SIG. */
static int count(pid_t pid, int sig)
{
	int n = 0;

	for (size_t i = 0; i < sent_count; i++)
		n += sent[i].pid == pid && sent[i].sig == sig;
	return n;
}

/* --- a /proc --- */

struct process {
	pid_t pid, parent, session;
	uid_t uid;
};

static struct children children;

static void add_text(pid_t pid, const char *text)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "%d", pid);
	REQUIRE(mkdir(path, 0755) == 0);
	(void)snprintf(path, sizeof(path), "%d/status", pid);
	temp_text(path, text, 0444);
}

/* As the kernel writes it, with what stands between the lines that are looked at. */
static void add_named(struct process p, const char *name)
{
	char text[2048];

	(void)snprintf(text, sizeof(text),
		       "Name:\t%s\nUmask:\t0022\nState:\tS (sleeping)\n"
		       "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n"
		       "TracerPid:\t0\nUid:\t%u\t%u\t%u\t%u\n"
		       "Gid:\t7\t7\t7\t7\nFDSize:\t64\nGroups:\t1 2 3 \n"
		       "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n"
		       "VmPeak:\t    2184 kB\nThreads:\t1\n",
		       name, p.pid, p.pid, p.parent, p.uid, p.uid, p.uid, p.uid,
		       p.pid, p.pid, p.pid, p.session);
	add_text(p.pid, text);
}

static void add(struct process p)
{
	add_named(p, "app");
}

static void know(pid_t pid)
{
	struct child *c = children.table;

	while (c->pid != 0)
		c++;
	c->pid = pid;
}

static int open_proc(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	REQUIRE(fd >= 0);
	return fd;
}

/* --- what is left of a service --- */

enum { LEADER = 100, UID = 1000 };

static void cull(bool is_sole_user)
{
	cull_leftovers(open_proc(), &children, LEADER, UID, is_sole_user);
}

TEST(what_is_in_its_session_is_killed)
{
	temp_enter();
	add((struct process){ 101, 1, LEADER, UID });
	add((struct process){ 102, 101, LEADER, 0 }); /* set-user-ID */
	add((struct process){ 103, 1, 103, UID });
	add((struct process){ 104, 1, 1000, UID });
	cull(false);
	CHECK(count(101, SIGKILL) == 1 && count(102, SIGKILL) == 1);
	CHECK_INT(sent_count, 2);
	temp_leave();
}

TEST(orphans_of_a_sole_user_are_killed_as_well)
{
	temp_enter();
	add((struct process){ 101, 1, 101, UID });
	add((struct process){ 102, 101, 101, UID }); /* an orphan next time */
	add((struct process){ 103, 1, 103, UID + 1 });
	add((struct process){ 104, 50, 50, UID }); /* somebody's child */
	cull(true);
	CHECK_INT(count(101, SIGKILL), 1);
	CHECK_INT(sent_count, 1);
	temp_leave();
}

TEST(children_of_process_1_are_no_leftovers)
{
	temp_enter();
	add((struct process){ 1, 0, LEADER, UID });
	add((struct process){ 101, 1, 101, UID });
	add((struct process){ 102, 1, LEADER, UID });
	know(101); /* another service of that user, by then */
	know(102);
	cull(true);
	CHECK_INT(sent_count, 0);
	temp_leave();
}

TEST(without_a_leader_no_session_counts)
{
	temp_enter();
	add((struct process){ 101, 1, 0, UID });
	add((struct process){ 102, 1, 0, UID + 1 });
	cull_leftovers(open_proc(), &children, 0, UID, false);
	CHECK_INT(sent_count, 0);
	cull_leftovers(open_proc(), &children, 0, UID, true);
	CHECK(sent_count == 1 && count(101, SIGKILL) == 1);
	temp_leave();
}

TEST(no_name_makes_another_process_of_it)
{
	temp_enter();
	/* The kernel writes a newline of a name as two characters. */
	add_named((struct process){ 101, 5, 101, UID },
		  "x\\nPPid:\t1\\nNSsid:\t100\\nUid:\t1000");
	add_named((struct process){ 102, 1, LEADER, UID }, "PPid:\t7");
	cull(true);
	CHECK(sent_count == 1 && count(102, SIGKILL) == 1);
	temp_leave();
}

TEST(what_is_no_process_is_passed_over)
{
	temp_enter();
	add_text(101, "");	       /* gone meanwhile: nothing to read */
	add_text(102, "PPid:\t1\n");   /* no line's begin */
	add_text(103, "Name:\tapp\n"); /* none of what counts */
	REQUIRE(mkdir("104", 0755) == 0);
	REQUIRE(mkdir("self", 0755) == 0 && mkdir("0x65", 0755) == 0);
	temp_text("105", "a file", 0444);
	add((struct process){ 106, 1, LEADER, UID });
	cull(true);
	CHECK(sent_count == 1 && count(106, SIGKILL) == 1);
	cull_leftovers(-1, &children, LEADER, UID, true);
	CHECK_INT(sent_count, 1);
	temp_leave();
}

/* --- all but the helpers --- */

TEST(all_are_stopped_and_killed_and_helpers_go_on)
{
	temp_enter();
	add((struct process){ 1, 0, 1, 0 });
	add((struct process){ 2, 0, 0, 0 });  /* kthreadd */
	add((struct process){ 30, 2, 0, 0 }); /* a thread of the kernel */
	add((struct process){ 40, 1, 40, 65530 });
	know(40);
	add((struct process){ 101, 1, 101, UID });
	add((struct process){ 102, 101, 5, 0 });
	CHECK_INT(cull_all_but(open_proc(), &children), 2);
	CHECK(sent[0].pid == -1 && sent[0].sig == SIGSTOP);
	CHECK(count(101, SIGKILL) == 1 && count(102, SIGKILL) == 1);
	CHECK_INT(count(40, SIGCONT), 1);
	CHECK(sent[sent_count - 1].sig == SIGCONT);
	CHECK_INT(sent_count, 4);
	temp_leave();
}

TEST(more_of_them_than_one_read_of_the_directory)
{
	enum { MANY = 1000 };

	temp_enter();
	for (pid_t pid = 1000; pid < 1000 + MANY; pid++)
		add((struct process){ pid, 1, pid, UID });
	CHECK_INT(cull_all_but(open_proc(), &children), MANY);
	for (pid_t pid = 1000; pid < 1000 + MANY; pid++)
		if (count(pid, SIGKILL) != 1)
			CHECK_FAIL("process %d was missed", pid);
	temp_leave();
}

TEST(without_proc_nobody_is_counted_and_helpers_go_on)
{
	know(40);
	CHECK_INT(cull_all_but(-1, &children), -ENOENT);
	CHECK_INT(count(40, SIGCONT), 1);
}

/* --- for real --- */

/* Forks and exits as fast as it can, in sessions of its own. */
static _Noreturn void flee(void)
{
	for (;;) {
		if (fork() > 0)
			_exit(0);
		(void)setsid();
	}
}

static bool is_running(pid_t pid)
{
	int status;

	return waitpid(pid, &status, WNOHANG) == 0;
}

/* As process 1 of a namespace; returns 0, or what went wrong. */
static int cull_for_real(void)
{
	pid_t helper;
	int proc, found = 1;

	is_real = true;
	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		return 77; /* not allowed here */
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	helper = fork();
	if (helper == 0)
		for (;;)
			(void)pause();
	know(helper);
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			flee();
	for (int i = 0; i < 20; i++) /* let them run */
		(void)sched_yield();
	for (int pass = 0; pass < 1000 && found > 0; pass++) {
		found = cull_all_but(proc, &children);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	if (found != 0)
		return 1;
	if (!is_running(helper))
		return 2;
	(void)kill(helper, SIGKILL);
	return waitpid(-1, NULL, 0) == helper && waitpid(-1, NULL, 0) < 0 ? 0 :
									    3;
}

TEST(nobody_gets_away_by_forking)
{
	int status;
	pid_t pid;

	temp_unshare();
	REQUIRE(unshare(CLONE_NEWPID) == 0);
	pid = fork();
	if (pid == 0)
		_exit(cull_for_real());
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status) != 77)
		CHECK_INT(WEXITSTATUS(status), 0);
}

CHECK_MAIN("cull")
