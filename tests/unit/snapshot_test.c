/* What the parent is told of the enclave, of services in each state and with each end. */

#include "init/link/snapshot.h"

#include "init/spec/signal.h"
#include "init/supervise.h"
#include "tests/unit/check.h"

static struct supervise s;
static struct link_state state;

static void set_up(size_t count)
{
	static const char *const names[] = { "main", "w", "x" };

	memset(&s, 0, sizeof(s));
	memset(&state, 0x55, sizeof(state));
	s.count = s.first_end = count;
	for (size_t i = 0; i < count; i++) {
		struct config_supervision c = { 0 };

		(void)snprintf(c.name, sizeof(c.name), "%s", names[i % 3]);
		service_init(&s.members[i].service, &c, i == 0);
	}
}

static struct service *app(void)
{
	return &s.members[0].service;
}

TEST(services_are_in_the_words_of_the_guide)
{
	static const char *const words[] = {
		[SERVICE_WAITING] = "waiting",
		[SERVICE_EXECUTING] = "starting",
		[SERVICE_STARTING] = "starting",
		[SERVICE_RUNNING] = "running",
		[SERVICE_STOPPING] = "stopping",
		[SERVICE_BACKOFF] = "backoff",
		[SERVICE_ENDED] = "ended",
	};

	set_up(2);
	for (int i = 0; i <= SERVICE_ENDED; i++) {
		s.members[1].service.state = (enum service_state)i;
		snapshot_running(&s, true, &state);
		CHECK_STR(state.services[1].state, words[i]);
		CHECK_STR(state.services[0].state, "waiting");
	}
}

TEST(one_that_runs_has_the_numbers_of_all)
{
	set_up(3);
	s.members[0].restarts = 1;
	s.members[2].restarts = 40;
	s.members[2].pid = 77;
	(void)strcpy(s.members[2].service.text, "warm");
	for (int ready = 0; ready < 2; ready++) {
		snapshot_running(&s, ready, &state);
		CHECK_INT(state.record.status, RECORD_RUNNING);
		CHECK_INT(state.record.ready, ready);
		CHECK_INT(state.record.restarts, 41);
		CHECK_STR(state.record.service, "main");
		CHECK_INT(state.service_count, 3);
		CHECK_STR(state.services[2].name, "x");
		CHECK_STR(state.services[2].text, "warm");
		CHECK_INT(state.services[2].pid, 77);
		CHECK_INT(state.services[2].restarts, 40);
		CHECK_STR(state.services[1].text, "");
	}
}

TEST(the_same_state_is_the_same_bytes)
{
	struct link_state other;

	set_up(3);
	snapshot_running(&s, true, &state);
	memset(&other, 0xaa, sizeof(other));
	snapshot_running(&s, true, &other);
	CHECK_MEM(&state, &other, sizeof(other));
	memset(&other, 0xaa, sizeof(other));
	snapshot_fatal(&s, 3, "why", &state);
	snapshot_fatal(&s, 3, "why", &other);
	CHECK_MEM(&state, &other, sizeof(other));
}

TEST(before_there_are_services_it_runs)
{
	set_up(0);
	snapshot_running(&s, false, &state);
	CHECK_INT(state.record.status, RECORD_RUNNING);
	CHECK_INT(state.service_count, 0);
	snapshot_fatal(&s, 8, "spawn: link: why", &state);
	CHECK_INT(state.record.status, RECORD_FATAL);
	CHECK_STR(state.record.error, "spawn: link: why");
	CHECK_INT(state.record.step, 8);
}

TEST(as_many_services_as_there_can_be_and_the_longest_words)
{
	set_up(CONFIG_SERVICES_MAX);
	for (size_t i = 0; i < CONFIG_SERVICES_MAX; i++) {
		struct service *v = &s.members[i].service;

		memset(v->config.name, 'n', sizeof(v->config.name) - 1);
		memset(v->text, 't', sizeof(v->text) - 1);
	}
	snapshot_ended(&s, &state);
	CHECK_INT(state.service_count, CONFIG_SERVICES_MAX);
	for (size_t i = 0; i < CONFIG_SERVICES_MAX; i++) {
		CHECK_INT(strlen(state.services[i].name),
			  sizeof(state.services[i].name) - 1);
		CHECK_INT(strlen(state.services[i].text),
			  sizeof(state.services[i].text) - 1);
	}
	CHECK_INT(strlen(state.record.service),
		  sizeof(state.record.service) - 1);
}

TEST(an_error_is_cut_to_its_room)
{
	char error[2000];

	memset(error, 'e', sizeof(error));
	error[sizeof(error) - 1] = '\0';
	set_up(1);
	snapshot_fatal(&s, 8, error, &state);
	CHECK_INT(strlen(state.record.error), sizeof(state.record.error) - 1);
}

TEST(every_code_and_every_signal)
{
	set_up(1);
	for (int code = 0; code < 256; code++) {
		app()->status = code << 8;
		snapshot_ended(&s, &state);
		CHECK_INT(state.record.status, RECORD_EXITED);
		CHECK_INT(state.record.code, code);
	}
	for (int sig = 1; sig <= 64; sig++) {
		/* With a core or without. */
		app()->status = sig | (sig & 1 ? 0x80 : 0);
		snapshot_ended(&s, &state);
		CHECK_INT(state.record.status, RECORD_SIGNALED);
		CHECK_INT(state.record.signal, sig);
		/* A configuration may have that name. */
		CHECK_INT(signal_number(state.record.name), sig);
	}
	app()->status = SIGSEGV;
	snapshot_ended(&s, &state);
	CHECK_STR(state.record.name, "SIGSEGV");
	app()->status = 34;
	snapshot_ended(&s, &state);
	CHECK_STR(state.record.name, "SIGRTMIN+0");
	app()->status = 64;
	snapshot_ended(&s, &state);
	CHECK_STR(state.record.name, "SIGRTMIN+30");
	app()->status = 33;
	snapshot_ended(&s, &state);
	CHECK_STR(state.record.name, "33");
}

TEST(whose_end_it_is)
{
	set_up(3);
	app()->status = 1 << 8;
	s.members[2].service.status = SIGKILL;
	s.members[2].was_oom = true;
	s.first_end = 2;
	snapshot_ended(&s, &state);
	CHECK_STR(state.record.service, "main");
	CHECK_INT(state.record.code, 1);
	CHECK(!state.record.oom);
	s.end = CONFIG_END_ANY;
	snapshot_ended(&s, &state);
	CHECK_STR(state.record.service, "x");
	CHECK_STR(state.record.name, "SIGKILL");
	CHECK(state.record.oom);
}

CHECK_MAIN("snapshot")
