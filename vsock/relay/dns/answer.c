#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vsock/relay/dns/callers.h"
#include "vsock/relay/dns/inquiry.h"
#include "vsock/relay/dns/servers.h"
#include "vsock/relay/flow/sandbox.h"
#include "vsock/relay/flow/service.h"

/*
 * dns: the parent's end of an enclave's dns-forward. Its options are server=ADDRESS, up to
 * SERVERS_MAX times; without one the parent's own servers are asked.
 */

enum {
	INQUIRIES = 512, /* at once, of all */
	CALLER_ASKS = 256,
	CALLER_IDLE_MS = 120 * 1000,
};

struct answer_end {
	struct callers callers;
	struct servers servers;
	bool is_named; /* they are those of the options */
};

static struct {
	struct loop *loop;
	const struct plan *plan;
	unsigned used;
	bool is_taking; /* a query, so that its answer must not take another */
} answer;

static struct answer_end ends[PLAN_ENDS_MAX];
static struct inquiry inquiries[INQUIRIES];

static bool is_full(void)
{
	return answer.used == INQUIRIES;
}

static void done(struct inquiry *l, uint8_t *message, size_t len)
{
	l->is_used = false;
	answer.used--;
	callers_answer(l->callers, &l->from, message, len);
	if (answer.is_taking)
		return;
	for (size_t i = 0; i < answer.plan->resolvers.count; i++)
		callers_settle(&ends[i].callers);
}

static struct inquiry *find_free(void)
{
	size_t i = 0;

	while (inquiries[i].is_used)
		i++;
	return &inquiries[i];
}

static int take(struct callers *c, const struct caller_id *from,
		const uint8_t *m, size_t len, uint8_t ret[DNS_ERROR_MAX])
{
	struct answer_end *e = LOOP_OWNER(c, struct answer_end, callers);
	struct inquiry *l;
	struct dns_query q;
	int r = dns_query_take(m, len, &q, ret);

	if (r != 0)
		return r;
	if (!e->is_named)
		servers_refresh(&e->servers, loop_now_ms(answer.loop));
	l = find_free();
	l->is_used = true;
	l->callers = c;
	l->from = *from;
	answer.used++;
	answer.is_taking = true;
	inquiry_start(l, answer.loop, &e->servers, m, len, &q, done);
	answer.is_taking = false;
	return 0;
}

/* Words server=ADDRESS. Returns NULL, or why *RETERR is none. */
static const char *read_options(struct answer_end *e,
				const struct plan_value *v,
				struct plan_value *reterr)
{
	static const char key[] = "server=";
	const size_t key_len = sizeof(key) - 1;
	const char *at = v->at, *end = at + v->len, *why = NULL;
	size_t n;

	while (!why && at < end) {
		for (n = 0; at + n < end && at[n] != ' ' && at[n] != '\t';)
			n++;
		if (n > key_len && memcmp(at, key, key_len) == 0)
			why = servers_add(&e->servers, at + key_len,
					  n - key_len);
		else if (n > 0)
			why = "an option is server=ADDRESS";
		*reterr = (struct plan_value){ .at = at, .len = n };
		at += n + (at + n < end);
	}
	e->is_named = e->servers.count > 0;
	return why;
}

static int bind_end(struct answer_end *e, const struct plan_end *p,
		    struct service_fault *reterr)
{
	char text[ADDRESS_TEXT];
	struct plan_value bad;
	const char *why = read_options(e, &p->options, &bad);
	int r = why ? -EINVAL : callers_bind(&e->callers, &p->listen);

	if (r == 0)
		return 0;
	if (why)
		(void)snprintf(text, sizeof(text), "%.*s", (int)bad.len,
			       bad.at);
	else
		address_text(&p->listen, text);
	(void)service_fail(reterr, p->options.line, text, -r);
	reterr->reason = why;
	return r;
}

static int bind_all(const struct plan *p, struct service_fault *reterr)
{
	int r = 0;

	answer.plan = p;
	for (size_t i = 0; r == 0 && i < p->resolvers.count; i++) {
		ends[i].callers = (struct callers){ .max = CALLER_ASKS,
						    .idle_ms = CALLER_IDLE_MS,
						    .take = take,
						    .is_full = is_full };
		r = bind_end(&ends[i], &p->resolvers.at[i], reterr);
	}
	return r;
}

static int start(const struct service_work *w)
{
	int r = 0;

	answer.loop = w->loop;
	for (size_t i = 0; r == 0 && i < w->plan->resolvers.count; i++)
		r = callers_start(&ends[i].callers, w->loop);
	return r;
}

const struct service answer_service = {
	.name = "dns",
	.is_single = true,
	.needs = SANDBOX_DATAGRAMS | SANDBOX_FILES,
	.is_wanted = plan_wants_resolvers,
	.bind = bind_all,
	.start = start,
};
