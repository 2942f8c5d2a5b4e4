/* Real children. What they find around them is told by what they run. */

#include "init/spawn.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "init/config.h"
#include "init/log.h"
#include "init/program.h"
#include "init/user.h"
#include "tests/unit/temp.h"

static const struct config_service plain = { .terminal = true };

static struct {
	const struct user *user;	      /* to be, or NULL */
	const struct config_service *service; /* or NULL: PLAIN */
	const void *filter;
	size_t filter_len;
	bool in_container;
	pid_t pid;
	enum spawn_stage stage;
	int status;
} got;

static int spawn(const char *path, enum program_kind kind, char *a, char *b)
{
	char slot[] = "untouched", name[] = "name", var[] = "A=1";
	char *argv[] = { slot, name, a, b, NULL }, *envp[] = { var, NULL };
	struct program *p = malloc(sizeof(*p));
	struct spawn_job job;
	int r;

	REQUIRE(p);
	(void)snprintf(p->path, sizeof(p->path), "%s", path);
	p->kind = kind;
	got.pid = -99;
	got.stage = (enum spawn_stage)99;
	got.status = -99;
	job = (struct spawn_job){
		.program = p,
		.argv = argv + 1,
		.envp = envp,
		.user = got.user,
		.service = got.service ? got.service : &plain,
		.filter = got.filter,
		.filter_len = got.filter_len,
		.in_container = got.in_container,
	};
	r = spawn_program(&job, &got.pid, &got.stage, &got.status);
	free(p);
	return r;
}

/* Runs SCRIPT by the machine's shell; its exit code. */
static int shell(const char *script)
{
	char option[] = "-c", *text = strdup(script);
	int status = -1;

	CHECK_INT(spawn("/bin/sh", PROGRAM_ELF, option, text), 0);
	free(text);
	CHECK_INT(waitpid(got.pid, &status, 0), got.pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool has_children(void)
{
	return waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
}

TEST(a_program_that_runs_is_a_success)
{
	CHECK_INT(shell("exit 7"), 7);
	CHECK_INT(shell("test \"$0:$#:$A\" = name:0:1"), 0);
	CHECK(got.pid > 0);
	CHECK(!has_children());
}

TEST(success_is_known_while_the_program_still_runs)
{
	char one[] = "-c", two[] = "read never; exit 5";
	int fds[2], status;

	REQUIRE(pipe(fds) == 0);
	REQUIRE(dup2(fds[0], 0) == 0);
	CHECK_INT(spawn("/bin/sh", PROGRAM_ELF, one, two), 0);
	CHECK_INT(waitpid(got.pid, &status, WNOHANG), 0);
	close(fds[0]);
	close(fds[1]);
	REQUIRE(waitpid(got.pid, &status, 0) == got.pid);
	CHECK_INT(WEXITSTATUS(status), 5);
}

static void check_failure(int r, int wanted, enum spawn_stage stage)
{
	CHECK_INT(r, wanted);
	CHECK_INT(got.stage, stage);
	CHECK_INT(got.pid, -99);
	CHECK(!has_children()); /* it is reaped */
}

TEST(the_errno_of_exec_comes_back)
{
	temp_enter();
	temp_text("denied", "#!/bin/sh\n", 0644);
	temp_text("no-interpreter", "#!/no/such\n", 0755);
	temp_file("binary", "\0\1\2", 3, 0755);
	temp_text("elf", "\177ELF\2\1\1", 0755);
	check_failure(spawn("/no/such", PROGRAM_OTHER, NULL, NULL), -ENOENT,
		      SPAWN_EXEC);
	check_failure(spawn("denied", PROGRAM_SCRIPT, NULL, NULL), -EACCES,
		      SPAWN_EXEC);
	check_failure(spawn("no-interpreter", PROGRAM_SCRIPT, NULL, NULL),
		      -ENOENT, SPAWN_EXEC);
	check_failure(spawn("elf", PROGRAM_ELF, NULL, NULL), -ENOEXEC,
		      SPAWN_EXEC);
	check_failure(spawn("binary", PROGRAM_OTHER, NULL, NULL), -ENOEXEC,
		      SPAWN_EXEC);
	check_failure(spawn("/tmp", PROGRAM_OTHER, NULL, NULL), -EACCES,
		      SPAWN_EXEC);
	check_failure(spawn("denied/x", PROGRAM_OTHER, NULL, NULL), -ENOTDIR,
		      SPAWN_EXEC);
	temp_leave();
}

TEST(a_text_without_interpreter_is_the_shells)
{
	char one[] = "one arg", two[] = "";
	int status;

	temp_enter();
	temp_text(
		"./script",
		"test \"$0:$1:$2:$#:$A\" = './script:one arg::2:1' && exit 3\n",
		0755);
	CHECK_INT(spawn("./script", PROGRAM_TEXT, one, two), 0);
	REQUIRE(waitpid(got.pid, &status, 0) == got.pid);
	CHECK_INT(WEXITSTATUS(status), 3);
	/* Of any other kind it is not tried. */
	check_failure(spawn("./script", PROGRAM_OTHER, NULL, NULL), -ENOEXEC,
		      SPAWN_EXEC);
	temp_leave();
}

/* A system call of ours does ACTION from now on. */
static void filter(unsigned int number, unsigned int action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { 4, code };

	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

TEST(a_child_that_dies_before_exec_is_no_success)
{
	filter(SYS_setsid, SECCOMP_RET_KILL_PROCESS);
	check_failure(spawn("/bin/sh", PROGRAM_ELF, NULL, NULL), -ECHILD,
		      SPAWN_DIED);
	CHECK(WIFSIGNALED(got.status) && WTERMSIG(got.status) == SIGSYS);
}

TEST(a_session_that_is_refused_is_told)
{
	filter(SYS_setsid, SECCOMP_RET_ERRNO | EPERM);
	check_failure(spawn("/bin/sh", PROGRAM_ELF, NULL, NULL), -EPERM,
		      SPAWN_SESSION);
}

static const struct user somebody = {
	.uid = 1234, .gid = 2345, .group_count = 2, .groups = { 2345, 3456 }
};

/* Each of the three is checked. */
static void check_user_refused(unsigned int number)
{
	got.user = &somebody;
	filter(SYS_setgroups, SECCOMP_RET_ERRNO);
	filter(SYS_setgid, SECCOMP_RET_ERRNO);
	filter(SYS_setuid, SECCOMP_RET_ERRNO);
	filter(number, SECCOMP_RET_ERRNO | EPERM);
	check_failure(spawn("/bin/sh", PROGRAM_ELF, NULL, NULL), -EPERM,
		      SPAWN_USER);
}

TEST(groups_that_are_refused_are_told)
{
	check_user_refused(SYS_setgroups);
}

TEST(a_group_that_is_refused_is_told)
{
	check_user_refused(SYS_setgid);
}

TEST(a_user_that_is_refused_is_told)
{
	check_user_refused(SYS_setuid);
}

TEST(a_user_is_set_with_its_groups)
{
	if (geteuid() != 0)
		return;
	got.user = &somebody;
	CHECK_INT(shell("set -- $(grep -E '^(Uid|Gid|Groups|CapEff):' "
			"/proc/self/status); test \"$*\" = 'Uid: 1234 1234 "
			"1234 1234 Gid: 2345 2345 2345 2345 Groups: 2345 3456 "
			"CapEff: 0000000000000000'"),
		  0);
	CHECK_INT(geteuid(), 0);
}

TEST(no_process_or_descriptor_to_be_had_is_told)
{
	const struct rlimit few = { 3, 3 };
	struct rlimit before;

	REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
	for (int fd = 3; fd < 100; fd++)
		if (fd != check_pipe)
			close(fd);
	REQUIRE(setrlimit(RLIMIT_NOFILE,
			  &(struct rlimit){ few.rlim_cur, before.rlim_max }) ==
		0);
	check_failure(spawn("/bin/sh", PROGRAM_ELF, NULL, NULL), -EMFILE,
		      SPAWN_FORK);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
#ifdef SYS_fork
	filter(SYS_fork, SECCOMP_RET_ERRNO | EAGAIN);
#endif
	filter(SYS_clone, SECCOMP_RET_ERRNO | EAGAIN);
	check_failure(spawn("/bin/sh", PROGRAM_ELF, NULL, NULL), -EAGAIN,
		      SPAWN_FORK);
	/* Neither end of the pipe stays open. */
	CHECK(fcntl(check_pipe == 3 ? 4 : 3, F_GETFD) < 0);
}

/* The names of what is open in a child, by the shell's own eyes. */
static void check_no_stray(void)
{
	int fd = open("/dev/null", O_RDONLY); /* not close-on-exec */

	REQUIRE(fd >= 0 && dup2(fd, 100) == 100 && dup2(fd, 900) == 900);
	/* 9 and above are sh's and ls's own only while the glob runs */
	CHECK_INT(shell("test ! -e /proc/self/fd/100 && "
			"test ! -e /proc/self/fd/900 && "
			"test -e /proc/self/fd/2"),
		  0);
	/* Ours stay as they were. */
	CHECK(fcntl(100, F_GETFD) == 0);
}

TEST(no_stray_descriptor_is_inherited)
{
	check_no_stray();
}

TEST(no_stray_descriptor_on_a_kernel_without_close_range)
{
	filter(SYS_close_range, SECCOMP_RET_ERRNO | ENOSYS);
	check_no_stray();
}

TEST(no_stray_descriptor_on_a_kernel_without_its_flag)
{
	filter(SYS_close_range, SECCOMP_RET_ERRNO | EINVAL);
	check_no_stray();
}

TEST(signals_are_as_after_a_login)
{
	const struct sigaction ign = { .sa_handler = SIG_IGN };
	sigset_t all;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &ign, NULL);
	(void)sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = SIG_DFL },
			NULL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* The shell itself handles CHLD, and sometimes more. */
	CHECK_INT(shell("set -- $(grep -E '^Sig(Blk|Ign):' /proc/self/status); "
			"test \"$2$4\" = 00000000000000000000000000000000"),
		  0);
}

TEST(the_child_leads_a_session)
{
	char one[] = "-c", two[] = "read never";
	int fds[2];

	REQUIRE(pipe(fds) == 0);
	REQUIRE(dup2(fds[0], 0) == 0);
	CHECK_INT(spawn("/bin/sh", PROGRAM_ELF, one, two), 0);
	CHECK_INT(getsid(got.pid), got.pid);
	CHECK_INT(getpgid(got.pid), got.pid);
	close(fds[1]);
	close(fds[0]);
	close(0);
	REQUIRE(waitpid(got.pid, NULL, 0) == got.pid);
}

/* What the child of SERVICE finds in LINES of /proc/self/status. */
static int status_is(const struct config_service *s, const char *names,
		     const char *want)
{
	char script[400];

	got.service = s;
	(void)snprintf(script, sizeof(script),
		       "set -- $(grep -E '^(%s):' /proc/self/status); "
		       "test \"$*\" = '%s' || { echo \"$*\" >&2; exit 1; }",
		       names, want);
	return shell(script);
}

TEST(what_a_service_asks_for_is_there)
{
	struct config_service s = {
		.limits_set = 1 << RLIMIT_CORE | 1 << RLIMIT_NOFILE,
		.limits[RLIMIT_CORE] = { 0, 0 },
		.limits[RLIMIT_NOFILE] = { 77, 99 },
		.umask = { true, 027 },
		.nice = { true, 3 },
		.oom_score_adjust = { true, 321 },
		.no_new_privileges = true,
	};

	CHECK_INT(status_is(&s, "Umask|NoNewPrivs",
			    "Umask: 0027 NoNewPrivs: 1"),
		  0);
	CHECK_INT(shell("test $(ulimit -Sn) = 77 && test $(ulimit -Hn) = 99 && "
			"test $(ulimit -c) = 0 && "
			"test $(cat /proc/self/oom_score_adj) = 321 && "
			"test $(cut -d' ' -f19 /proc/self/stat) = 3"),
		  0);
	s.standard_input = CONFIG_STDIN_NULL;
	CHECK_INT(shell("test $(readlink /proc/self/fd/0) = /dev/null"), 0);
	s.standard_output = CONFIG_OUTPUT_NULL;
	CHECK_INT(shell("test $(readlink /proc/$$/fd/1) = /dev/null && "
			"test $(readlink /proc/$$/fd/2) != /dev/null"),
		  0);
	s.standard_error = CONFIG_OUTPUT_NULL;
	CHECK_INT(shell("test $(readlink /proc/$$/fd/2) = /dev/null"), 0);
}

TEST(capabilities_are_what_the_service_says)
{
	struct config_service s = {
		.bounding_is_set = true,
		.bounding = 1 << 10 | 1 << 13,
		.ambient = 1 << 10,
	};

	if (geteuid() != 0)
		return;
	got.user = &somebody;
	CHECK_INT(status_is(&s, "CapInh|CapPrm|CapEff|CapBnd|CapAmb",
			    "CapInh: 0000000000000400 "
			    "CapPrm: 0000000000000400 "
			    "CapEff: 0000000000000400 "
			    "CapBnd: 0000000000002400 "
			    "CapAmb: 0000000000000400"),
		  0);
	got.user = NULL;
	CHECK_INT(status_is(&s, "CapPrm|CapEff|CapBnd|CapAmb",
			    "CapPrm: 0000000000002400 "
			    "CapEff: 0000000000002400 "
			    "CapBnd: 0000000000002400 "
			    "CapAmb: 0000000000000400"),
		  0);
	s = (struct config_service){ .bounding_is_set = true };
	CHECK_INT(status_is(&s, "CapEff|CapBnd",
			    "CapEff: 0000000000000000 "
			    "CapBnd: 0000000000000000"),
		  0);
	/* Root by number alone, without its capabilities. */
	s = (struct config_service){ .securebits = 1 | 2 };
	CHECK_INT(status_is(&s, "CapEff", "CapEff: 0000000000000000"), 0);
	/* More than the bounding set has cannot be had by exec. */
	s = (struct config_service){ .ambient = 1 << 10, .securebits = 1 << 6 };
	got.service = &s;
	check_failure(spawn("/bin/sh", PROGRAM_ELF, NULL, NULL), -EPERM,
		      SPAWN_AMBIENT);
}

TEST(what_cannot_be_had_is_told_with_its_name)
{
	struct config_service s = { .nice = { true, 3 } };
	struct text t;

	got.service = &s;
	filter(SYS_setpriority, SECCOMP_RET_ERRNO | EACCES);
	filter(SYS_prlimit64, SECCOMP_RET_ERRNO | EPERM);
	check_failure(spawn("/bin/sh", PROGRAM_ELF, NULL, NULL), -EACCES,
		      SPAWN_NICE);
	s.nice.is_set = false;
	s.limits_set = 1 << RLIMIT_NPROC;
	check_failure(spawn("/bin/sh", PROGRAM_ELF, NULL, NULL), -EPERM,
		      (enum spawn_stage)(SPAWN_LIMIT + RLIMIT_NPROC));
	text_clear(&t);
	spawn_name_stage(got.stage, &t);
	CHECK_STR(text_string(&t), "limit-nproc");
	text_clear(&t);
	spawn_name_stage(SPAWN_BOUNDING, &t);
	CHECK_STR(text_string(&t), "capability-bounding-set");
	/* A container may forbid these. */
	got.in_container = true;
	CHECK_INT(shell("exit 7"), 7);
}

TEST(a_filter_is_the_last_thing)
{
	/* setuid and the like, which came before, are not needed any more. */
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setuid, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
	};
	struct config_service s = { .nice = { true, 1 } };

	got.filter = code;
	got.filter_len = sizeof(code);
	CHECK_INT(status_is(&s, "NoNewPrivs|Seccomp",
			    "NoNewPrivs: 0 Seccomp: 2"),
		  0);
	if (geteuid() != 0)
		return;
	got.user = &somebody;
	CHECK_INT(
		status_is(&s, "Uid|NoNewPrivs|Seccomp",
			  "Uid: 1234 1234 1234 1234 NoNewPrivs: 1 Seccomp: 2"),
		0);
	got.user = NULL;
	got.filter_len = 8; /* no end: the kernel refuses it */
	check_failure(spawn("/bin/sh", PROGRAM_ELF, NULL, NULL), -EINVAL,
		      SPAWN_SECCOMP);
}

CHECK_MAIN("spawn")
