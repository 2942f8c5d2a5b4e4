/*
 * What an application leaves its init to do: orphans of all sorts, signals, last words,
 * processes that do not want to end. Does what the arguments say, one after the other,
 * and exits with 0. Facts are "@key=value" lines.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tests/apps/verbs.h"

enum { SETTLE_MS = 5000 }; /* without any progress */

static void nap_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

_Noreturn static void for_ever(void)
{
	for (;;)
		pause();
}

static pid_t try_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fatal("fork");
	return pid;
}

/* --- orphans --- */

enum { ORPHANS_MAX = 16384 };

static pid_t orphans[ORPHANS_MAX];
static int orphan_count;

/* Those that are still there, dead or alive, once no more of them go. */
static int left_over(void)
{
	int left = orphan_count, before, idle = 0;

	while (left > 0 && idle < SETTLE_MS) {
		before = left;
		left = 0;
		for (int i = 0; i < before; i++)
			if (kill(orphans[i], 0) == 0 || errno != ESRCH)
				orphans[left++] = orphans[i];
		if (left == 0)
			break;
		nap_ms(20);
		idle = left < before ? 0 : idle + 20;
	}
	return left;
}

static void tell_left(const char *key)
{
	say("@%s=%d\n", key, left_over());
	orphan_count = 0;
}

/* The numbers of processes that a child sends through FD. */
static void take_orphans(int fd)
{
	while (orphan_count < ORPHANS_MAX &&
	       read(fd, &orphans[orphan_count], sizeof(pid_t)) ==
		       (ssize_t)sizeof(pid_t))
		orphan_count++;
}

/*
 * COUNT children of a child, each of which calls BODY once that child is dead. They are
 * there when this returns; NUMBERS gets theirs.
 */
static void make_orphans(int count, void (*body)(int i))
{
	int numbers[2], go[2];
	char byte;
	pid_t pid;

	if (pipe2(numbers, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		fatal("pipe");
	pid = try_fork();
	if (pid == 0) {
		close(go[1]);
		for (int i = 0; i < count; i++) {
			pid = fork();
			if (pid == 0) {
				close(numbers[0]);
				close(numbers[1]);
				/* Its end comes when all are orphans. */
				(void)!read(go[0], &byte, 1);
				body(i);
				_exit(i % 2 ? 3 : 0);
			}
			if (pid < 0)
				break;
			(void)!write(numbers[1], &pid, sizeof(pid));
		}
		_exit(0);
	}
	close(numbers[1]);
	close(go[0]);
	take_orphans(numbers[0]);
	close(numbers[0]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(go[1]);
}

static void at_once(int i)
{
	(void)i;
}

static void by_code(int i)
{
	(void)i;
	_exit(5);
}

static void by_signal(int i)
{
	(void)i;
	raise(SIGUSR2);
}

static void as_user(int i)
{
	if (setgid(1000) < 0 || setuid((uid_t)(1000 + i % 7)) < 0)
		fatal("setuid");
}

static void stopped(int i)
{
	(void)i;
	raise(SIGSTOP);
}

/* COUNT that die in bursts of 250. */
static void do_bursts(const char *count)
{
	enum { BURST = 250 };
	int left = atoi(count);

	for (; left > 0; left -= BURST)
		make_orphans(left < BURST ? left : BURST, at_once);
	tell_left("bursts_left");
}

/* As daemons come to be, one after the other. */
static void do_daemons(const char *count)
{
	for (int i = atoi(count); i > 0; i--)
		make_orphans(1, by_code);
	tell_left("daemons_left");
}

static void do_crashed(const char *count)
{
	make_orphans(atoi(count), by_signal);
	tell_left("crashed_left");
}

static void do_users(const char *count)
{
	make_orphans(atoi(count), as_user);
	tell_left("users_left");
}

static char state_of(pid_t pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state;
}

static void await_state(pid_t pid, char state)
{
	for (int i = 0; i < SETTLE_MS && state_of(pid) != state; i++)
		nap_ms(1);
}

/* Orphans that are stopped, and then killed. */
static void do_stopped(const char *count)
{
	make_orphans(atoi(count), stopped);
	for (int i = 0; i < orphan_count; i++)
		await_state(orphans[i], 'T');
	for (int i = 0; i < orphan_count; i++)
		kill(orphans[i], SIGKILL);
	tell_left("stopped_left");
}

static void traced(int i)
{
	(void)i;
	for_ever();
}

/* An orphan that dies while a debugger holds it, which ends without having looked. */
static void do_traced(void)
{
	pid_t pid;

	make_orphans(1, traced);
	pid = try_fork();
	if (pid == 0) {
		if (ptrace(PTRACE_SEIZE, orphans[0], NULL, NULL) < 0)
			fatal("ptrace");
		kill(orphans[0], SIGKILL);
		await_state(orphans[0], 'Z');
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	tell_left("traced_left");
}

/* What it leaves behind, and its own child, whose status nobody else may take. */
static void do_own_children(const char *count)
{
	int good = 0, status;
	pid_t pid;

	for (int i = atoi(count); i > 0; i--) {
		pid = try_fork();
		if (pid == 0)
			_exit(42);
		nap_ms(2); /* it may be dead a while before we ask */
		good += waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
			WEXITSTATUS(status) == 42;
	}
	say("@own=%d\n", good);
}

static void do_wait_for_none(void)
{
	pid_t pid = waitpid(-1, NULL, WNOHANG);

	say("@children=%s\n", pid < 0 && errno == ECHILD ? "none" : "some");
}

/* A daemon says who its parent is once the first one is dead. */
static void do_daemon_parent(void)
{
	int said[2];
	char byte;
	pid_t pid;

	if (pipe2(said, O_CLOEXEC) < 0)
		fatal("pipe");
	pid = try_fork();
	if (pid == 0) {
		pid_t parent = getpid();

		if (fork() != 0)
			_exit(0);
		setsid();
		for (int i = 0; i < SETTLE_MS && getppid() == parent; i++)
			nap_ms(1);
		say("@daemon_parent=%d\n", getppid());
		_exit(0);
	}
	close(said[1]);
	waitpid(pid, NULL, 0);
	(void)!read(said[0], &byte, 1);
	close(said[0]);
}

/* COUNT orphans die while the console takes nothing: who writes to it waits. */
static void do_orphans_without_console(const char *count)
{
	static const char line[] =
		"full ..........................................................\n";
	int flags = fcntl(1, F_GETFL), left;

	if (tcflow(1, TCOOFF) < 0)
		fatal("tcflow");
	fcntl(1, F_SETFL, flags | O_NONBLOCK);
	/* Some take all the same, stopped or not. */
	for (int idle = 0, taken = 0; idle < 10 && taken < 1000;) {
		if (write(1, line, sizeof(line) - 1) > 0) {
			taken++;
			continue;
		}
		nap_ms(20);
		idle++;
	}
	fcntl(1, F_SETFL, flags);
	make_orphans(atoi(count), at_once);
	left = left_over();
	orphan_count = 0;
	if (tcflow(1, TCOON) < 0)
		fatal("tcflow");
	say("\n@stopped_console_left=%d\n", left);
}

/* Takes memory until the kernel ends that. */
static void hungry(int i)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	(void)i;
	(void)!write(fd, "1000", 4);
	take_memory();
	for_ever();
}

/* COUNT orphans that the kernel kills for memory, one after the other. */
static void do_hungry(const char *count)
{
	int left = 0;

	say("@begun=hungry\n");
	for (int i = atoi(count); i > 0; i--) {
		make_orphans(1, hungry);
		for (int ms = 0; ms < 60000 && kill(orphans[0], 0) == 0;
		     ms += 20)
			nap_ms(20);
		left += left_over();
		orphan_count = 0;
	}
	say("@hungry_left=%d\n", left);
}

/* --- what PID 1 is and does --- */

static long status_of_init(const char *key)
{
	char line[256];
	size_t n = strlen(key);
	long value = -1;
	FILE *f = fopen("/proc/1/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, n) == 0 && line[n] == ':')
			value = atol(line + n + 1);
	if (f)
		fclose(f);
	return value;
}

static long ticks_of_init(void)
{
	unsigned long user = 0, kernel = 0;
	FILE *f = fopen("/proc/1/stat", "re");

	if (f) {
		if (fscanf(f,
			   "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u "
			   "%*u %*u %lu %lu",
			   &user, &kernel) != 2)
			user = kernel = 0;
		fclose(f);
	}
	return (long)(user + kernel);
}

static int descriptors_of_init(void)
{
	int n = 0;
	DIR *d = opendir("/proc/1/fd");

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* How PID 1 spends MS in which nothing happens; it may still be about what was before. */
static void do_idle(const char *ms)
{
	static const char key[] = "voluntary_ctxt_switches";
	long sleeps = status_of_init(key), last = -1, ticks;

	for (int i = 0; i < 30 && sleeps != last; i++) {
		last = sleeps;
		nap_ms(100);
		sleeps = status_of_init(key);
	}
	ticks = ticks_of_init();
	nap_ms(atol(ms));
	say("@wakeups=%ld\n@ticks=%ld\n", status_of_init(key) - sleeps,
	    ticks_of_init() - ticks);
}

/* What PID 1 has more of after COUNT orphans, which are not the first. */
static void do_growth(const char *count)
{
	long kib = status_of_init("VmRSS");
	int fds = descriptors_of_init();

	do_bursts(count);
	say("@growth_kib=%ld\n@growth_fds=%d\n", status_of_init("VmRSS") - kib,
	    descriptors_of_init() - fds);
}

/* --- signals for PID 1 --- */

static void block_all(void)
{
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

/*
 * Everything that an init of another system does not take for a request: that is
 * INT, QUIT, USR1, USR2, TERM, PWR and real-time signals. And again, thousands of times.
 */
static void do_strike_init(const char *times)
{
	static const int requests[] = { SIGINT,	 SIGQUIT, SIGUSR1,
					SIGUSR2, SIGTERM, SIGPWR };
	bool is_request;

	block_all(); /* what PID 1 passes on does us nothing */
	for (int i = atoi(times); i > 0; i--) {
		for (int sig = 1; sig < 32; sig++) {
			is_request = false;
			for (size_t n = 0; n < sizeof(requests) / sizeof(int);
			     n++)
				is_request |= sig == requests[n];
			if (!is_request && kill(1, sig) < 0)
				fatal("kill");
		}
		if (i % 16 == 0)
			nap_ms(1);
	}
	say("@struck=%s\n", times);
}

/* Sends PID 1 each of the SIGNALS, numbers with commas, and tells which comes to us. */
static void do_pass_on(const char *numbers)
{
	const struct timespec patience = { 5, 0 };
	sigset_t set;
	char *end;
	pid_t pid;
	int sig, got;

	block_all();
	do {
		sig = (int)strtol(numbers, &end, 10);
		numbers = end + 1;
		/* Of a session of its own, as one that is not the application's. */
		pid = try_fork();
		if (pid == 0) {
			setsid();
			kill(1, sig);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		sigemptyset(&set);
		sigaddset(&set, sig);
		while ((got = sigtimedwait(&set, NULL, &patience)) < 0 &&
		       errno == EINTR)
			;
		say("@signal.%d=%s\n", sig, got == sig ? "came" : "did not");
	} while (*end == ',');
}

/* As killall5 does; it does not reach the caller. */
static void do_signal_all(const char *number)
{
	if (kill(-1, atoi(number)) < 0 && errno != ESRCH)
		fatal("kill -1");
	nap_ms(200);
	say("@signalled=%s\n", number);
}

/* --- the last words --- */

/* KIB of facts, to standard output and error in turn; the last has no newline. */
static void do_words(const char *kib)
{
	enum { LINE = 64 };
	char line[LINE + 1];
	int n = atoi(kib) * 1024 / LINE;

	for (int i = 1; i <= n; i++) {
		snprintf(line, sizeof(line), "@%s=%054d end\n",
			 i % 2 ? "out" : "err", i);
		(void)!write(i % 2 ? 1 : 2, line, strlen(line));
	}
	(void)!write(1, "@last=whole", strlen("@last=whole"));
}

/* --- what does not end --- */

/* Waits until a child has said that it is ready. */
static int ready_fds[2];

static pid_t begin_leftover(void)
{
	pid_t pid;

	if (pipe2(ready_fds, O_CLOEXEC) < 0)
		fatal("pipe");
	pid = try_fork();
	if (pid == 0)
		close(ready_fds[0]);
	return pid;
}

static void is_ready(void)
{
	close(ready_fds[1]);
}

static void await_ready(void)
{
	char byte;

	close(ready_fds[1]);
	(void)!read(ready_fds[0], &byte, 1);
	close(ready_fds[0]);
}

/* One that has MS to do when it is asked to end, in a session of its own or ours. */
static void leave_orderly(const char *key, const char *ms, bool is_daemon)
{
	sigset_t set;
	int sig;

	if (begin_leftover() != 0) {
		await_ready();
		return;
	}
	if (is_daemon)
		setsid();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	is_ready();
	sigwait(&set, &sig);
	nap_ms(atol(ms));
	say("@%s=finished\n", key);
	_exit(0);
}

static void do_leave_daemon(const char *ms)
{
	leave_orderly("daemon", ms, true);
}

static void do_leave_worker(const char *ms)
{
	leave_orderly("worker", ms, false);
}

static void do_leave_many(const char *count)
{
	for (int i = atoi(count); i > 0; i--)
		if (try_fork() == 0)
			for_ever();
	say("@children=%s\n", count);
}

/* Ignores all that can be ignored. */
static void do_leave_stubborn(void)
{
	if (begin_leftover() != 0) {
		await_ready();
		return;
	}
	setsid();
	for (int sig = 1; sig < 32; sig++)
		(void)signal(sig, SIG_IGN);
	is_ready();
	for (;;)
		nap_ms(1000);
}

static void do_leave_stopped(void)
{
	pid_t pid = try_fork();

	if (pid == 0) {
		setsid();
		raise(SIGSTOP);
		for_ever();
	}
	waitpid(pid, NULL, WUNTRACED);
}

/* COUNT processes that each become another one, for ever. */
static void do_leave_chains(const char *count)
{
	for (int left = atoi(count); left > 0; left--) {
		if (begin_leftover() != 0) {
			await_ready();
			continue;
		}
		(void)signal(SIGTERM, SIG_IGN);
		setsid();
		is_ready();
		for (;;)
			if (fork() > 0)
				_exit(0);
	}
}

/* Writes to the console for ever. */
static void do_leave_flood(void)
{
	static char lines[1024];

	for (size_t i = 0; i < sizeof(lines); i++)
		lines[i] = i % 64 == 63 ? '\n' : '.';
	if (begin_leftover() != 0) {
		await_ready();
		return;
	}
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	setsid();
	is_ready();
	for (;;)
		if (write(1, lines, sizeof(lines)) < 0)
			nap_ms(1);
}

/* ^S, by program. */
static void do_stop_console(void)
{
	if (tcflow(1, TCOOFF) < 0)
		fatal("tcflow");
}

/* A daemon with much to do: MS later it says that it was let. */
static void do_daemonize(const char *ms)
{
	if (begin_leftover() != 0) {
		await_ready();
		return;
	}
	setsid();
	if (fork() != 0)
		_exit(0);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	say("@daemon=works\n");
	is_ready();
	nap_ms(atol(ms));
	say("@daemon=is through\n");
	_exit(0);
}

static void do_pid(const char *key)
{
	say("@%s=%d\n", key, getpid());
}

/* --- what SIGKILL does not reach --- */

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A process that is frozen by a control group of version 1, as docker pause does it. */
static void do_leave_unkillable(void)
{
	static const char *const folders[] = { "/tmp/freezer",
					       "/sys/fs/cgroup/freezer" };
	char path[64], number[16], state;
	bool is_frozen = false;
	pid_t pid;

	(void)mkdir(folders[0], 0755);
	(void)mount("duty", folders[0], "cgroup", 0, "freezer");
	pid = try_fork();
	if (pid == 0) {
		setsid();
		for_ever();
	}
	snprintf(number, sizeof(number), "%d", pid);
	for (int i = 0; i < 2 && !is_frozen; i++) {
		snprintf(path, sizeof(path), "%s/duty", folders[i]);
		(void)mkdir(path, 0755);
		snprintf(path, sizeof(path), "%s/duty/cgroup.procs",
			 folders[i]);
		is_frozen = put(path, number);
		snprintf(path, sizeof(path), "%s/duty/freezer.state",
			 folders[i]);
		is_frozen = is_frozen && put(path, "FROZEN");
	}
	await_state(pid, 'D');
	kill(pid, SIGKILL);
	nap_ms(200);
	state = state_of(pid);
	say("@unkillable=%s\n",
	    is_frozen && state && state != 'Z' ? "yes" : "no");
}

/* --- */

static void do_exec(const char *path)
{
	execl(path, path, NULL);
	fatal(path);
}

static void do_say(const char *text)
{
	say("@say=%s\n", text);
}

static void do_sleep(const char *ms)
{
	nap_ms(atol(ms));
}

static void do_exit(const char *code)
{
	_exit(atoi(code));
}

static void do_raise(const char *number)
{
	raise(atoi(number));
}

static const struct verb verbs[] = {
	{ "bursts", .with = do_bursts },
	{ "daemons", .with = do_daemons },
	{ "crashed", .with = do_crashed },
	{ "users", .with = do_users },
	{ "stopped", .with = do_stopped },
	{ "traced", .plain = do_traced },
	{ "own-children", .with = do_own_children },
	{ "wait-for-none", .plain = do_wait_for_none },
	{ "daemon-parent", .plain = do_daemon_parent },
	{ "orphans-without-console", .with = do_orphans_without_console },
	{ "hungry", .with = do_hungry },
	{ "idle", .with = do_idle },
	{ "growth", .with = do_growth },
	{ "strike-init", .with = do_strike_init },
	{ "pass-on", .with = do_pass_on },
	{ "signal-all", .with = do_signal_all },
	{ "words", .with = do_words },
	{ "leave-daemon", .with = do_leave_daemon },
	{ "leave-worker", .with = do_leave_worker },
	{ "leave-many", .with = do_leave_many },
	{ "leave-stubborn", .plain = do_leave_stubborn },
	{ "leave-stopped", .plain = do_leave_stopped },
	{ "leave-chains", .with = do_leave_chains },
	{ "leave-flood", .plain = do_leave_flood },
	{ "leave-unkillable", .plain = do_leave_unkillable },
	{ "stop-console", .plain = do_stop_console },
	{ "daemonize", .with = do_daemonize },
	{ "pid", .with = do_pid },
	{ "exec", .with = do_exec },
	{ "say", .with = do_say },
	{ "sleep", .with = do_sleep },
	{ "exit", .with = do_exit },
	{ "raise", .with = do_raise },
};

int main(int argc, char **argv)
{
	return run_verbs(verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
