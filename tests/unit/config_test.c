#include "init/spec/config.h"

#include "tests/unit/check.h"

/* One text parsed: what became of it, and the memory it lies in. */
struct parsed {
	char *text;
	struct config *c;
	struct config_fault fault;
	int r;
};

static struct parsed parse(const char *text, size_t len)
{
	struct parsed p = { .fault = { 999, 999, NULL } };

	/* Of just that size: the sanitizer sees what is one too many. */
	p.text = malloc(len + 1);
	p.c = malloc(sizeof(*p.c));
	REQUIRE(p.text && p.c);
	memcpy(p.text, text, len);
	p.text[len] = 'x';
	memset(p.c, 0xaa, sizeof(*p.c));
	p.r = config_parse(p.text, len, p.c, &p.fault);
	return p;
}

static void release(struct parsed *p)
{
	free(p->text);
	free(p->c);
}

#define PARSE(text) parse_good(__LINE__, (text), sizeof(text) - 1)

static struct parsed parse_good(int line, const char *text, size_t len)
{
	struct parsed p = parse(text, len);

	if (!check_int(__FILE__, line, "the result", p.r, 0))
		_exit(1);
	return p;
}

#define PARSE_GOOD(text)                          \
	do {                                      \
		struct parsed good = PARSE(text); \
		release(&good);                   \
	} while (0)

#define CHECK_ERROR(text, code, line, column)                           \
	check_error(__LINE__, (text), sizeof(text) - 1, (code), (line), \
		    (column))

static void check_error(int at, const char *text, size_t len, int code,
			size_t line, size_t column)
{
	struct parsed p = parse(text, len);

	check_int(__FILE__, at, "the result", p.r, -code);
	check_int(__FILE__, at, "the line", (intmax_t)p.fault.line,
		  (intmax_t)line);
	check_int(__FILE__, at, "the column", (intmax_t)p.fault.column,
		  (intmax_t)column);
	if (code != CONFIG_E_UNKNOWN && code != CONFIG_E_CHOICE &&
	    p.fault.nearest)
		check_fail(__FILE__, at, "a key is named");
	release(&p);
}

/* A whole line of N bytes behind HEAD. */
static char *long_line(const char *head, char fill, size_t n)
{
	size_t len = strlen(head);
	char *s = malloc(len + n + 1);

	REQUIRE(s);
	memcpy(s, head, len);
	memset(s + len, fill, n);
	s[len + n] = '\0';
	return s;
}

static void check_long(int at, const char *head, char fill, size_t n, int code)
{
	char *s = long_line(head, fill, n);
	struct parsed p = parse(s, strlen(s));

	check_int(__FILE__, at, "the result", p.r, -code);
	release(&p);
	free(s);
}

#define CHECK_LONG(head, fill, n, code) \
	check_long(__LINE__, (head), (fill), (n), (code))

TEST(nothing_is_asked_for_by_nothing)
{
	static const char *const texts[] = {
		"",
		"\n",
		"\n\n \t \n",
		"#",
		"# nsm-mode = 0\n",
		"  # x\n\t#=\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct parsed p = parse(texts[i], strlen(texts[i]));

		CHECK_INT(p.r, 0);
		CHECK_INT(p.c->extend_count, 0);
		CHECK_INT(p.c->locks, 0);
		CHECK(!p.c->nsm_owner && !p.c->nsm_group &&
		      !p.c->nsm_mode.is_set);
		CHECK_INT(p.fault.line, 999); /* untouched */
		release(&p);
	}
}

TEST(owners_of_the_device_are_names_or_numbers)
{
	struct parsed p = PARSE("nsm-owner = 0\n"
				"nsm-group = 4294967294\n"
				"nsm-mode = 0640\n");

	CHECK(p.c->nsm_mode.is_set);
	CHECK_STR(p.c->nsm_owner, "0");
	CHECK_STR(p.c->nsm_group, "4294967294");
	CHECK_INT(p.c->nsm_mode.value, 0640);
	release(&p);

	p = PARSE("nsm-mode=777\nnsm-owner = www-data");
	CHECK_INT(p.c->nsm_mode.value, 0777);
	CHECK_STR(p.c->nsm_owner, "www-data");
	CHECK(!p.c->nsm_group && !p.c->nsm_is_open);
	release(&p);
	p = PARSE("nsm-mode = 0\nnsm = open");
	CHECK(p.c->nsm_mode.is_set && p.c->nsm_is_open);
	CHECK_INT(p.c->nsm_mode.value, 0);
	release(&p);
	CHECK_ERROR("nsm-owner =", CONFIG_E_MISSING, 1, 12);
	CHECK_ERROR("nsm-owner = \t \n", CONFIG_E_MISSING, 1, 12);
	CHECK_ERROR("nsm-owner = a:b\n", CONFIG_E_USER, 1, 13);
	CHECK_ERROR("nsm-owner = 4294967295\n", CONFIG_E_LARGE, 1, 13);
	CHECK_ERROR("nsm-group = 18446744073709551617\n", CONFIG_E_LARGE, 1,
		    13);
	CHECK_ERROR("nsm-group = 1 2\n", CONFIG_E_MORE, 1, 15);
	CHECK_ERROR("nsm-group = 1 # one\n", CONFIG_E_MORE, 1, 15);
	CHECK_ERROR("nsm-mode = 0860\n", CONFIG_E_OCTAL, 1, 12);
	CHECK_ERROR("nsm-mode = 1000\n", CONFIG_E_LARGE, 1, 12);
	CHECK_ERROR("nsm-mode = u=rw\n", CONFIG_E_OCTAL, 1, 12);
	CHECK_ERROR("nsm-mode = \xc3\xa4\n", CONFIG_E_OCTAL, 1, 12);
}

TEST(a_key_comes_once_unless_it_may_repeat)
{
	struct parsed p;

	CHECK_ERROR("nsm-mode = 0\n\nnsm-mode = 0\n", CONFIG_E_TWICE, 3, 1);
	CHECK_ERROR("nsm-owner = 1\n nsm-owner = 1\n", CONFIG_E_TWICE, 2, 2);
	CHECK_ERROR("nsm-group = 1\nnsm-group = 2\n", CONFIG_E_TWICE, 2, 1);
	p = PARSE("pcr-lock = 16\npcr-lock = 31 16\n"
		  "pcr-extend = 17 data a b\npcr-extend = 17 data a b\n");
	CHECK_INT(p.c->locks, 1U << 31 | 1 << 16);
	CHECK_INT(p.c->extend_count, 2);
	release(&p);
}

TEST(extensions_stay_in_order)
{
	struct parsed p = PARSE("pcr-extend = 16 data version 1.2 # three\n"
				"pcr-extend = 31 file config /etc/app conf\n"
				"pcr-extend = 16 data empty\n"
				"pcr-extend = 20 data data data\n"
				"pcr-extend = 20 data \xc3\xa4= = \t x\n");
	static const struct config_extend want[] = {
		{ "version", "1.2 # three", 16, false },
		{ "config", "/etc/app conf", 31, true },
		{ "empty", "", 16, false },
		{ "data", "data", 20, false },
		{ "\xc3\xa4=", "= \t x", 20, false },
	};
	const size_t n = sizeof(want) / sizeof(want[0]);

	CHECK_INT(p.c->extend_count, n);
	for (size_t i = 0; i < n; i++) {
		CHECK_INT(p.c->extends[i].pcr, want[i].pcr);
		CHECK_INT(p.c->extends[i].is_file, want[i].is_file);
		CHECK_STR(p.c->extends[i].name, want[i].name);
		CHECK_STR(p.c->extends[i].value, want[i].value);
	}
	CHECK_INT(p.c->locks, 0);
	release(&p);
}

TEST(blanks_around_do_not_count)
{
	static const char *const texts[] = {
		"pcr-extend=16 data n v",
		"  pcr-extend  =  16  data  n  v  \n",
		"\tpcr-extend\t=\t16\tdata\tn\tv\t\n",
		"pcr-extend= 16 data n v \t \n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct parsed p = parse(texts[i], strlen(texts[i]));

		CHECK_INT(p.r, 0);
		CHECK_INT(p.c->extend_count, 1);
		CHECK_STR(p.c->extends[0].name, "n");
		CHECK_STR(p.c->extends[0].value, "v");
		release(&p);
	}
}

TEST(bad_extensions_are_refused)
{
	CHECK_ERROR("pcr-extend =\n", CONFIG_E_MISSING, 1, 13);
	CHECK_ERROR("pcr-extend = 16\n", CONFIG_E_MISSING, 1, 16);
	CHECK_ERROR("pcr-extend = 16 data\n", CONFIG_E_MISSING, 1, 21);
	CHECK_ERROR("pcr-extend = 16 file n\n", CONFIG_E_MISSING, 1, 23);
	CHECK_ERROR("pcr-extend = 15 data n v\n", CONFIG_E_PCR, 1, 14);
	CHECK_ERROR("pcr-extend = 0 data n v\n", CONFIG_E_PCR, 1, 14);
	CHECK_ERROR("pcr-extend = 32 data n v\n", CONFIG_E_PCR, 1, 14);
	CHECK_ERROR("pcr-extend = 272 data n v\n", CONFIG_E_PCR, 1, 14);
	CHECK_ERROR("pcr-extend = 4294967312 data n v\n", CONFIG_E_PCR, 1, 14);
	CHECK_ERROR("pcr-extend = PCR16 data n v\n", CONFIG_E_NUMBER, 1, 14);
	CHECK_ERROR("pcr-extend = 16-17 data n v\n", CONFIG_E_NUMBER, 1, 14);
	CHECK_ERROR("pcr-extend = 16 text n v\n", CONFIG_E_KIND, 1, 17);
	CHECK_ERROR("pcr-extend = 16 Data n v\n", CONFIG_E_KIND, 1, 17);
}

TEST(a_path_is_absolute_and_plain)
{
	static const char *const good[] = {
		"/a", "/a/b", "/...", "/.a/..b", "/a b/c", "/a#b",
	};
	static const char *const bad[] = {
		"a",	  "etc/x", "/",	   "//a",   "/a/",   "/a//b",	".",
		"/a/./b", "/./a",  "/a/.", "/a/..", "/../a", "/a/../b",
	};
	char text[64];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		(void)snprintf(text, sizeof(text), "pcr-extend = 16 file n %s",
			       good[i]);
		struct parsed p = parse(text, strlen(text));

		CHECK_INT(p.r, 0);
		CHECK_STR(p.c->extends[0].value, good[i]);
		release(&p);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text), "pcr-extend = 16 file n %s",
			       bad[i]);
		struct parsed p = parse(text, strlen(text));

		if (!CHECK_INT(p.r, -CONFIG_E_PATH))
			CHECK_STR(bad[i], "refused");
		CHECK_INT(p.fault.column, 24);
		release(&p);
	}
}

TEST(names_and_paths_are_bounded)
{
	const size_t head = strlen("pcr-extend = 16 file n ");
	char *path = long_line("pcr-extend = 16 file n ", '/', 4094);

	CHECK_LONG("pcr-extend = 16 data ", 'n', 255, 0);
	CHECK_LONG("pcr-extend = 16 data ", 'n', 256, CONFIG_E_NAME);
	CHECK_LONG("pcr-extend = 16 data n ", 'v', 60000, 0);
	CHECK_LONG("pcr-extend = 16 file n /", 'p', 255, 0);
	CHECK_LONG("pcr-extend = 16 file n /", 'p', 256, CONFIG_E_PATH_LONG);
	/* "/a" 2047 times, and two bytes more. */
	for (size_t i = 1; i < 4094; i += 2)
		path[head + i] = 'a';
	CHECK_LONG(path, 'a', 1, 0);
	CHECK_LONG(path, 'a', 2, CONFIG_E_PATH_LONG);
	free(path);
}

TEST(so_many_extensions_and_no_more)
{
	static const char line[] = "pcr-extend = 16 data n v\n";
	const size_t n = sizeof(line) - 1;
	char *text = malloc(65 * n);
	struct parsed p;

	REQUIRE(text);
	for (size_t i = 0; i < 65; i++)
		memcpy(text + i * n, line, n);
	p = parse(text, 64 * n);
	CHECK_INT(p.r, 0);
	CHECK_INT(p.c->extend_count, 64);
	release(&p);
	p = parse(text, 65 * n);
	CHECK_INT(p.r, -CONFIG_E_MANY);
	CHECK_INT(p.fault.line, 65);
	CHECK_INT(p.fault.column, 14);
	release(&p);
	free(text);
}

TEST(locks_are_numbers_and_ranges)
{
	struct parsed p = PARSE("pcr-lock = 16\n");

	CHECK_INT(p.c->locks, 1U << 16);
	release(&p);
	p = PARSE("pcr-lock = 16-18 20\t31\n");
	CHECK_INT(p.c->locks, 7U << 16 | 1U << 20 | 1U << 31);
	release(&p);
	p = PARSE("pcr-lock = 16-31");
	CHECK_INT(p.c->locks, 0xffff0000);
	release(&p);
	p = PARSE("pcr-lock = 17-17 17");
	CHECK_INT(p.c->locks, 1U << 17);
	release(&p);
}

TEST(bad_locks_are_refused)
{
	CHECK_ERROR("pcr-lock = \n", CONFIG_E_MISSING, 1, 11);
	CHECK_ERROR("pcr-lock = 15\n", CONFIG_E_PCR, 1, 12);
	CHECK_ERROR("pcr-lock = 16 32\n", CONFIG_E_PCR, 1, 15);
	CHECK_ERROR("pcr-lock = 16 15-17\n", CONFIG_E_PCR, 1, 15);
	CHECK_ERROR("pcr-lock = 16-32\n", CONFIG_E_PCR, 1, 12);
	CHECK_ERROR("pcr-lock = 18-16\n", CONFIG_E_BACKWARDS, 1, 12);
	CHECK_ERROR("pcr-lock = 16-\n", CONFIG_E_MISSING, 1, 12);
	CHECK_ERROR("pcr-lock = -16\n", CONFIG_E_MISSING, 1, 12);
	CHECK_ERROR("pcr-lock = 16-17-18\n", CONFIG_E_NUMBER, 1, 12);
	CHECK_ERROR("pcr-lock = 16 - 18\n", CONFIG_E_MISSING, 1, 15);
	CHECK_ERROR("pcr-lock = 16,17\n", CONFIG_E_NUMBER, 1, 12);
	CHECK_ERROR("pcr-lock = all\n", CONFIG_E_NUMBER, 1, 12);
}

TEST(what_is_locked_is_extended_no_more)
{
	struct parsed p;

	CHECK_ERROR("pcr-lock = 16\npcr-extend = 16 data n v\n",
		    CONFIG_E_LOCKED, 2, 14);
	CHECK_ERROR("pcr-lock = 18\npcr-lock = 16-17\n\n"
		    "pcr-extend =  17 file n /x\n",
		    CONFIG_E_LOCKED, 4, 15);
	p = PARSE("pcr-lock = 16\npcr-extend = 17 data n v\npcr-lock = 17");
	CHECK_INT(p.c->locks, 3U << 16);
	release(&p);
}

TEST(lines_that_are_none_are_refused)
{
	CHECK_ERROR("= 1\n", CONFIG_E_NO_KEY, 1, 1);
	CHECK_ERROR("\n  = 1\n", CONFIG_E_NO_KEY, 2, 3);
	CHECK_ERROR("nsm-mode\n", CONFIG_E_NO_EQUALS, 1, 9);
	CHECK_ERROR("nsm-mode 0\n", CONFIG_E_NO_EQUALS, 1, 10);
	CHECK_ERROR("nsm-mode == 0\n", CONFIG_E_OCTAL, 1, 11);
}

TEST(control_characters_are_refused_everywhere)
{
	static const char good[] = "# c\n pcr-extend = 16 data n v \nx";
	char text[sizeof(good)];

	CHECK_ERROR("nsm-mode = 0\r\n", CONFIG_E_CONTROL, 1, 13);
	CHECK_ERROR("nsm-mode = 0\0\n", CONFIG_E_CONTROL, 1, 13);
	CHECK_ERROR("\0", CONFIG_E_CONTROL, 1, 1);
	CHECK_ERROR("# a comment\n# \x1b[1m\n", CONFIG_E_CONTROL, 2, 3);
	CHECK_ERROR("\npcr-extend = 16 data n a\x7f", CONFIG_E_CONTROL, 2, 25);
	for (int c = 0; c < 256; c++) {
		bool control = (c < ' ' && c != '\t' && c != '\n') || c == 0x7f;

		for (size_t at = 0; at < sizeof(good) - 2; at++) {
			memcpy(text, good, sizeof(good));
			text[at] = (char)c;
			struct parsed p = parse(text, sizeof(good) - 2);

			if (!CHECK((p.r == -CONFIG_E_CONTROL) == control))
				CHECK_FAIL("byte %d at %zu", c, at);
			release(&p);
		}
	}
}

TEST(a_working_directory_is_absolute)
{
	struct parsed p = PARSE("workdir = /srv/my app/ \n");

	CHECK_STR(p.c->services[0].workdir, "/srv/my app/");
	release(&p);
	p = PARSE("workdir=/");
	CHECK_STR(p.c->services[0].workdir, "/");
	release(&p);
	p = PARSE("nsm-mode = 0\n");
	CHECK(!p.c->services[0].workdir && !p.c->services[0].user &&
	      !p.c->services[0].group && !p.c->services[0].command.first);
	CHECK_INT(p.c->services[0].supervision.stop_signal, 0);
	CHECK_INT(p.c->services[0].command.count, 0);
	CHECK_INT(p.c->variable_count, 0);
	release(&p);
	CHECK_ERROR("workdir =\n", CONFIG_E_MISSING, 1, 10);
	CHECK_ERROR("workdir = srv\n", CONFIG_E_RELATIVE, 1, 11);
	CHECK_ERROR("workdir = \"/srv\"\n", CONFIG_E_RELATIVE, 1, 11);
	CHECK_ERROR("workdir = /\nworkdir = /\n", CONFIG_E_TWICE, 2, 1);
	CHECK_LONG("workdir = ", '/', 4095, 0);
	CHECK_LONG("workdir = ", '/', 4096, CONFIG_E_PATH_LONG);
}

#define CHECK_USER(text, user, group) \
	check_user(__LINE__, (text), sizeof(text) - 1, (user), (group))

static void check_user(int at, const char *text, size_t len, const char *user,
		       const char *group)
{
	struct parsed p = parse_good(at, text, len);

	check_str(__FILE__, at, "the user", p.c->services[0].user, user);
	if (group)
		check_str(__FILE__, at, "the group", p.c->services[0].group,
			  group);
	else if (p.c->services[0].group)
		check_fail(__FILE__, at, "there is a group");
	release(&p);
}

TEST(a_user_may_have_a_group)
{
	CHECK_USER("user = app", "app", NULL);
	CHECK_USER("user = 0:0\n", "0", "0");
	CHECK_USER("user=www-data:4294967294\n", "www-data", "4294967294");
	CHECK_USER("user = 99999999999x:-1\n", "99999999999x", "-1");
	CHECK_ERROR("user =\n", CONFIG_E_MISSING, 1, 7);
	CHECK_ERROR("user = :\n", CONFIG_E_USER, 1, 8);
	CHECK_ERROR("user = :0\n", CONFIG_E_USER, 1, 8);
	CHECK_ERROR("user = app:\n", CONFIG_E_USER, 1, 12);
	CHECK_ERROR("user = a:b:c\n", CONFIG_E_USER, 1, 10);
	CHECK_ERROR("user = a:b:\n", CONFIG_E_USER, 1, 10);
	CHECK_ERROR("user = a: b\n", CONFIG_E_USER, 1, 10);
	CHECK_ERROR("user = a b\n", CONFIG_E_MORE, 1, 10);
	CHECK_ERROR("user = 4294967295\n", CONFIG_E_LARGE, 1, 8);
	CHECK_ERROR("user = 0:18446744073709551616\n", CONFIG_E_LARGE, 1, 10);
	CHECK_ERROR("user = a\nuser = a\n", CONFIG_E_TWICE, 2, 1);
	CHECK_LONG("user = ", 'u', 255, 0);
	CHECK_LONG("user = ", 'u', 256, CONFIG_E_NAME);
	CHECK_LONG("user = u:", 'g', 255, 0);
	CHECK_LONG("user = u:", 'g', 256, CONFIG_E_NAME);
}

TEST(a_stop_signal_is_a_name_or_a_number)
{
	struct parsed p = PARSE("stop-signal = SIGQUIT\n");

	CHECK_INT(p.c->services[0].supervision.stop_signal, 3);
	release(&p);
	p = PARSE("stop-signal = 64");
	CHECK_INT(p.c->services[0].supervision.stop_signal, 64);
	release(&p);
	CHECK_ERROR("stop-signal =\n", CONFIG_E_MISSING, 1, 14);
	CHECK_ERROR("stop-signal = 0\n", CONFIG_E_SIGNAL, 1, 15);
	CHECK_ERROR("stop-signal = 65\n", CONFIG_E_SIGNAL, 1, 15);
	CHECK_ERROR("stop-signal = SIGSTOPP\n", CONFIG_E_SIGNAL, 1, 15);
	CHECK_ERROR("stop-signal = TERM 1\n", CONFIG_E_MORE, 1, 20);
	CHECK_ERROR("stop-signal = RTMIN +1\n", CONFIG_E_MORE, 1, 21);
	CHECK_ERROR("stop-signal = 1\nstop-signal = 1\n", CONFIG_E_TWICE, 2, 1);
}

/* The words of a command, each in brackets. */
#define CHECK_COMMAND(text, want) \
	check_command(__LINE__, (text), sizeof(text) - 1, (want))

static void check_command(int at, const char *text, size_t len,
			  const char *want)
{
	struct parsed p = parse_good(at, text, len);
	const char *word = p.c->services[0].command.first;
	char got[200] = "";

	for (size_t i = 0; i < p.c->services[0].command.count; i++) {
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got),
			       "[%s]", word);
		word += strlen(word) + 1;
	}
	check_str(__FILE__, at, "the command", got, want);
	release(&p);
}

TEST(words_may_be_quoted)
{
	CHECK_COMMAND("command = a", "[a]");
	CHECK_COMMAND("command=a b\t c \n", "[a][b][c]");
	CHECK_COMMAND("command = \"a\"", "[a]");
	CHECK_COMMAND("command = \"a b\" \"\" \"\"\n", "[a b][][]");
	CHECK_COMMAND("command = \"a\tb\"\t\"c\"  d\n", "[a\tb][c][d]");
	CHECK_COMMAND("command = a\\nb \\ \\\\ #\n", "[a\\nb][\\][\\\\][#]");
	CHECK_COMMAND("command = \"\\\\\\\"\\n\\t\\r\" x\n", "[\\\"\n\t\r][x]");
	CHECK_COMMAND("command = \"\\x41\\x0a\\x7F\\xfF\\xc3\\xA4\"\n",
		      "[A\n\x7f\xff\xc3\xa4]");
	CHECK_COMMAND("command = \"\\x414\" \"4\\x41\"", "[A4][4A]");
	CHECK_COMMAND("command = \"= # :\" =\n", "[= # :][=]");
}

TEST(bad_words_are_refused)
{
	CHECK_ERROR("command =\n", CONFIG_E_MISSING, 1, 10);
	CHECK_ERROR("command = \"\"\n", CONFIG_E_PROGRAM, 1, 11);
	CHECK_ERROR("command = \"\" a\n", CONFIG_E_PROGRAM, 1, 11);
	CHECK_ERROR("command = \"a\n", CONFIG_E_QUOTE, 1, 11);
	CHECK_ERROR("command = b \"a\n\"\n", CONFIG_E_QUOTE, 1, 13);
	CHECK_ERROR("command = \"\n", CONFIG_E_QUOTE, 1, 11);
	CHECK_ERROR("command = \"a\\\"\n", CONFIG_E_QUOTE, 1, 11);
	CHECK_ERROR("command = \"a\"b\n", CONFIG_E_GLUED, 1, 13);
	CHECK_ERROR("command = \"a\"\"b\"\n", CONFIG_E_GLUED, 1, 13);
	CHECK_ERROR("command = x a\"b\"\n", CONFIG_E_GLUED, 1, 14);
	CHECK_ERROR("command = a\"\n", CONFIG_E_GLUED, 1, 12);
	CHECK_ERROR("command = a \"\\x41\" \"b\\a\"\n", CONFIG_E_ESCAPE, 1, 22);
	CHECK_ERROR("command = \"a\\\n", CONFIG_E_ESCAPE, 1, 13);
	CHECK_ERROR("command = \"\\x\n", CONFIG_E_ESCAPE, 1, 12);
	CHECK_ERROR("command = \"\\x4\n", CONFIG_E_ESCAPE, 1, 12);
	CHECK_ERROR("command = \"\\x4\"\n", CONFIG_E_ESCAPE, 1, 12);
	CHECK_ERROR("command = \"\\x4g\"\n", CONFIG_E_ESCAPE, 1, 12);
	CHECK_ERROR("command = \"\\X41\"\n", CONFIG_E_ESCAPE, 1, 12);
	CHECK_ERROR("command = \"\\N\"\n", CONFIG_E_ESCAPE, 1, 12);
	CHECK_ERROR("command = \"a\\x00\"\n", CONFIG_E_NUL, 1, 13);
	CHECK_ERROR("command = a\ncommand = a\n", CONFIG_E_TWICE, 2, 1);
}

TEST(a_byte_order_mark_is_passed_over)
{
	struct parsed p = PARSE("\xef\xbb\xbfworkdir = /w\n");

	CHECK_STR(p.c->services[0].workdir, "/w");
	release(&p);
	p = PARSE("\xef\xbb\xbf");
	release(&p);
	CHECK_ERROR("\xef\xbb\xbfumsk = 9\n", CONFIG_E_UNKNOWN, 1, 1);
	CHECK_ERROR("\xef\xbbworkdir = /w\n", CONFIG_E_UNKNOWN, 1, 1);
	CHECK_ERROR("umask = 7\n\xef\xbb\xbfworkdir = /w\n", CONFIG_E_UNKNOWN,
		    2, 1);
}
TEST(a_single_quote_is_found)
{
	struct parsed p = PARSE("command = sh -c 'echo hi'\n"
				"[b]\ncommand = it's \"a 'b\"\n");

	CHECK_STR(config_find_quote(&p.c->services[0].command), "'echo");
	CHECK(!config_find_quote(&p.c->services[1].command));
	CHECK(!config_find_quote(&p.c->services[0].supplementary_groups));
	release(&p);
}
TEST(words_stay_when_later_lines_are_read)
{
	struct parsed p = PARSE("command = \"\\x61\\x62\" \"c\\n\"\n"
				"environment = \"A=\\x61\" B=2\n"
				"workdir = /w\n"
				"environment = \"C=\\\"\"\n");

	CHECK_INT(p.c->services[0].command.count, 2);
	CHECK_STR(p.c->services[0].command.first, "ab");
	CHECK_STR(p.c->services[0].command.first + 3, "c\n");
	CHECK_INT(p.c->variable_count, 3);
	CHECK_STR(p.c->variables[0], "A=a");
	CHECK_STR(p.c->variables[1], "B=2");
	CHECK_STR(p.c->variables[2], "C=\"");
	CHECK_STR(p.c->services[0].workdir, "/w");
	release(&p);
}

TEST(variables_have_a_name_and_come_once)
{
	struct parsed p = PARSE("environment = A== \"AB=two\\nlines\" b=\n"
				"environment = B= a=A=\n");

	CHECK_INT(p.c->variable_count, 5);
	CHECK_STR(p.c->variables[1], "AB=two\nlines");
	release(&p);
	CHECK_ERROR("environment =\n", CONFIG_E_MISSING, 1, 14);
	CHECK_ERROR("environment = A\n", CONFIG_E_VARIABLE, 1, 15);
	CHECK_ERROR("environment = =A\n", CONFIG_E_VARIABLE, 1, 15);
	CHECK_ERROR("environment = \"\"\n", CONFIG_E_VARIABLE, 1, 15);
	CHECK_ERROR("environment = A=1 B\n", CONFIG_E_VARIABLE, 1, 19);
	CHECK_ERROR("environment = A=1 A=2\n", CONFIG_E_AGAIN, 1, 19);
	CHECK_ERROR("environment = A=1\nenvironment = B= \"A=\"\n",
		    CONFIG_E_AGAIN, 2, 18);
	CHECK_ERROR("environment = A = 1\n", CONFIG_E_VARIABLE, 1, 15);
}

TEST(so_many_variables_and_no_more)
{
	enum { LINE = 24 };
	char *text = malloc(1025 * LINE + 1), *at = text;
	struct parsed p;

	REQUIRE(text);
	for (int i = 0; i < 1025; i++)
		at += sprintf(at, "environment = V%04d=abc\n", i);
	REQUIRE(at == text + 1025 * LINE);
	p = parse(text, 1024 * LINE);
	CHECK_INT(p.r, 0);
	CHECK_INT(p.c->variable_count, 1024);
	CHECK_STR(p.c->variables[1023], "V1023=abc");
	release(&p);
	p = parse(text, 1025 * LINE);
	CHECK_INT(p.r, -CONFIG_E_VARIABLES);
	CHECK_INT(p.fault.line, 1025);
	CHECK_INT(p.fault.column, 15);
	release(&p);
	free(text);
}

/* --- the keys of one value each --- */

/* KEY = VALUE, good or with the error at the value's column COLUMN, from 0. */
#define GOOD(key, value, expression)                         \
	check_good(__LINE__, key " = " value, &good_config); \
	CHECK(expression);                                   \
	release(&good_config)
#define BAD(key, value, code, column)                \
	CHECK_ERROR(key " = " value "\n", (code), 1, \
		    sizeof(key " = ") + (column))

static struct parsed good_config;

static void check_good(int at, const char *text, struct parsed *ret)
{
	*ret = parse_good(at, text, strlen(text));
}

#define MAIN (good_config.c->services[0])
#define ENCLAVE (*good_config.c)

TEST(numbers_of_a_process_have_limits)
{
	GOOD("umask", "0",
	     MAIN.confine.umask.is_set && MAIN.confine.umask.value == 0);
	GOOD("umask", "0777", MAIN.confine.umask.value == 0777);
	BAD("umask", "1000", CONFIG_E_LARGE, 0);
	BAD("umask", "8", CONFIG_E_OCTAL, 0);
	GOOD("nice", "-20",
	     MAIN.confine.nice.is_set && MAIN.confine.nice.value == -20);
	GOOD("nice", "19", MAIN.confine.nice.value == 19);
	GOOD("nice", "-0",
	     MAIN.confine.nice.is_set && MAIN.confine.nice.value == 0);
	BAD("nice", "-21", CONFIG_E_SMALL, 0);
	BAD("nice", "20", CONFIG_E_LARGE, 0);
	BAD("nice", "--1", CONFIG_E_NUMBER, 0);
	BAD("nice", "-", CONFIG_E_MISSING, 0);
	BAD("nice", "4294967295", CONFIG_E_LARGE, 0);
	BAD("nice", "18446744073709551615", CONFIG_E_LARGE, 0);
	GOOD("oom-score-adjust", "-1000",
	     MAIN.confine.oom_score_adjust.value == -1000);
	BAD("oom-score-adjust", "1001", CONFIG_E_LARGE, 0);
	BAD("oom-score-adjust", "-1001", CONFIG_E_SMALL, 0);
	GOOD("restart-limit", "0", MAIN.supervision.restart_limit == 0);
	BAD("restart-limit", "-1", CONFIG_E_NUMBER, 0);
	BAD("restart-limit", "1000001", CONFIG_E_LARGE, 0);
	GOOD("heartbeat-port", "1", ENCLAVE.heartbeat.port == 1);
	BAD("heartbeat-port", "0", CONFIG_E_SMALL, 0);
	GOOD("ptrace-scope", "3",
	     ENCLAVE.ptrace_scope.is_set && ENCLAVE.ptrace_scope.value == 3);
	BAD("ptrace-scope", "4", CONFIG_E_LARGE, 0);
	GOOD("pids-max", "1", MAIN.pids_max == 1);
	GOOD("pids-max", "4194304", MAIN.pids_max == 4194304);
	BAD("pids-max", "0", CONFIG_E_SMALL, 0);
	BAD("pids-max", "4194305", CONFIG_E_LARGE, 0);
	BAD("pids-max", "max", CONFIG_E_NUMBER, 0);
	GOOD("cpu-weight", "1", MAIN.cpu_weight == 1);
	GOOD("cpu-weight", "10000", MAIN.cpu_weight == 10000);
	BAD("cpu-weight", "0", CONFIG_E_SMALL, 0);
	BAD("cpu-weight", "10001", CONFIG_E_LARGE, 0);
	BAD("cpu-weight", "-1", CONFIG_E_NUMBER, 0);
}

TEST(memory_has_a_bound_in_bytes)
{
	GOOD("memory-max", "64K", MAIN.memory_max == 65536);
	GOOD("memory-max", "65536", MAIN.memory_max == 65536);
	GOOD("memory-max", "512m", MAIN.memory_max == 512 << 20);
	GOOD("memory-max", "16777215T",
	     MAIN.memory_max == 16777215ULL << 40 && !MAIN.pids_max &&
		     !MAIN.cpu_weight);
	BAD("memory-max", "65535", CONFIG_E_SMALL, 0);
	BAD("memory-max", "512", CONFIG_E_SMALL, 0);
	BAD("memory-max", "0", CONFIG_E_SMALL, 0);
	BAD("memory-max", "16777216T", CONFIG_E_LARGE, 0);
	BAD("memory-max", "18446744073709551616", CONFIG_E_LARGE, 0);
	BAD("memory-max", "unlimited", CONFIG_E_SIZE, 0);
	BAD("memory-max", "M", CONFIG_E_SIZE, 0);
	BAD("memory-max", "10%", CONFIG_E_SIZE, 0);
	BAD("memory-max", "64M:128M", CONFIG_E_SIZE, 0);
	BAD("memory-max", "64 M", CONFIG_E_SMALL, 0);
}

TEST(words_are_one_of_a_few)
{
	GOOD("stdin", "null", MAIN.standard_input == CONFIG_STDIN_NULL);
	GOOD("stdout", "null", MAIN.standard_output == CONFIG_OUTPUT_NULL);
	GOOD("stdout", "inherit",
	     MAIN.standard_output == CONFIG_OUTPUT_INHERIT);
	GOOD("stderr", "null",
	     MAIN.standard_error == CONFIG_OUTPUT_NULL &&
		     MAIN.standard_output == CONFIG_OUTPUT_INHERIT);
	BAD("stdout", "console", CONFIG_E_CHOICE, 0);
	BAD("stderr", "/dev/null", CONFIG_E_CHOICE, 0);
	GOOD("terminal", "no", !MAIN.terminal && MAIN.terminal_is_set);
	GOOD("terminal", "yes", MAIN.terminal);
	GOOD("no-new-privileges", "yes", MAIN.confine.no_new_privileges);
	GOOD("no-new-privileges", "no", !MAIN.confine.no_new_privileges);
	GOOD("restart", "on-failure",
	     MAIN.supervision.restart == CONFIG_RESTART_ON_FAILURE);
	GOOD("restart", "always",
	     MAIN.supervision.restart == CONFIG_RESTART_ALWAYS);
	GOOD("restart", "never",
	     MAIN.supervision.restart == CONFIG_RESTART_NEVER);
	GOOD("ready", "notify", MAIN.supervision.ready == CONFIG_READY_NOTIFY);
	GOOD("end", "any", ENCLAVE.end == CONFIG_END_ANY);
	GOOD("end", "all", ENCLAVE.end == CONFIG_END_ALL);
	GOOD("heartbeat", "strict",
	     ENCLAVE.heartbeat.mode == CONFIG_HEARTBEAT_STRICT);
	GOOD("heartbeat", "off",
	     ENCLAVE.heartbeat.mode == CONFIG_HEARTBEAT_OFF);
	GOOD("entropy", "optional", ENCLAVE.entropy_is_optional);
	GOOD("entropy", "required", !ENCLAVE.entropy_is_optional);
	GOOD("root", "stay", ENCLAVE.stay);
	GOOD("time", "off", ENCLAVE.no_time);
	GOOD("time", "ptp", !ENCLAVE.no_time);
	GOOD("nsm-tool", "no", ENCLAVE.no_nsm_tool);
	GOOD("nsm-tool", "yes", !ENCLAVE.no_nsm_tool);
	GOOD("nsm", "group", !ENCLAVE.nsm_is_open);
	GOOD("devices", "open", !ENCLAVE.devices_are_closed);
	GOOD("devices", "root", ENCLAVE.devices_are_closed);
	BAD("devices", "closed", CONFIG_E_CHOICE, 0);
	GOOD("read-only", "yes", ENCLAVE.read_only);
	GOOD("modules-disabled", "yes", ENCLAVE.modules_disabled);
	GOOD("kexec-load-disabled", "yes", ENCLAVE.kexec_load_disabled);
	GOOD("kill-mode", "mixed",
	     MAIN.supervision.kill_mode == CONFIG_KILL_MIXED);
	GOOD("kill-mode", "group",
	     MAIN.supervision.kill_mode == CONFIG_KILL_GROUP);
	GOOD("kill-mode", "process",
	     MAIN.supervision.kill_mode == CONFIG_KILL_PROCESS);
	BAD("kill-mode", "control-group", CONFIG_E_CHOICE, 0);
	GOOD("protect-kernel", "auto",
	     MAIN.protect_kernel == CONFIG_PROTECT_AUTO);
	GOOD("protect-kernel", "yes",
	     MAIN.protect_kernel == CONFIG_PROTECT_YES);
	GOOD("protect-kernel", "no", MAIN.protect_kernel == CONFIG_PROTECT_NO);
	GOOD("hand-over", "yes", ENCLAVE.hand_over);
	GOOD("hand-over", "no", !ENCLAVE.hand_over);
	BAD("terminal", "true", CONFIG_E_CHOICE, 0);
	BAD("terminal", "Yes", CONFIG_E_CHOICE, 0);
	BAD("terminal", "ye", CONFIG_E_CHOICE, 0);
	BAD("restart", "on-failures", CONFIG_E_CHOICE, 0);
	BAD("restart", "always never", CONFIG_E_MORE, 7);
}

TEST(the_nearest_word_is_named)
{
	struct parsed p = parse("restart = on-fail", 17);

	CHECK_INT(p.r, -CONFIG_E_CHOICE);
	CHECK_STR(p.fault.nearest, "on-failure");
	release(&p);
	p = parse("root = stays", 12);
	CHECK_STR(p.fault.nearest, "stay");
	release(&p);
}

TEST(times_have_a_unit)
{
	GOOD("restart-delay", "10", MAIN.supervision.restart_delay_ms == 10000);
	GOOD("restart-delay", "250ms",
	     MAIN.supervision.restart_delay_ms == 250);
	GOOD("restart-delay-max", "2m",
	     MAIN.supervision.restart_delay_max_ms == 120000);
	GOOD("ready-timeout", "1h",
	     MAIN.supervision.ready_timeout_ms == 3600000);
	GOOD("ready-timeout", "7d",
	     MAIN.supervision.ready_timeout_ms == 604800000);
	GOOD("stop-timeout", "0",
	     MAIN.supervision.stop_timeout_ms.is_set &&
		     MAIN.supervision.stop_timeout_ms.value == 0);
	GOOD("stop-timeout", "3s",
	     MAIN.supervision.stop_timeout_ms.value == 3000);
	BAD("ready-timeout", "8d", CONFIG_E_LARGE, 0);
	BAD("ready-timeout", "0", CONFIG_E_SMALL, 0);
	BAD("ready-timeout", "1w", CONFIG_E_TIME, 0);
	BAD("ready-timeout", "s", CONFIG_E_TIME, 0);
	BAD("ready-timeout", "1.5s", CONFIG_E_TIME, 0);
	BAD("ready-timeout", "1 s", CONFIG_E_MORE, 2);
	BAD("ready-timeout", "-1s", CONFIG_E_TIME, 0);
	BAD("restart-delay", "99999999999999999999s", CONFIG_E_LARGE, 0);
}

TEST(limits_are_soft_and_hard)
{
	GOOD("limit-nofile", "1024",
	     MAIN.limits.set == 1U << 7 && MAIN.limits.of[7].soft == 1024 &&
		     MAIN.limits.of[7].hard == 1024);
	GOOD("limit-nofile", "1024:4k", MAIN.limits.of[7].hard == 4096);
	GOOD("limit-core", "0:unlimited",
	     MAIN.limits.set == 1U << 4 && MAIN.limits.of[4].soft == 0 &&
		     MAIN.limits.of[4].hard == CONFIG_INFINITY);
	GOOD("limit-as", "infinity", MAIN.limits.of[9].soft == CONFIG_INFINITY);
	GOOD("limit-memlock", "64M:1G",
	     MAIN.limits.of[8].soft == 64 << 20 &&
		     MAIN.limits.of[8].hard == 1 << 30);
	GOOD("limit-data", "16777215T",
	     MAIN.limits.of[2].soft == 16777215ULL << 40);
	GOOD("limit-cpu", "1", MAIN.limits.set == 1U << 0);
	GOOD("limit-fsize", "1", MAIN.limits.set == 1U << 1);
	GOOD("limit-stack", "1", MAIN.limits.set == 1U << 3);
	GOOD("limit-rss", "1", MAIN.limits.set == 1U << 5);
	GOOD("limit-nproc", "1", MAIN.limits.set == 1U << 6);
	GOOD("limit-locks", "1", MAIN.limits.set == 1U << 10);
	GOOD("limit-sigpending", "1", MAIN.limits.set == 1U << 11);
	GOOD("limit-msgqueue", "1", MAIN.limits.set == 1U << 12);
	GOOD("limit-nice", "1", MAIN.limits.set == 1U << 13);
	GOOD("limit-rtprio", "1", MAIN.limits.set == 1U << 14);
	GOOD("limit-rttime", "1", MAIN.limits.set == 1U << 15);
	BAD("limit-as", "16777216T", CONFIG_E_LARGE, 0);
	BAD("limit-as", "18446744073709551615", CONFIG_E_LARGE, 0);
	BAD("limit-as", "2:1", CONFIG_E_LIMIT, 2);
	BAD("limit-as", "unlimited:1", CONFIG_E_LIMIT, 10);
	BAD("limit-as", "1:", CONFIG_E_MISSING, 2);
	BAD("limit-as", ":1", CONFIG_E_MISSING, 0);
	BAD("limit-as", "K", CONFIG_E_MISSING, 0);
	BAD("limit-as", "1X", CONFIG_E_NUMBER, 0);
	BAD("limit-as", "1:2:3", CONFIG_E_NUMBER, 2);
	BAD("limit-as", "1KK", CONFIG_E_NUMBER, 0);
}

TEST(capabilities_are_sets)
{
	const uint64_t all = ((uint64_t)1 << 41) - 1;

	GOOD("capability-bounding-set", "none",
	     MAIN.confine.bounding_is_set && MAIN.confine.bounding == 0);
	GOOD("capability-bounding-set", "all", MAIN.confine.bounding == all);
	GOOD("capability-bounding-set", "CAP_CHOWN net_raw",
	     MAIN.confine.bounding == (1 | 1 << 13));
	GOOD("capability-bounding-set", "~CAP_SYS_ADMIN CAP_CHOWN",
	     MAIN.confine.bounding == (all & ~(uint64_t)(1 << 21 | 1)));
	GOOD("ambient-capabilities", "CAP_NET_BIND_SERVICE",
	     MAIN.confine.ambient == 1 << 10 && !MAIN.confine.bounding_is_set);
	BAD("ambient-capabilities", "CAP_NET_BIND", CONFIG_E_CAPABILITY, 0);
	BAD("ambient-capabilities", "none CAP_CHOWN", CONFIG_E_CAPABILITY, 0);
	BAD("ambient-capabilities", "~", CONFIG_E_CAPABILITY, 1);
	CHECK_ERROR("capability-bounding-set = CAP_CHOWN\n"
		    "ambient-capabilities = CAP_KILL\n",
		    CONFIG_E_BOUNDING, 1, 1);
	GOOD("securebits", "noroot noroot-locked keep-caps no-setuid-fixup",
	     MAIN.confine.securebits == (1 | 2 | 4 | 16));
	GOOD("securebits",
	     "no-setuid-fixup-locked keep-caps-locked no-cap-ambient-raise "
	     "no-cap-ambient-raise-locked",
	     MAIN.confine.securebits == (8 | 32 | 64 | 128));
	BAD("securebits", "noroot root", CONFIG_E_CHOICE, 7);
}

/* The kernel would refuse each PR_CAP_AMBIENT_RAISE: the boot would always stop. */
TEST(securebits_may_not_forbid_what_is_asked_for)
{
	GOOD("securebits", "no-cap-ambient-raise\nambient-capabilities = none",
	     MAIN.confine.securebits == 64 && MAIN.confine.ambient == 0);
	GOOD("securebits",
	     "no-cap-ambient-raise-locked\nambient-capabilities = CAP_KILL",
	     MAIN.confine.securebits == 128 && MAIN.confine.ambient == 1 << 5);
	CHECK_ERROR("ambient-capabilities = CAP_KILL\n"
		    "securebits = noroot no-cap-ambient-raise\n",
		    CONFIG_E_AMBIENT, 1, 1);
	CHECK_ERROR("user = a\n\n[x]\ncommand = x\n"
		    "securebits = no-cap-ambient-raise\n"
		    "ambient-capabilities = all\n",
		    CONFIG_E_AMBIENT, 3, 1);
}

TEST(root_without_its_capabilities_is_kept_from_the_kernel)
{
	GOOD("user", "0", !config_protects_kernel(&MAIN));
	GOOD("capability-bounding-set", "none", config_protects_kernel(&MAIN));
	GOOD("capability-bounding-set", "all", !config_protects_kernel(&MAIN));
	GOOD("capability-bounding-set", "~CAP_SYS_ADMIN",
	     config_protects_kernel(&MAIN));
	GOOD("capability-bounding-set", "CAP_SYS_ADMIN",
	     !config_protects_kernel(&MAIN));
	GOOD("securebits", "noroot", config_protects_kernel(&MAIN));
	GOOD("securebits", "noroot-locked", !config_protects_kernel(&MAIN));
	GOOD("capability-bounding-set", "none\nprotect-kernel = no",
	     !config_protects_kernel(&MAIN));
	GOOD("protect-kernel", "yes", config_protects_kernel(&MAIN));
}

TEST(groups_and_files_are_read)
{
	GOOD("group", "adm", strcmp(MAIN.group, "adm") == 0 && !MAIN.user);
	GOOD("supplementary-groups", "a   10 b",
	     MAIN.supplementary_groups.count == 3 &&
		     memcmp(MAIN.supplementary_groups.first, "a\00010\0b", 7) ==
			     0);
	BAD("supplementary-groups", "a b:c", CONFIG_E_USER, 2);
	CHECK_ERROR("user = a:b\ngroup = c\n", CONFIG_E_TWICE, 2, 9);
	CHECK_ERROR("group = c\nuser = a:b\n", CONFIG_E_TWICE, 2, 8);
	GOOD("environment-file", "/etc/app env",
	     strcmp(MAIN.environment_file, "/etc/app env") == 0 &&
		     !MAIN.environment_file_may_lack);
	GOOD("environment-file", "-/e",
	     strcmp(MAIN.environment_file, "/e") == 0 &&
		     MAIN.environment_file_may_lack);
	BAD("environment-file", "- /e", CONFIG_E_RELATIVE, 1);
	GOOD("seccomp", "/f", strcmp(MAIN.seccomp, "/f") == 0);
	BAD("seccomp", "f", CONFIG_E_RELATIVE, 0);
}

TEST(hosts_have_names_and_addresses)
{
	GOOD("hostname", "app-1.example",
	     strcmp(ENCLAVE.hostname, "app-1.example") == 0);
	BAD("hostname", "-a", CONFIG_E_HOST, 0);
	BAD("hostname", "a/b", CONFIG_E_HOST, 0);
	CHECK_LONG("hostname = ", 'h', 64, 0);
	CHECK_LONG("hostname = ", 'h', 65, CONFIG_E_HOST);
	GOOD("add-host", "db:10.0.0.1 six:::1 seven:[fe80::1]",
	     ENCLAVE.host_count == 3 &&
		     strcmp(ENCLAVE.hosts[0].name, "db") == 0 &&
		     strcmp(ENCLAVE.hosts[0].address, "10.0.0.1") == 0 &&
		     strcmp(ENCLAVE.hosts[1].address, "::1") == 0 &&
		     strcmp(ENCLAVE.hosts[2].address, "fe80::1") == 0);
	BAD("add-host", "db", CONFIG_E_ADDRESS, 0);
	BAD("add-host", "db:", CONFIG_E_ADDRESS, 3);
	BAD("add-host", ":1.2.3.4", CONFIG_E_HOST, 0);
	BAD("add-host", "db:1.2.3", CONFIG_E_ADDRESS, 3);
	BAD("add-host", "db:1.2.3.256", CONFIG_E_ADDRESS, 3);
	GOOD("dns", "127.0.0.1 ::1",
	     ENCLAVE.dns_count == 2 && strcmp(ENCLAVE.dns[1], "::1") == 0);
	BAD("dns", "localhost", CONFIG_E_ADDRESS, 0);
	BAD("dns", "::1 ::2 ::3 ::4", CONFIG_E_FULL, 12);
	GOOD("dns-search", "a.example b",
	     strcmp(ENCLAVE.dns_search, "a.example b") == 0);
	GOOD("dns-option", "ndots:2",
	     strcmp(ENCLAVE.dns_option, "ndots:2") == 0);
}

TEST(sizes_are_those_of_tmpfs)
{
	GOOD("tmp-size", "64m", strcmp(ENCLAVE.tmp_size, "64m") == 0);
	GOOD("run-size", "10%", strcmp(ENCLAVE.run_size, "10%") == 0);
	GOOD("shm-size", "1G", strcmp(ENCLAVE.shm_size, "1G") == 0);
	BAD("shm-size", "0", CONFIG_E_SIZE, 0);
	BAD("shm-size", "1MB", CONFIG_E_SIZE, 0);
	BAD("shm-size", "m", CONFIG_E_SIZE, 0);
	BAD("shm-size", "1,mode=0", CONFIG_E_SIZE, 0);
	GOOD("tmpfs", "/var/cache",
	     ENCLAVE.tmpfs_count == 1 && *ENCLAVE.tmpfs[0].data == '\0' &&
		     ENCLAVE.tmpfs[0].flags == (2 | 4 | 8));
	GOOD("tmpfs", "/c:exec,size=8m,ro,mode=0700,uid=5,suid,gid=6,dev",
	     strcmp(ENCLAVE.tmpfs[0].path, "/c") == 0 &&
		     strcmp(ENCLAVE.tmpfs[0].data,
			    "size=8m,mode=0700,uid=5,gid=6") == 0 &&
		     ENCLAVE.tmpfs[0].flags == 1);
	BAD("tmpfs", "c", CONFIG_E_PATH, 0);
	BAD("tmpfs", "/a/../b", CONFIG_E_PATH, 0);
	BAD("tmpfs", "/a:", CONFIG_E_TMPFS, 3);
	BAD("tmpfs", "/a:exec,", CONFIG_E_TMPFS, 8);
	BAD("tmpfs", "/a:size=", CONFIG_E_SIZE, 3);
	BAD("tmpfs", "/a:exec,huge=always", CONFIG_E_TMPFS, 8);
	BAD("tmpfs", "/a:uid=root", CONFIG_E_TMPFS, 3);
	BAD("tmpfs", "/a:mode=8", CONFIG_E_OCTAL, 3);
}

TEST(sysctls_have_dots_or_slashes)
{
	GOOD("sysctl", "net.core.somaxconn=1024 \"kernel/core_pattern=a b\"",
	     ENCLAVE.sysctl_count == 2 &&
		     strcmp(ENCLAVE.sysctls[0].name, "net/core/somaxconn") ==
			     0 &&
		     strcmp(ENCLAVE.sysctls[0].value, "1024") == 0 &&
		     strcmp(ENCLAVE.sysctls[1].name, "kernel/core_pattern") ==
			     0 &&
		     strcmp(ENCLAVE.sysctls[1].value, "a b") == 0 &&
		     !ENCLAVE.sysctls[0].may_fail);
	GOOD("sysctl", "-net.ipv4.conf.eth0/1.forwarding=",
	     ENCLAVE.sysctls[0].may_fail &&
		     strcmp(ENCLAVE.sysctls[0].name,
			    "net/ipv4/conf/eth0.1/forwarding") == 0 &&
		     *ENCLAVE.sysctls[0].value == '\0');
	BAD("sysctl", "kernel.x", CONFIG_E_SYSCTL, 0);
	BAD("sysctl", "=1", CONFIG_E_SYSCTL, 0);
	BAD("sysctl", "net/../../x=1", CONFIG_E_SYSCTL, 0);
	BAD("sysctl", "net.//.x=1", CONFIG_E_SYSCTL, 0);
	BAD("sysctl", "/proc/x=1", CONFIG_E_SYSCTL, 0);
	BAD("sysctl", "net..x=1", CONFIG_E_SYSCTL, 0);
	BAD("sysctl", "net.x.=1", CONFIG_E_SYSCTL, 0);
	BAD("sysctl", "./x=1", CONFIG_E_SYSCTL, 0);
}

/* --- services --- */

TEST(a_section_is_a_service)
{
	struct parsed p = PARSE("user = app\n"
				"environment = A=1 B=2\n"
				"  [db]  \n"
				"command = /bin/db \"a b\"\n"
				"user = db\n"
				"environment = A=3\n"
				"restart = always\n"
				"[web]\n"
				"command = web\n"
				"environment = C=\n");
	const struct config_service *s = p.c->services;

	CHECK_INT(p.c->service_count, 3);
	CHECK_STR(s[0].supervision.name, "main");
	CHECK_STR(s[0].user, "app");
	CHECK(!s[0].command.first && !s[0].terminal && !s[0].terminal_is_set);
	CHECK_INT(s[0].standard_input, CONFIG_STDIN_CONSOLE);
	CHECK_INT(s[0].variable_count, 2);
	CHECK_STR(s[0].variables[1], "B=2");
	CHECK_STR(s[1].supervision.name, "db");
	CHECK_STR(s[1].command.first, "/bin/db");
	CHECK_INT(s[1].command.count, 2);
	CHECK_STR(s[1].user, "db");
	CHECK_INT(s[1].variable_count, 1);
	CHECK_STR(s[1].variables[0], "A=3");
	CHECK_INT(s[1].supervision.restart, CONFIG_RESTART_ALWAYS);
	CHECK(!s[1].terminal);
	CHECK_INT(s[1].standard_input, CONFIG_STDIN_NULL);
	CHECK_STR(s[2].variables[0], "C=");
	CHECK_INT(s[2].supervision.restart, CONFIG_RESTART_NEVER);
	CHECK(!s[2].user);
	release(&p);
}

TEST(defaults_hold_where_nothing_is_said)
{
	struct parsed p = PARSE("");
	struct config d;

	config_defaults(&d);
	CHECK(p.c->is_there && !d.is_there);
	for (const struct config *c = p.c; c; c = c == &d ? NULL : &d) {
		const struct config_service *s = c->services;

		CHECK_INT(c->service_count, 1);
		CHECK_STR(s->supervision.name, "main");
		CHECK_INT(s->supervision.restart_delay_ms, 100);
		CHECK_INT(s->supervision.restart_delay_max_ms, 30000);
		CHECK_INT(s->supervision.restart_limit, 5);
		CHECK_INT(s->supervision.ready_timeout_ms, 150000);
		CHECK_INT(s->supervision.ready, CONFIG_READY_EXEC);
		CHECK(!s->supervision.stop_timeout_ms.is_set &&
		      !s->supervision.watchdog_ms);
		CHECK_INT(c->heartbeat.port, 9000);
		CHECK_INT(c->heartbeat.mode, CONFIG_HEARTBEAT_ON);
		CHECK_INT(c->end, CONFIG_END_MAIN);
		CHECK(s->variables == c->variables);
		CHECK_INT(s->supervision.kill_mode, CONFIG_KILL_MIXED);
		CHECK_INT(s->protect_kernel, CONFIG_PROTECT_AUTO);
		CHECK(!s->memory_max && !s->pids_max && !s->cpu_weight);
		CHECK(!c->hand_over);
	}
	release(&p);
}

TEST(sections_that_are_none_are_refused)
{
	CHECK_ERROR("[]\n", CONFIG_E_SECTION, 1, 1);
	CHECK_ERROR("\n [a b]\n", CONFIG_E_SECTION, 2, 2);
	CHECK_ERROR("[a\n", CONFIG_E_SECTION, 1, 1);
	CHECK_ERROR("[a] x\n", CONFIG_E_SECTION, 1, 1);
	CHECK_ERROR("[A]\n", CONFIG_E_SECTION, 1, 1);
	CHECK_ERROR("[.a]\n", CONFIG_E_SECTION, 1, 1);
	CHECK_ERROR("[main]\n", CONFIG_E_SECTION, 1, 1);
	CHECK_ERROR("[a]]\n", CONFIG_E_SECTION, 1, 1);
	CHECK_ERROR("[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n", CONFIG_E_SECTION, 1,
		    1);
	CHECK_ERROR("[a]\ncommand = x\n[a]\n", CONFIG_E_SECOND, 3, 1);
	CHECK_ERROR("\n[a]\nuser = x\n", CONFIG_E_COMMAND, 2, 1);
	CHECK_ERROR("[a]\nhostname = x\n", CONFIG_E_ENCLAVE, 2, 1);
	CHECK_ERROR("[a]\ncommand = x\nuser = x\nuser = y\n", CONFIG_E_TWICE, 4,
		    1);
}

TEST(so_many_services_and_no_more)
{
	char text[1024], *at = text;
	struct parsed p;

	for (int i = 0; i < 16; i++) {
		if (i == 15) {
			p = parse(text, (size_t)(at - text));
			CHECK_INT(p.r, 0);
			CHECK_INT(p.c->service_count, 16);
			release(&p);
		}
		at += sprintf(at, "[s%d]\ncommand = x\n", i);
	}
	p = parse(text, (size_t)(at - text));
	CHECK_INT(p.r, -CONFIG_E_SECTIONS);
	CHECK_INT(p.fault.line, 31);
	release(&p);
}

TEST(services_come_after_others)
{
	struct parsed p = PARSE("after = b   c\n"
				"[a]\ncommand = x\nafter = main\n"
				"[b]\ncommand = x\nafter = c\n"
				"[c]\ncommand = x\n");

	CHECK_INT(p.c->services[0].supervision.after, 4 | 8);
	CHECK_INT(p.c->services[1].supervision.after, 1);
	CHECK_INT(p.c->services[2].supervision.after, 8);
	CHECK_INT(p.c->services[3].supervision.after, 0);
	release(&p);
	CHECK_ERROR("after = b  d\n[b]\ncommand = x\n", CONFIG_E_SERVICE, 1,
		    12);
	CHECK_ERROR("after = main\n", CONFIG_E_CYCLE, 1, 9);
	CHECK_ERROR("\nafter = b\n[b]\ncommand = x\nafter = c\n"
		    "[c]\ncommand = x\nafter = main\n",
		    CONFIG_E_CYCLE, 2, 1);
	CHECK_ERROR("[a]\ncommand = x\n[b]\ncommand = x\nafter = c\n"
		    "[c]\ncommand = x\nafter = b a\n",
		    CONFIG_E_CYCLE, 5, 1);
}

TEST(a_watchdog_needs_somebody_who_tells)
{
	GOOD("ready", "notify\nwatchdog = 10s",
	     MAIN.supervision.watchdog_ms == 10000);
	CHECK_ERROR("\nwatchdog = 10s\n", CONFIG_E_WATCHDOG, 1, 1);
	CHECK_ERROR("[a]\ncommand = x\nwatchdog = 10s\n", CONFIG_E_WATCHDOG, 1,
		    1);
}

/* --- the application as PID 1 --- */

#define CHECK_SUPERVISED(line)                                              \
	CHECK_ERROR("\nhand-over = yes\n" line "\n", CONFIG_E_HAND_OVER, 3, \
		    1);                                                     \
	CHECK_ERROR(line "\nhand-over = yes\n", CONFIG_E_HAND_OVER, 1, 1)

TEST(hand_over_leaves_no_supervisor)
{
	CHECK_SUPERVISED("restart = always");
	CHECK_SUPERVISED("restart = never");
	CHECK_SUPERVISED("restart-delay = 1");
	CHECK_SUPERVISED("restart-delay-max = 1");
	CHECK_SUPERVISED("restart-limit = 1");
	CHECK_SUPERVISED("ready = notify");
	CHECK_SUPERVISED("ready-timeout = 1");
	CHECK_SUPERVISED("watchdog = 1");
	CHECK_SUPERVISED("stop-timeout = 1");
	CHECK_SUPERVISED("stop-signal = TERM");
	CHECK_SUPERVISED("kill-mode = mixed");
	CHECK_SUPERVISED("user = a");
	CHECK_SUPERVISED("group = a");
	CHECK_SUPERVISED("supplementary-groups = a");
	CHECK_SUPERVISED("memory-max = 1G");
	CHECK_SUPERVISED("pids-max = 9");
	CHECK_SUPERVISED("cpu-weight = 9");
	CHECK_SUPERVISED("heartbeat = strict");
	/* The first of several. */
	CHECK_ERROR("hand-over = yes\nnice = 1\nuser = a\n[x]\n"
		    "command = x\nrestart = always\n",
		    CONFIG_E_HAND_OVER, 3, 1);
	CHECK_ERROR("hand-over = yes\n[x]\nuser = a\ncommand = x\n",
		    CONFIG_E_HAND_OVER, 2, 1);
	CHECK_ERROR("hand-over = yes\nafter = x\n[x]\ncommand = x\n",
		    CONFIG_E_HAND_OVER, 3, 1);
}

TEST(hand_over_takes_what_exec_alone_can_do)
{
	struct parsed p = PARSE("hand-over = yes\n"
				"command = /sbin/init\n"
				"environment = container=enclave\n"
				"environment-file = -/etc/env\n"
				"workdir = /\numask = 022\nnice = 1\n"
				"limit-nofile = 9\noom-score-adjust = 1\n"
				"stdin = null\nstdout = null\n"
				"stderr = inherit\nterminal = no\n"
				"no-new-privileges = yes\n"
				"capability-bounding-set = ~CAP_SYS_MODULE\n"
				"securebits = noroot\nseccomp = /f\n"
				"protect-kernel = no\nheartbeat = off\n"
				"end = any\nread-only = yes\n");

	CHECK(p.c->hand_over);
	release(&p);
	p = PARSE("hand-over = no\nuser = a\nheartbeat = strict\n"
		  "[x]\ncommand = x\n");
	CHECK(!p.c->hand_over);
	release(&p);
}

#define CHECK_NEAREST(name, want) check_nearest(__LINE__, (name), (want))

static void check_nearest(int at, const char *name, const char *want)
{
	char text[200];
	struct parsed p;

	(void)snprintf(text, sizeof(text), "nsm-mode = 0\n  %s = 1\n", name);
	p = parse(text, strlen(text));
	check_int(__FILE__, at, name, p.r, -CONFIG_E_UNKNOWN);
	check_int(__FILE__, at, "the line", (intmax_t)p.fault.line, 2);
	check_int(__FILE__, at, "the column", (intmax_t)p.fault.column, 3);
	check_str(__FILE__, at, name, p.fault.nearest, want);
	release(&p);
}

TEST(the_nearest_key_is_named)
{
	CHECK_NEAREST("nsm-modes", "nsm-mode");
	CHECK_NEAREST("nsm_mode", "nsm-mode");
	CHECK_NEAREST("mode", "nsm-mode");
	CHECK_NEAREST("NSM-MODE", "nsm-mode");
	CHECK_NEAREST("nsm-user", "nsm-owner");
	CHECK_NEAREST("groups", "group");
	CHECK_NEAREST("pcr-extends", "pcr-extend");
	CHECK_NEAREST("pcr-locks", "pcr-lock");
	CHECK_NEAREST("lock", "pcr-lock");
	CHECK_NEAREST("pcrextend", "pcr-extend");
	CHECK_NEAREST("pcr-", "pcr-lock");
	CHECK_NEAREST("cmd", "command");
	CHECK_NEAREST("nofile", "limit-nofile");
	CHECK_NEAREST("environ", "environment");
	CHECK_NEAREST("working-dir", "workdir");
	CHECK_NEAREST("stopsignal", "stop-signal");
	CHECK_NEAREST("signal", "stop-signal");
	/* Longer than any key, and than what is looked at. */
	CHECK_NEAREST("pcr-extend-pcr-extend-pcr-extend-pcr-extend-pcr-extend",
		      "pcr-extend");
}

static const char whole[] = "# all keys\n"
			    "pcr-extend = 16 data release 2.1 of today\n"
			    "pcr-extend = 16 file config /etc/app.conf\n"
			    "pcr-lock = 16-17 20\n"
			    "\n"
			    "nsm-owner = 10\n"
			    "nsm-group = 20\n"
			    "nsm-mode = 0660\n"
			    "workdir = /srv/app\n"
			    "user = app:1000\n"
			    "stop-signal = SIGRTMIN+3\n"
			    "command = sh -c \"a \\\"b\\\"\\n\\x41\" \"\"\n"
			    "environment = \"A=1\\n2\" B=\n"
			    "environment = C=\\\n"
			    "kill-mode = group\n"
			    "memory-max = 64M\n"
			    "pids-max = 100\n"
			    "cpu-weight = 50\n"
			    "protect-kernel = yes\n"
			    "forward = vsock:1-3 tcp:[::1]:80\n"
			    "vsock = none\n";

TEST(every_prefix_is_read_or_refused)
{
	size_t good = 0;

	for (size_t len = 0; len < sizeof(whole); len++) {
		struct parsed p = parse(whole, len);

		if (p.r == 0) {
			CHECK(p.c->extend_count <= 2);
			good++;
		} else {
			CHECK(p.r <= -CONFIG_E_CONTROL && p.r > -CONFIG_E_END);
			CHECK(p.fault.line >= 1 && p.fault.line <= 21);
			CHECK(p.fault.column >= 1 && p.fault.column <= 60);
		}
		release(&p);
	}
	CHECK(good > 8 && good < sizeof(whole));
}

TEST(any_byte_may_be_any_other)
{
	/* Of those beyond ASCII where UTF-8's sorts of bytes begin and end. */
	static const char others[] = "\x80\x9f\xa0\xbf\xc0\xc1\xc2\xdf"
				     "\xe0\xed\xef\xf0\xf4\xf5\xff";
	char text[sizeof(whole)];

	for (size_t at = 0; at < sizeof(whole) - 1; at++)
		for (int c = (int)(at % CHECK_SOME_ON_MUSL); c < 256;
		     c += CHECK_SOME_ON_MUSL) {
			if (c >= 0x80 && !strchr(others, c))
				continue;
			memcpy(text, whole, sizeof(whole));
			text[at] = (char)c;
			struct parsed p = parse(text, sizeof(whole) - 1);

			if (p.r < 0) {
				CHECK(p.r > -CONFIG_E_END);
				CHECK(p.fault.line >= 1 && p.fault.line <= 22);
			} else {
				CHECK(!(p.c->locks & 0xffff));
				CHECK(p.c->nsm_mode.value <= 0777);
				CHECK(!p.c->services[0].workdir ||
				      *p.c->services[0].workdir == '/');
				CHECK(p.c->services[0]
					      .supervision.stop_signal <= 64);
				CHECK(p.c->services[0].cpu_weight <= 10000);
				CHECK(p.c->variable_count <= 3);
			}
			release(&p);
		}
}

/* --- what is passed on to relay --- */

static void check_relayed(const char *text, size_t len, const char *wanted)
{
	struct parsed p = parse(text, len);
	size_t size;
	char *got;

	REQUIRE(p.r == 0);
	size = config_relay_size(p.c);
	got = malloc(size + 1);
	REQUIRE(got);
	got[size] = '\0';
	config_relay_text(p.c, got);
	CHECK_STR(got, wanted);
	free(got);
	release(&p);
}

#define CHECK_RELAYED(text, wanted) \
	check_relayed((text), sizeof(text) - 1, (wanted))

TEST(relays_lines_are_passed_on_with_their_numbers)
{
	CHECK_RELAYED("", "");
	CHECK_RELAYED("umask = 022\n", "");
	CHECK_RELAYED("forward = vsock:8080 tcp:127.0.0.1:80\n",
		      "forward = vsock:8080 tcp:127.0.0.1:80\n");
	/* Comments, other keys and sections are empty lines, and the last newline may lack. */
	CHECK_RELAYED("# forward = 1\n"
		      "  forward\t=  a \t b # c  \n"
		      "nice = 1\n"
		      "\n"
		      "egress=127.0.0.1:3128\n"
		      "forward = c\n"
		      "[a]\n"
		      "command = a",
		      "\nforward = a \t b # c\n\n\negress = 127.0.0.1:3128\n"
		      "forward = c\n");
	/* A byte order mark is no part of the first. */
	CHECK_RELAYED("\xef\xbb\xbftap = vsock:1024\n", "tap = vsock:1024\n");
}

TEST(every_key_of_relay_is_taken)
{
	static const char keys[][20] = {
		"forward",	"forward-workers", "forward-memory",
		"forward-max",	"egress",	   "egress-target",
		"egress-via",	"egress-allow",	   "egress-deny",
		"egress-names", "dns-forward",	   "dns-allow",
		"tap",		"tap-framing",	   "tap-address",
		"tap-gateway",	"tap-mac",	   "tap-mtu",
		"tap-accept",
	};
	char text[128];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct parsed p;
		int n = snprintf(text, sizeof(text), "%s = x y\n", keys[i]);

		p = parse(text, (size_t)n);
		CHECK_INT(p.r, 0);
		CHECK_INT(p.c->relayed_count, 1);
		CHECK_STR(config_relay_value(p.c, keys[i]), "x y");
		release(&p);

		n = snprintf(text, sizeof(text), "hand-over = yes\n%s = x\n",
			     keys[i]);
		p = parse(text, (size_t)n);
		CHECK_INT(p.r, -CONFIG_E_HAND_OVER);
		CHECK_INT(p.fault.line, 2);
		release(&p);
	}
}

TEST(what_is_wrong_with_relays_lines_is_seen_without_it)
{
	CHECK_ERROR("egress = a\negress = a\n", CONFIG_E_TWICE, 2, 1);
	CHECK_ERROR("tap-mtu = 1\n\ntap-mtu = 1\n", CONFIG_E_TWICE, 3, 1);
	CHECK_ERROR("forward =\n", CONFIG_E_MISSING, 1, 10);
	CHECK_ERROR("[a]\ncommand = a\nforward = a\n", CONFIG_E_ENCLAVE, 3, 1);
	CHECK_ERROR("dns = 1.1.1.1\n\ndns-forward = vsock:1\n",
		    CONFIG_E_RESOLVER, 3, 1);
	CHECK_ERROR("dns-forward = vsock:1\ndns = 1.1.1.1\n", CONFIG_E_RESOLVER,
		    1, 1);
	CHECK_ERROR("log = listen\nforward = a\n[relay]\ncommand = a\n",
		    CONFIG_E_RELAY, 3, 1);
	/* Without a log nothing has that name, and without relay nobody. */
	PARSE_GOOD("forward = a\n[relay]\ncommand = a\n");
	PARSE_GOOD("log = listen\n[relay]\ncommand = a\n");
	PARSE_GOOD("dns-search = a\ndns-forward = vsock:1\n");
	PARSE_GOOD("dns = 1.1.1.1\ntap = vsock:1\n");
}

TEST(a_misspelt_key_of_relay_is_guessed)
{
	static const struct {
		const char *text, *nearest;
	} rows[] = {
		{ "forwrd = a\n", "forward" },
		{ "egress-nmes = a\n", "egress-names" },
		{ "egress-enviroment = no\n", "egress-environment" },
		{ "restrt = no\n", "restart" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parsed p = parse(rows[i].text, strlen(rows[i].text));

		CHECK_INT(p.r, -CONFIG_E_UNKNOWN);
		CHECK_STR(p.fault.nearest, rows[i].nearest);
		release(&p);
	}
}

TEST(relays_lines_have_a_limit)
{
	enum { LINE = sizeof("forward = a\n") - 1 };
	char text[(CONFIG_RELAYED_MAX + 1) * LINE];
	struct parsed p;

	for (size_t i = 0; i <= CONFIG_RELAYED_MAX; i++)
		memcpy(text + i * LINE, "forward = a\n", LINE);
	p = parse(text, sizeof(text) - LINE);
	CHECK_INT(p.r, 0);
	CHECK_INT(p.c->relayed_count, CONFIG_RELAYED_MAX);
	release(&p);
	p = parse(text, sizeof(text));
	CHECK_INT(p.r, -CONFIG_E_FULL);
	CHECK_INT(p.fault.line, CONFIG_RELAYED_MAX + 1);
	release(&p);
}

TEST(a_service_may_go_without_vsock)
{
	struct parsed p = PARSE("vsock = none\negress = 127.0.0.1:1\n"
				"[a]\ncommand = a\n"
				"[b]\ncommand = b\nvsock = open\n");

	CHECK(p.c->services[0].confine.no_vsock);
	CHECK(!p.c->services[1].confine.no_vsock);
	CHECK(!config_goes_around(p.c, &p.c->services[0]));
	CHECK(config_goes_around(p.c, &p.c->services[1]));
	CHECK(config_goes_around(p.c, &p.c->services[2]));
	CHECK_STR(config_proxy(p.c), "127.0.0.1:1");
	release(&p);

	p = PARSE("egress = 127.0.0.1:1\negress-environment = no\n");
	CHECK(!config_proxy(p.c));
	release(&p);
	p = PARSE("forward = a\n");
	CHECK(!config_proxy(p.c));
	CHECK(!config_goes_around(p.c, &p.c->services[0]));
	release(&p);
	CHECK_ERROR("vsock = yes\n", CONFIG_E_CHOICE, 1, 9);
	PARSE_GOOD("hand-over = yes\nvsock = none\n");
}

CHECK_MAIN("config")
