/* The reader of a status, targets and values of the command line: relay's. */

#include "tests/unit/check.h"
#include "vsock/relay/base/target.h"
#include "vsock/relay/base/value.h"
#include "vsock/relay/monitor/status.h"

static struct status s;

static const char *read_text(const char *text)
{
	memset(&s, 0xaa, sizeof(s));
	return status_read(text, strlen(text), &s, NULL);
}

TEST(the_lines_of_an_enclave_are_read)
{
	CHECK(!read_text("{\"status\":\"running\",\"ready\":true,"
			 "\"service\":\"main\",\"uptime_ms\":8123,"
			 "\"restarts\":2}"));
	CHECK_INT(s.kind, STATUS_RUNNING);
	CHECK(s.has_ready && s.is_ready && s.has_uptime);
	CHECK_INT(s.uptime_ms, 8123);
	CHECK_INT(s.restarts, 2);
	CHECK(!status_is_final(&s));

	CHECK(!read_text("{\"status\":\"exited\",\"code\":3,\"service\":"
			 "\"main\",\"oom\":false,\"uptime_ms\":8123,"
			 "\"restarts\":0,\"log_bytes\":61,\"lost_bytes\":9}"));
	CHECK_INT(status_exit_code(&s), 3);
	CHECK_STR(s.service, "main");
	CHECK_INT(s.log_bytes, 61);
	CHECK_INT(s.lost_bytes, 9);
	CHECK(status_is_final(&s));

	CHECK(!read_text("{\"status\":\"signaled\",\"signal\":9,\"name\":"
			 "\"SIGKILL\",\"service\":\"main\",\"oom\":true,"
			 "\"uptime_ms\":8123,\"restarts\":0}"));
	CHECK_INT(status_exit_code(&s), 137);
	CHECK(s.is_oom);

	CHECK(!read_text("{\"status\":\"fatal\",\"error\":\"spawn: /bin/app: "
			 "not found\",\"step\":8,\"uptime_ms\":120}"));
	CHECK_INT(status_exit_code(&s), 125);
	CHECK_INT(s.step, 8);
	CHECK_STR(s.error, "spawn: /bin/app: not found");
}

TEST(the_boot_is_read)
{
	static const struct {
		const char *text;
		uint32_t boot;
	} rows[] = {
		{ "\"0a1b2c3d\"", 0x0a1b2c3d },
		{ "\"ffffffff\"", UINT32_MAX },
		{ "\"00000000\"", 0 },
		{ "\"0A1B2C3D\"", 0 },
		{ "\"0a1b2c3\"", 0 },
		{ "\"0a1b2c3d4\"", 0 },
		{ "\"0a1b2c3 \"", 0 },
		{ "\"\"", 0 },
		{ "7", 0 },
		{ "null", 0 },
	};
	char text[100];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(text, sizeof(text),
			       "{\"status\":\"running\",\"boot\":%s}",
			       rows[i].text);
		CHECK(!read_text(text));
		CHECK_INT(s.boot, rows[i].boot);
	}
}

TEST(whether_a_report_comes_is_read)
{
	CHECK(!read_text("{\"status\":\"running\",\"report\":true}"));
	CHECK_INT(s.report, STATUS_REPORT_COMES);
	CHECK(!read_text("{\"status\":\"running\",\"report\":false}"));
	CHECK_INT(s.report, STATUS_REPORT_NONE);
	CHECK(!read_text("{\"status\":\"running\",\"report\":1}"));
	CHECK_INT(s.report, STATUS_REPORT_UNSAID);
}

TEST(services_are_read)
{
	CHECK(!read_text("{\"status\":\"running\",\"services\":[{\"name\":"
			 "\"main\",\"state\":\"running\",\"pid\":12,"
			 "\"restarts\":1,\"text\":\"ok\"},{\"name\":\"w\"},"
			 "7,null,{\"pid\":-1}]}"));
	CHECK_INT(s.count, 5);
	CHECK_STR(s.services[0].name, "main");
	CHECK_STR(s.services[0].state, "running");
	CHECK_STR(s.services[0].text, "ok");
	CHECK_INT(s.services[0].pid, 12);
	CHECK_INT(s.services[0].restarts, 1);
	CHECK_INT(s.services[1].pid, -1);
	CHECK_STR(s.services[2].name, "");
	CHECK_INT(s.services[4].pid, -1);
}

/* enclaver's odyn has fewer members, and the signal's name alone. */
TEST(the_lines_of_enclaver_are_read)
{
	CHECK(!read_text("{ \"status\": \"running\" }"));
	CHECK(!s.has_ready && !s.has_uptime);
	CHECK(!read_text("{ \"status\": \"exited\", \"code\": 255 }"));
	CHECK_INT(status_exit_code(&s), 255);
	CHECK(!read_text("{ \"status\": \"signaled\", \"signal\": "
			 "\"SIGTERM\" }"));
	CHECK_INT(status_exit_code(&s), 143);
	CHECK(!read_text("{ \"status\": \"signaled\", \"signal\": \"SIGX\" }"));
	CHECK_INT(status_exit_code(&s), 128);
}

TEST(what_is_no_status_is_refused)
{
	static const char *const lines[] = {
		"",
		"x",
		"[]",
		"7",
		"{}",
		"{",
		"{\"status\":\"running\"}x",
		"{\"status\":\"running\"}{}",
		"{\"status\":7}",
		"{\"status\":\"asleep\"}",
		"{\"status\":\"exited\"}",
		"{\"status\":\"exited\",\"code\":256}",
		"{\"status\":\"exited\",\"code\":-1}",
		"{\"status\":\"exited\",\"code\":1.5}",
		"{\"status\":\"exited\",\"code\":1e99}",
		"{\"status\":\"exited\",\"code\":\"3\"}",
		"{\"status\":\"signaled\",\"signal\":0}",
		"{\"status\":\"signaled\",\"signal\":65}",
		"{\"status\":\"running\"\t}",
		"{\"status\":\"running\",\"a\":\"\xc3\xa9\"}",
		"{\"status\":\"running\",\"a\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!read_text(lines[i]))
			CHECK_FAIL("taken: %s", lines[i]);
	CHECK(status_read("{\"status\":\"running\"}\0", 21, &s, NULL));
}

TEST(numbers_that_make_no_sense_are_none)
{
	CHECK(!read_text("{\"status\":\"running\",\"uptime_ms\":-1,"
			 "\"restarts\":1e300,\"log_bytes\":1.5,"
			 "\"lost_bytes\":\"7\"}"));
	CHECK_INT(s.uptime_ms, 0);
	CHECK_INT(s.restarts, 0);
	CHECK_INT(s.log_bytes, 0);
	CHECK_INT(s.lost_bytes, 0);
}

/* What is too long is cut, and too many services are left out. */
TEST(memory_is_bounded)
{
	static char text[STATUS_LINE_MAX];
	size_t len = 0;

	len += (size_t)snprintf(
		text, sizeof(text),
		"{\"status\":\"running\",\"service\":\"%0500d\","
		"\"services\":[{}",
		7);
	for (int i = 0; i < 5000; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",{}");
	(void)snprintf(text + len, sizeof(text) - len, "]}");
	CHECK(!read_text(text));
	CHECK_INT(s.count, STATUS_SERVICES_MAX);
	CHECK_INT(strlen(s.service), sizeof(s.service) - 1);
}

TEST(targets_are_read)
{
	struct target t;
	char path[TARGET_PATH_MAX], text[200];

	CHECK(!target_read("16", &t));
	CHECK_INT(t.kind, TARGET_CID);
	CHECK_INT(t.cid, 16);
	CHECK(!target_read("4294967294", &t));
	CHECK(!target_read("mux:/run/v.sock", &t));
	CHECK(target_path(&t, 17000, false, path));
	CHECK_STR(path, "/run/v.sock");
	CHECK(target_path(&t, 9001, true, path));
	CHECK_STR(path, "/run/v.sock_9001");
	CHECK(!target_read("dir:d", &t));
	CHECK(target_path(&t, 17000, false, path));
	CHECK_STR(path, "d/17000.listen");
	CHECK(target_path(&t, 9001, true, path));
	CHECK_STR(path, "d/9001.sock");

	CHECK(target_read("", &t));
	CHECK(target_read("0", &t));
	CHECK(target_read("4294967295", &t));
	CHECK(target_read("99999999999999999999", &t));
	CHECK(target_read("-1", &t));
	CHECK(target_read("16x", &t));
	CHECK(target_read("mux:", &t));
	CHECK(target_read("dir:", &t));
	CHECK(target_read("unix:x", &t));

	(void)snprintf(text, sizeof(text), "mux:/%0106d", 7);
	CHECK(!target_read(text, &t));
	CHECK(target_path(&t, 1, false, path));
	CHECK(!target_path(&t, 1, true, path));
	(void)snprintf(text, sizeof(text), "mux:/%0107d", 7);
	CHECK(!target_read(text, &t));
	CHECK(!target_path(&t, 1, false, path));
}

TEST(values_are_read)
{
	static const struct {
		const char *text;
		int64_t ms;
	} times[] = {
		{ "0", 0 },
		{ "5", 5000 },
		{ "5s", 5000 },
		{ "500ms", 500 },
		{ "2m", 120000 },
		{ "1h", 3600000 },
		{ "7d", 604800000 },
		{ "8d", -1 },
		{ "", -1 },
		{ "s", -1 },
		{ "1x", -1 },
		{ "-1", -1 },
		{ "1.5", -1 },
		{ "604801", -1 },
		{ "604800", 604800000 },
		{ "1 s", -1 },
		{ "99999999999999999999", -1 },
	};
	static const char *const signals[][2] = {
		{ "HUP", "SIGHUP" },
		{ "sighup", "SIGHUP" },
		{ "SIGUSR1", "SIGUSR1" },
		{ "rtmin+3", "SIGRTMIN+3" },
		{ "", NULL },
		{ "SIG", "SIGSIG" },
		{ "1", NULL },
		{ "HU P", NULL },
		{ "HUP\n", NULL },
		{ "ABCDEFGHIJKLMNOPQRSTUVWXYZ", NULL },
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		int64_t ms = -1;

		CHECK(value_time(times[i].text, &ms) == (times[i].ms >= 0));
		CHECK_INT(ms, times[i].ms);
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		char name[24];

		if (value_signal(signals[i][0], name, sizeof(name)))
			CHECK_STR(name, signals[i][1] ? signals[i][1] : "none");
		else
			CHECK(!signals[i][1]);
	}
}

CHECK_MAIN("relay_status")
