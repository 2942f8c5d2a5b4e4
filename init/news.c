#include "init/news.h"

#include <sys/wait.h>

#include "init/log.h"
#include "init/report.h"
#include "init/supervise.h"

static void add_status(const struct service *v, struct text *t)
{
	if (v->text[0] == '\0')
		return;
	text_add(t, ", its last status: ");
	text_add(t, v->text);
}

static void add_ms(uint32_t ms, struct text *t)
{
	text_add_number(t, ms % 1000 ? ms : ms / 1000);
	text_add(t, ms % 1000 ? " ms" : " s");
}

static void say(const struct service *v, struct text *t)
{
	log_line("supervise", v->config.name, text_string(t));
}

/* The boot cannot go on. */
void news_fail_boot(struct supervise *s, const struct service *v,
		    struct text *t)
{
	add_status(v, t);
	s->boot_failed = true;
	s->stop(s->ctx, v->config.name, text_string(t));
}

static void add_end(const struct member *m, struct text *t)
{
	if (WIFEXITED(m->service.status) && !m->service.has_started)
		text_add(t, "could not be started");
	else
		report_status(m->service.status, m->was_oom, t);
}

static void add_again(const struct service *v, uint32_t ms, struct text *t)
{
	text_add(t, ", started again in ");
	add_ms(ms, t);
	text_add(t, " (");
	text_add_number(t, v->times);
	if (v->config.restart_limit > 0) {
		text_add(t, " of ");
		text_add_number(t, v->config.restart_limit);
	}
	text_add(t, ")");
}

/* What is wrong with it, and not with the boot. */
static void complain(struct service *v, struct text *t)
{
	add_status(v, t);
	say(v, t);
}

static void not_in_time(struct supervise *s, struct service *v,
			const struct service_action *a, struct text *t)
{
	add_ms(a->ms, t);
	if (a->fails_boot)
		news_fail_boot(s, v, t);
	else
		complain(v, t);
}

/* The application's end is told by the last line. */
static void has_ended(struct supervise *s, struct member *m, bool is_news,
		      struct text *t)
{
	if (m != s->members || is_news)
		say(&m->service, t);
	if (s->first_end == s->count)
		s->first_end = (size_t)(m - s->members);
}

static void ended_unready(struct supervise *s, struct member *m)
{
	struct text t;

	s->boot_failed = true;
	if (m->is_explained)
		return;
	text_clear(&t);
	text_add(&t, "ended before it was ready, ");
	report_status(m->service.status, m->was_oom, &t);
	news_fail_boot(s, &m->service, &t);
}

void news_tell(struct member *m, const struct service_action *a)
{
	struct supervise *s = m->all;
	struct service *v = &m->service;
	struct text t;

	text_clear(&t);
	switch (a->news) {
	case SERVICE_NO_NEWS:
		break;
	case SERVICE_IS_READY:
		log_debug("supervise", v->config.name, "ready");
		break;
	case SERVICE_HELD:
		text_add(&t, "its program was not executed within ");
		m->is_explained = true;
		not_in_time(s, v, a, &t);
		break;
	case SERVICE_NOT_READY:
		text_add(&t, "not ready within ");
		not_in_time(s, v, a, &t);
		break;
	case SERVICE_SILENT:
		text_add(&t, "no sign of life for ");
		not_in_time(s, v, a, &t);
		break;
	case SERVICE_WANTS_ABORT:
		text_add(&t, "it wants to be ended, by WATCHDOG=trigger");
		complain(v, &t);
		break;
	case SERVICE_HAS_ENDED:
		add_end(m, &t);
		has_ended(s, m, false, &t);
		break;
	case SERVICE_GIVEN_UP:
		add_end(m, &t);
		text_add(&t, ", not started again");
		has_ended(s, m, true, &t);
		break;
	case SERVICE_AGAIN:
		add_end(m, &t);
		add_again(v, a->ms, &t);
		say(v, &t);
		break;
	case SERVICE_ENDED_UNREADY:
		ended_unready(s, m);
		break;
	}
}
