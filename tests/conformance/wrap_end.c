/* Mistakes with the end of the machine, and what it tells. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "init/klog.h"
#include "init/loop.h"
#include "init/member.h"
#include "init/report.h"
#include "init/supervise.h"
#include "init/text.h"
#include "tests/conformance/mutant.h"

/* How it ended is nobody's business. */
WRAP(report_status);
void __wrap_report_status(int status, bool oom, struct text *t)
{
	if (mutant_is("forgets", NULL))
		text_add(t, "has ended");
	else
		__real_report_status(status, oom, t);
}

/* What the kernel killed is what lacked memory, or nothing is. */
WRAP(klog_was_oom);
bool __wrap_klog_was_oom(pid_t pid)
{
	if (mutant_is("suspects", NULL))
		return true;
	return mutant_is("trusts", NULL) ? false : __real_klog_was_oom(pid);
}

/* No deadline: what does not end is waited for. */
WRAP(loop_until);
bool __wrap_loop_until(struct loop *l, bool (*is_done)(void *ctx), void *ctx,
		       int64_t until_ms)
{
	return __real_loop_until(l, is_done, ctx,
				 mutant_is("waits", "for all") ? -1 : until_ms);
}

/* Whether process PID executes PATH, or is gone. */
static bool executes(pid_t pid, const char *path)
{
	char link[32], target[64] = "";

	(void)snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	return readlink(link, target, sizeof(target) - 1) < 0 ||
	       strcmp(target, path) == 0;
}

/* "takes-exec PATH": an application that executes that has ended. */
WRAP(supervise_run);
void __wrap_supervise_run(struct supervise *s)
{
	static const struct timespec pause = { .tv_nsec = 5 * 1000000 };
	const char *path = mutant_word("takes-exec");

	if (!path) {
		__real_supervise_run(s);
		return;
	}
	while (!executes(member_group(&s->members[0]), path))
		(void)nanosleep(&pause, NULL);
}
