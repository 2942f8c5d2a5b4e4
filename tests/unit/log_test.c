#include "init/log.h"

#include <limits.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/unit/temp.h"

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
	static char buf[4096];
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

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(a_full_console_is_waited_for_but_not_for_ever)
{
	double start;

	open_console();
	while (send(logged, "full", 4, MSG_DONTWAIT) > 0)
		;
	start = seconds();
	log_line("spec", "/cmd", "lost");
	CHECK(seconds() - start >= LOG_WAIT_MS / 1000.0);
	while (strcmp(line(), "(nothing)") != 0)
		;
	log_line("spec", "/cmd", "there is room again");
	CHECK_STR(line(), "init: spec: /cmd: there is room again\n");
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

CHECK_MAIN("log")
