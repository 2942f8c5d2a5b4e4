#include "init/service.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* As a shell says of what it cannot execute. */
enum { STATUS_NOT_STARTED = 127 << 8 };

void service_init(struct service *v, const struct config_supervision *c,
		  bool is_main)
{
	*v = (struct service){
		.config = *c,
		.is_main = is_main,
		.in_boot = true,
	};
}

bool service_is_alive(const struct service *v)
{
	return v->state == SERVICE_EXECUTING || v->state == SERVICE_STARTING ||
	       v->state == SERVICE_RUNNING || v->state == SERVICE_STOPPING;
}

int service_stop_signal(const struct service *v)
{
	return v->config.stop_signal > 0 ? v->config.stop_signal : SIGTERM;
}

int service_stop_ms(const struct service *v)
{
	const struct config_number *ms = &v->config.stop_timeout_ms;

	return ms->is_set ? ms->value :
	       v->is_main ? SERVICE_GRACE_MS :
			    SERVICE_STOP_MS;
}

uint32_t service_delay(uint32_t delay_ms, uint32_t max_ms, uint32_t times)
{
	for (; times > 0 && delay_ms < max_ms; times--)
		delay_ms = delay_ms > max_ms / 2 ? max_ms : 2 * delay_ms;
	return delay_ms < max_ms ? delay_ms : max_ms;
}

static uint64_t bit(int sig)
{
	return sig > 0 && sig <= SERVICE_SIGNALS ? 1ULL << (sig - 1) : 0;
}

/* What it leaves is in the way of its next start, unless it may leave something. */
static bool kills_all(const struct service *v)
{
	return v->config.kill_mode != CONFIG_KILL_PROCESS;
}

/* Asks it to end by SIG, and has it killed when it has not in time. */
static void ask_to_end(struct service *v, int sig, int64_t now,
		       struct service_action *ret)
{
	/* One that is no program yet takes no signal but this. */
	if (v->state == SERVICE_EXECUTING) {
		sig = SIGKILL;
		ret->kill_all = kills_all(v);
	}
	v->state = SERVICE_STOPPING;
	v->deadline_ms = now + service_stop_ms(v);
	ret->signals |= bit(sig);
}

static bool is_failure(const struct service *v)
{
	int sig;

	if (v->failed)
		return true;
	if (WIFEXITED(v->status))
		return WEXITSTATUS(v->status) != 0;
	sig = WTERMSIG(v->status);
	return !v->says_stopping ||
	       (sig != SIGTERM && sig != v->config.stop_signal);
}

static void watch(struct service *v, int64_t now)
{
	v->deadline_ms = 0;
	if (v->watchdog_now_ms > 0 && !v->says_stopping)
		v->deadline_ms = now + v->watchdog_now_ms;
}

static void become_ready(struct service *v, int64_t now,
			 struct service_action *ret)
{
	v->state = SERVICE_RUNNING;
	v->was_ready = true;
	v->ran_ms = now;
	watch(v, now);
	ret->news = SERVICE_IS_READY;
}

/* A boot that stops is worse than a restart that comes late. */
static uint32_t exec_ms(const struct service *v)
{
	return v->was_ready ? SERVICE_EXEC_MS : SERVICE_FIRST_EXEC_MS;
}

void service_start(struct service *v, int64_t now, struct service_action *ret)
{
	v->state = SERVICE_EXECUTING;
	v->deadline_ms = now + exec_ms(v);
	v->ran_ms = 0;
	v->watchdog_now_ms = v->config.watchdog_ms;
	v->failed = v->says_stopping = v->has_started = false;
	v->held = 0;
	v->text[0] = '\0';
	ret->start = true;
}

void service_signal(struct service *v, int sig, int64_t now,
		    struct service_action *ret)
{
	/* Who asks it to end does not want another one, nor a first one. */
	v->is_told |= sig == SIGTERM;
	v->is_wanted &= sig != SIGTERM;
	if (sig == SIGTERM && v->state == SERVICE_WAITING)
		v->status = SIGTERM; /* as if it had got it */
	if (sig == SIGTERM &&
	    (v->state == SERVICE_BACKOFF || v->state == SERVICE_WAITING)) {
		v->state = SERVICE_ENDED;
		v->deadline_ms = 0;
	}
	if (!service_is_alive(v))
		return;
	/* A child that has not executed its program would die of any signal. */
	if (v->state == SERVICE_EXECUTING) {
		v->held |= bit(sig);
		return;
	}
	/* One that is being stopped has its deadline: more of them move it not. */
	if (sig == SIGTERM && v->config.stop_timeout_ms.is_set &&
	    v->state != SERVICE_STOPPING)
		ask_to_end(v, service_stop_signal(v), now, ret);
	else
		ret->signals |=
			bit(sig == SIGTERM ? service_stop_signal(v) : sig);
}

void service_runs(struct service *v, int64_t now, struct service_action *ret)
{
	uint64_t held = v->held;

	v->has_started = true;
	v->held = 0;
	if (v->state != SERVICE_EXECUTING)
		return; /* it has been asked to end meanwhile */
	if (v->config.ready == CONFIG_READY_NOTIFY) {
		v->state = SERVICE_STARTING;
		v->deadline_ms = now + v->config.ready_timeout_ms;
	} else {
		become_ready(v, now, ret);
	}
	for (int sig = 1; sig <= SERVICE_SIGNALS; sig++)
		if (held & bit(sig))
			service_signal(v, sig, now, ret);
}

/* What it leaves is in the way of its next start. */
static void start_after(struct service *v, uint32_t ms, int64_t now,
			struct service_action *ret)
{
	ret->news = SERVICE_AGAIN;
	ret->ms = ms;
	ret->kill_all = kills_all(v);
	v->state = SERVICE_BACKOFF;
	v->deadline_ms = now + ms;
}

void service_died(struct service *v, int status, bool could_not_start,
		  int64_t now, struct service_action *ret)
{
	bool again;

	if (could_not_start) {
		v->failed = true;
		status = STATUS_NOT_STARTED;
	}
	v->status = status;
	again = v->config.restart == CONFIG_RESTART_ALWAYS ||
		(v->config.restart == CONFIG_RESTART_ON_FAILURE &&
		 is_failure(v));
	v->state = SERVICE_ENDED;
	v->deadline_ms = 0;
	if (v->in_boot && !v->was_ready && !v->is_ending) {
		ret->news = SERVICE_ENDED_UNREADY;
		ret->fails_boot = true;
		return;
	}
	if (v->is_wanted && !v->is_ending) {
		start_after(v, 0, now, ret);
		v->is_wanted = false;
		v->times = 0;
		return;
	}
	if (v->is_ending || v->is_told || !again) {
		ret->news = SERVICE_HAS_ENDED;
		return;
	}
	if (v->ran_ms != 0 && now - v->ran_ms > v->config.restart_delay_max_ms)
		v->times = 0;
	if (v->config.restart_limit > 0 &&
	    v->times >= v->config.restart_limit) {
		ret->news = SERVICE_GIVEN_UP;
		return;
	}
	start_after(v,
		    service_delay(v->config.restart_delay_ms,
				  v->config.restart_delay_max_ms, v->times),
		    now, ret);
	v->times++;
}

static uint32_t to_ms(uint64_t usec)
{
	return usec / 1000 > CONFIG_MS_MAX ? CONFIG_MS_MAX :
	       usec > 0 && usec < 1000	   ? 1 :
					     (uint32_t)(usec / 1000);
}

/* Ends it by ABRT, which is a failure. */
static void abort_it(struct service *v, enum service_news news, int64_t now,
		     struct service_action *ret)
{
	v->failed = true;
	ret->news = news;
	ask_to_end(v, SIGABRT, now, ret);
}

static void take_status(struct service *v, const struct notify *n)
{
	size_t len = n->status_len < NOTIFY_STATUS_MAX ? n->status_len :
							 NOTIFY_STATUS_MAX;

	memcpy(v->text, n->status, len);
	v->text[len] = '\0';
}

void service_heard(struct service *v, const struct notify *n, int64_t now,
		   struct service_action *ret)
{
	int64_t later;

	if (!service_is_alive(v))
		return;
	if (n->status)
		take_status(v, n);
	v->says_stopping |= n->stopping;
	if (n->has_watchdog_usec)
		v->watchdog_now_ms = to_ms(n->watchdog_usec);
	/* It ends by itself, in the time that the configuration gives it. */
	if (n->stopping && v->config.stop_timeout_ms.is_set &&
	    v->state == SERVICE_RUNNING) {
		v->state = SERVICE_STOPPING;
		v->deadline_ms = now + service_stop_ms(v);
	}
	if (n->has_extend_usec &&
	    (v->state == SERVICE_STARTING || v->state == SERVICE_STOPPING)) {
		later = now + to_ms(n->extend_usec);
		if (v->deadline_ms != 0 && later > v->deadline_ms)
			v->deadline_ms = later;
	}
	if (n->ready && v->state == SERVICE_STARTING)
		become_ready(v, now, ret);
	else if ((n->watchdog || n->has_watchdog_usec || n->stopping) &&
		 v->state == SERVICE_RUNNING)
		watch(v, now);
	if (n->watchdog_trigger && v->state == SERVICE_RUNNING)
		abort_it(v, SERVICE_WANTS_ABORT, now, ret);
}

/* It has not become its program: something holds it, which KILL does not mind. */
static void give_up_exec(struct service *v, int64_t now,
			 struct service_action *ret)
{
	v->failed = true;
	ask_to_end(v, SIGKILL, now, ret);
	ret->news = SERVICE_HELD;
	ret->ms = exec_ms(v);
	ret->fails_boot = v->in_boot && !v->was_ready;
}

static void give_up_ready(struct service *v, int64_t now,
			  struct service_action *ret)
{
	ret->news = SERVICE_NOT_READY;
	ret->ms = v->config.ready_timeout_ms;
	if (v->in_boot && !v->was_ready) {
		v->deadline_ms = 0;
		ret->fails_boot = true;
		return;
	}
	v->failed = true;
	ask_to_end(v, service_stop_signal(v), now, ret);
}

void service_due(struct service *v, int64_t now, struct service_action *ret)
{
	if (v->deadline_ms == 0 || v->deadline_ms > now)
		return;
	switch (v->state) {
	case SERVICE_EXECUTING:
		give_up_exec(v, now, ret);
		break;
	case SERVICE_STARTING:
		give_up_ready(v, now, ret);
		break;
	case SERVICE_RUNNING:
		ret->ms = v->watchdog_now_ms;
		abort_it(v, SERVICE_SILENT, now, ret);
		break;
	case SERVICE_STOPPING:
		ret->signals = bit(SIGKILL);
		ret->kill_all = kills_all(v);
		v->deadline_ms = 0;
		break;
	case SERVICE_BACKOFF:
		service_start(v, now, ret);
		break;
	case SERVICE_WAITING:
	case SERVICE_ENDED:
		v->deadline_ms = 0;
		break;
	}
}

void service_stop(struct service *v, int64_t now, struct service_action *ret)
{
	if (service_is_alive(v) && v->state != SERVICE_STOPPING)
		ask_to_end(v, service_stop_signal(v), now, ret);
}

void service_halt(struct service *v, int64_t now, struct service_action *ret)
{
	v->is_told = true;
	v->is_wanted = false;
	if (service_is_alive(v)) {
		service_stop(v, now, ret);
		return;
	}
	if (v->state == SERVICE_ENDED)
		return;
	if (v->state == SERVICE_WAITING)
		v->status = SIGTERM; /* as if it had got it */
	/* All would wait for it to be ready. */
	ret->fails_boot = v->in_boot && !v->was_ready && !v->is_ending;
	ret->news = ret->fails_boot ? SERVICE_ENDED_UNREADY : SERVICE_HAS_ENDED;
	v->state = SERVICE_ENDED;
	v->deadline_ms = 0;
}

void service_again(struct service *v, int64_t now, struct service_action *ret)
{
	if (v->in_boot || v->is_ending)
		return;
	v->is_told = false;
	if (service_is_alive(v)) {
		v->is_wanted = true;
		service_stop(v, now, ret);
	} else {
		v->times = 0;
		service_start(v, now, ret);
	}
}

void service_end(struct service *v)
{
	v->is_ending = true;
	if (service_is_alive(v))
		return;
	v->state = SERVICE_ENDED;
	v->deadline_ms = 0;
}
