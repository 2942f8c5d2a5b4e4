#include "init/spec/config.h"

#include <signal.h>

#include "tests/unit/check.h"

/* The keys of the link to the parent. */

static struct config parsed;
static struct config_fault fault;

static int parse(const char *text)
{
	static char copy[4096];
	size_t len = strlen(text);

	REQUIRE(len < sizeof(copy));
	memcpy(copy, text, len);
	memset(&parsed, 0xaa, sizeof(parsed));
	fault = (struct config_fault){ 0 };
	return config_parse(copy, len, &parsed, &fault);
}

static const struct config_link *link_of(const char *text)
{
	CHECK_INT(parse(text), 0);
	return &parsed.link;
}

#define CHECK_FAULT(text, code, at)              \
	do {                                     \
		CHECK_INT(parse(text), -(code)); \
		CHECK_INT(fault.line, (at));     \
	} while (0)

TEST(all_is_off_where_nothing_is_said)
{
	const struct config_link *l = link_of("");

	CHECK_INT(l->log, CONFIG_LOG_OFF);
	CHECK_INT(l->report, CONFIG_REPORT_OFF);
	CHECK_INT(l->status, CONFIG_STATUS_OFF);
	CHECK(!l->control_stop && l->control_signals == 0);
	CHECK(!l->control_local);
	CHECK(!config_keeps_log(l));
	CHECK(!config_logs(&parsed, parsed.services, 1));
	/* Ports as they are written in docs/link.md. */
	CHECK_INT(l->status_port, 17000);
	CHECK_INT(l->log_port, 17001);
	CHECK_INT(l->control_port, 17003);
	CHECK_INT(l->report_port, 9001);
	CHECK_INT(l->log_size, 131072);
	CHECK_INT(l->log_readers, 4);
	CHECK_INT(l->log_rate, 0);
	CHECK_INT(l->report_log, 4096);
	CHECK(!l->log_is_raw);
}

TEST(each_value_is_read)
{
	const struct config_link *l =
		link_of("log = listen\nlog-port = 5\nlog-size = 4K\n"
			"log-readers = 64\nlog-rate = 1M\nlog-escape = no\n"
			"report = strict\nreport-port = 6\nreport-log = 4095\n"
			"status = full\nstatus-port = 7\n"
			"control = SIGHUP stop usr1\ncontrol-port = 8\n"
			"control-local = yes\n");

	CHECK_INT(l->log, CONFIG_LOG_LISTEN);
	CHECK_INT(l->log_port, 5);
	CHECK_INT(l->log_size, 4096);
	CHECK_INT(l->log_readers, 64);
	CHECK_INT(l->log_rate, 1 << 20);
	CHECK(l->log_is_raw);
	CHECK_INT(l->report, CONFIG_REPORT_STRICT);
	CHECK_INT(l->report_port, 6);
	CHECK_INT(l->report_log, 4095);
	CHECK_INT(l->status, CONFIG_STATUS_FULL);
	CHECK_INT(l->status_port, 7);
	CHECK(l->control_stop && l->control_local);
	CHECK_INT(l->control_signals,
		  (1U << (SIGHUP - 1)) | (1U << (SIGUSR1 - 1)));
	CHECK_INT(l->control_port, 8);
	CHECK_INT(link_of("log = connect\n")->log, CONFIG_LOG_CONNECT);
	CHECK_INT(link_of("report = on\n")->report, CONFIG_REPORT_ON);
	CHECK_INT(link_of("status = brief\n")->status, CONFIG_STATUS_BRIEF);
	CHECK(!link_of("control = none\n")->control_stop);
	CHECK(!link_of("control = SIGTERM\n")->control_stop);
}

TEST(what_cannot_be_is_refused)
{
	CHECK_FAULT("log = yes\n", CONFIG_E_CHOICE, 1);
	CHECK_FAULT("report = listen\n", CONFIG_E_CHOICE, 1);
	CHECK_FAULT("status = on\n", CONFIG_E_CHOICE, 1);
	CHECK_FAULT("log-port = 0\n", CONFIG_E_SMALL, 1);
	CHECK_FAULT("log-port = 4294967295\n", CONFIG_E_LARGE, 1);
	CHECK_FAULT("log-size = 4095\n", CONFIG_E_SMALL, 1);
	CHECK_FAULT("log-size = 65M\n", CONFIG_E_LARGE, 1);
	CHECK_FAULT("log-size = many\n", CONFIG_E_SIZE, 1);
	CHECK_FAULT("report-log = 1048577\n", CONFIG_E_LARGE, 1);
	CHECK_FAULT("log-readers = 0\n", CONFIG_E_SMALL, 1);
	CHECK_FAULT("log-readers = 65\n", CONFIG_E_LARGE, 1);
	CHECK_FAULT("log-rate = 1\n", CONFIG_E_SMALL, 1);
	CHECK_FAULT("control = stop none\n", CONFIG_E_CONTROL_WORD, 1);
	CHECK_FAULT("control = none stop\n", CONFIG_E_MORE, 1);
	CHECK_FAULT("control = stopp\n", CONFIG_E_CONTROL_WORD, 1);
	CHECK_FAULT("control = stop, SIGHUP\n", CONFIG_E_CONTROL_WORD, 1);
	CHECK_FAULT("control-local = maybe\n", CONFIG_E_CHOICE, 1);
	CHECK_FAULT("[a]\ncommand = x\nlog = listen\n", CONFIG_E_ENCLAVE, 3);
	CHECK_FAULT("log = off\nlog = listen\n", CONFIG_E_TWICE, 2);
}

TEST(no_two_listen_on_one_port)
{
	CHECK_FAULT("log = listen\nstatus = brief\nlog-port = 17000\n",
		    CONFIG_E_PORT, 3);
	CHECK_FAULT("control = stop\nstatus-port = 9\ncontrol-port = 9\n"
		    "status = full\n",
		    CONFIG_E_PORT, 3);
	/* What is off, or dialled, listens nowhere. */
	(void)link_of("log = off\nstatus = brief\nlog-port = 17000\n");
	(void)link_of("log = connect\nstatus = brief\nlog-port = 17000\n");
	(void)link_of("report = on\nstatus = brief\nreport-port = 17000\n");
}

TEST(a_log_leaves_no_place_for_another_init)
{
	CHECK_FAULT("log = listen\n[a]\ncommand = x\n[init]\ncommand = x\n",
		    CONFIG_E_INIT, 4);
	CHECK_FAULT("report = on\n[init]\ncommand = x\n", CONFIG_E_INIT, 2);
	(void)link_of("report = on\nreport-log = 0\n[init]\ncommand = x\n");
	(void)link_of("status = full\n[init]\ncommand = x\n");
	CHECK_FAULT("report = on\nlog-size = 4K\nreport-log = 8K\n",
		    CONFIG_E_REPORT_LOG, 3);
	(void)link_of("log = listen\nlog-size = 4K\nreport-log = 8K\n");
}

TEST(hand_over_leaves_nobody_to_speak)
{
	CHECK_FAULT("hand-over = yes\nlog = listen\n", CONFIG_E_HAND_OVER, 2);
	CHECK_FAULT("hand-over = yes\nreport = on\n", CONFIG_E_HAND_OVER, 2);
	CHECK_FAULT("hand-over = yes\nstatus = brief\n", CONFIG_E_HAND_OVER, 2);
	CHECK_FAULT("hand-over = yes\ncontrol = stop\n", CONFIG_E_HAND_OVER, 2);
	CHECK_FAULT("hand-over = yes\ncontrol-local = yes\n",
		    CONFIG_E_HAND_OVER, 2);
	(void)link_of("hand-over = yes\nlog = off\nreport = off\nstatus = off\n"
		      "control = none\ncontrol-local = no\nlog-port = 5\n");
}

static bool logs(const char *text, size_t service, int fd)
{
	(void)link_of(text);
	return config_logs(&parsed, &parsed.services[service], fd);
}

TEST(streams_are_chosen)
{
	CHECK(logs("log = listen\n", 0, 1));
	CHECK(logs("log = connect\n", 0, 2));
	CHECK(logs("report = on\n", 0, 1));
	CHECK(!logs("report = on\nreport-log = 0\n", 0, 1));
	CHECK(!logs("status = full\ncontrol = stop\n", 0, 1));
	CHECK(!logs("log = listen\nlog-stdout = no\n", 0, 1));
	CHECK(logs("log = listen\nlog-stdout = no\n", 0, 2));
	CHECK(!logs("log = listen\nlog-stderr = no\n", 0, 2));
	CHECK(!logs("log = listen\nstdout = null\n", 0, 1));
	CHECK(logs("log = listen\nstdout = null\n", 0, 2));
	CHECK(!logs("log = listen\nstderr = null\n", 0, 2));
	CHECK(!logs("log = listen\nterminal = yes\n", 0, 1));
	CHECK(logs("log = listen\nterminal = no\n", 0, 1));
	CHECK(logs("log = listen\n[a]\ncommand = x\n", 1, 1));
	CHECK(!logs("log = listen\n[a]\ncommand = x\nterminal = yes\n", 1, 1));
	CHECK(!logs("log = listen\n[a]\ncommand = x\nlog-stderr = no\n", 1, 2));
}

CHECK_MAIN("config_link")
