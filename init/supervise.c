#include "init/supervise.h"

#include <string.h>

#include "init/loop.h"
#include "init/member.h"
#include "init/news.h"
#include "init/report.h"
#include "vsock/io.h"

static bool may_start(const struct supervise *s, const struct service *v)
{
	for (size_t i = 0; i < s->count; i++)
		if (v->config.after >> i & 1 &&
		    !s->members[i].service.was_ready)
			return false;
	return v->state == SERVICE_WAITING;
}

static void start_some(struct supervise *s, int64_t now)
{
	for (size_t i = 0; i < s->count; i++) {
		struct service_action a = { 0 };
		struct member *m = &s->members[i];

		if (s->is_ending || s->boot_failed || s->is_asked ||
		    !may_start(s, &m->service))
			continue;
		service_start(&m->service, now, &a);
		member_act(m, &a);
	}
}

static int64_t next_deadline(const void *ctx)
{
	const struct supervise *s = ctx;
	int64_t first = 0;

	for (size_t i = 0; i < s->count; i++) {
		first = loop_sooner(first, s->members[i].service.deadline_ms);
		first = loop_sooner(first, s->members[i].courier_again_ms);
	}
	return first;
}

static void due(void *ctx, int64_t now_ms)
{
	struct supervise *s = ctx;

	for (size_t i = 0; i < s->count; i++)
		member_due(&s->members[i], now_ms);
	start_some(s, now_ms);
}

static void take_signal(void *ctx, int sig)
{
	struct supervise *s = ctx;

	if (s->count > 0)
		member_signal(&s->members[0], sig);
}

void supervise_init(struct supervise *s, const struct config *c, struct loop *l,
		    struct children *children, int proc_fd)
{
	/* One by one: the places of services that there are not stay untouched. */
	s->loop = l;
	s->children = children;
	s->proc_fd = proc_fd;
	s->count = s->first_end = c->service_count;
	s->end = c->end;
	s->is_ending = true; /* until supervise_start */
	for (size_t i = 0; i < s->count; i++) {
		struct member *m = &s->members[i];

		service_init(&m->service, &c->services[i].supervision, i == 0);
		m->all = s;
		m->report_fd = m->socket.fd = m->courier.channel = -1;
		cgroup_none(&m->cgroup);
	}
	l->take_signal = take_signal;
	l->signal_ctx = s;
	loop_add_clock(l, (struct loop_clock){ next_deadline, due, s });
}

int supervise_prepare(struct supervise *s, size_t i, const struct config *c,
		      int cgroup_version, const char **reterr_key)
{
	const struct config_service *from = &c->services[i];
	struct member *m = &s->members[i];
	const bool is_ours = cgroup_version >= 0;
	const struct cgroup_limits limits = {
		.memory_max = is_ours ? from->memory_max : 0,
		.pids_max = is_ours ? from->pids_max : 0,
		.cpu_weight = is_ours ? from->cpu_weight : 0,
	};
	bool is_limited = limits.memory_max != 0 || limits.pids_max != 0 ||
			  limits.cpu_weight != 0;
	int r;

	/* What is never started again leaves nothing in the way of anybody. */
	if (is_ours &&
	    (is_limited || from->supervision.restart != CONFIG_RESTART_NEVER)) {
		r = cgroup_make(cgroup_version, from->supervision.name, &limits,
				&m->cgroup, reterr_key);
		if (r < 0 && is_limited)
			return r;
		if (r < 0)
			log_line("spawn", *reterr_key, strerror(-r));
	}
	if (m->service.config.ready != CONFIG_READY_NOTIFY)
		return 0;
	*reterr_key = "NOTIFY_SOCKET";
	r = notify_open(m->uid, m->has_user, &m->socket);
	if (r == 0)
		member_watch_socket(m);
	return r;
}

static bool all_were_ready(const struct supervise *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!s->members[i].service.was_ready)
			return false;
	return true;
}

static bool is_over(void *ctx)
{
	const struct supervise *s = ctx;
	const struct service *app = &s->members[0].service;
	size_t gone = 0;

	if (s->is_asked || (app->is_told && app->state == SERVICE_ENDED))
		return true;
	for (size_t i = 0; i < s->count; i++)
		gone += s->members[i].service.state == SERVICE_ENDED;
	switch (s->end) {
	case CONFIG_END_ANY:
		return gone > 0;
	case CONFIG_END_ALL:
		return gone == s->count;
	case CONFIG_END_MAIN:
		break;
	}
	return app->state == SERVICE_ENDED;
}

/* The end before all were ready is none that was asked for. */
static void ended_early(struct supervise *s)
{
	const struct service *v = &supervise_who(s)->service;
	struct text t;

	text_clear(&t);
	if (s->is_asked) {
		text_add(&t, "the end was asked for before all were ready");
	} else {
		text_add(&t, "ended before all were ready, ");
		report_status(v->status, false, &t);
	}
	news_fail_boot(s, v, &t);
}

static bool is_decided(void *ctx)
{
	struct supervise *s = ctx;

	return s->boot_failed || all_were_ready(s) || is_over(s);
}

int supervise_start(struct supervise *s)
{
	s->is_ending = false;
	start_some(s, io_now_ms());
	(void)loop_until(s->loop, is_decided, s, -1);
	if (!s->boot_failed && !all_were_ready(s))
		ended_early(s);
	s->is_ending = s->boot_failed;
	for (size_t i = 0; i < s->count; i++)
		s->members[i].service.in_boot = false;
	return s->boot_failed ? -1 : 0;
}

bool supervise_is_final(const struct supervise *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->members[i].service.config.restart !=
		    CONFIG_RESTART_NEVER)
			return false;
	return true;
}

bool supervise_ask_end(struct supervise *s)
{
	bool is_first = !s->is_asked;

	s->is_asked = true;
	return is_first;
}

void supervise_run(struct supervise *s)
{
	(void)loop_until(s->loop, is_over, s, -1);
}

const struct member *supervise_who(const struct supervise *s)
{
	return &s->members[s->end == CONFIG_END_ANY && s->first_end < s->count ?
				   s->first_end :
				   0];
}

/* --- the end --- */

/* Whether a service that runs came after the number I. */
static bool is_needed(const struct supervise *s, size_t i)
{
	for (size_t n = 0; n < s->count; n++)
		if (service_is_alive(&s->members[n].service) &&
		    s->members[n].service.config.after >> i & 1)
			return true;
	return false;
}

/* Asks those to end that no other needs; whether all are gone. */
static bool stop_some(void *ctx)
{
	struct supervise *s = ctx;
	bool are_gone = true;

	for (size_t i = 0; i < s->count; i++) {
		struct service_action a = { 0 };
		struct member *m = &s->members[i];

		if (!service_is_alive(&m->service))
			continue;
		are_gone = false;
		if (is_needed(s, i))
			continue;
		service_stop(&m->service, io_now_ms(), &a);
		member_act(m, &a);
	}
	return are_gone;
}

void supervise_stop(struct supervise *s)
{
	int64_t longest = io_now_ms();

	s->is_ending = true;
	for (size_t i = 0; i < s->count; i++) {
		service_end(&s->members[i].service);
		longest += service_stop_ms(&s->members[i].service) +
			   SUPERVISE_KILL_MS;
	}
	(void)loop_until(s->loop, stop_some, s, longest);
}
