/* Mistakes with the end of the machine, and what it tells. */

#include <stdint.h>

#include "init/klog.h"
#include "init/loop.h"
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

/* The application has ended as soon as it has started. */
WRAP(supervise_run);
void __wrap_supervise_run(struct supervise *s)
{
	if (!mutant_is("hasty", NULL))
		__real_supervise_run(s);
}
