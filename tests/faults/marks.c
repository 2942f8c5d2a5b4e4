/*
 * Tells the injector which step PID 1 is in, and what each of its children is: by
 * PR_SET_NAME, a call that init does not make itself, and that the injector does not
 * count. Linked by --wrap around the functions that are shipped.
 */

#include "tests/faults/marks.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/child.h"
#include "init/end.h"
#include "init/helper.h"
#include "init/step.h"
#include "init/supervise.h"

/* Declares the function and its wrapper. */
#define WRAP(name) typeof(name) __real_##name, __wrap_##name

/* Mutants wrap prctl. */
int __real_prctl(int option, ...);

static void mark(const char *name)
{
	(void)__real_prctl(PR_SET_NAME, name, 0, 0, 0);
}

/* --- children --- */

/* The kind of the helper that is being started; negative: it is a service. */
static int helper = -1;

static const char *name_of(const struct member *m)
{
	static const char *const names[HELPER_KINDS] = {
		[HELPER_BEAT] = "beat",	      [HELPER_CLOCK] = "clock",
		[HELPER_COURIER] = "courier", [HELPER_SYNC] = "sync",
		[HELPER_DEBUG] = "debug",     [HELPER_LINK] = "link",
		[HELPER_LAST] = "last",	      [HELPER_RELAY] = "relay",
	};

	return helper < 0 ? m->service.config.name : names[helper];
}

WRAP(child_fork);
pid_t __wrap_child_fork(struct children *c, int cgroup_fd,
			bool *ret_is_in_cgroup, child_died_fn *died, void *ctx)
{
	pid_t pid =
		__real_child_fork(c, cgroup_fd, ret_is_in_cgroup, died, ctx);

	if (pid == 0)
		mark(name_of(ctx));
	return pid;
}

WRAP(helper_start);
int __wrap_helper_start(struct helper *h, enum helper_kind kind,
			struct helper_job *job, struct children *c,
			helper_gone_fn *gone, void *ctx)
{
	int r;

	helper = (int)kind;
	r = __real_helper_start(h, kind, job, c, gone, ctx);
	helper = -1;
	return r;
}

/* --- steps --- */

void marks_step(const char *name)
{
	mark(name);
}

#define STEP(name)                              \
	WRAP(step_##name);                      \
	int __wrap_step_##name(struct boot *b); \
	int __wrap_step_##name(struct boot *b)  \
	{                                       \
		mark(#name);                    \
		return __real_step_##name(b);   \
	}

STEP(start)
STEP(console)
STEP(spec)
STEP(modules)
STEP(entropy)
STEP(root)
STEP(mounts)
STEP(spawn)
STEP(heartbeat)
STEP(supervise)

_Noreturn void __real_end_machine(struct boot *b);
_Noreturn void __wrap_end_machine(struct boot *b);
_Noreturn void __wrap_end_machine(struct boot *b)
{
	mark("end");
	__real_end_machine(b);
}
