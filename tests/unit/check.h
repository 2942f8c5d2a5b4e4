#ifndef TESTS_UNIT_CHECK_H
#define TESTS_UNIT_CHECK_H

/*
 * The whole test framework: TEST(name) { ... CHECK(...) ... }, and one
 * CHECK_MAIN("suite") a file. Each test runs in a child of its own with a
 * deadline, so that a crash or a hang is one "not ok" and no more.
 *
 * Prints "1..N", then "ok unit/LIBC/SUITE/NAME" or "not ok ...: why" for each;
 * names on the command line choose among the tests, and -l before them lists.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __GLIBC__
#define CHECK_LIBC "asan"
#else
#define CHECK_LIBC "musl"
#endif

/*
 * Of loops over very many inputs one of the two libraries does each CHECK_SOME_*'th: with
 * sanitizers all are tried where what counts is memory, on musl where it is the result.
 */
#ifdef __GLIBC__
enum { CHECK_SOME_WITH_SANITIZERS = 8, CHECK_SOME_ON_MUSL = 1 };
#else
enum { CHECK_SOME_WITH_SANITIZERS = 1, CHECK_SOME_ON_MUSL = 7 };
#endif

enum {
	CHECK_TESTS_MAX = 100,
	CHECK_DEADLINE_S = 300,
	CHECK_FAILURES_SHOWN = 10
};

struct check_test {
	const char *name;
	void (*run)(void);
};

static struct check_test check_tests[CHECK_TESTS_MAX];
static int check_count;
static int check_pipe; /* where a failed CHECK says why */
static int check_failures;

static inline void check_add(const char *name, void (*run)(void))
{
	if (check_count == CHECK_TESTS_MAX)
		abort();
	check_tests[check_count++] = (struct check_test){ name, run };
}

#define TEST(name)                                                      \
	static void name(void);                                         \
	__attribute__((constructor)) static void check_add_##name(void) \
	{                                                               \
		check_add(#name, name);                                 \
	}                                                               \
	static void name(void)

__attribute__((format(printf, 3, 4))) static inline bool check_fail(
	const char *file, int line, const char *format, ...)
{
	char text[900];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = '?';
	if (check_failures++ < CHECK_FAILURES_SHOWN)
		dprintf(check_pipe, "%s:%d: %s\n", file, line, text);
	return false;
}

#define CHECK_FAIL(...) check_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Each of these is false after it has told of a failure. */
#define CHECK(truth) check_true(__FILE__, __LINE__, #truth, (truth))
#define CHECK_INT(got, wanted) \
	check_int(__FILE__, __LINE__, #got, (intmax_t)(got), (intmax_t)(wanted))
#define CHECK_STR(got, wanted) \
	check_str(__FILE__, __LINE__, #got, (got), (wanted))
#define CHECK_MEM(got, wanted, len)                            \
	check_true(__FILE__, __LINE__, #got " holds " #wanted, \
		   memcmp((got), (wanted), (len)) == 0)
/* For what a test cannot go on without. */
#define REQUIRE(truth)             \
	do {                       \
		if (!CHECK(truth)) \
			_exit(1);  \
	} while (0)

static inline bool check_true(const char *file, int line, const char *what,
			      bool truth)
{
	return truth || check_fail(file, line, "not so: %s", what);
}

static inline bool check_int(const char *file, int line, const char *what,
			     intmax_t got, intmax_t wanted)
{
	return got == wanted ||
	       check_fail(file, line, "%s is %jd, not %jd", what, got, wanted);
}

static inline bool check_str(const char *file, int line, const char *what,
			     const char *got, const char *wanted)
{
	if (got && strcmp(got, wanted) == 0)
		return true;
	return check_fail(file, line, "%s is \"%s\", not \"%s\"", what,
			  got ? got : "(null)", wanted);
}

static inline bool check_run(const char *suite, const struct check_test *t)
{
	char said[4096];
	size_t len = 0;
	int fds[2], status = 0;
	ssize_t n;
	char *line;
	pid_t pid;
	bool good;

	if (pipe(fds) < 0 || (pid = fork()) < 0) {
		perror("check");
		exit(1);
	}
	if (pid == 0) {
		close(fds[0]);
		check_pipe = fds[1];
		(void)alarm(CHECK_DEADLINE_S);
		t->run();
		_exit(check_failures > 0);
	}
	close(fds[1]);
	(void)waitpid(pid, &status, 0);
	/* Not to the end: what the test has left behind may hold the pipe. */
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	while (len < sizeof(said) - 1 &&
	       (n = read(fds[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	said[len] = '\0';
	good = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	printf("%s unit/" CHECK_LIBC "/%s/%s", good ? "ok" : "not ok", suite,
	       t->name);
	if (WIFSIGNALED(status))
		printf(": killed by signal %d (%s)", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	else if (!good && len == 0)
		printf(": exited with code %d", WEXITSTATUS(status));
	line = strtok(said, "\n");
	if (line && !WIFSIGNALED(status)) {
		printf(": %s", line);
		line = strtok(NULL, "\n");
	}
	for (; line; line = strtok(NULL, "\n"))
		printf("\n#   %s", line);
	printf("\n");
	return good;
}

static inline bool check_chosen(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc <= 1;
}

static inline int check_main(const char *suite, int argc, char **argv)
{
	bool good = true, list = argc > 1 && strcmp(argv[1], "-l") == 0;
	int i, n = 0;

	if (list) {
		for (i = 0; i < check_count; i++)
			if (check_chosen(check_tests[i].name, argc - 1,
					 argv + 1))
				puts(check_tests[i].name);
		return 0;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < check_count; i++)
		n += check_chosen(check_tests[i].name, argc, argv);
	printf("1..%d\n", n);
	fflush(stdout);
	for (i = 0; i < check_count; i++)
		if (check_chosen(check_tests[i].name, argc, argv))
			good = check_run(suite, &check_tests[i]) && good;
	return good ? 0 : 1;
}

#define CHECK_MAIN(suite)                             \
	int main(int argc, char **argv)               \
	{                                             \
		return check_main(suite, argc, argv); \
	}

#endif
