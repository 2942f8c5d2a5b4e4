/* Real children. What they find around them is told by what they run. */

#include "init/exec.h"

#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "init/names.h"
#include "init/spec/config.h"
#include "rootfs/file.h"
#include "tests/unit/temp.h"

enum { REPORTS_MAX = 32 };

#define PATH_DEFAULT \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const struct config_service plain = { .supervision.name = "main",
					     .terminal = true };
static struct names no_names = { .is_read = true };

static struct {
	/* of the next start */
	const struct config_service *service; /* or NULL: PLAIN */
	const struct names *names;	      /* or NULL: none */
	const struct file *filter;
	const char *notify, *console;
	char *const *envp; /* or NULL: A=1 */
	int folder;	   /* or 0: none */
	int log_fd;	   /* the same: the pipe for descriptor 1 */
	bool in_container, is_other;
	/* of the last one */
	pid_t pid;
	struct exec_report reports[REPORTS_MAX];
	size_t count;
	int status; /* of one that failed */
} got;

static size_t length(char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

/* Reads all reports, and is back when the program runs or the child is gone. */
static void read_reports(int fd)
{
	struct exec_report *r = got.reports;
	ssize_t n;

	got.count = 0;
	while (got.count < REPORTS_MAX && (n = read(fd, r, sizeof(*r))) > 0) {
		CHECK_INT(n, sizeof(*r));
		got.count++;
		r++;
	}
	close(fd);
}

static const struct exec_report *last(void)
{
	static const struct exec_report none;

	return got.count > 0 ? &got.reports[got.count - 1] : &none;
}

/* Starts ARGV; true if it runs. */
static bool start(char *const *argv)
{
	static char a[] = "A=1";
	char *const vars[] = { a, NULL };
	char *const *envp = got.envp ? got.envp : vars;
	struct exec_job job = {
		.service = got.service ? got.service : &plain,
		.is_main = !got.is_other,
		.names = got.names ? got.names : &no_names,
		.filter = got.filter,
		.app_argv = argv,
		.app_argc = length(argv),
		.app_envp = envp,
		.app_envc = length(envp),
		.notify_variable = got.notify,
		.console = got.console,
		.folder_fd = got.folder > 0 ? got.folder : -1,
		.proc_fd = -1,
		.in_container = got.in_container,
		.log_fds = { got.log_fd > 0 ? got.log_fd : -1, -1 },
	};
	int fds[2];

	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	job.report_fd = fds[1];
	got.pid = fork();
	REQUIRE(got.pid >= 0);
	if (got.pid == 0) {
		close(fds[0]);
		exec_service(&job);
	}
	close(fds[1]);
	read_reports(fds[0]);
	if (last()->kind == EXEC_ABOUT)
		return true;
	REQUIRE(waitpid(got.pid, &got.status, 0) == got.pid);
	return false;
}

static int wait_for_code(void)
{
	int status = -1;

	CHECK_INT(waitpid(got.pid, &status, 0), got.pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Runs SCRIPT by the machine's shell; its exit code. */
static int shell(const char *script)
{
	char sh[] = "/bin/sh", option[] = "-c", *text = strdup(script);
	char *const argv[] = { sh, option, text, NULL };
	bool runs = start(argv);

	free(text);
	if (!runs)
		CHECK_FAIL("%s: %s", last()->object, last()->reason);
	return runs ? wait_for_code() : -1;
}

static bool start_one(const char *program)
{
	char *word = strdup(program);
	char *const argv[] = { word, NULL };
	bool runs = start(argv);

	free(word);
	return runs;
}

static bool has_children(void)
{
	return waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
}

TEST(a_program_that_runs_is_a_success)
{
	CHECK_INT(shell("exit 7"), 7);
	CHECK_INT(got.count, 1);
	CHECK_STR(last()->object, "/bin/sh");
	CHECK_STR(last()->reason, "");
	CHECK_INT(last()->error, 0);
	CHECK(!last()->may_be_cut);
	CHECK_INT(shell("test \"$0:$#:$A:$HOME:$PATH\" = "
			"/bin/sh:0:1:${HOME}:" PATH_DEFAULT),
		  0);
	CHECK(got.pid > 0);
	CHECK(!has_children());
	got.is_other = true;
	CHECK_INT(shell("exit 7"), 7);
	CHECK_STR(last()->object, "main: /bin/sh");
}

TEST(success_is_known_while_the_program_still_runs)
{
	char sh[] = "/bin/sh", one[] = "-c", two[] = "read never; exit 5";
	char *const argv[] = { sh, one, two, NULL };
	int fds[2], status;

	REQUIRE(pipe(fds) == 0);
	REQUIRE(dup2(fds[0], 0) == 0);
	CHECK(start(argv));
	CHECK_INT(waitpid(got.pid, &status, WNOHANG), 0);
	close(fds[0]);
	close(fds[1]);
	CHECK_INT(wait_for_code(), 5);
}

static void check_failure(bool runs, int error, const char *object,
			  const char *reason)
{
	CHECK(!runs);
	CHECK_INT(last()->kind, EXEC_FAILED);
	CHECK_INT(last()->error, error);
	CHECK_STR(last()->object, object);
	CHECK_STR(last()->reason, reason);
	CHECK(WIFEXITED(got.status) &&
	      WEXITSTATUS(got.status) == (error == -ENOENT ? 127 : 126));
}

TEST(the_reason_of_exec_comes_back)
{
	static const char os_2[] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\4";

	temp_enter();
	temp_text("denied", "#!/bin/sh\n", 0644);
	temp_text("no-interpreter", "#!/no/such\n", 0755);
	temp_file("binary", "\0\1\2", 3, 0755);
	temp_text("elf", "\177ELF\2\1\1", 0755);
	temp_file("m68k", os_2, 20, 0755);
	check_failure(start_one("/no/such"), -ENOENT, "/no/such", "not found");
	CHECK(last()->may_be_cut);
	CHECK_INT(got.count, 1); /* it was not about to be executed */
	check_failure(start_one("./denied"), -EACCES, "./denied",
		      "not an executable file");
	check_failure(start_one("./no-interpreter"), -ENOENT,
		      "./no-interpreter",
		      "its interpreter /no/such cannot be run: No such file or "
		      "directory");
	CHECK(last()->may_be_cut);
	CHECK_INT(got.count, 2);
	CHECK_INT(got.reports[0].kind, EXEC_ABOUT);
	check_failure(start_one("./elf"), -ENOEXEC, "./elf",
		      "a damaged ELF file");
	CHECK(last()->may_be_cut);
	check_failure(start_one("./binary"), -ENOEXEC, "./binary",
		      "neither a program nor a script (binary data, no ELF "
		      "header)");
	check_failure(start_one("/tmp"), -EACCES, "/tmp",
		      "not an executable file");
	check_failure(start_one("./denied/x"), -ENOTDIR, "./denied/x",
		      "Not a directory");
	check_failure(start_one("nosuch"), -ENOENT, "nosuch",
		      "not found, PATH searched: " PATH_DEFAULT);
	got.is_other = true;
	check_failure(start_one("/no/such"), -ENOENT, "main: /no/such",
		      "not found");
	temp_leave();
}

TEST(texts_that_are_too_long_are_cut)
{
	char path[PATH_MAX], script[1000] = "#!/";

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	CHECK(!start_one(path));
	CHECK_STR(last()->reason, strerror(ENAMETOOLONG));
	CHECK_INT(strlen(last()->object), LOG_OBJECT_MAX);
	CHECK(strncmp(last()->object, path, LOG_OBJECT_MAX) == 0);
	temp_enter();
	memset(script + 3, 'y', 240);
	temp_text("./script", script, 0755);
	CHECK(!start_one("./script"));
	CHECK(strncmp(last()->reason, "its interpreter /yyy", 20) == 0);
	temp_leave();
}

TEST(a_text_without_interpreter_is_the_shells)
{
	char name[] = "./script", one[] = "one arg", two[] = "";
	char *const argv[] = { name, one, two, NULL };

	temp_enter();
	temp_text(
		"./script",
		"test \"$0:$1:$2:$#:$A\" = './script:one arg::2:1' && exit 3\n",
		0755);
	CHECK(start(argv));
	CHECK_INT(wait_for_code(), 3);
	CHECK_INT(got.count, 1);
	CHECK_STR(last()->object, "./script");
	/* Of any other kind it is not tried. */
	temp_file("./script", "exit 3\n\0", 8, 0755);
	check_failure(start(argv), -ENOEXEC, "./script",
		      "neither a program nor a script (binary data, no ELF "
		      "header)");
	temp_leave();
}

TEST(what_is_too_long_for_execve_is_named)
{
	const size_t max = 32 * (size_t)getpagesize();
	char name[] = "/bin/sh", wanted[200];
	char *arg = malloc(max + 1);
	char *const argv[] = { name, arg, NULL };

	REQUIRE(arg);
	memset(arg, 'x', max);
	arg[max] = '\0';
	(void)snprintf(wanted, sizeof(wanted),
		       "Argument list too long: argument 1 has %zu bytes, %zu "
		       "at most",
		       max, max - 1);
	check_failure(start(argv), -E2BIG, "/bin/sh", wanted);
	free(arg);
}

/* --- the system refuses --- */

static void install(struct sock_filter *code, unsigned short len)
{
	const struct sock_fprog program = { len, code };

	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
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

	install(code, 4);
}

TEST(a_child_that_dies_before_exec_says_nothing)
{
	filter(SYS_setsid, SECCOMP_RET_KILL_PROCESS);
	CHECK(!start_one("/bin/sh"));
	CHECK_INT(got.count, 0);
	CHECK(WIFSIGNALED(got.status) && WTERMSIG(got.status) == SIGSYS);
}

TEST(a_session_that_is_refused_is_told)
{
	filter(SYS_setsid, SECCOMP_RET_ERRNO | EPERM);
	check_failure(start_one("/bin/sh"), -EPERM, "/bin/sh",
		      "setsid: Operation not permitted");
}

/* A child that PID 1 does not hear of any more does not become the program. */
TEST(who_cannot_report_does_not_exec)
{
	struct exec_job job = { .service = &plain,
				.is_main = true,
				.names = &no_names,
				.folder_fd = -1,
				.proc_fd = -1,
				.log_fds = { -1, -1 } };
	char sh[] = "/bin/sh", c[] = "-c", text[] = "exit 3";
	char *const argv[] = { sh, c, text, NULL };
	int fds[2], status;
	pid_t pid;

	job.app_argv = argv;
	job.app_argc = 3;
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	job.report_fd = fds[1];
	close(fds[0]);
	pid = fork();
	if (pid == 0)
		exec_service(&job);
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);

	job.report_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	REQUIRE(job.report_fd >= 0);
	pid = fork();
	if (pid == 0)
		exec_service(&job);
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 126);
}

/* --- users --- */

static const char passwd[] =
	"root:x:0:0::/root:/bin/sh\n"
	"somebody:x:1234:2345::/home/some body:/bin/bash\n";
static const char groups[] = "root:x:0:\nfirst:x:2345:\n"
			     "second:x:3456:somebody\nthird:x:4567:\n";

static struct names names = {
	.passwd = { (char *)(uintptr_t)passwd, sizeof(passwd) - 1, 0 },
	.group = { (char *)(uintptr_t)groups, sizeof(groups) - 1, 0 },
	.is_read = true,
};
static const struct config_service somebody = { .supervision.name = "main",
						.user = "somebody" };

/* Each of the three is checked. */
static void check_user_refused(unsigned int number)
{
	got.names = &names;
	got.service = &somebody;
	filter(SYS_setgroups, SECCOMP_RET_ERRNO);
	filter(SYS_setgid, SECCOMP_RET_ERRNO);
	filter(SYS_setuid, SECCOMP_RET_ERRNO);
	filter(number, SECCOMP_RET_ERRNO | EPERM);
	check_failure(
		start_one("/bin/sh"), -EPERM, "/bin/sh",
		"it cannot become user somebody: Operation not permitted");
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
	got.names = &names;
	got.service = &somebody;
	CHECK_INT(shell("set -- $(grep -E '^(Uid|Gid|Groups|CapEff):' "
			"/proc/self/status); test \"$*\" = 'Uid: 1234 1234 "
			"1234 1234 Gid: 2345 2345 2345 2345 Groups: 2345 3456 "
			"CapEff: 0000000000000000'"),
		  0);
	CHECK_INT(shell("test \"$HOME:$USER:$LOGNAME:$SHELL\" = '/home/some "
			"body:somebody:somebody:/bin/bash'"),
		  0);
	CHECK_INT(geteuid(), 0);
}

TEST(groups_alone_leave_root_its_home)
{
	char words[] = "third\0"
		       "77";
	struct config_service s = {
		.supervision.name = "main",
		.group = "first",
		.supplementary_groups = { words, 2 },
	};

	if (geteuid() != 0)
		return;
	got.names = &names;
	got.service = &s;
	CHECK_INT(shell("set -- $(grep -E '^(Uid|Gid|Groups):' "
			"/proc/self/status); test \"$*\" = 'Uid: 0 0 0 0 Gid: "
			"2345 2345 2345 2345 Groups: 77 2345 4567' && "
			"test \"$HOME\" = /root && test -z \"$USER$LOGNAME\""),
		  0);
}

TEST(a_user_or_group_that_is_unknown_is_named)
{
	char words[] = "first\0nosuch";
	struct config_service s = { .supervision.name = "main",
				    .user = "nobody" };

	got.service = &s;
	got.names = &names;
	check_failure(start_one("/bin/sh"), 0, "user nobody",
		      "not in /etc/passwd");
	CHECK(last()->may_be_cut);
	s.user = "somebody";
	s.group = "nogroup";
	check_failure(start_one("/bin/sh"), 0, "group nogroup",
		      "not in /etc/group");
	s.group = NULL;
	s.supplementary_groups = (struct config_words){ words, 2 };
	check_failure(start_one("/bin/sh"), 0, "group nosuch",
		      "not in /etc/group");
	got.names = &no_names;
	check_failure(start_one("/bin/sh"), 0, "user somebody",
		      "there is no /etc/passwd");
	s.user = NULL;
	got.is_other = true;
	check_failure(start_one("/bin/sh"), 0, "main: group first",
		      "there is no /etc/group");
}

TEST(a_user_in_too_many_groups_is_refused)
{
	char text[64 * 40] = "", line[40], home[5000], *words = line;
	struct names many = names;
	struct config_service s = { .supervision.name = "main",
				    .user = "somebody" };

	for (int i = 0; i < 64; i++) {
		(void)snprintf(line, sizeof(line), "g%d:x:%d:somebody\n", i,
			       5000 + i);
		strcat(text, line);
	}
	many.group = (struct file){ .data = text, .len = strlen(text) };
	got.names = &many;
	got.service = &s;
	check_failure(start_one("/bin/sh"), 0, "user somebody",
		      "in more than 63 groups of /etc/group");
	/* The file's fit, one more of the configuration does not. */
	many.group.len = (size_t)(strstr(text, "g63:") - text);
	strcpy(words, "9");
	s.supplementary_groups = (struct config_words){ words, 1 };
	check_failure(start_one("/bin/sh"), 0, "user somebody",
		      "in more than 63 groups of /etc/group");
	(void)snprintf(home, sizeof(home), "somebody:x:1:1::/%4095s:\n", "h");
	many.passwd = (struct file){ .data = home, .len = strlen(home) };
	check_failure(start_one("/bin/sh"), 0, "user somebody",
		      "a home longer than 4095 bytes");
}

/* Past folders and files that are root's alone. */
TEST(a_name_is_looked_up_as_the_user)
{
	char path[400];
	char *const envp[] = { path, NULL };

	if (geteuid() != 0)
		return;
	temp_enter();
	REQUIRE(chmod(".", 0755) == 0 && mkdir("root", 0700) == 0 &&
		mkdir("sbin", 0755) == 0 && mkdir("bin", 0755) == 0);
	temp_text("root/tool", "#!/bin/sh\nexit 1\n", 0755);
	temp_text("sbin/tool", "#!/bin/sh\nexit 2\n", 0700);
	temp_text("bin/tool", "#!/bin/sh\nexit 3\n", 0755);
	(void)snprintf(path, sizeof(path), "PATH=%s/root:%s/sbin:%s/bin",
		       temp_path, temp_path, temp_path);
	got.envp = envp;
	got.names = &names;
	got.service = &somebody;
	CHECK(start_one("tool"));
	CHECK_INT(wait_for_code(), 3);
	(void)snprintf(path, sizeof(path), "%s/bin/tool", temp_path);
	CHECK_STR(last()->object, path);
	/* What only root finds is named. */
	(void)snprintf(path, sizeof(path), "PATH=%s/root:%s/sbin", temp_path,
		       temp_path);
	CHECK(!start_one("tool"));
	(void)snprintf(path, sizeof(path), "%s/root/tool", temp_path);
	check_failure(false, -EACCES, path,
		      "Permission denied, as user somebody");
	check_failure(start_one(path), -EACCES, path,
		      "Permission denied, as user somebody");
	got.service = NULL;
	CHECK(start_one(path));
	CHECK_INT(wait_for_code(), 1);
	temp_leave();
}

/* A text is known for one even if the user may open nothing any more. */
TEST(a_name_is_looked_up_within_the_limits)
{
	char path[100];
	char *const envp[] = { path, NULL };
	struct config_service s = {
		.supervision.name = "main",
		.user = "somebody",
		.limits.set = 1 << RLIMIT_NOFILE | 1 << RLIMIT_STACK,
		.limits.of[RLIMIT_NOFILE] = { 3, 99 },
		.limits.of[RLIMIT_STACK] = { 65536, 65536 },
		.standard_error = CONFIG_OUTPUT_NULL,
	};

	if (geteuid() != 0)
		return;
	temp_enter();
	REQUIRE(chmod(".", 0755) == 0);
	temp_text("tool", "exit 3\n", 0755);
	(void)snprintf(path, sizeof(path), "PATH=%s", temp_path);
	got.envp = envp;
	got.names = &names;
	got.service = &s;
	CHECK(start_one("tool"));
	(void)wait_for_code(); /* the shell itself cannot do with so few */
	temp_leave();
}

/* A file that the user may execute and not read: root has looked at it. */
TEST(a_program_that_the_user_cannot_read_is_explained)
{
	char path[100];
	static const char riscv[] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\xf3\0";

	if (geteuid() != 0)
		return;
	temp_enter();
	REQUIRE(chmod(".", 0755) == 0);
	temp_file("program", riscv, 20, 0711);
	(void)snprintf(path, sizeof(path), "%s/program", temp_path);
	got.names = &names;
	got.service = &somebody;
	CHECK(!start_one(path));
	CHECK(strncmp(last()->reason, "an ELF file for riscv, this", 27) == 0);
	temp_leave();
}

/* --- folder and environment --- */

TEST(it_starts_in_its_folder)
{
	struct config_service s = { .supervision.name = "main",
				    .workdir = "/usr" };
	int fd = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	REQUIRE(fd >= 0 && chdir("/") == 0);
	got.service = &s;
	got.folder = fd;
	CHECK_INT(shell("test $(pwd) = /usr"), 0);
	s.workdir = NULL;
	CHECK_INT(shell("test $(pwd) = /etc"), 0);
	got.is_other = true; /* it is the main service's */
	CHECK_INT(shell("test $(pwd) = /"), 0);
	s.workdir = "/no/such";
	check_failure(start_one("/bin/sh"), 0, "main: workdir /no/such",
		      "No such file or directory");
	CHECK(last()->may_be_cut);
}

static void check_variables(const struct config_service *s, const char *reason)
{
	char object[200];

	(void)snprintf(object, sizeof(object), "environment-file %s",
		       s->environment_file);
	check_failure(start_one("/bin/sh"), 0, object, reason);
}

TEST(variables_are_read_at_each_start)
{
	char path[100], set[] = "B=conf", *variables[] = { set };
	struct config_service s = { .supervision.name = "main",
				    .environment_file = path,
				    .variables = variables,
				    .variable_count = 1 };

	temp_enter();
	(void)snprintf(path, sizeof(path), "%s/vars", temp_path);
	got.service = &s;
	got.notify = "NOTIFY_SOCKET=@x";
	temp_text(path, "# no\nA=file\nB=file\nNOTIFY_SOCKET=file\n", 0600);
	CHECK_INT(shell("test $A:$B:$NOTIFY_SOCKET = file:conf:@x"), 0);
	temp_text(path, "A=other\n", 0600);
	CHECK_INT(shell("test $A = other"), 0);
	temp_text(path, "A=x\nB\n", 0600);
	check_variables(&s, "line 2: not NAME=VALUE");
	CHECK(!last()->may_be_cut);
	REQUIRE(unlink(path) == 0);
	check_variables(&s, "No such file or directory");
	CHECK(last()->may_be_cut);
	s.environment_file_may_lack = true;
	CHECK_INT(shell("test $A = 1"), 0);
	REQUIRE(mkfifo(path, 0600) == 0);
	check_variables(&s, "Invalid argument");
	REQUIRE(unlink(path) == 0 && mkdir(path, 0700) == 0);
	check_variables(&s, "Is a directory");
	temp_leave();
}

/* A user's link must not have root read what the user may not. */
TEST(only_roots_links_lead_to_the_variables)
{
	char path[100];
	struct config_service s = { .supervision.name = "main",
				    .environment_file = path };

	if (geteuid() != 0)
		return;
	temp_enter();
	(void)snprintf(path, sizeof(path), "%s/vars", temp_path);
	temp_text("secret", "A=file\n", 0600);
	REQUIRE(symlink("secret", path) == 0);
	got.service = &s;
	CHECK_INT(shell("test $A = file"), 0);
	REQUIRE(lchown(path, 1234, 0) == 0);
	s.environment_file_may_lack = true;
	check_variables(&s, "a symbolic link that is not root's, or a loop");
	REQUIRE(unlink(path) == 0 && symlink("/no/such", path) == 0);
	CHECK_INT(shell("test $A = 1"), 0);
	s.environment_file_may_lack = false;
	check_variables(&s, "No such file or directory");
	CHECK(last()->may_be_cut);
	temp_leave();
}

/* Which makes an open that does not block fail, and one that blocks take 45 s. */
TEST(a_lease_on_the_variables_is_a_failed_start)
{
	char path[100];
	struct config_service s = { .supervision.name = "main",
				    .environment_file = path };
	int fd;

	temp_enter();
	(void)snprintf(path, sizeof(path), "%s/vars", temp_path);
	temp_text(path, "A=file\n", 0600);
	(void)signal(SIGIO, SIG_IGN);
	fd = open(path, O_RDWR | O_CLOEXEC);
	REQUIRE(fd >= 0);
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0) {
		temp_leave(); /* a file system without leases */
		return;
	}
	got.service = &s;
	check_variables(&s, "a process holds a lease on it");
	REQUIRE(fcntl(fd, F_SETLEASE, F_UNLCK) == 0);
	CHECK_INT(shell("test $A = file"), 0);
	close(fd);
	temp_leave();
}

/* --- descriptors, signals, session --- */

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
	char sh[] = "/bin/sh", one[] = "-c", two[] = "read never";
	char *const argv[] = { sh, one, two, NULL };
	int fds[2];

	REQUIRE(pipe(fds) == 0);
	REQUIRE(dup2(fds[0], 0) == 0);
	CHECK(start(argv));
	CHECK_INT(getsid(got.pid), got.pid);
	CHECK_INT(getpgid(got.pid), got.pid);
	close(fds[1]);
	close(fds[0]);
	close(0);
	REQUIRE(waitpid(got.pid, NULL, 0) == got.pid);
}

/* A pipe to the log is the user's to open again, and its flags are nobody else's. */
TEST(a_stream_may_be_a_pipe)
{
	static const struct config_service service = {
		.supervision.name = "main",
	};
	int fds[2];
	char buf[64];
	ssize_t n;

	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	got.service = &service;
	got.log_fd = fds[1];
	CHECK_INT(shell("echo one; echo two >/dev/stdout"), 0);
	n = read(fds[0], buf, sizeof(buf));
	CHECK(n == 8 && memcmp(buf, "one\ntwo\n", 8) == 0);
	got.log_fd = 0;
	got.service = NULL;
	close(fds[0]);
	close(fds[1]);
}

TEST(the_console_is_opened_for_each_start)
{
	struct config_service s = { .supervision.name = "main" };
	char path[100];

	temp_enter();
	(void)snprintf(path, sizeof(path), "%s/console", temp_path);
	temp_text(path, "", 0600);
	got.service = &s;
	got.console = path;
	CHECK_INT(shell("test $(readlink /proc/$$/fd/0) -ef console && "
			"test $(readlink /proc/$$/fd/1) -ef console && "
			"test $(readlink /proc/$$/fd/2) -ef console"),
		  0);
	s.standard_error = CONFIG_OUTPUT_NULL;
	CHECK_INT(shell("test $(readlink /proc/$$/fd/1) -ef console && "
			"test $(readlink /proc/$$/fd/2) = /dev/null"),
		  0);
	got.console = "/no/such"; /* ours do, then */
	s.standard_error = CONFIG_OUTPUT_INHERIT;
	CHECK_INT(shell("exit 7"), 7);
	temp_leave();
}

/* Root in here may have put a FIFO there, whose open would block, or a file. */
TEST(what_is_not_dev_null_is_refused)
{
	struct config_service s = { .supervision.name = "main",
				    .standard_input = CONFIG_STDIN_NULL };

	if (geteuid() != 0)
		return;
	REQUIRE(temp_enter_root());
	REQUIRE(mkdir("dev", 0755) == 0 && mkfifo("dev/null", 0666) == 0);
	temp_text("program", "#!/no/such\n", 0755);
	got.service = &s;
	check_failure(start_one("/program"), -ENODEV, "/program",
		      "/dev/null: No such device");
	s.standard_input = CONFIG_STDIN_CONSOLE;
	s.standard_error = CONFIG_OUTPUT_NULL;
	CHECK(!start_one("/program"));
	CHECK_INT(last()->error, -ENXIO);
	CHECK(unlink("dev/null") == 0);
	check_failure(start_one("/program"), -ENOENT, "/program",
		      "/dev/null: No such file or directory");
	temp_text("dev/null", "", 0666);
	check_failure(start_one("/program"), -ENODEV, "/program",
		      "/dev/null: No such device");
	/* In a container it is what the runtime has put there. */
	got.in_container = true;
	CHECK(!start_one("/program"));
	CHECK_INT(got.reports[0].kind, EXEC_ABOUT);
	temp_leave_root();
}

/* --- what a service asks for --- */

/* What the child of SERVICE finds in LINES of /proc/self/status. */
static int status_is(const struct config_service *s, const char *lines,
		     const char *want)
{
	char script[400];

	got.service = s;
	(void)snprintf(script, sizeof(script),
		       "set -- $(grep -E '^(%s):' /proc/self/status); "
		       "test \"$*\" = '%s' || { echo \"$*\" >&2; exit 1; }",
		       lines, want);
	return shell(script);
}

TEST(what_a_service_asks_for_is_there)
{
	struct config_service s = {
		.supervision.name = "main",
		.limits.set = 1 << RLIMIT_CORE | 1 << RLIMIT_NOFILE,
		.limits.of[RLIMIT_CORE] = { 0, 0 },
		.limits.of[RLIMIT_NOFILE] = { 77, 99 },
		.confine.umask = { true, 027 },
		.confine.nice = { true, 3 },
		.confine.oom_score_adjust = { true, 321 },
		.confine.no_new_privileges = true,
	};

	CHECK_INT(status_is(&s, "Umask|NoNewPrivs",
			    "Umask: 0027 NoNewPrivs: 1"),
		  0);
	CHECK_INT(shell("test $(ulimit -Sn) = 77 && test $(ulimit -Hn) = 99 && "
			"test $(ulimit -c) = 0 && "
			"test $(cat /proc/self/oom_score_adj) = 321 && "
			"test $(cut -d' ' -f19 /proc/self/stat) = 3"),
		  0);
	/* The weight of its session, where the kernel has such a thing. */
	CHECK_INT(shell("set -- $(cat /proc/self/autogroup 2>/dev/null); "
			"test $# = 0 || test \"$2 $3\" = 'nice 3' || "
			"test $(id -u) != 0"),
		  0);
	s.standard_input = CONFIG_STDIN_NULL;
	CHECK_INT(shell("test $(readlink /proc/self/fd/0) = /dev/null && "
			"grep -q 'flags:.*00$' /proc/self/fdinfo/0"),
		  0);
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
		.supervision.name = "main",
		.confine.bounding_is_set = true,
		.confine.bounding = 1 << 10 | 1 << 13,
		.confine.ambient = 1 << 10,
		.user = "somebody",
		.protect_kernel = CONFIG_PROTECT_NO,
	};

	if (geteuid() != 0)
		return;
	got.names = &names;
	CHECK_INT(status_is(&s, "CapInh|CapPrm|CapEff|CapBnd|CapAmb",
			    "CapInh: 0000000000000400 "
			    "CapPrm: 0000000000000400 "
			    "CapEff: 0000000000000400 "
			    "CapBnd: 0000000000002400 "
			    "CapAmb: 0000000000000400"),
		  0);
	s.user = NULL;
	CHECK_INT(status_is(&s, "CapPrm|CapEff|CapBnd|CapAmb",
			    "CapPrm: 0000000000002400 "
			    "CapEff: 0000000000002400 "
			    "CapBnd: 0000000000002400 "
			    "CapAmb: 0000000000000400"),
		  0);
	s.confine.bounding = s.confine.ambient = 0;
	CHECK_INT(status_is(&s, "CapEff|CapBnd",
			    "CapEff: 0000000000000000 "
			    "CapBnd: 0000000000000000"),
		  0);
	/* Root by number alone, without its capabilities. */
	s.confine.bounding_is_set = false;
	s.confine.securebits = 1 | 2;
	CHECK_INT(status_is(&s, "CapEff", "CapEff: 0000000000000000"), 0);
	/* More than the bounding set has cannot be had by exec. */
	s.confine.ambient = 1 << 10;
	s.confine.securebits = 1 << 6;
	check_failure(start_one("/bin/sh"), -EPERM, "/bin/sh",
		      "ambient-capabilities: Operation not permitted");
}

/* For root that is confined, but not where a container's runtime has done it. */
TEST(the_kernel_is_protected_from_root_without_capabilities)
{
	static const char is_read_only[] =
		"grep -q '^[^ ]* /proc/sys [^ ]* ro,' /proc/self/mounts";
	struct config_service s = { .supervision.name = "main",
				    .confine.bounding_is_set = true };

	/* Where we are not root of a machine, nobody else is asked for it. */
	if (geteuid() != 0 || shell(is_read_only) == 0)
		return;
	got.service = &s;
	s.protect_kernel = CONFIG_PROTECT_NO;
	CHECK_INT(shell(is_read_only), 1);
	s.protect_kernel = CONFIG_PROTECT_AUTO;
	got.in_container = true;
	CHECK_INT(shell(is_read_only), 1);
	got.in_container = false;
	if (prctl(PR_CAPBSET_READ, 21, 0, 0, 0) != 1) /* SYS_ADMIN */
		return;
	CHECK_INT(shell(is_read_only), 0);
	got.in_container = true;
	s.protect_kernel = CONFIG_PROTECT_YES;
	CHECK_INT(shell(is_read_only), 0);
	/* It is that service's alone. */
	got.service = NULL;
	CHECK_INT(shell(is_read_only), 1);
	got.service = &s;
	filter(SYS_unshare, SECCOMP_RET_ERRNO | EPERM);
	check_failure(start_one("/bin/sh"), -EPERM, "/bin/sh",
		      "protect-kernel: Operation not permitted");
}

/*
 * The user's lookup of the program must not go by the ambient capabilities, which
 * the program itself has: an image would work by accident.
 */
TEST(a_name_is_looked_up_without_ambient_capabilities)
{
	char path[400];
	char *const envp[] = { path, NULL };
	struct config_service s = { .supervision.name = "main",
				    .user = "somebody",
				    .confine.ambient =
					    1 << 1 }; /* DAC_OVERRIDE */

	if (geteuid() != 0)
		return;
	temp_enter();
	REQUIRE(chmod(".", 0755) == 0 && mkdir("root", 0700) == 0 &&
		mkdir("bin", 0755) == 0);
	temp_text("root/tool", "#!/bin/sh\nexit 1\n", 0755);
	temp_text("bin/tool", "#!/bin/sh\nexit 3\n", 0755);
	(void)snprintf(path, sizeof(path), "PATH=%s/root:%s/bin", temp_path,
		       temp_path);
	got.envp = envp;
	got.names = &names;
	got.service = &s;
	CHECK(start_one("tool"));
	CHECK_INT(wait_for_code(), 3);
	temp_leave();
}

TEST(what_cannot_be_had_is_told_with_its_name)
{
	struct config_service s = { .supervision.name = "main",
				    .confine.nice = { true, 3 } };

	got.service = &s;
	filter(SYS_setpriority, SECCOMP_RET_ERRNO | EACCES);
	filter(SYS_prlimit64, SECCOMP_RET_ERRNO | EPERM);
	check_failure(start_one("/bin/sh"), -EACCES, "/bin/sh",
		      "nice: Permission denied");
	s.confine.nice.is_set = false;
	s.limits.set = 1 << RLIMIT_NPROC;
	check_failure(start_one("/bin/sh"), -EPERM, "/bin/sh",
		      "limit-nproc: Operation not permitted");
	/* A container may forbid these. */
	s.confine.nice.is_set = true;
	got.in_container = true;
	CHECK_INT(shell("exit 7"), 7);
	REQUIRE(got.count == 3);
	CHECK_INT(got.reports[0].kind, EXEC_WARNED);
	CHECK_STR(got.reports[0].object, "nice");
	CHECK_STR(got.reports[0].reason, "Permission denied");
	CHECK_INT(got.reports[1].kind, EXEC_WARNED);
	CHECK_STR(got.reports[1].object, "limit-nproc");
	CHECK_INT(got.reports[2].kind, EXEC_ABOUT);
}

TEST(a_filter_is_the_last_thing)
{
	/* setuid and the like, which came before, are not needed any more. */
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setuid, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
	};
	struct file f = { .data = (char *)code, .len = sizeof(code) };
	struct config_service s = { .supervision.name = "main",
				    .confine.nice = { true, 1 } };

	if (geteuid() != 0)
		return;
	got.filter = &f;
	CHECK_INT(status_is(&s, "NoNewPrivs|Seccomp",
			    "NoNewPrivs: 0 Seccomp: 2"),
		  0);
	got.names = &names;
	s.user = "somebody";
	CHECK_INT(
		status_is(&s, "Uid|NoNewPrivs|Seccomp",
			  "Uid: 1234 1234 1234 1234 NoNewPrivs: 1 Seccomp: 2"),
		0);
	s.user = NULL;
	f.len = 8; /* no end: the kernel refuses it */
	check_failure(start_one("/bin/sh"), -EINVAL, "/bin/sh",
		      "seccomp: Invalid argument");
}

/* Nothing can be read then. */
TEST(a_failed_exec_is_explained_under_a_filter)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pread64, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct file f = { .data = (char *)code, .len = sizeof(code) };
	char path[] = "./no-interpreter", *arg;
	char *argv[] = { path, NULL, NULL };
	const size_t max = 32 * (size_t)getpagesize();

	if (geteuid() != 0)
		return;
	temp_enter();
	temp_text("no-interpreter", "#!/no/such\n", 0755);
	temp_text("elf", "\177ELF\2\1\1", 0755);
	got.filter = &f;
	check_failure(start(argv), -ENOENT, "./no-interpreter",
		      "its interpreter /no/such cannot be run: No such file or "
		      "directory");
	check_failure(start_one("./elf"), -ENOEXEC, "./elf",
		      "a damaged ELF file");
	arg = malloc(max + 1);
	REQUIRE(arg);
	memset(arg, 'x', max);
	arg[max] = '\0';
	argv[1] = arg;
	CHECK(!start(argv));
	CHECK(strncmp(last()->reason, "its interpreter", 15) == 0);
	free(arg);
	temp_leave();
}

/* --- PID 1 itself --- */

/* Runs exec_hand_over in a child, since it may not come back. */
static int hand_over(struct exec_job *job, struct exec_report *ret)
{
	int fds[2], status;
	pid_t pid;

	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		struct exec_report report = { 0 };
		sigset_t all, now;

		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		exec_hand_over(job, &report);
		(void)!write(fds[1], &report, sizeof(report));
		sigprocmask(SIG_SETMASK, NULL, &now);
		_exit(sigismember(&now, SIGTERM) == 1 ? 99 : 98);
	}
	close(fds[1]);
	*ret = (struct exec_report){ 0 };
	(void)!read(fds[0], ret, sizeof(*ret));
	close(fds[0]);
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(pid_1_becomes_the_program)
{
	char sh[] = "/bin/sh", c[] = "-c";
	char text[] = "set -- $(grep -E '^Sig(Blk|Ign):' /proc/self/status); "
		      "test \"$2$4\" = 00000000000000000000000000000000 && "
		      "test ! -e /proc/self/fd/100 && "
		      "test $(cut -d' ' -f6 /proc/$$/stat) != $$ && exit 42";
	char none[] = "/no/such", bad[] = "./no-interpreter";
	char *argv[] = { sh, c, text, NULL };
	struct config_service s = { .supervision.name = "main" };
	struct exec_job job = { .service = &s,
				.is_main = true,
				.names = &no_names,
				.app_argv = argv,
				.app_argc = 3,
				.folder_fd = -1,
				.proc_fd = -1,
				.report_fd = -1,
				.log_fds = { -1, -1 } };
	struct exec_report report;

	REQUIRE(dup2(2, 100) == 100);
	CHECK_INT(hand_over(&job, &report), 42);
	CHECK_INT(report.kind, 0);
	job.app_argc = 1;
	argv[0] = none;
	CHECK_INT(hand_over(&job, &report), 99);
	CHECK_INT(report.kind, EXEC_FAILED);
	CHECK_INT(report.error, -ENOENT);
	CHECK_STR(report.object, "/no/such");
	CHECK_STR(report.reason, "not found");
	/* Its signals are blocked again after a failed exec. */
	temp_enter();
	temp_text("no-interpreter", "#!/no/such\n", 0755);
	argv[0] = bad;
	CHECK_INT(hand_over(&job, &report), 99);
	CHECK_STR(report.object, "./no-interpreter");
	temp_leave();
}

CHECK_MAIN("exec")
