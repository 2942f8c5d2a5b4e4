/*
 * Mistakes that make an init a victim of what it starts:
 *
 *   mode OCTAL PATH       a file has this mode when the application starts
 *   keeps NUMBER          a capability stays when a program becomes another user
 *   takes stops           who is stopped has ended
 *   end forks             the end begins with a process, which there has to be
 *   end opens PATH        the end begins with a file, which there has to be
 *   end says              the end begins with a line that waits for the console
 *   hosts by open         /etc/hosts is opened, whatever it is
 *   clock of the wall     deadlines are by a clock that can be set
 */

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init/confine.h"
#include "init/parent.h"
#include "init/step.h"
#include "rootfs/etc.h"
#include "tests/conformance/mutant.h"
#include "vsock/io.h"

static void set_modes(void)
{
	const char *word;
	char *path;
	mode_t mode;

	for (unsigned i = 0; (word = mutant_word_of("mode", i)); i++) {
		mode = (mode_t)strtoul(word, &path, 8);
		(void)chmod(path + 1, mode);
	}
}

static void keep_capabilities(void)
{
	uint64_t keeps = 0;
	const char *word;

	for (unsigned i = 0; (word = mutant_word_of("keeps", i)); i++)
		keeps |= (uint64_t)1 << atoi(word);
	if (keeps == 0)
		return;
	/* What the application needs to become that user. */
	keeps |= (uint64_t)1 << CAP_SETUID | (uint64_t)1 << CAP_SETGID |
		 (uint64_t)1 << CAP_MKNOD;
	(void)prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
	for (int i = 0; i < 64; i++)
		if (!(keeps >> i & 1))
			(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
}

/* In the child that becomes the application, as root, and in helpers. */
WRAP(confine_begin);
int __wrap_confine_begin(const struct confine *c, int proc_fd,
			 confine_warn_fn *warn, void *ctx,
			 enum confine_stage *reterr_stage)
{
	set_modes();
	keep_capabilities();
	return __real_confine_begin(c, proc_fd, warn, ctx, reterr_stage);
}

WRAP(step_supervise);
int __wrap_step_supervise(struct boot *b)
{
	siginfo_t first = { 0 };

	if (mutant_is("takes", "stops") &&
	    waitid(P_ALL, 0, &first, WSTOPPED | WEXITED | WNOWAIT) == 0 &&
	    first.si_code == CLD_STOPPED)
		(void)kill(first.si_pid, SIGKILL);
	return __real_step_supervise(b);
}

WRAP(parent_end);
void __wrap_parent_end(struct boot *b)
{
	const char *path = mutant_word("end opens");
	pid_t pid = 0;

	if (mutant_is("end", "forks")) {
		while ((pid = fork()) < 0)
			(void)sleep(1);
		if (pid == 0)
			_exit(0);
	}
	if (mutant_is("end", "says"))
		(void)!write(2, "ends\n", 5);
	while (path && open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC) < 0)
		(void)sleep(1);
	__real_parent_end(b);
}

WRAP(etc_hosts);
int __wrap_etc_hosts(void)
{
	if (mutant_is("hosts", "by open"))
		(void)open("/etc/hosts", O_WRONLY | O_CLOEXEC);
	return __real_etc_hosts();
}

WRAP(io_now_ms);
int64_t __wrap_io_now_ms(void)
{
	struct timespec t;

	if (!mutant_is("clock", "of the wall"))
		return __real_io_now_ms();
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
