#include "init/spec/spec.h"

#include "tests/unit/check.h"

/* --- /cmd --- */

struct cmd {
	char *text;
	char **argv;
	size_t argc, line;
	int r;
};

/* The text in memory that ends where it may end, for the sanitizer. */
static struct cmd parse_cmd(const char *text, size_t len)
{
	struct cmd c = { .argc = 999, .line = 999 };

	c.text = malloc(len + 1);
	c.argv = calloc(spec_count_lines(text, len) + 1, sizeof(char *));
	REQUIRE(c.text && c.argv);
	memcpy(c.text, text, len);
	c.r = spec_parse_cmd(c.text, len, c.argv, &c.argc, &c.line);
	return c;
}

static void free_cmd(struct cmd *c)
{
	free(c->text);
	free(c->argv);
}

#define CHECK_CMD(text, ...)                          \
	check_cmd(__LINE__, (text), sizeof(text) - 1, \
		  (const char *const[]){ __VA_ARGS__, NULL })

static void check_cmd(int line, const char *text, size_t len,
		      const char *const *want)
{
	struct cmd c = parse_cmd(text, len);
	size_t i;

	if (!check_int(__FILE__, line, "the result", c.r, 0))
		return;
	for (i = 0; want[i]; i++)
		if (!check_str(__FILE__, line, "an argument",
			       i < c.argc ? c.argv[i] : NULL, want[i]))
			return;
	check_int(__FILE__, line, "argc", (intmax_t)c.argc, (intmax_t)i);
	if (c.argv[c.argc])
		check_fail(__FILE__, line, "argv does not end");
	free_cmd(&c);
}

#define CHECK_CMD_ERROR(text, r, line) \
	check_cmd_error(__LINE__, (text), sizeof(text) - 1, (r), (line))

static void check_cmd_error(int at, const char *text, size_t len, int r,
			    size_t line)
{
	struct cmd c = parse_cmd(text, len);

	check_int(__FILE__, at, "the result", c.r, r);
	check_int(__FILE__, at, "the line", (intmax_t)c.line, (intmax_t)line);
	check_int(__FILE__, at, "argc, untouched", (intmax_t)c.argc, 999);
	free_cmd(&c);
}

TEST(cmd_is_an_argument_a_line)
{
	CHECK_CMD("/bin/app\n", "/bin/app");
	CHECK_CMD("/bin/app\n--flag\nvalue\n", "/bin/app", "--flag", "value");
}

TEST(cmd_needs_no_final_newline)
{
	CHECK_CMD("/bin/app", "/bin/app");
	CHECK_CMD("app\n-x", "app", "-x");
}

TEST(cmd_blank_lines_are_empty_arguments)
{
	CHECK_CMD("redis-server\n--save\n\n", "redis-server", "--save", "");
	CHECK_CMD("a\n\nb\n", "a", "", "b");
	CHECK_CMD("a\n\n\nb", "a", "", "", "b");
}

TEST(cmd_drops_only_the_last_empty_segment)
{
	CHECK_CMD("a\n\n", "a", "");
	CHECK_CMD("a\n\n\n", "a", "", "");
}

TEST(cmd_has_no_escapes_and_no_other_separator)
{
	CHECK_CMD("sh\n-c\necho 'a b' \"c\"; x=\\n # y\n", "sh", "-c",
		  "echo 'a b' \"c\"; x=\\n # y");
	CHECK_CMD(" app \n\t\r\n\xff\x1b[1m\n", " app ", "\t\r", "\xff\x1b[1m");
	CHECK_CMD(" \n", " ");
}

TEST(cmd_that_names_nothing_is_refused)
{
	CHECK_CMD_ERROR("", -SPEC_E_EMPTY, 999);
	CHECK_CMD_ERROR("\n", -SPEC_E_NO_PROGRAM, 999);
	CHECK_CMD_ERROR("\n\n", -SPEC_E_NO_PROGRAM, 999);
	CHECK_CMD_ERROR("\n/bin/app\n", -SPEC_E_NO_PROGRAM, 999);
}

TEST(cmd_with_a_nul_byte_is_refused)
{
	CHECK_CMD_ERROR("\0", -SPEC_E_NUL, 1);
	CHECK_CMD_ERROR("/bin/app\0\n", -SPEC_E_NUL, 1);
	CHECK_CMD_ERROR("a\nb\nc\0d\n", -SPEC_E_NUL, 3);
	CHECK_CMD_ERROR("a\n\0", -SPEC_E_NUL, 2);
}

/* N lines of "x", the last without newline. */
static char *many_lines(size_t n, size_t *ret_len)
{
	char *text = malloc(2 * n);

	REQUIRE(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + 2 * i, "x\n", 2);
	*ret_len = 2 * n - 1;
	return text;
}

TEST(cmd_of_64_Ki_lines_is_the_longest)
{
	size_t len;
	char *text = many_lines(SPEC_ENTRIES_MAX, &len);
	struct cmd c = parse_cmd(text, len);

	CHECK_INT(c.r, 0);
	CHECK_INT(c.argc, 65536);
	CHECK_STR(c.argv[65535], "x");
	CHECK(!c.argv[65536]);
	free_cmd(&c);
	free(text);

	text = many_lines(SPEC_ENTRIES_MAX + 1, &len);
	c = parse_cmd(text, len);
	CHECK_INT(c.r, -SPEC_E_TOO_MANY);
	CHECK_INT(c.line, 65537);
	free_cmd(&c);
	free(text);
}

TEST(cmd_of_one_line_of_1_MiB)
{
	char *text = malloc(SPEC_FILE_MAX);
	struct cmd c;

	REQUIRE(text);
	memset(text, 'y', SPEC_FILE_MAX);
	c = parse_cmd(text, SPEC_FILE_MAX);
	CHECK_INT(c.r, 0);
	CHECK_INT(c.argc, 1);
	CHECK_INT(strlen(c.argv[0]), 1 << 20);
	free_cmd(&c);

	memset(text, '\n', SPEC_FILE_MAX);
	text[0] = 'y';
	c = parse_cmd(text, SPEC_FILE_MAX);
	CHECK_INT(c.r, -SPEC_E_TOO_MANY);
	free_cmd(&c);
	free(text);
}

TEST(cmd_cut_anywhere_is_its_first_lines)
{
	static const char good[] = "/bin/app\n\n--name\na b\n\nlast\n\n";

	for (size_t len = 1; len < sizeof(good); len++) {
		struct cmd c = parse_cmd(good, len);
		size_t at = 0;

		if (!CHECK_INT(c.r, 0))
			return;
		CHECK_INT(c.argc, spec_count_lines(good, len));
		/* Put together again it is what it was. */
		for (size_t i = 0; i < c.argc; i++) {
			size_t n = strlen(c.argv[i]);

			CHECK(at + n <= len);
			CHECK_MEM(good + at, c.argv[i], n);
			at += n;
			CHECK(at == len || good[at] == '\n');
			at++;
		}
		CHECK(at == len || at == len + 1);
		free_cmd(&c);
	}
}

TEST(lines_are_counted)
{
	static const struct {
		const char *text;
		size_t lines;
	} cases[] = {
		{ "", 0 },     { "a", 1 },	{ "a\n", 1 },	{ "\n", 1 },
		{ "\n\n", 2 }, { "a\n\nb", 3 }, { "a\n\n", 2 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_INT(spec_count_lines(cases[i].text,
					   strlen(cases[i].text)),
			  cases[i].lines);
	CHECK_INT(spec_count_lines("a\0b\n", 4), 1);
}

/* --- /env --- */

struct env {
	char *text;
	char **envp;
	size_t count;
	int r;
	char skipped[256]; /* "2=text 5=text " */
};

static void note_skipped(void *ctx, size_t line, const char *text)
{
	struct env *e = ctx;
	size_t len = strlen(e->skipped);

	(void)snprintf(e->skipped + len, sizeof(e->skipped) - len, "%zu=%s ",
		       line, text);
}

static struct env parse_env(const char *text, size_t len)
{
	struct env e = { .count = 999 };

	e.text = malloc(len + 1);
	e.envp = calloc(spec_count_lines(text, len) + 1, sizeof(char *));
	REQUIRE(e.text && e.envp);
	memcpy(e.text, text, len);
	e.r = spec_parse_env(e.text, len, e.envp, &e.count, note_skipped, &e);
	return e;
}

static void free_env(struct env *e)
{
	free(e->text);
	free(e->envp);
}

#define CHECK_ENV(text, skipped, ...)                            \
	check_env(__LINE__, (text), sizeof(text) - 1, (skipped), \
		  (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void check_env(int line, const char *text, size_t len,
		      const char *skipped, const char *const *want)
{
	struct env e = parse_env(text, len);
	size_t i;

	if (!check_int(__FILE__, line, "the result", e.r, 0))
		return;
	for (i = 0; want[i]; i++)
		if (!check_str(__FILE__, line, "an entry",
			       i < e.count ? e.envp[i] : NULL, want[i]))
			return;
	check_int(__FILE__, line, "the number", (intmax_t)e.count, (intmax_t)i);
	if (e.envp[e.count])
		check_fail(__FILE__, line, "envp does not end");
	check_str(__FILE__, line, "what was skipped", e.skipped, skipped);
	free_env(&e);
}

TEST(env_is_an_entry_a_line)
{
	CHECK_ENV("A=1\nB=two words\n", "", "A=1", "B=two words");
	CHECK_ENV("A=1\nB=2", "", "A=1", "B=2");
	CHECK_ENV("A=\nB==\nC=x=y\n d =\n", "", "A=", "B==", "C=x=y", " d =");
}

TEST(env_may_be_empty)
{
	CHECK_ENV("", "");
	CHECK_ENV("\n", "1= ");
}

TEST(env_skips_what_has_no_name_and_tells)
{
	CHECK_ENV("A=1\nnothing\n=x\n\nB=2\n", "2=nothing 3==x 4= ", "A=1",
		  "B=2");
	CHECK_ENV("KEY=-----BEGIN\nabc\n-----END", "2=abc 3=-----END ",
		  "KEY=-----BEGIN");
	CHECK_ENV("A=1\0B\nC\0=1\nB=2\n", "1=A=1 2=C ", "B=2");
}

TEST(env_names_given_twice_stay_two)
{
	CHECK_ENV("A=1\nB=2\nA=3\n", "", "A=1", "B=2", "A=3");
}

TEST(env_tells_similar_names_apart)
{
	CHECK_ENV("A=1\nAB=2\na=3\nA =4\n", "", "A=1", "AB=2", "a=3", "A =4");
	CHECK_ENV("AB=1\nA=2\nABC=3\n", "", "AB=1", "A=2", "ABC=3");
}

/* N lines: the skipped ones are counted too. */
static int env_of_lines(size_t n, const char *line)
{
	size_t len = strlen(line);
	char *text = malloc(n * len);
	struct env e;
	int r;

	REQUIRE(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + i * len, line, len);
	e = parse_env(text, n * len);
	r = e.r;
	free_env(&e);
	free(text);
	return r;
}

TEST(env_of_64_Ki_lines_is_the_longest)
{
	CHECK_INT(env_of_lines(65536, "A=1\n"), 0);
	CHECK_INT(env_of_lines(65537, "A=1\n"), -SPEC_E_TOO_MANY);
	CHECK_INT(env_of_lines(65537, "\n"), -SPEC_E_TOO_MANY);
}

TEST(env_cut_anywhere_is_its_first_lines)
{
	static const char good[] = "A=1\nxyz\nB=22\nA=333\n\nLAST=\n";

	for (size_t len = 0; len < sizeof(good); len++) {
		struct env e = parse_env(good, len);

		CHECK_INT(e.r, 0);
		CHECK(e.count <= 4);
		CHECK(!e.envp[e.count]);
		for (size_t i = 0; i < e.count; i++)
			CHECK(strchr(e.envp[i], '='));
		free_env(&e);
	}
}

TEST(getenv_finds_the_whole_name)
{
	char ab[] = "AB=1", path[] = "PATH=/bin:/x=y", empty[] = "E=";
	char *envp[] = { ab, path, empty, NULL };

	CHECK_STR(spec_getenv(envp, 3, "PATH"), "/bin:/x=y");
	CHECK_STR(spec_getenv(envp, 3, "E"), "");
	CHECK(!spec_getenv(envp, 3, "A"));
	CHECK(!spec_getenv(envp, 3, "ABC"));
	CHECK(!spec_getenv(envp, 2, "E"));
	CHECK(!spec_getenv(envp, 0, "PATH"));
}

TEST(a_variable_that_is_set_is_there_once)
{
	char a[] = "A=1", ab[] = "AB=2", again[] = "A=3", none[] = "C";
	char set[] = "A=x=y", other[] = "D=";
	char *envp[6] = { a, ab, again, none };
	size_t n = spec_setenv(envp, 4, set);

	CHECK_INT(n, 3);
	CHECK_STR(envp[0], "AB=2");
	CHECK_STR(envp[1], "C");
	CHECK_STR(envp[2], "A=x=y");
	n = spec_setenv(envp, n, other);
	CHECK_INT(n, 4);
	CHECK_STR(envp[3], "D=");
	CHECK_STR(spec_getenv(envp, n, "A"), "x=y");
	CHECK_INT(spec_setenv(envp, 0, a), 1);
	CHECK_STR(envp[0], "A=1");
}

/* The entries of TEXT over A=0 and B=0, each with a | behind it. */
static int env_file(const char *text, size_t len, char *ret, size_t *ret_line)
{
	char a[] = "A=0", b[] = "B=0", *envp[32] = { a, b }, *copy;
	size_t count = 2;
	int r;

	copy = malloc(len + 1);
	REQUIRE(copy);
	memcpy(copy, text, len);
	r = spec_parse_env_file(copy, len, envp, &count, ret_line);
	*ret = '\0';
	for (size_t i = 0; r == 0 && i < count; i++)
		sprintf(ret + strlen(ret), "%s|", envp[i]);
	free(copy);
	return r;
}

#define CHECK_ENV_FILE(text, want) \
	check_env_file(__LINE__, (text), sizeof(text) - 1, (want))

static void check_env_file(int at, const char *text, size_t len,
			   const char *want)
{
	char got[256];
	size_t line;

	check_int(__FILE__, at, "the result", env_file(text, len, got, &line),
		  0);
	check_str(__FILE__, at, "the entries", got, want);
}

TEST(a_file_of_variables_is_as_docker_reads_it)
{
	char got[256];
	size_t line;

	CHECK_ENV_FILE("", "A=0|B=0|");
	CHECK_ENV_FILE("# x\n\n  # y\n\t\n", "A=0|B=0|");
	CHECK_ENV_FILE("A=1\nC=2", "B=0|A=1|C=2|");
	CHECK_ENV_FILE("  A= x = \"y\" # z \r\nC=\n",
		       "B=0|A= x = \"y\" # z |C=|");
	CHECK_ENV_FILE("C=1\nC=2\n", "A=0|B=0|C=2|");
	CHECK_INT(env_file("\xef\xbb\xbf"
			   "A=1",
			   6, got, &line),
		  0);
	CHECK_STR(got, "B=0|A=1|");
	CHECK_INT(env_file("A=1\nB\n", 6, got, &line), -SPEC_E_VARIABLE);
	CHECK_INT(line, 2);
	CHECK_INT(env_file("=1\n", 3, got, &line), -SPEC_E_VARIABLE);
	CHECK_INT(env_file("A B=1\n", 6, got, &line), -SPEC_E_VARIABLE);
	CHECK_INT(env_file("A=\0\n", 4, got, &line), -SPEC_E_NUL);
}

CHECK_MAIN("spec")
