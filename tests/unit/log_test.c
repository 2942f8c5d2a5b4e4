#include "init/log.h"

#include <limits.h>
#include <sys/socket.h>

#include "tests/unit/temp.h"
#include "vsock/io.h"

/* --- the clock, which stands still unless a test sets it forward --- */

static int64_t ahead_ms;

int64_t io_now_us(void)
{
	return io_now_ms() * 1000;
}

int64_t io_now_ms(void)
{
	return 1000 + ahead_ms;
}

/* --- texts --- */

static const char *number(long long n)
{
	static struct text t;

	text_clear(&t);
	text_add_number(&t, n);
	return text_string(&t);
}

TEST(numbers_are_decimal)
{
	CHECK_STR(number(0), "0");
	CHECK_STR(number(7), "7");
	CHECK_STR(number(-1), "-1");
	CHECK_STR(number(65536), "65536");
	CHECK_STR(number(LLONG_MAX), "9223372036854775807");
	CHECK_STR(number(LLONG_MIN), "-9223372036854775808");
}

TEST(texts_are_cut_where_they_are_full)
{
	struct text *t = malloc(sizeof(*t));

	REQUIRE(t);
	text_clear(t);
	for (int i = 0; i < 2000; i++)
		text_add(t, "x");
	CHECK_INT(strlen(text_string(t)), LOG_LINE_MAX - 1);
	text_add(t, "more");
	text_add_number(t, 12345);
	CHECK_INT(strlen(text_string(t)), LOG_LINE_MAX - 1);

	text_clear(t);
	text_add(t, "abc");
	text_add_bytes(t, "defgh", 2);
	text_add(t, "");
	CHECK_STR(text_string(t), "abcde");
	text_add(t, "f"); /* may go on */
	CHECK_STR(text_string(t), "abcdef");

	/* The last piece fills it to the byte, or is cut. */
	for (size_t len = LOG_LINE_MAX - 4; len < LOG_LINE_MAX + 4; len++) {
		char *piece = malloc(len);

		REQUIRE(piece);
		memset(piece, 'y', len);
		text_clear(t);
		text_add_bytes(t, piece, len);
		CHECK_INT(strlen(text_string(t)),
			  len < LOG_LINE_MAX ? len : LOG_LINE_MAX - 1);
		free(piece);
	}
	free(t);
}

/* --- lines, a message each: one write is one message --- */

static int console, logged; /* the far end, the log's */

static void open_console(void)
{
	int fds[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) ==
		0);
	console = fds[0];
	logged = fds[1];
	log_open(logged);
}

static const char *line(void)
{
	static char buf[LOG_KEPT_MAX + 2 * LOG_LINE_MAX];
	ssize_t n = recv(console, buf, sizeof(buf) - 1, 0);

	if (n < 0)
		return "(nothing)";
	buf[n] = '\0';
	return buf;
}

TEST(a_line_is_one_write)
{
	open_console();
	log_line("spec", "/cmd", "empty");
	log_line("end", NULL, "done");
	log_line("root", "/rootfs", "not there");
	log_last("end", "/bin/app", "exited with code 0");
	CHECK_STR(line(), "init: spec: /cmd: empty\n");
	CHECK_STR(line(), "init: end: done\n");
	CHECK_STR(line(), "init: root: /rootfs: not there\n");
	CHECK_STR(line(), "init: end: /bin/app: exited with code 0\n");
	CHECK_STR(line(), "(nothing)");
}

TEST(control_characters_make_no_second_line)
{
	open_console();
	log_line("spec", "a\nb\r\x1b[2J", "\t\x7f\x01 end\n");
	CHECK_STR(line(), "init: spec: a?b??[2J: ??? end?\n");
	log_line("spec", "\xc3\xa4\xff", "\xe2\x82\xac");
	CHECK_STR(line(), "init: spec: \xc3\xa4\xff: \xe2\x82\xac\n");
}

TEST(long_lines_are_cut_and_still_end)
{
	char *text = malloc(5000);

	REQUIRE(text);
	memset(text, 'r', 4999);
	text[4999] = '\0';
	open_console();
	log_line("spec", "/env", text);
	CHECK_INT(strlen(line()), LOG_LINE_MAX);
	log_line("spec", "/env", text);
	CHECK(strchr(line(), '\n')[1] == '\0');

	/* An object that is too long leaves room for the reason. */
	memset(text, 'o', 4999);
	log_line("spawn", text, "not found");
	CHECK_STR(strstr(line(), ": not found"), ": not found\n");
	log_line(text, text, text);
	CHECK_INT(strlen(line()), LOG_LINE_MAX);
	free(text);
}

TEST(debug_lines_come_only_when_asked_for)
{
	const char *said;
	int ms, us;
	char end;

	open_console();
	log_debug("spec", NULL, "done");
	CHECK_STR(line(), "(nothing)");
	log_set_debug(false);
	log_debug("spec", NULL, "done");
	CHECK_STR(line(), "(nothing)");
	log_set_debug(true);
	log_debug("spec", NULL, "done");
	said = line();
	CHECK_INT(sscanf(said, "init: spec: done (%d.%3d ms)%c", &ms, &us,
			 &end),
		  3);
	CHECK(ms >= 0 && ms < 10000 && end == '\n');
	CHECK_INT(strlen(strchr(said, '.')), strlen(".000 ms)\n"));
}

TEST(a_log_that_goes_nowhere_is_no_fault)
{
	log_line("spec", "/cmd", "before any descriptor");
	log_open(-1);
	log_line("spec", "/cmd", "no descriptor");
	log_last("end", NULL, "no descriptor");
	log_open(999);
	log_line("spec", "/cmd", "a bad one");
}

TEST(a_reader_that_is_gone_is_no_fault)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE); /* PID 1 has it blocked */
	sigprocmask(SIG_BLOCK, &set, NULL);
	open_console();
	close(console);
	log_line("spec", "/cmd", "nobody reads");
}

/* Returns how many messages it takes to fill the console. */
static void fill_console(void)
{
	while (send(logged, "full", 4, MSG_DONTWAIT) > 0)
		;
}

static void empty_console(void)
{
	while (strcmp(line(), "(nothing)") != 0)
		;
}

TEST(what_a_full_console_does_not_take_is_kept)
{
	open_console();
	fill_console();
	log_line("spec", "/cmd", "kept");
	log_line("spec", "/cmd", "kept as well");
	CHECK(log_next(NULL) > 0);
	log_due(NULL, log_next(NULL)); /* still full */
	CHECK(log_next(NULL) > 0);
	empty_console();
	log_due(NULL, log_next(NULL));
	CHECK_STR(line(), "init: spec: /cmd: kept\ninit: spec: /cmd: kept as "
			  "well\n");
	CHECK_INT(log_next(NULL), 0);
	log_line("spec", "/cmd", "there is room again");
	CHECK_STR(line(), "init: spec: /cmd: there is room again\n");
}

TEST(lines_without_room_are_counted)
{
	char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	open_console();
	fill_console();
	for (int i = 0; i < 10; i++)
		log_line("spec", NULL, text);
	empty_console();
	CHECK(log_flush());
	CHECK_INT(strlen(line()), 4 * (sizeof("init: spec: \n") - 1 + 999));
	CHECK_STR(line(), "init: log: 6 lines were lost\n");
	CHECK_STR(line(), "(nothing)");
	CHECK(log_is_drained(NULL));
}

TEST(there_is_room_for_the_last_line)
{
	static const char last[] = "init: end: /opt/a/long/way/to/the/program: "
				   "exited with code 213\n";
	char text[1000];
	const char *said;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	open_console();
	fill_console();
	for (int i = 0; i < 5; i++)
		log_line("spec", NULL, text);
	log_last("end", "/opt/a/long/way/to/the/program",
		 "exited with code 213");
	empty_console();
	CHECK(log_flush());
	said = line();
	CHECK(strlen(said) > strlen(last));
	CHECK_STR(said + strlen(said) - strlen(last), last);
	CHECK_STR(line(), "init: log: 1 lines were lost\n");
}

/* Takes a page of what a full pipe holds: so much room there is for others then. */
static void take_page(int fd)
{
	char buf[4096];

	REQUIRE(read(fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf));
}

TEST(a_drain_lasts_as_long_as_the_console_moves)
{
	char text[1000];
	int fds[2];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	REQUIRE(pipe2(fds, O_NONBLOCK) == 0);
	while (write(fds[1], text, 1) > 0)
		;
	log_open(fds[1]);
	for (int i = 0; i < 5; i++)
		log_line("spec", NULL, text);
	log_last("end", NULL, text);
	CHECK(!log_is_drained(NULL));
	ahead_ms += LOG_STUCK_MS - 500;
	CHECK(!log_is_drained(NULL));
	take_page(fds[0]);
	CHECK(!log_is_drained(NULL));
	/* Longer ago than that it began, but not than it moved. */
	ahead_ms += LOG_STUCK_MS - 500;
	CHECK(!log_is_drained(NULL));
	CHECK(log_next(NULL) > 0);
	ahead_ms += 500;
	CHECK(log_is_drained(NULL)); /* it is stuck, */
	CHECK(!log_flush());
	CHECK(!log_is_drained(NULL)); /* and the next drain is another one. */
	take_page(fds[0]);
	CHECK(log_is_drained(NULL));
	CHECK(log_flush());
	CHECK_INT(log_next(NULL), 0);
}

/* Of a drain that its deadline ended nothing is left for the last line's. */
TEST(the_last_line_has_a_drain_of_its_own)
{
	open_console();
	fill_console();
	log_line("spawn", "/sbin/init", "kept");
	CHECK(!log_is_drained(NULL));
	ahead_ms += LOG_STUCK_MS;
	log_last("end", "/sbin/init", "not found");
	CHECK(!log_is_drained(NULL));
}

TEST(the_pause_between_two_tries_grows)
{
	int64_t last, at, pause = 0;

	open_console();
	fill_console();
	log_line("spec", "/cmd", "kept");
	for (int i = 0; i < 20; i++) {
		last = log_next(NULL);
		log_due(NULL, last);
		at = log_next(NULL);
		CHECK(at - last >= pause);
		pause = at - last;
	}
	CHECK_INT(pause, 1024);
	/* Not so at the end, which waits for it. */
	CHECK(!log_is_drained(NULL));
	CHECK(log_next(NULL) <= io_now_ms() + 2);
}

/* Reads what a full pipe holds once its writer has begun to wait for room. */
TEST(a_line_waits_for_a_reader_that_is_slow)
{
	char buf[65536];
	int fds[2];
	pid_t pid;
	size_t len = 0;
	ssize_t n;

	REQUIRE(pipe2(fds, O_NONBLOCK) == 0);
	memset(buf, '.', sizeof(buf));
	while (write(fds[1], buf, sizeof(buf)) > 0)
		;
	while (write(fds[1], buf, 1) > 0)
		;
	pid = fork();
	if (pid == 0) {
		log_open(fds[1]);
		log_in_child();
		log_last("end", "/bin/app", "exited with code 0");
		_exit(0);
	}
	close(fds[1]);
	(void)fcntl(fds[0], F_SETFL, 0);
	do {
		memmove(buf, buf + (len > 100 ? len - 100 : 0),
			len > 100 ? 100 : len);
		len = len > 100 ? 100 : len;
		n = read(fds[0], buf + len, sizeof(buf) - len - 1);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	buf[len] = '\0';
	CHECK_STR(strstr(buf, "init:"),
		  "init: end: /bin/app: exited with code 0\n");
	REQUIRE(waitpid(pid, NULL, 0) == pid);
}

/* --- a copy for the log of the link --- */

static int copy[2];

static void open_copy(void)
{
	REQUIRE(pipe2(copy, O_CLOEXEC | O_NONBLOCK) == 0);
	log_also(copy[1]);
}

static const char *copied(void)
{
	static char text[1 << 17];
	ssize_t n = read(copy[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

TEST(lines_are_copied_without_the_name)
{
	open_console();
	open_copy();
	log_line("step", "object", "reason");
	log_line("step", NULL, "two");
	CHECK_STR(copied(), "step: object: reason\nstep: two\n");
	log_also(-1);
	log_line("step", NULL, "three");
	CHECK_STR(copied(), "");
}

TEST(a_copy_is_made_where_there_is_no_console)
{
	log_open(-1);
	open_copy();
	log_line("step", NULL, "reason");
	CHECK_STR(copied(), "step: reason\n");
}

TEST(lines_that_the_copy_has_no_room_for_are_counted)
{
	char reason[LOG_LINE_MAX];
	int lines = 0;
	const char *at;

	log_open(-1);
	open_copy();
	memset(reason, 'x', sizeof(reason));
	memcpy(reason + sizeof(reason) - 1, "", 1);
	for (int i = 0; i < 200; i++)
		log_line("step", NULL, reason);
	for (at = copied(); (at = strchr(at, '\n')); at++)
		lines++;
	/* All are whole: it has never waited, and none was cut. */
	CHECK(lines > 10 && lines < 200);
	log_line("step", NULL, "next");
	(void)snprintf(reason, sizeof(reason),
		       "log: %d lines were lost here\nstep: next\n",
		       200 - lines);
	CHECK_STR(copied(), reason);
	log_line("step", NULL, "last");
	CHECK_STR(copied(), "step: last\n");
}

CHECK_MAIN("log")
