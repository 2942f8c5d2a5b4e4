#include "init/end.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/cull.h"
#include "init/member.h"
#include "init/modules.h"
#include "init/parent.h"
#include "init/power.h"
#include "init/report.h"
#include "nsm/nsmc.h"
#include "vsock/heartbeat.h"
#include "vsock/io.h"

enum {
	GRACE_MS = 2000, /* between TERM and KILL */
	KILL_MS = 2000,	 /* for what does not even die of KILL */
	SYNC_MS = 2000,
	DEBUG_MS = 5000, /* for the NSM to say whether this is debug mode */
	HOLD_TIMES = 3,
};

/* --- conditions to turn the loop for --- */

static bool is_alone(void *ctx)
{
	const struct boot *b = ctx;

	return b->children.is_alone;
}

static bool beat_is_through(void *ctx)
{
	const struct boot *b = ctx;

	return beat_is_over(&b->beat);
}

static bool helper_is_gone(void *ctx)
{
	const struct helper *h = ctx;

	return h->pid == 0;
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static bool wait_until(struct boot *b, bool (*is_done)(void *ctx), void *ctx,
		       int timeout_ms)
{
	return loop_until(&b->loop, is_done, ctx, io_now_ms() + timeout_ms);
}

/* --- processes --- */

/* Kills all but the helpers, until a pass finds nobody. */
static bool nobody_else(void *ctx)
{
	struct boot *b = ctx;

	return b->children.is_alone ||
	       cull_all_but(b->proc_fd, &b->children) == 0;
}

/* What is left of a service gets the signal that it knows. */
static void ask_leftovers(const struct supervise *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct member *m = &s->members[i];
		pid_t group = member_group(m);

		if (group > 0 && m->service.config.stop_signal > 0)
			(void)kill(-group, m->service.config.stop_signal);
	}
}

/*
 * The services in their order, then all else but the helpers, then these: a heartbeat that
 * is under way has its time.
 */
static void end_processes(struct boot *b, void (*tell)(struct boot *b))
{
	int64_t beat_ms = io_now_ms() + BEAT_MAX_MS;

	supervise_stop(&b->supervise);
	relay_end(b);
	tell(b);
	beat_give_up(&b->beat);
	ask_leftovers(&b->supervise);
	/* Helpers have TERM blocked, as PID 1 has, unless nobody waits for them. */
	(void)kill(-1, SIGTERM);
	if (wait_until(b, is_alone, b, GRACE_MS))
		return;
	if (!beat_is_over(&b->beat)) {
		(void)wait_until(b, nobody_else, b, KILL_MS);
		(void)loop_until(&b->loop, beat_is_through, b, beat_ms);
	}
	(void)kill(-1, SIGKILL);
	(void)wait_until(b, is_alone, b, KILL_MS);
}

/* --- what waits for something that may not answer --- */

static void gone(void *ctx, struct helper *h)
{
	(void)ctx;
	(void)h;
}

/* A file system that does not answer must not keep the machine. */
static void sync_disks(struct boot *b)
{
	struct helper_job job = { 0 };

	if (helper_start(&b->sync, HELPER_SYNC, &job, &b->children, gone,
			 NULL) == 0)
		(void)wait_until(b, helper_is_gone, &b->sync, SYNC_MS);
}

static bool ask_debug_mode(struct boot *b)
{
	enum nsmc_debug debug = NSMC_DEBUG_UNKNOWN;

	if (b->nsm_fd < 0)
		b->nsm_fd = nsmc_open();
	if (b->nsm_fd >= 0)
		(void)nsmc_get_debug(b->nsm_fd, &debug);
	return debug == NSMC_DEBUG_YES;
}

static bool is_debug_mode(struct boot *b)
{
	struct helper_job job = { .nsm_fd = b->nsm_fd };

	if (b->nsm_is_dead)
		return false;
	/* A program that talks to the parent may run already. */
	if (!b->supervise.has_run && b->relay.phase == RELAY_OFF)
		return ask_debug_mode(b);
	if (helper_start(&b->debug, HELPER_DEBUG, &job, &b->children, gone,
			 NULL) < 0)
		return false;
	(void)wait_until(b, helper_is_gone, &b->debug, DEBUG_MS);
	return b->debug.report.news == HELPER_DONE && b->debug.report.stage;
}

/* --- the ends --- */

static _Noreturn void restart(struct boot *b)
{
	int r;

	r = power_reboot();
	log_last("end", "reboot", strerror(-r));
	r = power_sysrq(b->proc_fd);
	log_last("end", "sysrq-trigger", strerror(-r));
	power_panic(b->proc_fd);
}

static _Noreturn void finish(struct boot *b, const char *object,
			     const char *reason)
{
	sync_disks(b);
	log_last("end", object, reason);
	boot_drain_log(b);
	restart(b);
}

static void ignore_module(void *ctx, const char *file, int r)
{
	(void)ctx;
	(void)file;
	(void)r;
}

/* Waits, saying the reason again: a console may be attached late. */
static void hold_console(struct boot *b)
{
	for (int i = 0; i < HOLD_TIMES; i++) {
		log_line(boot_steps[b->step].name,
			 text_string(&b->fault_object),
			 text_string(&b->fault_reason));
		(void)wait_until(b, never, NULL, END_HOLD_MS / HOLD_TIMES);
	}
}

_Noreturn void end_failed(struct boot *b)
{
	bool debug;
	struct text t;

	/* First: what failed is not to serve on while the parent is told. */
	beat_cancel(&b->beat);
	if (b->supervise.has_run) {
		end_processes(b, parent_end_failed);
	} else {
		relay_end(b);
		parent_end_failed(b);
	}
	/* The parent and the NSM may both be reached only by a module. */
	if (b->step < BOOT_MODULES)
		(void)modules_load(ignore_module, NULL);
	debug = is_debug_mode(b);
	if (b->heartbeat.mode != CONFIG_HEARTBEAT_OFF) {
		beat_send(&b->beat, boot_beat_port(b),
			  debug ? HEARTBEAT_BYTE : (uint8_t)b->step);
		(void)wait_until(b, beat_is_through, b, BEAT_MAX_MS);
	}
	parent_report(b);
	if (debug)
		hold_console(b);
	beat_give_up(&b->beat);

	text_clear(&t);
	text_add(&t, "stopped in step ");
	text_add_number(&t, b->step);
	text_add(&t, ", ");
	text_add(&t, boot_steps[b->step].name);
	finish(b, "boot", text_string(&t));
}

_Noreturn void end_machine(struct boot *b)
{
	const struct member *who = supervise_who(&b->supervise);
	struct text t;

	end_processes(b, parent_end);
	parent_report(b);
	text_clear(&t);
	report_status(who->service.status, who->was_oom, &t);
	finish(b,
	       who == b->supervise.members && *who->program ?
		       who->program :
		       who->service.config.name,
	       text_string(&t));
}
