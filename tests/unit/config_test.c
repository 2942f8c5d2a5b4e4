#include "init/config.h"

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
	if (code != CONFIG_E_UNKNOWN && p.fault.nearest)
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
		CHECK(!p.c->nsm_owner.is_set && !p.c->nsm_group.is_set &&
		      !p.c->nsm_mode.is_set);
		CHECK_INT(p.fault.line, 999); /* untouched */
		release(&p);
	}
}

TEST(numbers_of_the_device_are_read)
{
	struct parsed p = PARSE("nsm-owner = 0\n"
				"nsm-group = 4294967294\n"
				"nsm-mode = 0640\n");

	CHECK(p.c->nsm_owner.is_set && p.c->nsm_group.is_set &&
	      p.c->nsm_mode.is_set);
	CHECK_INT(p.c->nsm_owner.value, 0);
	CHECK_INT(p.c->nsm_group.value, 4294967294);
	CHECK_INT(p.c->nsm_mode.value, 0640);
	release(&p);

	p = PARSE("nsm-mode=777\n");
	CHECK_INT(p.c->nsm_mode.value, 0777);
	CHECK(!p.c->nsm_owner.is_set && !p.c->nsm_group.is_set);
	release(&p);
	p = PARSE("nsm-mode = 0");
	CHECK(p.c->nsm_mode.is_set);
	CHECK_INT(p.c->nsm_mode.value, 0);
	release(&p);
	p = PARSE("nsm-group = 00000000000000000000012");
	CHECK_INT(p.c->nsm_group.value, 12);
	release(&p);
}

TEST(bad_numbers_are_refused)
{
	CHECK_ERROR("nsm-owner =", CONFIG_E_MISSING, 1, 12);
	CHECK_ERROR("nsm-owner = \t \n", CONFIG_E_MISSING, 1, 12);
	CHECK_ERROR("nsm-owner = root\n", CONFIG_E_NUMBER, 1, 13);
	CHECK_ERROR("nsm-owner = -1\n", CONFIG_E_NUMBER, 1, 13);
	CHECK_ERROR("nsm-owner = +1\n", CONFIG_E_NUMBER, 1, 13);
	CHECK_ERROR("nsm-owner = 1x\n", CONFIG_E_NUMBER, 1, 13);
	CHECK_ERROR("nsm-owner = 0x10\n", CONFIG_E_NUMBER, 1, 13);
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
	CHECK_ERROR("#\n\n[web]\n", CONFIG_E_NO_EQUALS, 3, 6);
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

	CHECK_STR(p.c->workdir, "/srv/my app/");
	release(&p);
	p = PARSE("workdir=/");
	CHECK_STR(p.c->workdir, "/");
	release(&p);
	p = PARSE("nsm-mode = 0\n");
	CHECK(!p.c->workdir && !p.c->user && !p.c->group && !p.c->command);
	CHECK_INT(p.c->stop_signal, 0);
	CHECK_INT(p.c->command_count, 0);
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

	check_str(__FILE__, at, "the user", p.c->user, user);
	if (group)
		check_str(__FILE__, at, "the group", p.c->group, group);
	else if (p.c->group)
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
	CHECK_ERROR("user = app:\n", CONFIG_E_USER, 1, 8);
	CHECK_ERROR("user = a:b:c\n", CONFIG_E_USER, 1, 8);
	CHECK_ERROR("user = a:b:\n", CONFIG_E_USER, 1, 8);
	CHECK_ERROR("user = a: b\n", CONFIG_E_USER, 1, 8);
	CHECK_ERROR("user = a b\n", CONFIG_E_MORE, 1, 10);
	CHECK_ERROR("user = 4294967295\n", CONFIG_E_LARGE, 1, 8);
	CHECK_ERROR("user = 0:18446744073709551616\n", CONFIG_E_LARGE, 1, 8);
	CHECK_ERROR("user = a\nuser = a\n", CONFIG_E_TWICE, 2, 1);
	CHECK_LONG("user = ", 'u', 255, 0);
	CHECK_LONG("user = ", 'u', 256, CONFIG_E_NAME);
	CHECK_LONG("user = u:", 'g', 255, 0);
	CHECK_LONG("user = u:", 'g', 256, CONFIG_E_NAME);
}

TEST(a_stop_signal_is_a_name_or_a_number)
{
	struct parsed p = PARSE("stop-signal = SIGQUIT\n");

	CHECK_INT(p.c->stop_signal, 3);
	release(&p);
	p = PARSE("stop-signal = 64");
	CHECK_INT(p.c->stop_signal, 64);
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
	const char *word = p.c->command;
	char got[200] = "";

	for (size_t i = 0; i < p.c->command_count; i++) {
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

TEST(words_stay_when_later_lines_are_read)
{
	struct parsed p = PARSE("command = \"\\x61\\x62\" \"c\\n\"\n"
				"environment = \"A=\\x61\" B=2\n"
				"workdir = /w\n"
				"environment = \"C=\\\"\"\n");

	CHECK_INT(p.c->command_count, 2);
	CHECK_STR(p.c->command, "ab");
	CHECK_STR(p.c->command + 3, "c\n");
	CHECK_INT(p.c->variable_count, 3);
	CHECK_STR(p.c->variables[0], "A=a");
	CHECK_STR(p.c->variables[1], "B=2");
	CHECK_STR(p.c->variables[2], "C=\"");
	CHECK_STR(p.c->workdir, "/w");
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
	CHECK_NEAREST("group", "nsm-group");
	CHECK_NEAREST("pcr-extends", "pcr-extend");
	CHECK_NEAREST("pcr-locks", "pcr-lock");
	CHECK_NEAREST("lock", "pcr-lock");
	CHECK_NEAREST("pcrextend", "pcr-extend");
	CHECK_NEAREST("pcr-", "pcr-lock");
	CHECK_NEAREST("p", "user");
	CHECK_NEAREST("cmd", "command");
	CHECK_NEAREST("env", "user"); /* as far as any, and of the shortest */
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
			    "environment = C=\\\n";

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
			CHECK(p.fault.line >= 1 && p.fault.line <= 14);
			CHECK(p.fault.column >= 1 && p.fault.column <= 60);
		}
		release(&p);
	}
	CHECK(good > 8 && good < sizeof(whole));
}

TEST(any_byte_may_be_any_other)
{
	char text[sizeof(whole)];

	for (size_t at = 0; at < sizeof(whole) - 1; at++)
		for (int c = 0; c < 256; c++) {
			memcpy(text, whole, sizeof(whole));
			text[at] = (char)c;
			struct parsed p = parse(text, sizeof(whole) - 1);

			if (p.r < 0) {
				CHECK(p.r > -CONFIG_E_END);
				CHECK(p.fault.line >= 1 && p.fault.line <= 15);
			} else {
				CHECK(!(p.c->locks & 0xffff));
				CHECK(p.c->nsm_mode.value <= 0777);
				CHECK(!p.c->workdir || *p.c->workdir == '/');
				CHECK(p.c->stop_signal <= 64);
				CHECK(p.c->variable_count <= 3);
			}
			release(&p);
		}
}

TEST(each_error_has_its_words)
{
	static const char *const want[] = {
		"a control character",
		"no key before '='",
		"no '=' after a key",
		"no such key",
		"this key is there already",
		"a value is missing",
		"the value should end here",
		"not a decimal number",
		"not an octal number",
		"too large",
		"not a PCR from 16 to 31",
		"the range ends before it begins",
		"this PCR is locked further up",
		"neither data nor file",
		"a name longer than 255 bytes",
		"not an absolute path without //, /./ and /../",
		"a path too long",
		"more than 64 extensions",
		"not an absolute path",
		"neither USER nor USER:GROUP",
		"no such signal",
		"no closing quote",
		"a quote in the middle of a word",
		"not one of \\\\ \\\" \\n \\t \\r \\xHH",
		"a NUL byte",
		"it names no program",
		"not NAME=VALUE",
		"this variable is there already",
		"more than 1024 variables",
	};

	CHECK_INT(CONFIG_E_END - CONFIG_E_CONTROL,
		  sizeof(want) / sizeof(want[0]));
	for (int e = CONFIG_E_CONTROL; e < CONFIG_E_END; e++)
		CHECK_STR(config_error_text(-e), want[e - CONFIG_E_CONTROL]);
	CHECK_STR(config_error_text(-2), "No such file or directory");
}

CHECK_MAIN("config")
