#include "init/relaying.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/helper.h"
#include "vsock/inside.h"

enum { EXIT_CANNOT = 126 };

/*
 * Descriptors 0 to 3, which the exec keeps. Those that they are made of are above 2; only
 * PROGRAM must not be 3. Returns PROGRAM, or -errno.
 */
static int take_descriptors(const struct helper_job *job)
{
	int program = job->keep[RELAYING_PROGRAM];
	int log = job->keep[RELAYING_LOG];

	if (program == INSIDE_REPORT_FD)
		program = (int)syscall(SYS_fcntl, program, F_DUPFD_CLOEXEC,
				       INSIDE_REPORT_FD + 1);
	/* Of its own, as those of services: its flags are nobody else's. */
	if (log < 0)
		log = open("/dev/console",
			   O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (program < 0 || dup2(job->keep[RELAYING_PLAN], INSIDE_PLAN_FD) < 0)
		return -errno;
	/* Without a console there are PID 1's own descriptors. */
	if (log >= 0 &&
	    (dup2(log, INSIDE_LOG_FD) < 0 || dup2(log, INSIDE_LOG_FD + 1) < 0))
		return -errno;
	if (job->channel == INSIDE_REPORT_FD ?
		    syscall(SYS_fcntl, INSIDE_REPORT_FD, F_SETFD, 0) < 0 :
		    dup2(job->channel, INSIDE_REPORT_FD) < 0)
		return -errno;
	return program;
}

static int execute(int program)
{
	char version[] = "--version=" ENCLAVE_INIT_VERSION;
	char name[] = "relay", inside[] = "inside";
	char *const argv[] = { name, inside, version, NULL };
	char *const envp[] = { NULL };
	sigset_t none;

	(void)setsid(); /* what is left of it is found by its group */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
	return -errno;
}

int relaying_run(const struct helper_job *job)
{
	struct inside_report report = { .news = INSIDE_FAULT,
					.object = "relay" };
	int r = take_descriptors(job);

	if (r >= 0)
		r = execute(r);
	report.error = -r;
	(void)send(job->channel, &report, sizeof(report), MSG_NOSIGNAL);
	return EXIT_CANNOT;
}
