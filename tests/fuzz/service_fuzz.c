/*
 * What a service does in any order of events. The first bytes are its configuration,
 * each other one an event; a model of its process and its program says which events can
 * come and what must follow. At last the enclave ends, and what is left is a process
 * that does nothing but die of KILL.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "init/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

struct world {
	struct service v;
	int64_t now;
	bool has_process, runs;	   /* its program */
	bool is_killed;		   /* KILL has been sent to it */
	bool was_told, ends;	   /* TERM, and the enclave's end */
	uint64_t held;		   /* signals that its program has to get */
	uint32_t starts, restarts; /* the latter asked for */
	bool is_wanted;		   /* another start, by command */
	int64_t began_ms;	   /* its process */
};

struct input {
	const uint8_t *at, *end;
};

static uint8_t take(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* Small numbers, and some that are not. */
static uint32_t take_ms(struct input *in, uint32_t min)
{
	static const uint32_t large[] = { 1000, 20000, 150000, CONFIG_MS_MAX };
	uint8_t b = take(in);
	uint32_t ms = b < 128 ? b : large[b & 3];

	return ms < min ? min : ms;
}

static uint64_t bit(int sig)
{
	return 1ULL << (sig - 1);
}

static bool kills_all(const struct service *v)
{
	return v->config.kill_mode != CONFIG_KILL_PROCESS;
}

static void configure(struct world *w, struct input *in)
{
	struct config_supervision c = { .name = "s" };
	uint8_t b = take(in);

	c.restart = (enum config_restart)(b % 3);
	c.kill_mode = (enum config_kill_mode)(b / 3 % 3);
	c.ready = b / 9 % 2 ? CONFIG_READY_NOTIFY : CONFIG_READY_EXEC;
	c.restart_limit = b / 18 % 4;
	b = take(in);
	c.stop_signal = b % 65;
	c.stop_timeout_ms.is_set = b / 65 % 2;
	c.stop_timeout_ms.value = (int32_t)take_ms(in, 0);
	c.restart_delay_ms = take_ms(in, 1);
	c.restart_delay_max_ms = take_ms(in, 1);
	c.ready_timeout_ms = take_ms(in, 1);
	c.watchdog_ms = c.ready == CONFIG_READY_NOTIFY ? take_ms(in, 0) : 0;
	*w = (struct world){ .now = 1 };
	service_init(&w->v, &c, b / 130 == 0);
}

/* --- what holds after each event --- */

static void check_deadline(const struct world *w)
{
	const struct service *v = &w->v;

	switch (v->state) {
	case SERVICE_WAITING:
	case SERVICE_ENDED:
		require(v->deadline_ms == 0);
		break;
	case SERVICE_EXECUTING:
		require(v->deadline_ms ==
			w->began_ms + (v->was_ready ? SERVICE_EXEC_MS :
						      SERVICE_FIRST_EXEC_MS));
		break;
	case SERVICE_BACKOFF:
		require(v->deadline_ms != 0);
		break;
	case SERVICE_STARTING:
		/* The boot has failed of it, which ends the enclave. */
		require(v->deadline_ms != 0 || (v->in_boot && !v->was_ready));
		break;
	case SERVICE_RUNNING:
		require((v->deadline_ms != 0) ==
			(v->watchdog_now_ms > 0 && !v->says_stopping));
		break;
	case SERVICE_STOPPING:
		require(v->deadline_ms != 0 || w->is_killed);
		break;
	}
}

static void check_state(const struct world *w)
{
	const struct service *v = &w->v;

	require(service_is_alive(v) == w->has_process);
	require(w->runs == (w->has_process && v->has_started));
	require(v->config.restart_limit == 0 ||
		v->times <= v->config.restart_limit);
	require(v->ran_ms <= w->now);
	require(strnlen(v->text, sizeof(v->text)) < sizeof(v->text));
	if (v->state == SERVICE_RUNNING)
		require(v->was_ready && w->runs && v->ran_ms != 0);
	if ((w->was_told && !w->is_wanted) || w->ends)
		require(v->state != SERVICE_WAITING &&
			v->state != SERVICE_BACKOFF);
	if (v->config.restart == CONFIG_RESTART_NEVER)
		require(w->starts <= 1 + w->restarts);
	check_deadline(w);
}

static void check_news(const struct world *w, const struct service *before,
		       const struct service_action *a)
{
	const struct service *v = &w->v;

	require((a->news == SERVICE_AGAIN) ==
		(v->state == SERVICE_BACKOFF &&
		 before->state != SERVICE_BACKOFF));
	switch (a->news) {
	case SERVICE_AGAIN:
		require(v->deadline_ms == w->now + a->ms);
		if (before->is_wanted) {
			require(a->ms == 0 && v->times == 0 &&
				a->kill_all == kills_all(v));
			break;
		}
		require(a->ms > 0);
		require(a->ms <= v->config.restart_delay_max_ms);
		require(a->ms >= v->config.restart_delay_ms ||
			a->ms == v->config.restart_delay_max_ms);
		require(v->times == before->times + 1 || v->times == 1);
		require(a->kill_all == kills_all(v));
		require(v->config.restart == CONFIG_RESTART_ALWAYS ||
			v->failed || v->status != 0);
		break;
	case SERVICE_GIVEN_UP:
		require(v->config.restart_limit > 0 &&
			v->times == v->config.restart_limit);
		require(v->state == SERVICE_ENDED);
		break;
	case SERVICE_HAS_ENDED:
	case SERVICE_ENDED_UNREADY:
		require(v->state == SERVICE_ENDED);
		break;
	case SERVICE_IS_READY:
		require(v->was_ready && w->runs);
		break;
	case SERVICE_HELD:
		require(!v->has_started && a->signals == bit(SIGKILL));
		break;
	case SERVICE_SILENT:
	case SERVICE_WANTS_ABORT:
		require(a->signals == bit(SIGABRT) && v->failed);
		break;
	case SERVICE_NOT_READY:
	case SERVICE_NO_NEWS:
		break;
	}
}

/* Whether they differ, but for what a service says of itself. */
static bool differs(const struct service *a, const struct service *b)
{
	return a->state != b->state || a->deadline_ms != b->deadline_ms ||
	       a->times != b->times || a->status != b->status;
}

static bool is_none(const struct service_action *a)
{
	return !a->start && a->signals == 0 && !a->kill_all && !a->fails_boot &&
	       a->news == SERVICE_NO_NEWS;
}

/* Does what the supervisor does. */
static void act(struct world *w, const struct service *before,
		const struct service_action *a)
{
	if (before->state == SERVICE_ENDED && !a->start)
		require(is_none(a) && !differs(before, &w->v));
	if (before->state == SERVICE_ENDED && a->start)
		require(w->is_wanted);
	require(!before->was_ready || w->v.was_ready);
	if (a->fails_boot)
		require(before->in_boot && !before->was_ready &&
			!before->is_ending);
	if (a->signals != 0) {
		require(w->has_process);
		/* What is no program yet would die of any. */
		require(w->runs || w->is_killed || a->signals == bit(SIGKILL));
		require(!w->is_killed || before->state == SERVICE_STOPPING ||
			w->v.config.stop_signal == SIGKILL);
		w->is_killed |= (a->signals & bit(SIGKILL)) != 0;
	}
	if (a->kill_all)
		require(kills_all(&w->v));
	if (a->start) {
		require(!w->has_process && !w->ends);
		require(!w->was_told || w->is_wanted);
		require(a->signals == 0 && !a->kill_all &&
			a->news == SERVICE_NO_NEWS);
		/* Nothing is left of the one before. */
		require(!w->v.failed && !w->v.says_stopping &&
			!w->v.has_started && w->v.held == 0 &&
			w->v.ran_ms == 0 && w->v.text[0] == '\0' &&
			w->v.watchdog_now_ms == w->v.config.watchdog_ms);
		w->has_process = true;
		w->runs = w->is_killed = false;
		w->began_ms = w->now;
		w->held = 0;
		w->is_wanted = false;
		w->starts++;
	}
	check_news(w, before, a);
	check_state(w);
}

/* --- events --- */

static void start(struct world *w)
{
	struct service before = w->v;
	struct service_action a = { 0 };

	if (w->v.state != SERVICE_WAITING)
		return;
	service_start(&w->v, w->now, &a);
	require(a.start);
	act(w, &before, &a);
}

static void run(struct world *w)
{
	struct service before = w->v;
	struct service_action a = { 0 };

	if (!w->has_process || w->runs)
		return;
	w->runs = true;
	service_runs(&w->v, w->now, &a);
	/* What it was to get has not been lost, nor has it got anything else. */
	require(a.signals == (before.state == SERVICE_EXECUTING ? w->held : 0));
	w->held = 0;
	act(w, &before, &a);
}

static void die(struct world *w, int status, bool could_not_start)
{
	struct service before = w->v;
	struct service_action a = { 0 };

	if (!w->has_process || (could_not_start && w->runs))
		return;
	w->has_process = w->runs = false;
	w->held = 0;
	service_died(&w->v, status, could_not_start, w->now, &a);
	require(!a.start && a.signals == 0);
	require(w->v.state == SERVICE_BACKOFF || w->v.state == SERVICE_ENDED);
	act(w, &before, &a);
}

/* Its wait status, of what it can be at all. */
static int take_status(const struct world *w, struct input *in)
{
	uint8_t b = take(in);

	if (w->is_killed)
		return SIGKILL;
	return b < 128 ? b << 8 : b % 64 + 1;
}

static void hear(struct world *w, struct input *in)
{
	static const char text[256] = "abc";
	struct service before = w->v;
	struct service_action a = { 0 };
	uint8_t b = take(in);
	struct notify n = {
		.ready = b & 1,
		.stopping = b & 2,
		.watchdog = b & 4,
		.watchdog_trigger = (b & 24) == 24,
		.has_watchdog_usec = b & 32,
		.has_extend_usec = b & 64,
	};

	if (n.has_watchdog_usec)
		n.watchdog_usec = take_ms(in, 0) * 500ULL;
	if (n.has_extend_usec)
		n.extend_usec = take_ms(in, 0) * 500ULL;
	if (b & 128) {
		n.status = text;
		n.status_len = take(in);
	}
	service_heard(&w->v, &n, w->now, &a);
	require(!a.start && !a.kill_all);
	/* Words of a service alone cannot end it, or keep it from being ended. */
	if (!w->has_process)
		require(is_none(&a) &&
			memcmp(&before, &w->v, sizeof(before)) == 0);
	if (before.state == SERVICE_STOPPING ||
	    before.state == SERVICE_EXECUTING)
		require(w->v.state == before.state && is_none(&a));
	if (before.state == SERVICE_STARTING ||
	    before.state == SERVICE_STOPPING)
		require(w->v.deadline_ms >= before.deadline_ms ||
			w->v.state != before.state);
	if (before.state == SERVICE_STOPPING && before.deadline_ms == 0)
		require(w->v.deadline_ms == 0);
	act(w, &before, &a);
}

static void send_signal(struct world *w, int sig)
{
	struct service before = w->v;
	struct service_action a = { 0 };
	int what = sig == SIGTERM ? service_stop_signal(&w->v) : sig;

	w->was_told |= sig == SIGTERM;
	w->is_wanted &= sig != SIGTERM;
	service_signal(&w->v, sig, w->now, &a);
	require(!a.start && !a.kill_all && a.news == SERVICE_NO_NEWS);
	require(w->runs == (a.signals != 0) || !w->has_process ||
		before.state == SERVICE_STOPPING);
	require((a.signals & ~bit(what)) == 0);
	if (before.state == SERVICE_EXECUTING)
		w->held |= bit(what);
	if (before.state == SERVICE_STOPPING)
		require(w->v.deadline_ms == before.deadline_ms);
	/* Nobody sends it to what is killed; a zombie does not mind. */
	if (!w->has_process)
		require(a.signals == 0);
	act(w, &before, &a);
}

static void be_due(struct world *w)
{
	struct service before = w->v;
	struct service_action a = { 0 };

	service_due(&w->v, w->now, &a);
	if (before.deadline_ms == 0 || before.deadline_ms > w->now)
		require(is_none(&a) &&
			memcmp(&before, &w->v, sizeof(before)) == 0);
	/* No deadline is left that the loop would wake up for at once, again and
	 * again; but for one that has no time to end. */
	require(w->v.deadline_ms == 0 || w->v.deadline_ms > w->now ||
		(w->v.state == SERVICE_STOPPING &&
		 before.state != SERVICE_STOPPING &&
		 service_stop_ms(&w->v) == 0));
	act(w, &before, &a);
}

static void stop(struct world *w)
{
	struct service before = w->v;
	struct service_action a = { 0 };

	/* The supervisor ends first. */
	service_end(&w->v);
	w->ends = true;
	act(w, &before, &a);
	before = w->v;
	service_stop(&w->v, w->now, &a);
	if (w->has_process)
		require(w->v.state == SERVICE_STOPPING);
	else
		require(w->v.state == SERVICE_ENDED);
	if (before.state == SERVICE_STOPPING)
		require(is_none(&a) && !differs(&before, &w->v));
	act(w, &before, &a);
}

static void halt(struct world *w)
{
	struct service before = w->v;
	struct service_action a = { 0 };

	w->was_told = true;
	w->is_wanted = false;
	service_halt(&w->v, w->now, &a);
	require(!a.start);
	require(w->v.state ==
		(w->has_process ? SERVICE_STOPPING : SERVICE_ENDED));
	if (before.state == SERVICE_STOPPING || before.state == SERVICE_ENDED)
		require(is_none(&a) && !differs(&before, &w->v));
	require(a.fails_boot == (before.state == SERVICE_WAITING &&
				 before.in_boot && !before.was_ready));
	act(w, &before, &a);
}

static void again(struct world *w)
{
	struct service before = w->v;
	struct service_action a = { 0 };

	service_again(&w->v, w->now, &a);
	if (before.in_boot || w->ends) {
		require(is_none(&a) &&
			memcmp(&before, &w->v, sizeof(before)) == 0);
		return;
	}
	w->was_told = false;
	w->is_wanted = true;
	w->restarts++;
	require(a.start == !w->has_process && a.news == SERVICE_NO_NEWS);
	if (w->has_process)
		require(w->v.state == SERVICE_STOPPING);
	act(w, &before, &a);
}

static void end_boot(struct world *w)
{
	/* All have been ready. */
	if (w->v.was_ready)
		w->v.in_boot = false;
}

static void happen(struct world *w, struct input *in)
{
	static const int sigs[] = { SIGHUP, SIGINT, SIGUSR1, SIGWINCH };
	uint8_t e = take(in);

	switch (e % 16) {
	case 0:
		w->now += take_ms(in, 0);
		break;
	case 1:
	case 2:
		/* As the loop does: it sleeps until then. */
		if (w->v.deadline_ms > w->now)
			w->now = w->v.deadline_ms;
		be_due(w);
		break;
	case 3:
		be_due(w);
		break;
	case 4:
		start(w);
		break;
	case 5:
	case 6:
		run(w);
		break;
	case 7:
		die(w, take_status(w, in), false);
		break;
	case 8:
		die(w, 0, true);
		break;
	case 9:
	case 10:
	case 11:
		hear(w, in);
		break;
	case 12:
		send_signal(w, sigs[e / 16 % 4]);
		break;
	case 13:
		if (e & 128)
			send_signal(w, SIGTERM);
		break;
	case 14:
		end_boot(w);
		break;
	case 15:
		if (e & 128 && e & 64)
			stop(w);
		else if (e & 64)
			again(w);
		else if (e & 32)
			halt(w);
		break;
	default:
		break;
	}
}

/* The enclave ends, and its process does nothing but die of KILL, in its time. */
static void end(struct world *w)
{
	int64_t longest;

	stop(w);
	if (!w->has_process)
		return;
	longest = w->now + (int64_t)service_stop_ms(&w->v);
	if (longest < w->v.deadline_ms)
		longest = w->v.deadline_ms; /* it was granted more before */
	while (!w->is_killed) {
		require(w->v.deadline_ms != 0 && w->v.deadline_ms <= longest);
		if (w->v.deadline_ms > w->now)
			w->now = w->v.deadline_ms;
		be_due(w);
	}
	die(w, SIGKILL, false);
	require(w->v.state == SERVICE_ENDED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .at = data, .end = data + size };
	struct world w;

	configure(&w, &in);
	check_state(&w);
	while (in.at < in.end)
		happen(&w, &in);
	end(&w);
	return 0;
}
