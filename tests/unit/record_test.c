#include "vsock/record.h"

#include "tests/unit/check.h"

static char out[RECORD_FULL_MAX + 1];

static struct record base(enum record_status status)
{
	return (struct record){ .status = status,
				.service = "main",
				.uptime_ms = 8123 };
}

static void check_line(const struct record *r, const char *wanted)
{
	size_t n = record_write(r, out, sizeof(out));

	out[n] = '\0';
	CHECK_STR(out, wanted);
}

TEST(what_runs_says_no_more_than_that)
{
	struct record r = { .status = RECORD_RUNNING };

	check_line(&r,
		   "{\"status\":\"running\",\"ready\":false,\"uptime_ms\":0,"
		   "\"restarts\":0}\n");
}

TEST(an_exit_has_its_code)
{
	struct record r = base(RECORD_EXITED);

	r.code = 3;
	r.has_log = true;
	r.log_bytes = 4096;
	check_line(&r, "{\"status\":\"exited\",\"code\":3,\"service\":\"main\","
		       "\"oom\":false,\"uptime_ms\":8123,\"restarts\":0,"
		       "\"log_bytes\":4096,\"lost_bytes\":0}\n");
	r.has_log = false;
	r.code = INT32_MIN;
	r.service[0] = '\0';
	r.uptime_ms = UINT64_MAX;
	r.restarts = UINT32_MAX;
	check_line(&r, "{\"status\":\"exited\",\"code\":-2147483648,"
		       "\"oom\":false,\"uptime_ms\":18446744073709551615,"
		       "\"restarts\":4294967295}\n");
}

TEST(the_boot_stands_before_the_numbers_of_the_log)
{
	struct record r = base(RECORD_RUNNING);

	strcpy(r.boot, "0a1b2c3d");
	check_line(
		&r,
		"{\"status\":\"running\",\"ready\":false,\"service\":\"main\","
		"\"uptime_ms\":8123,\"restarts\":0,\"boot\":\"0a1b2c3d\"}\n");
	r.has_log = true;
	check_line(
		&r,
		"{\"status\":\"running\",\"ready\":false,\"service\":\"main\","
		"\"uptime_ms\":8123,\"restarts\":0,\"boot\":\"0a1b2c3d\","
		"\"log_bytes\":0,\"lost_bytes\":0}\n");
}

TEST(whether_a_report_comes_is_said_where_it_is_known)
{
	struct record r = { .status = RECORD_RUNNING, .says_report = true };

	check_line(&r,
		   "{\"status\":\"running\",\"ready\":false,\"uptime_ms\":0,"
		   "\"restarts\":0,\"report\":false}\n");
	r.report = true;
	check_line(&r,
		   "{\"status\":\"running\",\"ready\":false,\"uptime_ms\":0,"
		   "\"restarts\":0,\"report\":true}\n");
}

TEST(a_signal_has_number_and_name)
{
	struct record r = base(RECORD_SIGNALED);

	r.signal = 9;
	strcpy(r.name, "SIGKILL");
	r.oom = true;
	check_line(&r, "{\"status\":\"signaled\",\"signal\":9,"
		       "\"name\":\"SIGKILL\",\"service\":\"main\",\"oom\":true,"
		       "\"uptime_ms\":8123,\"restarts\":0}\n");
}

TEST(a_boot_that_failed_has_step_and_reason)
{
	struct record r = base(RECORD_FATAL);

	r.service[0] = '\0';
	r.step = 3;
	strcpy(r.error, "/cmd: no \"end\"\n");
	check_line(&r, "{\"status\":\"fatal\","
		       "\"error\":\"/cmd: no \\\"end\\\"\\u000a\",\"step\":3,"
		       "\"uptime_ms\":8123,\"restarts\":0}\n");
	r.step = 0;
	strcpy(r.error, "x");
	check_line(&r, "{\"status\":\"fatal\",\"error\":\"x\","
		       "\"uptime_ms\":8123,\"restarts\":0}\n");
}

static void check_error(const char *bytes, const char *wanted)
{
	struct record r = base(RECORD_FATAL);
	char *at;
	size_t n;

	strcpy(r.error, bytes);
	n = record_write(&r, out, sizeof(out));
	out[n] = '\0';
	at = strstr(out, "\"error\":\"");
	REQUIRE(at);
	at += strlen("\"error\":\"");
	REQUIRE(strlen(at) > strlen(wanted));
	at[strlen(wanted)] = '\0';
	CHECK_STR(at, wanted);
}

TEST(strings_are_ascii)
{
	check_error("a\\b\"c/\"", "a\\\\b\\\"c/\\\"\"");
	check_error("\x01\x1f\x7f ~\"", "\\u0001\\u001f\\u007f ~\\\"\"");
	check_error("\xc3\xbc\xe2\x82\xac", "\\u00fc\\u20ac\"");
	check_error("\xf0\x9f\x94\x92\xf4\x8f\xbf\xbf",
		    "\\ud83d\\udd12\\udbff\\udfff\"");
	check_error("\xff\xc3(\xe2\x82", "\\ufffd\\ufffd(\\ufffd\\ufffd\"");
	check_error("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd\"");
}

TEST(a_long_error_is_cut_before_a_whole_character)
{
	struct record r = base(RECORD_FATAL);
	size_t n;

	memset(r.error, 0xff, sizeof(r.error)); /* and no NUL */
	memset(r.service, 0xff, sizeof(r.service));
	memset(r.boot, 0xff, sizeof(r.boot));
	n = record_write(&r, out, sizeof(out));
	CHECK(n <= RECORD_MAX && n > RECORD_MAX - 6);
	out[n] = '\0';
	CHECK(strstr(out, "\\ufffd\",\"service\":\""));
	for (size_t cap = 0; cap < RECORD_MAX; cap++) {
		char *room = malloc(cap + !cap);

		REQUIRE(room);
		n = record_write(&r, room, cap);
		CHECK(n <= cap);
		if (n > 0)
			CHECK_MEM(room + n - 2, "}\n", 2);
		free(room);
	}
	memset(r.error, 'e', sizeof(r.error));
	memset(r.name, 'n', sizeof(r.name));
	r.status = RECORD_SIGNALED;
	r.has_log = true;
	r.uptime_ms = r.log_bytes = r.lost_bytes = UINT64_MAX;
	n = record_write(&r, out, RECORD_MAX);
	CHECK(n > 0 && n <= RECORD_MAX);
}

static struct record_service services[RECORD_SERVICES_MAX];

static size_t check_full(size_t count, size_t cap, const char *wanted)
{
	struct record r = { .status = RECORD_RUNNING, .restarts = 2 };
	char *room = malloc(cap + !cap);
	size_t n;

	REQUIRE(room);
	n = record_write_full(&r, services, count, room, cap);
	REQUIRE(n <= cap);
	memcpy(out, room, n);
	out[n] = '\0';
	free(room);
	CHECK_STR(out, wanted);
	return n;
}

#define HEAD \
	"{\"status\":\"running\",\"ready\":false,\"uptime_ms\":0,\"restarts\":2,"
#define MAIN \
	"{\"name\":\"main\",\"state\":\"running\",\"restarts\":0,\"pid\":12"
#define DB "{\"name\":\"db\",\"state\":\"backoff\",\"restarts\":2"

TEST(a_full_status_has_the_services)
{
	services[0] = (struct record_service){
		.name = "main", .state = "running", .pid = 12, .text = "ok\n"
	};
	services[1] = (struct record_service){ .name = "db",
					       .state = "backoff",
					       .restarts = 2 };
	check_full(2, sizeof(out) - 1,
		   HEAD "\"services\":[" MAIN ",\"text\":\"ok\\u000a\"}," DB
			"}]}\n");
	check_full(0, sizeof(out) - 1, HEAD "\"services\":[]}\n");
}

TEST(texts_are_left_out_first_and_then_services)
{
	static const char whole[] = HEAD "\"services\":[" MAIN
					 ",\"text\":\"ok\"}," DB
					 ",\"text\":\"no\"}]}\n";
	static const char one_text[] = HEAD "\"services\":[" MAIN
					    ",\"text\":\"ok\"}," DB "}]}\n";
	static const char no_text[] = HEAD "\"services\":[" MAIN "}," DB
					   "}]}\n";
	static const char one[] = HEAD "\"services\":[" MAIN
				       "}],\"omitted\":1}\n";
	static const char none[] = HEAD "\"services\":[],\"omitted\":2}\n";
	static const char *const lines[] = { whole, one_text, no_text,
					     one,   none,     "" };
	size_t cap = sizeof(whole);

	strcpy(services[0].name, "main");
	strcpy(services[0].state, "running");
	strcpy(services[0].text, "ok");
	services[0].pid = 12;
	strcpy(services[1].name, "db");
	strcpy(services[1].state, "backoff");
	strcpy(services[1].text, "no");
	services[1].restarts = 2;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		for (; cap > 0 && cap >= strlen(lines[i]); cap--)
			check_full(2, cap, lines[i]);
	CHECK_INT(cap, 0);
}

TEST(the_longest_services_fit)
{
	struct record r = base(RECORD_FATAL);
	size_t n;

	memset(services, 0xff, sizeof(services));
	for (size_t i = 0; i < RECORD_SERVICES_MAX; i++)
		services[i].pid = INT32_MAX;
	memset(r.error, 0xff, sizeof(r.error));
	n = record_write_full(&r, services, RECORD_SERVICES_MAX, out,
			      sizeof(out));
	CHECK(n <= RECORD_FULL_MAX && n > RECORD_FULL_MAX - 1000);
	out[n] = '\0';
	CHECK(!strstr(out, "omitted"));
	CHECK_MEM(out + n - 4, "}]}\n", 4);
}

CHECK_MAIN("record")
