/*
 * What a service does, event by event and state by state. Time is a number here, and
 * its process is what the test says of it.
 */

#include "init/service.h"

#include "tests/unit/check.h"

enum {
	NOW = 1000000, /* when the event comes */
	READY_MS = 5000,
	WATCHDOG_MS = 700,
	DELAY_MS = 100,
	DELAY_MAX_MS = 800,
};

enum event {
	START,
	RUNS,
	ENDS,	 /* with code 0 */
	FAILS,	 /* with code 1 */
	IS_GONE, /* before its program ran */
	READY,
	PING,
	TRIGGER,
	SAYS_STOPPING,
	EXTENDS, /* by a minute */
	HUP,
	TERM,
	DUE, /* its deadline has come; it keeps NOW */
	STOP,
	END,
	HALT,
	RESTART,
	EVENTS,
};

static const char *const event_names[EVENTS] = {
	"start", "runs",    "ends",	     "fails",	"is gone", "ready",
	"ping",	 "trigger", "says stopping", "extends", "HUP",	   "TERM",
	"due",	 "stop",    "end",	     "halt",	"restart",
};

static const char *const state_names[] = {
	"WAITING",  "EXECUTING", "STARTING", "RUNNING",
	"STOPPING", "BACKOFF",	 "ENDED",
};

enum { STATES = SERVICE_ENDED + 1, EXIT_1 = 1 << 8 };

/* One that tells, is watched, and is always started again. */
static struct config_supervision watched(void)
{
	return (struct config_supervision){
		.name = "w",
		.restart = CONFIG_RESTART_ALWAYS,
		.restart_delay_ms = DELAY_MS,
		.restart_delay_max_ms = DELAY_MAX_MS,
		.restart_limit = 3,
		.ready = CONFIG_READY_NOTIFY,
		.ready_timeout_ms = READY_MS,
		.watchdog_ms = WATCHDOG_MS,
	};
}

/* As the configuration has it by default: one that is ready when it runs. */
static struct config_supervision plain(enum config_restart restart)
{
	return (struct config_supervision){
		.name = "p",
		.restart = restart,
		.restart_delay_ms = DELAY_MS,
		.restart_delay_max_ms = DELAY_MAX_MS,
		.ready_timeout_ms = READY_MS,
	};
}

/* As an action has it. */
static uint64_t bit(int sig)
{
	return sig == 0 ? 0 : 1ULL << (sig - 1);
}

/* The wait status of a process that SIG has killed. */
#define KILLED(sig) ((sig)&0x7f)

/* --- events --- */

static struct service_action hear(struct service *v, struct notify n,
				  int64_t now)
{
	struct service_action a = { 0 };

	service_heard(v, &n, now, &a);
	return a;
}

static struct service_action send_signal(struct service *v, int sig,
					 int64_t now)
{
	struct service_action a = { 0 };

	service_signal(v, sig, now, &a);
	return a;
}

static struct service_action die(struct service *v, int status, int64_t now)
{
	struct service_action a = { 0 };

	service_died(v, status, false, now, &a);
	return a;
}

static struct service_action be_due(struct service *v, int64_t now)
{
	struct service_action a = { 0 };

	service_due(v, now, &a);
	return a;
}

static struct service_action run(struct service *v, int64_t now)
{
	struct service_action a = { 0 };

	service_runs(v, now, &a);
	return a;
}

static struct service_action start(struct service *v, int64_t now)
{
	struct service_action a = { 0 };

	service_start(v, now, &a);
	return a;
}

static struct service_action stop(struct service *v, int64_t now)
{
	struct service_action a = { 0 };

	service_stop(v, now, &a);
	return a;
}

static struct service_action halt(struct service *v, int64_t now)
{
	struct service_action a = { 0 };

	service_halt(v, now, &a);
	return a;
}

static struct service_action again(struct service *v, int64_t now)
{
	struct service_action a = { 0 };

	service_again(v, now, &a);
	return a;
}

static struct service_action happen(struct service *v, enum event e)
{
	static const struct notify said[EVENTS] = {
		[READY] = { .ready = true },
		[PING] = { .watchdog = true },
		[TRIGGER] = { .watchdog_trigger = true },
		[SAYS_STOPPING] = { .stopping = true },
		[EXTENDS] = { .has_extend_usec = true,
			      .extend_usec = 60000000 },
	};
	struct service_action a = { 0 };

	switch (e) {
	case START:
		return start(v, NOW);
	case RUNS:
		return run(v, NOW);
	case ENDS:
		return die(v, 0, NOW);
	case FAILS:
		return die(v, EXIT_1, NOW);
	case IS_GONE:
		service_died(v, 0, true, NOW, &a);
		return a;
	case READY:
	case PING:
	case TRIGGER:
	case SAYS_STOPPING:
	case EXTENDS:
		return hear(v, said[e], NOW);
	case HUP:
		return send_signal(v, SIGHUP, NOW);
	case TERM:
		return send_signal(v, SIGTERM, NOW);
	case DUE:
		if (v->deadline_ms > NOW)
			v->deadline_ms = NOW;
		return be_due(v, NOW);
	case STOP:
		return stop(v, NOW);
	case END:
		service_end(v);
		return a;
	case HALT:
		return halt(v, NOW);
	case RESTART:
		return again(v, NOW);
	case EVENTS:
		break;
	}
	abort();
}

/* --- states --- */

/* Past the boot, as the enclave is nearly all of the time. */
static void reach(struct service *v, const struct config_supervision *c,
		  enum service_state state)
{
	service_init(v, c, false);
	v->in_boot = false;
	v->was_ready = true;
	if (state == SERVICE_WAITING)
		return;
	(void)start(v, NOW - 100);
	if (state >= SERVICE_STARTING)
		(void)run(v, NOW - 90);
	if (state >= SERVICE_RUNNING)
		(void)hear(v, (struct notify){ .ready = true }, NOW - 80);
	if (state == SERVICE_STOPPING)
		(void)hear(v, (struct notify){ .watchdog_trigger = true },
			   NOW - 70);
	if (state == SERVICE_BACKOFF || state == SERVICE_ENDED)
		(void)die(v, EXIT_1, NOW - 70);
	if (state == SERVICE_ENDED)
		service_end(v);
	if (v->state != state)
		CHECK_FAIL("%s cannot be reached", state_names[state]);
}

/* --- each event in each state --- */

struct outcome {
	enum service_state state;
	int signal;
	bool start, kill_all;
	enum service_news news;
	int64_t deadline_ms; /* from NOW; 0: none */
};

/* What is not a row's changes nothing. */
struct rule {
	enum service_state from;
	enum event event;
	struct outcome to;
};

#define IN_EXEC .deadline_ms = SERVICE_EXEC_MS
#define IN_STOP .deadline_ms = SERVICE_STOP_MS
#define IN_WATCH .deadline_ms = WATCHDOG_MS
#define AGAIN                                                             \
	{                                                                 \
		SERVICE_BACKOFF, .kill_all = true, .news = SERVICE_AGAIN, \
				 .deadline_ms = DELAY_MS                  \
	}
#define ASKED(sig, ...)                                                 \
	{                                                               \
		SERVICE_STOPPING, .signal = (sig), IN_STOP, __VA_ARGS__ \
	}

static const struct rule rules[] = {
	{ SERVICE_WAITING,
	  START,
	  { SERVICE_EXECUTING, .start = true, IN_EXEC } },
	{ SERVICE_WAITING, TERM, { .state = SERVICE_ENDED } },
	{ SERVICE_WAITING, END, { .state = SERVICE_ENDED } },

	{ SERVICE_EXECUTING,
	  RUNS,
	  { SERVICE_STARTING, .deadline_ms = READY_MS } },
	{ SERVICE_EXECUTING, ENDS, AGAIN },
	{ SERVICE_EXECUTING, FAILS, AGAIN },
	{ SERVICE_EXECUTING, IS_GONE, AGAIN },
	{ SERVICE_EXECUTING, DUE,
	  ASKED(SIGKILL, .kill_all = true, .news = SERVICE_HELD) },
	{ SERVICE_EXECUTING, STOP, ASKED(SIGKILL, .kill_all = true) },

	{ SERVICE_STARTING, ENDS, AGAIN },
	{ SERVICE_STARTING, FAILS, AGAIN },
	{ SERVICE_STARTING,
	  READY,
	  { SERVICE_RUNNING, .news = SERVICE_IS_READY, IN_WATCH } },
	{ SERVICE_STARTING,
	  EXTENDS,
	  { SERVICE_STARTING, .deadline_ms = 60000 } },
	{ SERVICE_STARTING,
	  HUP,
	  { SERVICE_STARTING, .signal = SIGHUP,
	    .deadline_ms = READY_MS - 90 } },
	{ SERVICE_STARTING,
	  TERM,
	  { SERVICE_STARTING, .signal = SIGTERM,
	    .deadline_ms = READY_MS - 90 } },
	{ SERVICE_STARTING, DUE, ASKED(SIGTERM, .news = SERVICE_NOT_READY) },
	{ SERVICE_STARTING, STOP, ASKED(SIGTERM) },

	{ SERVICE_RUNNING, ENDS, AGAIN },
	{ SERVICE_RUNNING, FAILS, AGAIN },
	{ SERVICE_RUNNING, PING, { SERVICE_RUNNING, IN_WATCH } },
	{ SERVICE_RUNNING, TRIGGER,
	  ASKED(SIGABRT, .news = SERVICE_WANTS_ABORT) },
	{ SERVICE_RUNNING, SAYS_STOPPING, { .state = SERVICE_RUNNING } },
	{ SERVICE_RUNNING,
	  HUP,
	  { SERVICE_RUNNING, .signal = SIGHUP,
	    .deadline_ms = WATCHDOG_MS - 80 } },
	{ SERVICE_RUNNING,
	  TERM,
	  { SERVICE_RUNNING, .signal = SIGTERM,
	    .deadline_ms = WATCHDOG_MS - 80 } },
	{ SERVICE_RUNNING, DUE, ASKED(SIGABRT, .news = SERVICE_SILENT) },
	{ SERVICE_RUNNING, STOP, ASKED(SIGTERM) },

	{ SERVICE_STOPPING, ENDS, AGAIN },
	{ SERVICE_STOPPING, FAILS, AGAIN },
	{ SERVICE_STOPPING,
	  EXTENDS,
	  { SERVICE_STOPPING, .deadline_ms = 60000 } },
	{ SERVICE_STOPPING,
	  HUP,
	  { SERVICE_STOPPING, .signal = SIGHUP,
	    .deadline_ms = SERVICE_STOP_MS - 70 } },
	{ SERVICE_STOPPING,
	  TERM,
	  { SERVICE_STOPPING, .signal = SIGTERM,
	    .deadline_ms = SERVICE_STOP_MS - 70 } },
	{ SERVICE_STOPPING,
	  DUE,
	  { SERVICE_STOPPING, .signal = SIGKILL, .kill_all = true } },

	{ SERVICE_BACKOFF, TERM, { .state = SERVICE_ENDED } },
	{ SERVICE_BACKOFF, DUE, { SERVICE_EXECUTING, .start = true, IN_EXEC } },
	{ SERVICE_BACKOFF, END, { .state = SERVICE_ENDED } },

	{ SERVICE_WAITING, HALT, { SERVICE_ENDED, .news = SERVICE_HAS_ENDED } },
	{ SERVICE_EXECUTING, HALT, ASKED(SIGKILL, .kill_all = true) },
	{ SERVICE_STARTING, HALT, ASKED(SIGTERM) },
	{ SERVICE_RUNNING, HALT, ASKED(SIGTERM) },
	{ SERVICE_BACKOFF, HALT, { SERVICE_ENDED, .news = SERVICE_HAS_ENDED } },

	{ SERVICE_WAITING,
	  RESTART,
	  { SERVICE_EXECUTING, .start = true, IN_EXEC } },
	{ SERVICE_EXECUTING, RESTART, ASKED(SIGKILL, .kill_all = true) },
	{ SERVICE_STARTING, RESTART, ASKED(SIGTERM) },
	{ SERVICE_RUNNING, RESTART, ASKED(SIGTERM) },
	{ SERVICE_BACKOFF,
	  RESTART,
	  { SERVICE_EXECUTING, .start = true, IN_EXEC } },
};

/* What never comes in that state: the supervisor sees to it. */
static bool never_comes(enum service_state from, enum event e)
{
	bool is_alive = from >= SERVICE_EXECUTING && from <= SERVICE_STOPPING;

	if (e == START)
		return from != SERVICE_WAITING;
	if (e == RUNS)
		return from != SERVICE_EXECUTING && from != SERVICE_STOPPING;
	if (e == IS_GONE)
		return from != SERVICE_EXECUTING;
	if (e == ENDS || e == FAILS)
		return !is_alive;
	return false;
}

static struct outcome find_outcome(const struct service *v, enum event e)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].from == v->state && rules[i].event == e)
			return rules[i].to;
	return (struct outcome){ .state = v->state,
				 .deadline_ms = v->deadline_ms ?
							v->deadline_ms - NOW :
							0 };
}

static void check_event(enum service_state from, enum event e)
{
	struct config_supervision c = watched();
	struct service_action a;
	struct outcome wanted;
	struct service v;
	int64_t deadline;

	reach(&v, &c, from);
	wanted = find_outcome(&v, e);
	/* The event brings a deadline forward that was not due yet. */
	if (e == DUE && v.deadline_ms == 0)
		return;
	a = happen(&v, e);
	deadline = v.deadline_ms == 0 ? 0 : v.deadline_ms - NOW;
	if (v.state == wanted.state && a.signals == bit(wanted.signal) &&
	    a.start == wanted.start && a.kill_all == wanted.kill_all &&
	    a.news == wanted.news && deadline == wanted.deadline_ms &&
	    !a.fails_boot)
		return;
	CHECK_FAIL("%s, %s: %s, signals %llx, start %d, kill %d, news %d, "
		   "deadline %lld",
		   state_names[from], event_names[e], state_names[v.state],
		   (unsigned long long)a.signals, a.start, a.kill_all,
		   (int)a.news, (long long)deadline);
}

TEST(each_event_in_each_state_does_what_its_rule_says)
{
	for (int from = 0; from < STATES; from++)
		for (int e = 0; e < EVENTS; e++)
			if (!never_comes((enum service_state)from,
					 (enum event)e))
				check_event((enum service_state)from,
					    (enum event)e);
}

TEST(what_has_ended_stays_ended)
{
	struct config_supervision c = watched();
	struct service_action a;
	struct service v;

	for (int e = 0; e < EVENTS; e++) {
		if (never_comes(SERVICE_ENDED, (enum event)e))
			continue;
		reach(&v, &c, SERVICE_ENDED);
		a = happen(&v, (enum event)e);
		CHECK_INT(v.state, SERVICE_ENDED);
		CHECK_INT(v.deadline_ms, 0);
		CHECK(!a.start && a.signals == 0 && !a.kill_all &&
		      a.news == SERVICE_NO_NEWS);
	}
}

TEST(those_with_a_process_are_alive)
{
	static const bool alive[STATES] = {
		[SERVICE_EXECUTING] = true,
		[SERVICE_STARTING] = true,
		[SERVICE_RUNNING] = true,
		[SERVICE_STOPPING] = true,
	};
	struct service v = { 0 };

	for (int state = 0; state < STATES; state++) {
		v.state = (enum service_state)state;
		CHECK_INT(service_is_alive(&v), alive[state]);
	}
}

/* --- what the configuration says --- */

TEST(what_the_configuration_says_is_taken_over)
{
	struct config_supervision c = watched();
	struct service v;

	c.after = 5;
	c.kill_mode = CONFIG_KILL_GROUP;
	c.stop_signal = SIGQUIT;
	memset(&v, 0xaa, sizeof(v));
	service_init(&v, &c, false);
	CHECK_STR(v.config.name, "w");
	CHECK_INT(v.state, SERVICE_WAITING);
	CHECK_INT(v.config.after, 5);
	CHECK_INT(v.config.kill_mode, CONFIG_KILL_GROUP);
	CHECK_INT(service_stop_signal(&v), SIGQUIT);
	CHECK_INT(service_stop_ms(&v), SERVICE_STOP_MS);
	CHECK(v.in_boot && !v.was_ready && !v.is_told && !v.is_ending);
	CHECK_INT(v.deadline_ms, 0);

	c.stop_signal = 0;
	service_init(&v, &c, true);
	CHECK_INT(service_stop_signal(&v), SIGTERM);
	CHECK_INT(service_stop_ms(&v), SERVICE_GRACE_MS);

	c.stop_timeout_ms =
		(struct config_number){ .is_set = true, .value = 250 };
	for (size_t i = 0; i < 2; i++) {
		service_init(&v, &c, i == 0);
		CHECK_INT(service_stop_ms(&v), 250);
	}
}

TEST(a_name_as_long_as_it_may_be_has_its_end)
{
	char name[CONFIG_SECTION_MAX + 1];
	struct config_supervision c = watched();
	struct service v;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(c.name, name, sizeof(name));
	memset(&v, 0xaa, sizeof(v));
	service_init(&v, &c, false);
	CHECK_STR(v.config.name, name);
}

/* --- readiness --- */

TEST(who_does_not_tell_is_ready_when_its_program_runs)
{
	struct config_supervision c = plain(CONFIG_RESTART_NEVER);
	struct service_action a;
	struct service v;

	service_init(&v, &c, true);
	a = start(&v, NOW);
	CHECK(a.start && !v.was_ready && !v.has_started);
	a = run(&v, NOW + 5);
	CHECK(v.has_started && v.was_ready);
	CHECK_INT(v.state, SERVICE_RUNNING);
	CHECK_INT(a.news, SERVICE_IS_READY);
	CHECK_INT(v.deadline_ms, 0);
}

TEST(ready_counts_once_and_only_while_it_starts)
{
	struct config_supervision c = watched();
	const struct notify ready = { .ready = true };
	struct service v;

	service_init(&v, &c, false);
	(void)hear(&v, ready, NOW);
	CHECK(!v.was_ready && v.state == SERVICE_WAITING);
	(void)start(&v, NOW);
	/* What sends this is no program of this start. */
	(void)hear(&v, ready, NOW);
	CHECK(!v.was_ready && v.state == SERVICE_EXECUTING);
	(void)run(&v, NOW);
	CHECK_INT(hear(&v, ready, NOW).news, SERVICE_IS_READY);
	CHECK_INT(hear(&v, ready, NOW).news, SERVICE_NO_NEWS);
	CHECK(v.was_ready && v.state == SERVICE_RUNNING);
}

TEST(the_program_of_a_service_that_is_stopped_meanwhile_is_not_ready)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service_action a;
	struct service v;

	service_init(&v, &c, false);
	(void)start(&v, NOW);
	a = stop(&v, NOW);
	CHECK(a.signals == bit(SIGKILL) && a.kill_all);
	a = run(&v, NOW);
	CHECK(v.has_started && !v.was_ready);
	CHECK_INT(v.state, SERVICE_STOPPING);
	CHECK(a.news == SERVICE_NO_NEWS && a.signals == 0);
}

TEST(extensions_move_a_deadline_only_away)
{
	struct config_supervision c = watched();
	struct notify n = { .has_extend_usec = true, .extend_usec = 1000000 };
	struct service v;

	reach(&v, &c, SERVICE_STARTING);
	(void)hear(&v, n, NOW);
	CHECK_INT(v.deadline_ms, NOW - 90 + READY_MS);
	n.extend_usec = 999999; /* of which no part of a millisecond counts */
	(void)hear(&v, n, NOW + 4500);
	CHECK_INT(v.deadline_ms, NOW + 4500 + 999);
	n.extend_usec = UINT64_MAX;
	(void)hear(&v, n, NOW);
	CHECK_INT(v.deadline_ms, NOW + (int64_t)CONFIG_MS_MAX);

	/* Nothing to move: it runs, or it has got KILL. */
	reach(&v, &c, SERVICE_RUNNING);
	(void)hear(&v, n, NOW);
	CHECK_INT(v.deadline_ms, NOW - 80 + WATCHDOG_MS);
	reach(&v, &c, SERVICE_STOPPING);
	(void)be_due(&v, v.deadline_ms);
	(void)hear(&v, n, NOW);
	CHECK_INT(v.deadline_ms, 0);
}

TEST(one_message_may_say_several_things)
{
	struct config_supervision c = watched();
	struct service_action a;
	struct service v;

	reach(&v, &c, SERVICE_STARTING);
	v.was_ready = false;
	a = hear(&v,
		 (struct notify){ .ready = true,
				  .has_watchdog_usec = true,
				  .watchdog_usec = 3000000,
				  .status = "up",
				  .status_len = 2 },
		 NOW);
	CHECK(v.was_ready && a.news == SERVICE_IS_READY);
	CHECK_INT(v.deadline_ms, NOW + 3000);
	CHECK_STR(v.text, "up");

	reach(&v, &c, SERVICE_STARTING);
	v.was_ready = false;
	a = hear(&v, (struct notify){ .ready = true, .watchdog_trigger = true },
		 NOW);
	CHECK(v.was_ready && a.signals == bit(SIGABRT));
	CHECK_INT(a.news, SERVICE_WANTS_ABORT);
}

TEST(a_status_is_cut_and_belongs_to_one_start)
{
	char longest[NOTIFY_STATUS_MAX + 2];
	struct config_supervision c = watched();
	struct notify n = { .status = longest, .status_len = sizeof(longest) };
	struct service v;

	memset(longest, 's', sizeof(longest));
	reach(&v, &c, SERVICE_RUNNING);
	(void)hear(&v, n, NOW);
	CHECK_INT(strlen(v.text), NOTIFY_STATUS_MAX);
	n.status_len = 1;
	(void)hear(&v, n, NOW);
	CHECK_STR(v.text, "s");
	(void)die(&v, EXIT_1, NOW);
	CHECK_STR(v.text, "s"); /* what is logged of its end has it */
	(void)hear(&v, (struct notify){ .status = "late", .status_len = 4 },
		   NOW);
	CHECK_STR(v.text, "s");
	(void)be_due(&v, v.deadline_ms);
	CHECK_STR(v.text, "");
}

/* --- watchdog --- */

TEST(a_watchdog_barks_when_nothing_is_heard_in_its_time)
{
	struct config_supervision c = watched();
	struct service_action a;
	struct service v;
	int64_t now = NOW;

	reach(&v, &c, SERVICE_RUNNING);
	for (int i = 0; i < 100; i++, now += WATCHDOG_MS) {
		(void)hear(&v, (struct notify){ .watchdog = true }, now);
		a = be_due(&v, now + WATCHDOG_MS - 1);
		CHECK(a.signals == 0 && v.state == SERVICE_RUNNING);
	}
	a = be_due(&v, now);
	CHECK_INT(a.signals, bit(SIGABRT));
	CHECK_INT(a.news, SERVICE_SILENT);
	CHECK_INT(a.ms, WATCHDOG_MS);
	CHECK(v.failed && v.state == SERVICE_STOPPING);
	/* A service that is aborted has no more to say of it. */
	(void)hear(&v, (struct notify){ .watchdog = true }, now);
	CHECK_INT(v.state, SERVICE_STOPPING);
}

TEST(a_service_may_change_its_watchdog_until_its_next_start)
{
	struct config_supervision c = watched();
	struct notify n = { .has_watchdog_usec = true };
	struct service v;

	reach(&v, &c, SERVICE_RUNNING);
	n.watchdog_usec = 1; /* is not none */
	(void)hear(&v, n, NOW);
	CHECK_INT(v.deadline_ms, NOW + 1);
	n.watchdog_usec = UINT64_MAX;
	(void)hear(&v, n, NOW);
	CHECK_INT(v.deadline_ms, NOW + (int64_t)CONFIG_MS_MAX);
	n.watchdog_usec = 0;
	(void)hear(&v, n, NOW);
	CHECK_INT(v.deadline_ms, 0);
	(void)hear(&v, (struct notify){ .watchdog = true }, NOW);
	CHECK_INT(v.deadline_ms, 0);

	(void)die(&v, EXIT_1, NOW);
	(void)be_due(&v, v.deadline_ms);
	(void)run(&v, NOW);
	(void)hear(&v, (struct notify){ .ready = true }, NOW);
	CHECK_INT(v.deadline_ms, NOW + WATCHDOG_MS);
}

TEST(a_watchdog_said_before_it_is_ready_counts_from_then)
{
	struct config_supervision c = watched();
	struct service v;

	reach(&v, &c, SERVICE_STARTING);
	(void)hear(&v,
		   (struct notify){ .has_watchdog_usec = true,
				    .watchdog_usec = 9000000 },
		   NOW);
	CHECK_INT(v.deadline_ms, NOW - 90 + READY_MS);
	(void)hear(&v, (struct notify){ .ready = true }, NOW);
	CHECK_INT(v.deadline_ms, NOW + 9000);
}

TEST(who_says_that_it_stops_has_the_time_that_is_set)
{
	struct config_supervision c = watched();
	struct notify n = { .stopping = true };
	struct service_action a;
	struct service v;

	c.stop_timeout_ms =
		(struct config_number){ .is_set = true, .value = 300 };
	reach(&v, &c, SERVICE_RUNNING);
	a = hear(&v, n, NOW);
	CHECK(a.signals == 0 && a.news == SERVICE_NO_NEWS);
	CHECK_INT(v.state, SERVICE_STOPPING);
	CHECK_INT(v.deadline_ms, NOW + 300);
	/* Once: it cannot say so for ever, but ask for more time. */
	(void)hear(&v, n, NOW + 200);
	CHECK_INT(v.deadline_ms, NOW + 300);
	n.has_extend_usec = true;
	n.extend_usec = 900000;
	(void)hear(&v, n, NOW + 200);
	CHECK_INT(v.deadline_ms, NOW + 200 + 900);
	CHECK_INT(be_due(&v, NOW + 1100).signals, bit(SIGKILL));
	CHECK_INT(die(&v, KILLED(SIGKILL), NOW + 1100).news, SERVICE_AGAIN);

	/* It asks for it at once, too; and is no failure when it ends. */
	reach(&v, &c, SERVICE_RUNNING);
	(void)hear(&v, n, NOW);
	CHECK_INT(v.deadline_ms, NOW + 900);
	v.config.restart = CONFIG_RESTART_ON_FAILURE;
	CHECK_INT(die(&v, KILLED(SIGTERM), NOW).news, SERVICE_HAS_ENDED);
}

TEST(who_says_that_it_stops_is_watched_no_more)
{
	struct config_supervision c = watched();
	struct service v;

	reach(&v, &c, SERVICE_RUNNING);
	(void)hear(&v, (struct notify){ .stopping = true }, NOW);
	CHECK_INT(v.deadline_ms, 0);
	(void)hear(&v,
		   (struct notify){ .watchdog = true,
				    .has_watchdog_usec = true,
				    .watchdog_usec = 5000 },
		   NOW);
	CHECK_INT(v.deadline_ms, 0);
	CHECK_INT(v.state, SERVICE_RUNNING);
	/* The next start has not said so. */
	(void)die(&v, EXIT_1, NOW);
	(void)be_due(&v, v.deadline_ms);
	CHECK(!v.says_stopping);
}

/* --- ends and restarts --- */

struct end {
	int status;
	bool says_stopping, failed;
	bool is_failure;
};

static const struct end ends[] = {
	{ 0, false, false, false },
	{ EXIT_1, false, false, true },
	{ 255 << 8, true, false, true },
	{ 0, true, false, false },
	{ KILLED(SIGTERM), false, false, true },
	{ KILLED(SIGTERM), true, false, false },
	{ KILLED(SIGINT), true, false, false }, /* its stop signal here */
	{ KILLED(SIGINT), false, false, true },
	{ KILLED(SIGKILL), true, false, true },
	{ KILLED(SIGSEGV) | 0x80, false, false, true },
	/* A watchdog's end is a failure, whatever its code says. */
	{ 0, false, true, true },
	{ KILLED(SIGTERM), true, true, true },
};

TEST(restarts_follow_the_policy_and_what_a_failure_is)
{
	static const enum config_restart policies[] = {
		CONFIG_RESTART_NEVER,
		CONFIG_RESTART_ON_FAILURE,
		CONFIG_RESTART_ALWAYS,
	};
	struct service v;

	for (size_t p = 0; p < 3; p++) {
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
			struct config_supervision c = plain(policies[p]);
			bool again = p == 2 || (p == 1 && ends[i].is_failure);
			struct service_action a;

			c.stop_signal = SIGINT;
			reach(&v, &c, SERVICE_RUNNING);
			v.says_stopping = ends[i].says_stopping;
			v.failed = ends[i].failed;
			a = die(&v, ends[i].status, NOW);
			CHECK_INT(v.status, ends[i].status);
			if (a.news != (again ? SERVICE_AGAIN :
					       SERVICE_HAS_ENDED) ||
			    v.state !=
				    (again ? SERVICE_BACKOFF : SERVICE_ENDED) ||
			    a.start)
				CHECK_FAIL("policy %zu, end %zu: news %d", p, i,
					   (int)a.news);
		}
	}
}

TEST(a_start_knows_nothing_of_the_one_before)
{
	struct config_supervision c = watched();
	struct service v;

	c.restart = CONFIG_RESTART_ON_FAILURE;
	reach(&v, &c, SERVICE_STOPPING); /* by its watchdog: a failure */
	v.says_stopping = true;
	CHECK_INT(die(&v, 0, NOW).news, SERVICE_AGAIN);
	(void)be_due(&v, v.deadline_ms);
	CHECK(!v.failed && !v.says_stopping && !v.has_started);
	CHECK_INT(v.ran_ms, 0);
	(void)run(&v, NOW);
	CHECK(v.has_started);
	CHECK_INT(die(&v, 0, NOW).news, SERVICE_HAS_ENDED);
}

TEST(a_start_that_could_not_be_is_a_failure_with_code_127)
{
	struct config_supervision c = plain(CONFIG_RESTART_ON_FAILURE);
	struct service_action a = { 0 };
	struct service v;

	reach(&v, &c, SERVICE_EXECUTING);
	service_died(&v, 0, true, NOW, &a);
	CHECK_INT(a.news, SERVICE_AGAIN);
	CHECK(WIFEXITED(v.status) && WEXITSTATUS(v.status) == 127);
}

/* One more start and end. */
static struct service_action once_more(struct service *v, int64_t *now,
				       int64_t ran_ms)
{
	*now = v->deadline_ms;
	CHECK(be_due(v, *now).start);
	(void)run(v, *now);
	*now += ran_ms;
	return die(v, EXIT_1, *now);
}

TEST(delays_grow_up_to_the_limit_of_restarts)
{
	static const uint32_t delays[] = { 100, 200, 400, 800, 800 };
	struct config_supervision c = plain(CONFIG_RESTART_ON_FAILURE);
	struct service_action a;
	struct service v;
	int64_t now = NOW;

	c.restart_limit = 5;
	reach(&v, &c, SERVICE_RUNNING);
	a = die(&v, EXIT_1, now);
	for (size_t i = 0; i < 5; i++) {
		CHECK_INT(a.news, SERVICE_AGAIN);
		CHECK_INT(a.ms, delays[i]);
		CHECK_INT(v.times, i + 1);
		CHECK_INT(v.deadline_ms, now + delays[i]);
		CHECK(!be_due(&v, v.deadline_ms - 1).start);
		a = once_more(&v, &now, 10);
	}
	CHECK_INT(a.news, SERVICE_GIVEN_UP);
	CHECK_INT(v.state, SERVICE_ENDED);
	CHECK(!a.kill_all);
}

TEST(without_a_limit_it_goes_on)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service_action a;
	struct service v;
	int64_t now = NOW;

	reach(&v, &c, SERVICE_RUNNING);
	(void)die(&v, EXIT_1, now);
	for (int i = 0; i < 1000; i++) {
		a = once_more(&v, &now, 1);
		CHECK_INT(a.news, SERVICE_AGAIN);
	}
	CHECK_INT(a.ms, DELAY_MAX_MS);
}

TEST(who_ran_for_longer_than_the_longest_delay_begins_anew)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service_action a;
	struct service v;
	int64_t now = NOW;

	c.restart_limit = 2;
	reach(&v, &c, SERVICE_RUNNING);
	(void)die(&v, EXIT_1, now);
	a = once_more(&v, &now, DELAY_MAX_MS);
	CHECK_INT(v.times, 2);
	a = once_more(&v, &now, DELAY_MAX_MS + 1);
	CHECK_INT(a.news, SERVICE_AGAIN);
	CHECK_INT(a.ms, DELAY_MS);
	CHECK_INT(v.times, 1);
}

TEST(a_start_that_was_never_ready_did_not_run_long)
{
	struct config_supervision c = watched();
	struct service v;

	c.restart_limit = 0;
	reach(&v, &c, SERVICE_RUNNING);
	(void)die(&v, EXIT_1, NOW);
	for (uint32_t i = 1; i < 5; i++) {
		(void)be_due(&v, v.deadline_ms);
		(void)run(&v, NOW);
		(void)die(&v, EXIT_1, NOW + 1000000);
		CHECK_INT(v.times, i + 1);
	}
}

TEST(delays_are_doubled_and_bounded)
{
	CHECK_INT(service_delay(100, 30000, 0), 100);
	CHECK_INT(service_delay(100, 30000, 1), 200);
	CHECK_INT(service_delay(100, 30000, 8), 25600);
	CHECK_INT(service_delay(100, 30000, 9), 30000);
	CHECK_INT(service_delay(100, 30000, 4000000000), 30000);
	CHECK_INT(service_delay(1, 604800000, 4000000000), 604800000);
	CHECK_INT(service_delay(500, 100, 0), 100);
	CHECK_INT(service_delay(1, 1, 7), 1);
}

TEST(what_is_left_is_killed_before_a_restart_unless_it_may_stay)
{
	static const bool kills[] = {
		[CONFIG_KILL_MIXED] = true,
		[CONFIG_KILL_GROUP] = true,
		[CONFIG_KILL_PROCESS] = false,
	};
	struct service v;

	for (int mode = 0; mode < 3; mode++) {
		struct config_supervision c = watched();

		c.kill_mode = (enum config_kill_mode)mode;
		reach(&v, &c, SERVICE_RUNNING);
		CHECK_INT(die(&v, EXIT_1, NOW).kill_all, kills[mode]);
		/* Nor where it is killed itself. */
		reach(&v, &c, SERVICE_STOPPING);
		CHECK_INT(be_due(&v, v.deadline_ms).kill_all, kills[mode]);
		reach(&v, &c, SERVICE_EXECUTING);
		CHECK_INT(be_due(&v, v.deadline_ms).kill_all, kills[mode]);
		reach(&v, &c, SERVICE_EXECUTING);
		CHECK_INT(stop(&v, NOW).kill_all, kills[mode]);
	}
}

/* --- the boot --- */

TEST(an_end_before_it_was_ready_fails_the_boot)
{
	static const enum event ways[] = { ENDS, FAILS };
	struct config_supervision c = watched();
	struct service_action a;
	struct service v;

	for (size_t i = 0; i < 2; i++) {
		service_init(&v, &c, false);
		(void)start(&v, NOW);
		(void)run(&v, NOW);
		a = happen(&v, ways[i]);
		CHECK(a.fails_boot && !a.kill_all);
		CHECK_INT(a.news, SERVICE_ENDED_UNREADY);
		CHECK_INT(v.state, SERVICE_ENDED);
	}
	service_init(&v, &c, false);
	(void)start(&v, NOW);
	a = happen(&v, IS_GONE);
	CHECK(a.fails_boot && v.state == SERVICE_ENDED);
}

TEST(one_that_is_not_ready_in_time_fails_the_boot_and_is_left_alone)
{
	struct config_supervision c = watched();
	struct service_action a;
	struct service v;

	service_init(&v, &c, false);
	(void)start(&v, NOW);
	(void)run(&v, NOW);
	CHECK_INT(be_due(&v, NOW + READY_MS - 1).news, SERVICE_NO_NEWS);
	a = be_due(&v, NOW + READY_MS);
	CHECK(a.fails_boot && a.signals == 0);
	CHECK_INT(a.news, SERVICE_NOT_READY);
	CHECK_INT(a.ms, READY_MS);
	/* The end of the enclave stops it; it is said once. */
	CHECK_INT(v.state, SERVICE_STARTING);
	CHECK_INT(be_due(&v, NOW + 10 * READY_MS).news, SERVICE_NO_NEWS);
	CHECK_INT(stop(&v, NOW).signals, bit(SIGTERM));
}

TEST(a_program_that_is_not_executed_in_time_fails_the_boot)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service_action a;
	struct service v;

	service_init(&v, &c, true);
	(void)start(&v, NOW);
	CHECK_INT(be_due(&v, NOW + SERVICE_EXEC_MS).news, SERVICE_NO_NEWS);
	a = be_due(&v, NOW + SERVICE_FIRST_EXEC_MS);
	CHECK(a.fails_boot && a.signals == bit(SIGKILL));
	CHECK_INT(a.news, SERVICE_HELD);
	CHECK_INT(a.ms, SERVICE_FIRST_EXEC_MS);
	a = die(&v, KILLED(SIGKILL), NOW + SERVICE_FIRST_EXEC_MS + 1);
	CHECK_INT(v.state, SERVICE_ENDED);
	CHECK(a.fails_boot && !a.start);
	/* After the boot it is a failure as any other. */
	reach(&v, &c, SERVICE_EXECUTING);
	a = be_due(&v, v.deadline_ms);
	CHECK(!a.fails_boot && v.failed);
	CHECK_INT(die(&v, KILLED(SIGKILL), NOW).news, SERVICE_AGAIN);
}

TEST(one_that_was_ready_is_started_again_in_the_boot_as_well)
{
	struct config_supervision c = watched();
	struct service_action a;
	struct service v;

	service_init(&v, &c, false);
	(void)start(&v, NOW);
	(void)run(&v, NOW);
	(void)hear(&v, (struct notify){ .ready = true }, NOW);
	a = die(&v, EXIT_1, NOW);
	CHECK(!a.fails_boot && a.news == SERVICE_AGAIN);
	/* Its second start may be late or held without failing the boot. */
	(void)be_due(&v, v.deadline_ms);
	(void)run(&v, NOW);
	a = be_due(&v, v.deadline_ms);
	CHECK(!a.fails_boot && a.signals == bit(SIGTERM));
	a = die(&v, KILLED(SIGTERM), NOW);
	CHECK(!a.fails_boot && a.news == SERVICE_AGAIN);
	(void)be_due(&v, v.deadline_ms);
	a = be_due(&v, v.deadline_ms);
	CHECK(!a.fails_boot && a.news == SERVICE_HELD);
}

/* --- signals --- */

TEST(signals_are_handed_on_as_they_are)
{
	static const int sigs[] = { SIGINT,  SIGHUP,  SIGQUIT,
				    SIGUSR1, SIGUSR2, SIGWINCH };
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service v;

	c.stop_signal = SIGQUIT;
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		reach(&v, &c, SERVICE_RUNNING);
		CHECK_INT(send_signal(&v, sigs[i], NOW).signals, bit(sigs[i]));
		CHECK(!v.is_told && v.state == SERVICE_RUNNING);
		CHECK_INT(die(&v, 0, NOW).news, SERVICE_AGAIN);
	}
}

TEST(a_term_is_the_stop_signal_and_ends_the_restarts)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service_action a;
	struct service v;

	c.stop_signal = SIGQUIT;
	reach(&v, &c, SERVICE_RUNNING);
	CHECK_INT(send_signal(&v, SIGTERM, NOW).signals, bit(SIGQUIT));
	/* It may take as long as it likes, unless stop-timeout is set. */
	CHECK_INT(v.state, SERVICE_RUNNING);
	CHECK_INT(v.deadline_ms, 0);
	a = die(&v, EXIT_1, NOW);
	CHECK_INT(a.news, SERVICE_HAS_ENDED);
	CHECK_INT(v.state, SERVICE_ENDED);
}

TEST(with_a_stop_timeout_a_term_has_a_deadline_that_stays)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service_action a;
	struct service v;

	c.stop_timeout_ms =
		(struct config_number){ .is_set = true, .value = 300 };
	reach(&v, &c, SERVICE_RUNNING);
	CHECK_INT(send_signal(&v, SIGTERM, NOW).signals, bit(SIGTERM));
	CHECK_INT(v.state, SERVICE_STOPPING);
	CHECK_INT(v.deadline_ms, NOW + 300);
	CHECK_INT(send_signal(&v, SIGTERM, NOW + 200).signals, bit(SIGTERM));
	CHECK_INT(v.deadline_ms, NOW + 300);
	CHECK_INT(stop(&v, NOW + 250).signals, 0);
	CHECK_INT(v.deadline_ms, NOW + 300);
	a = be_due(&v, NOW + 300);
	CHECK(a.signals == bit(SIGKILL) && a.kill_all);
	CHECK_INT(be_due(&v, NOW + 100000).signals, 0);
	CHECK_INT(die(&v, KILLED(SIGKILL), NOW + 301).news, SERVICE_HAS_ENDED);

	/* None at all: KILL comes with the next look at the clock. */
	c.stop_timeout_ms.value = 0;
	reach(&v, &c, SERVICE_RUNNING);
	(void)send_signal(&v, SIGTERM, NOW);
	CHECK_INT(be_due(&v, NOW).signals, bit(SIGKILL));
}

TEST(a_term_before_its_start_is_its_end)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service v;

	service_init(&v, &c, true);
	CHECK_INT(send_signal(&v, SIGTERM, NOW).signals, 0);
	CHECK(v.state == SERVICE_ENDED && v.is_told);
	CHECK(WIFSIGNALED(v.status) && WTERMSIG(v.status) == SIGTERM);
	/* Between two starts the last end stays the one that is told. */
	reach(&v, &c, SERVICE_BACKOFF);
	(void)send_signal(&v, SIGTERM, NOW);
	CHECK(v.state == SERVICE_ENDED && v.status == EXIT_1);
	CHECK_INT(v.deadline_ms, 0);
}

TEST(others_than_term_are_lost_where_there_is_no_process)
{
	static const enum service_state states[] = {
		SERVICE_WAITING,
		SERVICE_BACKOFF,
		SERVICE_ENDED,
	};
	struct config_supervision c = watched();
	struct service v;

	for (size_t i = 0; i < 3; i++) {
		reach(&v, &c, states[i]);
		CHECK_INT(send_signal(&v, SIGHUP, NOW).signals, 0);
		CHECK_INT(v.state, states[i]);
	}
}

TEST(signals_are_held_until_the_program_runs)
{
	struct config_supervision c = watched();
	struct service v;

	reach(&v, &c, SERVICE_EXECUTING);
	CHECK_INT(send_signal(&v, SIGHUP, NOW).signals, 0);
	CHECK_INT(send_signal(&v, SIGUSR1, NOW).signals, 0);
	CHECK_INT(send_signal(&v, SIGHUP, NOW).signals, 0);
	CHECK_INT(run(&v, NOW).signals, bit(SIGHUP) | bit(SIGUSR1));
	CHECK_INT(v.state, SERVICE_STARTING);
	/* Once. */
	(void)die(&v, EXIT_1, NOW);
	(void)be_due(&v, v.deadline_ms);
	CHECK_INT(run(&v, NOW).signals, 0);
}

TEST(a_term_that_was_held_counts_from_the_program_on)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service_action a;
	struct service v;

	c.stop_timeout_ms =
		(struct config_number){ .is_set = true, .value = 300 };
	reach(&v, &c, SERVICE_EXECUTING);
	CHECK_INT(send_signal(&v, SIGTERM, NOW).signals, 0);
	CHECK_INT(send_signal(&v, SIGWINCH, NOW).signals, 0);
	CHECK_INT(v.state, SERVICE_EXECUTING);
	a = run(&v, NOW + 50);
	CHECK_INT(a.signals, bit(SIGTERM) | bit(SIGWINCH));
	CHECK_INT(v.state, SERVICE_STOPPING);
	CHECK_INT(v.deadline_ms, NOW + 50 + 300);
	CHECK_INT(die(&v, 0, NOW).news, SERVICE_HAS_ENDED);

	/* Where the program never runs it is its end as well. */
	reach(&v, &c, SERVICE_EXECUTING);
	(void)send_signal(&v, SIGTERM, NOW);
	a = die(&v, EXIT_1, NOW);
	CHECK_INT(a.news, SERVICE_HAS_ENDED);
	CHECK_INT(v.state, SERVICE_ENDED);
}

TEST(a_signal_held_for_one_start_is_not_for_the_next)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service v;

	reach(&v, &c, SERVICE_EXECUTING);
	(void)send_signal(&v, SIGHUP, NOW);
	(void)die(&v, EXIT_1, NOW);
	(void)be_due(&v, v.deadline_ms);
	CHECK_INT(run(&v, NOW).signals, 0);
}

/* --- the end --- */

TEST(the_end_of_the_enclave_is_in_two_steps)
{
	struct config_supervision c = watched();
	struct service_action a;
	struct service v;
	int64_t deadline;

	for (int state = SERVICE_EXECUTING; state <= SERVICE_RUNNING; state++) {
		reach(&v, &c, (enum service_state)state);
		service_end(&v);
		CHECK_INT(v.state, state);
		a = stop(&v, NOW);
		CHECK_INT(v.state, SERVICE_STOPPING);
		CHECK_INT(a.signals,
			  bit(state == SERVICE_EXECUTING ? SIGKILL : SIGTERM));
		deadline = v.deadline_ms;
		CHECK_INT(deadline, NOW + SERVICE_STOP_MS);
		CHECK_INT(stop(&v, NOW + 1).signals, 0);
		CHECK_INT(v.deadline_ms, deadline);
		CHECK_INT(be_due(&v, deadline).signals, bit(SIGKILL));
		a = die(&v, KILLED(SIGKILL), NOW);
		CHECK_INT(a.news, SERVICE_HAS_ENDED);
		CHECK_INT(v.state, SERVICE_ENDED);
	}
}

TEST(nothing_starts_once_the_enclave_ends)
{
	struct config_supervision c = watched();
	struct service v;

	for (int state = 0; state < STATES; state++) {
		reach(&v, &c, (enum service_state)state);
		service_end(&v);
		if (service_is_alive(&v))
			CHECK_INT(die(&v, EXIT_1, NOW).news, SERVICE_HAS_ENDED);
		CHECK_INT(v.state, SERVICE_ENDED);
		CHECK(!be_due(&v, NOW + 1000000).start);
	}
}

TEST(an_end_in_the_boot_fails_none_when_the_enclave_ends)
{
	struct config_supervision c = watched();
	struct service_action a;
	struct service v;

	service_init(&v, &c, false);
	(void)start(&v, NOW);
	(void)run(&v, NOW);
	service_end(&v);
	(void)stop(&v, NOW);
	a = die(&v, KILLED(SIGTERM), NOW);
	CHECK(!a.fails_boot && a.news == SERVICE_HAS_ENDED);
}

/* --- by command --- */

TEST(one_that_is_halted_is_not_started_again)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service v;

	for (int from = SERVICE_EXECUTING; from <= SERVICE_RUNNING; from++) {
		reach(&v, &c,
		      from == SERVICE_STARTING ? SERVICE_RUNNING :
						 (enum service_state)from);
		(void)halt(&v, NOW);
		/* Once more while it stops changes nothing, nor does TERM. */
		CHECK_INT(halt(&v, NOW + 1).signals, 0);
		CHECK_INT(v.deadline_ms, NOW + SERVICE_STOP_MS);
		CHECK_INT(die(&v, SIGTERM, NOW + 9).news, SERVICE_HAS_ENDED);
		CHECK_INT(v.state, SERVICE_ENDED);
		CHECK_INT(halt(&v, NOW + 10).news, SERVICE_NO_NEWS);
	}
}

TEST(one_that_has_ended_is_started_when_it_is_asked_for)
{
	struct config_supervision c = plain(CONFIG_RESTART_NEVER);
	struct service_action a;
	struct service v;

	reach(&v, &c, SERVICE_RUNNING);
	CHECK_INT(die(&v, 0, NOW).news, SERVICE_HAS_ENDED);
	for (int i = 1; i < 4; i++) {
		a = again(&v, NOW + i);
		CHECK(a.start && a.signals == 0 && !a.kill_all);
		CHECK_INT(v.state, SERVICE_EXECUTING);
		(void)run(&v, NOW + i);
		/* What it does by itself is as before. */
		CHECK_INT(die(&v, EXIT_1, NOW + i).news, SERVICE_HAS_ENDED);
	}
	(void)again(&v, NOW);
	(void)run(&v, NOW);
	(void)halt(&v, NOW);
	CHECK_INT(die(&v, SIGTERM, NOW).news, SERVICE_HAS_ENDED);
	CHECK(again(&v, NOW).start);
}

TEST(a_restart_that_is_asked_for_comes_at_once_and_counts_anew)
{
	struct config_supervision c = plain(CONFIG_RESTART_NEVER);
	struct service_action a;
	struct service v;

	reach(&v, &c, SERVICE_RUNNING);
	v.times = 3;
	(void)again(&v, NOW);
	a = die(&v, SIGTERM, NOW + 5);
	CHECK_INT(a.news, SERVICE_AGAIN);
	CHECK_INT(a.ms, 0);
	CHECK(a.kill_all && !a.start);
	CHECK_INT(v.times, 0);
	CHECK(be_due(&v, NOW + 5).start);
	(void)run(&v, NOW + 6);
	/* Once. */
	CHECK_INT(die(&v, EXIT_1, NOW + 7).news, SERVICE_HAS_ENDED);
}

TEST(the_last_of_restart_and_stop_counts)
{
	struct config_supervision c = plain(CONFIG_RESTART_ALWAYS);
	struct service v;

	reach(&v, &c, SERVICE_RUNNING);
	(void)again(&v, NOW);
	CHECK_INT(halt(&v, NOW + 1).signals, 0);
	CHECK_INT(die(&v, SIGTERM, NOW + 2).news, SERVICE_HAS_ENDED);

	reach(&v, &c, SERVICE_RUNNING);
	(void)again(&v, NOW);
	(void)send_signal(&v, SIGTERM, NOW + 1);
	CHECK_INT(die(&v, SIGTERM, NOW + 2).news, SERVICE_HAS_ENDED);

	reach(&v, &c, SERVICE_RUNNING);
	(void)halt(&v, NOW);
	CHECK_INT(again(&v, NOW + 1).signals, 0);
	CHECK_INT(die(&v, SIGTERM, NOW + 2).news, SERVICE_AGAIN);
	/* While it waits to be started. */
	CHECK_INT(halt(&v, NOW + 2).news, SERVICE_HAS_ENDED);
	CHECK_INT(v.state, SERVICE_ENDED);
	CHECK_INT(v.deadline_ms, 0);
}

TEST(a_restart_that_could_not_be_is_as_any_other)
{
	struct config_supervision c = plain(CONFIG_RESTART_ON_FAILURE);
	struct service_action a = { 0 };
	struct service v;

	reach(&v, &c, SERVICE_RUNNING);
	(void)again(&v, NOW);
	(void)die(&v, 0, NOW);
	(void)be_due(&v, NOW);
	service_died(&v, 0, true, NOW, &a);
	CHECK_INT(a.news, SERVICE_AGAIN);
	CHECK_INT(a.ms, DELAY_MS);
	CHECK(again(&v, NOW).start);
	a = (struct service_action){ 0 };
	c.restart = v.config.restart = CONFIG_RESTART_NEVER;
	service_died(&v, 0, true, NOW, &a);
	CHECK_INT(a.news, SERVICE_HAS_ENDED);
	CHECK_INT(v.status, 127 << 8);
	CHECK(again(&v, NOW).start);
}

TEST(a_stop_before_it_was_ready_fails_the_boot)
{
	struct config_supervision c = watched();
	struct service_action a;
	struct service v;

	/* Or the boot would wait for it for ever. */
	service_init(&v, &c, false);
	a = halt(&v, NOW);
	CHECK(a.fails_boot && a.news == SERVICE_ENDED_UNREADY);
	CHECK_INT(v.state, SERVICE_ENDED);
	CHECK_INT(v.status, SIGTERM);

	service_init(&v, &c, false);
	(void)start(&v, NOW);
	(void)run(&v, NOW);
	a = halt(&v, NOW);
	CHECK(!a.fails_boot && a.signals == bit(SIGTERM));
	a = die(&v, SIGTERM, NOW);
	CHECK(a.fails_boot && a.news == SERVICE_ENDED_UNREADY);

	/* One that was ready is its own affair. */
	service_init(&v, &c, false);
	(void)start(&v, NOW);
	(void)run(&v, NOW);
	(void)hear(&v, (struct notify){ .ready = true }, NOW);
	(void)die(&v, EXIT_1, NOW);
	CHECK_INT(v.state, SERVICE_BACKOFF);
	a = halt(&v, NOW);
	CHECK(!a.fails_boot && a.news == SERVICE_HAS_ENDED);
}

TEST(no_restart_is_asked_for_in_the_boot_or_at_the_end)
{
	struct config_supervision c = watched();
	struct service_action a;
	struct service v;

	for (int state = 0; state < STATES; state++) {
		reach(&v, &c, (enum service_state)state);
		v.in_boot = true;
		a = again(&v, NOW);
		CHECK(!a.start && a.signals == 0 && (int)v.state == state);
		reach(&v, &c, (enum service_state)state);
		service_end(&v);
		a = again(&v, NOW);
		CHECK(!a.start && a.signals == 0);
		(void)stop(&v, NOW);
		a = again(&v, NOW);
		CHECK(!a.start && a.signals == 0);
		if (service_is_alive(&v))
			CHECK_INT(die(&v, SIGTERM, NOW).news,
				  SERVICE_HAS_ENDED);
		CHECK_INT(v.state, SERVICE_ENDED);
	}
	/* Nor does one that was asked for before. */
	reach(&v, &c, SERVICE_RUNNING);
	(void)again(&v, NOW);
	service_end(&v);
	CHECK_INT(die(&v, SIGTERM, NOW).news, SERVICE_HAS_ENDED);
}

CHECK_MAIN("service")
