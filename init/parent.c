#include "init/parent.h"

#include <signal.h>
#include <string.h>

#include "init/boot.h"
#include "init/link/link.h"
#include "init/link/snapshot.h"
#include "init/log.h"
#include "init/member.h"
#include "nsm/nsmc.h"
#include "vsock/io.h"

/* --- what somebody asks for --- */

static struct member *find_member(struct boot *b, const struct link_message *m)
{
	struct supervise *s = &b->supervise;

	return m->service < s->count ? &s->members[m->service] : NULL;
}

static void log_asked(const struct link_message *m, const char *object,
		      const char *what)
{
	struct text t;

	text_clear(&t);
	text_add(&t, what);
	text_add(&t, m->is_local ? ", asked for in the enclave" :
				   ", asked for by the parent");
	log_line("control", object, text_string(&t));
}

/* The helper has compared it with the configuration; PID 1 does not rely on that. */
static bool may(const struct boot *b, const struct link_message *m)
{
	const struct config_link *c = &b->link.work.config;

	if (m->is_local)
		return c->control_local;
	if (m->news == LINK_STOP)
		return c->control_stop;
	return m->news == LINK_SIGNAL && m->service == 0 &&
	       c->control_signals >> (m->signal - 1) & 1;
}

static void asked(void *ctx, const struct link_message *m)
{
	struct boot *b = ctx;
	struct member *who = find_member(b, m);
	struct text t;

	if (m->signal > SERVICE_SIGNALS ||
	    (m->news == LINK_SIGNAL && m->signal == 0) || !may(b, m))
		return;
	if (m->news == LINK_STOP) {
		/* Once is enough. It may come before there is a service. */
		if (supervise_ask_end(&b->supervise))
			log_asked(m, "enclave", "stop");
		return;
	}
	if (!who)
		return;
	switch (m->news) {
	case LINK_SIGNAL:
		text_clear(&t);
		text_add(&t, "signal ");
		text_add_number(&t, m->signal);
		log_asked(m, who->service.config.name, text_string(&t));
		member_signal(who, m->signal);
		break;
	case LINK_STOP_SERVICE:
		log_asked(m, who->service.config.name, "stop");
		member_halt(who);
		break;
	case LINK_RESTART_SERVICE:
		log_asked(m, who->service.config.name, "restart");
		member_again(who);
		break;
	default:
		break;
	}
}

/* --- the state --- */

static void tell_state(struct boot *b)
{
	struct link_state state;

	snapshot_running(&b->supervise, b->is_ready, &state);
	link_tell(&b->link, &state);
}

static void changed(void *ctx)
{
	tell_state(ctx);
}

/* --- in the order of the boot --- */

int parent_open(struct boot *b)
{
	const char *what;
	int r = link_open(&b->link, b->config, &what);

	if (r < 0)
		return boot_fail(b, what, strerror(-r));
	b->link.asked = asked;
	b->link.ctx = b;
	log_also(link_own_stream(&b->link));
	return 0;
}

/* The console is read in debug mode alone, where it shows the log, too. */
static bool is_debug_mode(const struct boot *b)
{
	enum nsmc_debug debug = NSMC_DEBUG_UNKNOWN;

	if (!config_keeps_log(&b->link.work.config) || b->nsm_fd < 0 ||
	    b->nsm_is_dead)
		return false;
	(void)nsmc_get_debug(b->nsm_fd, &debug);
	return debug == NSMC_DEBUG_YES;
}

int parent_start(struct boot *b)
{
	struct link *l = &b->link;
	struct text object;
	int r;

	if (!l->work.memory)
		return 0;
	link_make_boot(l);
	b->supervise.changed = changed;
	tell_state(b);
	r = link_start(l, &b->loop, &b->children, is_debug_mode(b), &object);
	if (r < 0)
		return boot_fail(b, text_string(&object), strerror(-r));
	if (l->work.config.report == CONFIG_REPORT_STRICT &&
	    !link_report(l, &b->loop, &b->children, false, LINK_STRICT_MS))
		return boot_fail(b, "report = strict",
				 "the parent has not taken it");
	return 0;
}

void parent_tell_ready(struct boot *b)
{
	struct link *l = &b->link;

	b->is_ready = true;
	if (!l->work.memory)
		return;
	tell_state(b);
	if (l->work.config.report != CONFIG_REPORT_OFF)
		(void)link_report(l, &b->loop, &b->children, false, 0);
}

static void end(struct boot *b, const struct link_state *state)
{
	b->supervise.changed = NULL; /* it is final */
	link_tell(&b->link, state);
	link_end(&b->link);
}

void parent_end(struct boot *b)
{
	struct link_state state;

	if (!b->link.work.memory)
		return;
	snapshot_ended(&b->supervise, &state);
	end(b, &state);
}

void parent_end_failed(struct boot *b)
{
	struct link_state state;
	struct text t;

	/* Without the memory, which may be what failed, there still is a report. */
	if (!b->link.work.memory &&
	    b->link.work.config.report == CONFIG_REPORT_OFF)
		return;
	if (!b->supervise.has_run)
		link_make_boot(&b->link);
	text_clear(&t);
	text_add(&t, boot_steps[b->step].name);
	text_add(&t, ": ");
	text_add(&t, text_string(&b->fault_object));
	text_add(&t, ": ");
	text_add(&t, text_string(&b->fault_reason));
	snapshot_fatal(&b->supervise, b->step, text_string(&t), &state);
	end(b, &state);
}

void parent_report(struct boot *b)
{
	if (b->link.work.config.report != CONFIG_REPORT_OFF)
		(void)link_report(&b->link, &b->loop, &b->children, true,
				  LINK_LAST_MS - b->link.end_took_ms);
}
