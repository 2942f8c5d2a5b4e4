#include "init/link/snapshot.h"

#include <string.h>
#include <sys/wait.h>

#include "init/spec/signal.h"
#include "init/supervise.h"
#include "init/text.h"

/* Copies S, cut to CAP - 1 bytes, into TO, which is all zero. */
static void copy(char *to, size_t cap, const char *s)
{
	memcpy(to, s, strnlen(s, cap - 1));
}

static const char *state_word(enum service_state state)
{
	switch (state) {
	case SERVICE_WAITING:
		return "waiting";
	case SERVICE_EXECUTING:
	case SERVICE_STARTING:
		return "starting";
	case SERVICE_RUNNING:
		return "running";
	case SERVICE_STOPPING:
		return "stopping";
	case SERVICE_BACKOFF:
		return "backoff";
	case SERVICE_ENDED:
		break;
	}
	return "ended";
}

static void fill_services(const struct supervise *s, struct link_state *ret)
{
	/* Bytes between members count, too: states are compared as a whole. */
	memset(ret, 0, sizeof(*ret));
	ret->service_count = (uint32_t)s->count;
	for (size_t i = 0; i < s->count; i++) {
		const struct member *m = &s->members[i];
		struct record_service *to = &ret->services[i];

		copy(to->name, sizeof(to->name), m->service.config.name);
		copy(to->state, sizeof(to->state),
		     state_word(m->service.state));
		copy(to->text, sizeof(to->text), m->service.text);
		to->pid = m->pid;
		to->restarts = m->restarts;
		ret->record.restarts += m->restarts;
	}
}

/* As a configuration may name it, too. */
static void name_signal(int sig, char *to, size_t cap)
{
	const char *name = signal_name(sig);
	struct text t;

	text_clear(&t);
	text_add(&t, "SIG");
	if (name) {
		text_add(&t, name);
	} else if (sig >= SIGNAL_RTMIN) {
		text_add(&t, "RTMIN+");
		text_add_number(&t, sig - SIGNAL_RTMIN);
	} else {
		text_clear(&t);
		text_add_number(&t, sig);
	}
	copy(to, cap, text_string(&t));
}

void snapshot_running(const struct supervise *s, bool has_begun,
		      struct link_state *ret)
{
	struct record *r = &ret->record;

	fill_services(s, ret);
	r->status = RECORD_RUNNING;
	r->ready = has_begun;
	copy(r->service, sizeof(r->service), "main");
}

void snapshot_ended(const struct supervise *s, struct link_state *ret)
{
	const struct member *who = supervise_who(s);
	struct record *r = &ret->record;
	const int status = who->service.status;

	fill_services(s, ret);
	copy(r->service, sizeof(r->service), who->service.config.name);
	r->oom = who->was_oom;
	if (WIFEXITED(status)) {
		r->status = RECORD_EXITED;
		r->code = WEXITSTATUS(status);
		return;
	}
	r->status = RECORD_SIGNALED;
	r->signal = WTERMSIG(status);
	name_signal(r->signal, r->name, sizeof(r->name));
}

void snapshot_fatal(const struct supervise *s, unsigned step, const char *error,
		    struct link_state *ret)
{
	struct record *r = &ret->record;

	fill_services(s, ret);
	r->status = RECORD_FATAL;
	r->step = step;
	copy(r->error, sizeof(r->error), error);
}
