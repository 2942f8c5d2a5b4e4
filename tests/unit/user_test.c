#include "init/spec/user.h"

#include "tests/unit/check.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "# comment:x:1:1::/:\n"
			     "#hash:x:2:2::/:\n"
			     "\n"
			     "daemon:x:1:1\n"
			     "app:x:1000:1001:An App,,:/home/app:/bin/sh\n"
			     "twin:x:1000:7:second of this number:/twin:\n"
			     "app:x:8:8:second of this name:/other:\n"
			     "blank:x::5:no uid:/:\n"
			     "word:x:x1:5:no number:/:\n"
			     "nogid:x:9\n"
			     "minus:x:-1:5::/:\n"
			     "large:x:4294967295:5::/:\n"
			     "huge:x:18446744073709551617:5::/:\n"
			     "max:x:4294967294:4294967294::/:\n"
			     ":x:77:77:no name:/:\n"
			     "cr:x:11:12::/home/cr\r\n"
			     "crlf:x:13:14::/home/crlf:/bin/sh\r\n"
			     "nohome:x:15:16:::\n"
			     "5:x:50:51:a name of digits:/five:\n"
			     " \tindent:x:19:20::/home/in\n"
			     "ending:x:21:22::/home/end \t\r\n"
			     "last:x:17:18::/home/last";

static const char groups[] = "root:x:0:\n"
			     "apps:x:1001:app\n"
			     "# g:x:5:app\n"
			     "one:x:2001:app\n"
			     "two:x:2002:other,app,third\r\n"
			     "three:x:2003:third,app\r\n"
			     "prefix:x:2004:ap,appl,app2,\n"
			     "blank:x::app\n"
			     "bad:x:-5:app\n"
			     "nomembers:x:2005\n"
			     "two:x:2006:other\n"
			     "1001:x:3000:\n"
			     ":x:2007:app\n"
			     "spaced:x:2008: app\n"
			     "  ends:x:2010:third,ending \r\n"
			     "end:x:2009:last,app";

static struct user_file bytes(const char *text, size_t len)
{
	/* Of just that size: the sanitizer sees what is one too many. */
	char *copy = malloc(len ? len : 1);

	REQUIRE(copy);
	memcpy(copy, text, len);
	return (struct user_file){ copy, len };
}

#define FILE_OF(text) bytes((text), sizeof(text) - 1)

static struct user *resolve_in(struct user_file p, struct user_file g,
			       const char *user, const char *group, int want)
{
	struct user *u = malloc(sizeof(*u));

	REQUIRE(u);
	memset(u, 0xaa, sizeof(*u));
	if (!CHECK_INT(user_resolve(user, group, p, g, u), want))
		CHECK_STR(user, group ? group : "no group");
	free((char *)(uintptr_t)p.data);
	free((char *)(uintptr_t)g.data);
	return u;
}

static struct user *resolve(const char *user, const char *group, int want)
{
	return resolve_in(FILE_OF(passwd), FILE_OF(groups), user, group, want);
}

#define CHECK_USER(user, group, want) \
	check_user(__LINE__, resolve((user), (group), 0), (want))

/* "uid:gid:group,group:HOME=home" */
static void check_user(int at, struct user *u, const char *want)
{
	char got[600];
	int n = snprintf(got, sizeof(got), "%u:%u:", u->uid, u->gid);

	for (size_t i = 0; i < u->group_count; i++)
		n += snprintf(got + n, sizeof(got) - (size_t)n, "%s%u",
			      i ? "," : "", u->groups[i]);
	(void)snprintf(got + n, sizeof(got) - (size_t)n, ":%s", u->home);
	check_str(__FILE__, at, "the user", got, want);
	free(u);
}

TEST(a_name_has_the_ids_of_its_line_and_the_groups_that_list_it)
{
	CHECK_USER("root", NULL, "0:0:0:HOME=/root");
	CHECK_USER("app", NULL,
		   "1000:1001:1001,2001,2002,2003,2009:HOME=/home/app");
	CHECK_USER("last", NULL, "17:18:18,2009:HOME=/home/last");
	CHECK_USER("twin", NULL, "1000:7:7:HOME=/twin");
}

TEST(blanks_around_a_line_do_not_count)
{
	CHECK_USER("indent", "ends", "19:2010:2010:HOME=/home/in");
	CHECK_USER("ending", NULL, "21:22:22,2010:HOME=/home/end");
}

TEST(a_number_is_looked_up_and_need_not_be_there)
{
	CHECK_USER("0", NULL, "0:0:0:HOME=/root");
	CHECK_USER("1000", NULL,
		   "1000:1001:1001,2001,2002,2003,2009:HOME=/home/app");
	CHECK_USER("0001000", "0", "1000:0:0:HOME=/home/app");
	CHECK_USER("65534", NULL, "65534:0:0:HOME=/");
	CHECK_USER("4294967294", NULL,
		   "4294967294:4294967294:4294967294:HOME=/");
	/* Digits are a number, whatever names there are. */
	CHECK_USER("5", NULL, "5:0:0:HOME=/");
	CHECK_USER("9", NULL, "9:0:0:HOME=/");
	CHECK_USER("77", NULL, "77:0:0:HOME=/");
}

TEST(a_group_that_is_given_is_the_only_one)
{
	CHECK_USER("app", "root", "1000:0:0:HOME=/home/app");
	CHECK_USER("app", "two", "1000:2002:2002:HOME=/home/app");
	CHECK_USER("app", "nomembers", "1000:2005:2005:HOME=/home/app");
	CHECK_USER("app", "1001", "1000:1001:1001:HOME=/home/app");
	CHECK_USER("app", "4294967294",
		   "1000:4294967294:4294967294:HOME=/home/app");
	CHECK_USER("77", "end", "77:2009:2009:HOME=/");
}

TEST(names_that_are_not_there_are_refused)
{
	static const char *const users[] = {
		"nobody",
		"App",
		"ap",
		"apps",
		"#hash",
		"hash",
		"blank",
		"word",
		"nogid",
		"minus",
		"large",
		"huge",
		" app",
		"4294967295",
		"-1",
		"# comment",
		"18446744073709551616",
	};
	static const char *const wrong[] = { "app", "On", "bad",       "blank",
					     "# g", "-5", "4294967295" };

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		free(resolve(users[i], NULL, -USER_E_USER));
		free(resolve(users[i], "0", -USER_E_USER));
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		free(resolve("app", wrong[i], -USER_E_GROUP));
}

TEST(homes_are_taken_as_they_are)
{
	CHECK_USER("daemon", "0", "1:0:0:HOME=/");
	CHECK_USER("nohome", NULL, "15:16:16:HOME=/");
	CHECK_USER("cr", NULL, "11:12:12:HOME=/home/cr");
	CHECK_USER("crlf", NULL, "13:14:14:HOME=/home/crlf");
}

TEST(files_that_are_missing_or_empty_have_no_names)
{
	const struct user_file none = { 0 };

	check_user(__LINE__, resolve_in(none, none, "7", NULL, 0),
		   "7:0:0:HOME=/");
	check_user(__LINE__, resolve_in(none, none, "7", "8", 0),
		   "7:8:8:HOME=/");
	check_user(__LINE__, resolve_in(FILE_OF(passwd), none, "app", NULL, 0),
		   "1000:1001:1001:HOME=/home/app");
	check_user(__LINE__, resolve_in(FILE_OF(""), FILE_OF(""), "7", NULL, 0),
		   "7:0:0:HOME=/");
	free(resolve_in(none, none, "root", NULL, -USER_E_USER));
	free(resolve_in(FILE_OF(""), none, "root", NULL, -USER_E_USER));
	free(resolve_in(none, none, "0", "root", -USER_E_GROUP));
	free(resolve_in(none, FILE_OF("\n\n"), "0", "root", -USER_E_GROUP));
}

TEST(lines_with_a_nul_byte_are_passed_over)
{
	check_user(__LINE__,
		   resolve_in(FILE_OF("a:x:1:1::/a\0b:\n\0\na:x:2:2::/:\n"),
			      FILE_OF("g:x:5\0:a\nh:x:6:a"), "a", NULL, 0),
		   "2:2:2,6:HOME=/");
}

static struct user_file many_groups(size_t n)
{
	char *text = malloc(n * 16 + 1);
	size_t len = 0;

	REQUIRE(text);
	for (size_t i = 0; i < n; i++)
		len += (size_t)sprintf(text + len, "g%zu:x:%zu:u\n", i, i + 10);
	return (struct user_file){ text, len };
}

TEST(groups_are_bounded)
{
	static const char one[] = "u:x:1:2::/:\n";
	struct user *u;

	u = resolve_in(FILE_OF(one), many_groups(63), "u", NULL, 0);
	CHECK_INT(u->group_count, 64);
	CHECK_INT(u->groups[63], 72);
	free(u);
	free(resolve_in(FILE_OF(one), many_groups(64), "u", NULL,
			-USER_E_MANY));
	/* Who asks for one does not get the others. */
	free(resolve_in(FILE_OF(one), many_groups(64), "u", "g63", 0));
	/* Its own counts once. */
	u = resolve_in(FILE_OF("u:x:1:10::/:\n"), many_groups(64), "u", NULL,
		       0);
	CHECK_INT(u->group_count, 64);
	free(u);
}

static struct user *with_home(size_t len, int want)
{
	struct user_file p = { NULL, len + 8 };
	char *text = malloc(p.len);

	REQUIRE(text);
	memcpy(text, "u:x:1:2::", 9);
	memset(text + 8, '/', len);
	text[8] = ':';
	memset(text + 9, 'h', len - 1);
	p.data = text;
	return resolve_in(p, (struct user_file){ 0 }, "u", NULL, want);
}

TEST(lines_may_be_long_and_homes_are_bounded)
{
	const size_t long_one = 300000;
	char *text = malloc(long_one + 100);
	struct user *u;
	int n;

	u = with_home(4096, 0);
	CHECK_INT(strlen(u->home), 5 + 4095);
	free(u);
	free(with_home(4097, -USER_E_HOME));

	REQUIRE(text);
	n = sprintf(text, "u:x:1:2:");
	memset(text + n, 'c', long_one);
	n = sprintf(text + n + long_one, ":/home:\nv:x:3:4::/v:");
	check_user(__LINE__,
		   resolve_in(bytes(text, 8 + long_one + (size_t)n),
			      (struct user_file){ 0 }, "u", NULL, 0),
		   "1:2:2:HOME=/home");
	check_user(__LINE__,
		   resolve_in(bytes(text, 8 + long_one + (size_t)n),
			      (struct user_file){ 0 }, "v", NULL, 0),
		   "3:4:4:HOME=/v");
	free(text);
}

TEST(every_prefix_of_the_files_is_read)
{
	for (size_t len = 0; len < sizeof(passwd); len++) {
		struct user_file p = bytes(passwd, len);
		struct user_file g = bytes(groups, len % sizeof(groups));
		struct user *u = malloc(sizeof(*u));
		int r;

		REQUIRE(u);
		r = user_resolve("app", NULL, p, g, u);
		CHECK(r == 0 || r == -USER_E_USER);
		r = user_resolve("1000", "one", p, g, u);
		CHECK(r == 0 || r == -USER_E_GROUP);
		free((char *)(uintptr_t)p.data);
		free((char *)(uintptr_t)g.data);
		free(u);
	}
}

CHECK_MAIN("user")
