#include "init/vector.h"

#include "init/log.h"
#include "init/spec/config.h"
#include "init/spec/spec.h"
#include "init/spec/user.h"
#include "tests/unit/check.h"

#define DEFAULT_PATH \
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static struct config_service service;
static struct vector_source source = { .service = &service };
static struct vector vector;
static char *memory;
static size_t size, line;

/* In just as much memory as it asks for: ASan sees a byte more. */
static int fill(void)
{
	free(memory);
	size = vector_size(&source);
	memory = malloc(size);
	REQUIRE(memory);
	memset(&vector, 0xaa, sizeof(vector));
	line = 99;
	return vector_fill(&source, memory, &vector, &line);
}

static void check_list(char *const *got, const char *const *wanted)
{
	size_t i = 0;

	for (; wanted[i] && got[i]; i++)
		CHECK_STR(got[i], wanted[i]);
	CHECK(!wanted[i]);
	CHECK(!got[i]);
}

#define CHECK_ARGV(...) \
	check_list(vector.argv, (const char *const[]){ __VA_ARGS__, NULL })
#define CHECK_ENVP(...)                                               \
	do {                                                          \
		const char *const w[] = { __VA_ARGS__, NULL };        \
		check_list(vector.envp, w);                           \
		CHECK_INT(vector.envc, sizeof(w) / sizeof(w[0]) - 1); \
	} while (0)

/* The lines of environment-file, of which the last may lack its newline. */
static void take_text(const char *text)
{
	static char buf[1 << 17];

	source.text_len = strlen(text);
	REQUIRE(source.text_len < sizeof(buf));
	source.text = memcpy(buf, text, source.text_len + 1);
}

static char arg_a[] = "/bin/a", arg_b[] = "b c", arg_empty[] = "";
static char *cmd[] = { arg_a, arg_b, arg_empty };

static void take_cmd(void)
{
	source.app_argv = cmd;
	source.app_argc = 3;
}

TEST(arguments_are_those_of_cmd)
{
	take_cmd();
	CHECK_INT(fill(), 0);
	CHECK_ARGV("/bin/a", "b c", "");
	CHECK(vector.argv[0] == arg_a);
	CHECK(vector.argv[-1] == NULL); /* the slot is ours */
	source.app_argc = 1;
	CHECK_INT(fill(), 0);
	CHECK_ARGV("/bin/a");
}

TEST(a_command_stands_for_cmd)
{
	char words[] = "sh\0-c\0\0exit 1";

	take_cmd();
	service.command = (struct config_words){ words, 4 };
	CHECK_INT(fill(), 0);
	CHECK_ARGV("sh", "-c", "", "exit 1");
	CHECK(vector.argv[0] == words);
}

TEST(without_anything_there_are_path_and_home)
{
	take_cmd();
	CHECK_INT(fill(), 0);
	CHECK_ENVP(DEFAULT_PATH, "HOME=/");
	source.root_has_home = true;
	CHECK_INT(fill(), 0);
	CHECK_ENVP(DEFAULT_PATH, "HOME=/root");
}

static char env_path[] = "PATH=/a", env_home[] = "HOME=/b", env_x[] = "X=env",
	    env_y[] = "Y=env", env_notify[] = "NOTIFY_SOCKET=env",
	    env_usec[] = "WATCHDOG_USEC=env", env_x2[] = "X=second";

TEST(the_image_says_otherwise)
{
	char *env[] = { env_path, env_home };

	take_cmd();
	source.app_envp = env;
	source.app_envc = 2;
	source.root_has_home = true;
	CHECK_INT(fill(), 0);
	CHECK_ENVP("PATH=/a", "HOME=/b");
	source.app_envc = 1;
	take_text("HOME=/file");
	CHECK_INT(fill(), 0);
	CHECK_ENVP("PATH=/a", "HOME=/file");
}

/* A name twice is passed on twice, unless something else sets it. */
TEST(the_order_is_image_file_configuration)
{
	char set_y[] = "Y=conf", set_z[] = "Z=conf", *set[] = { set_y, set_z };
	char *env[] = { env_x, env_y, env_path, env_home, env_x2 };

	take_cmd();
	source.app_envp = env;
	source.app_envc = 5;
	CHECK_INT(fill(), 0);
	CHECK_ENVP("X=env", "Y=env", "PATH=/a", "HOME=/b", "X=second");
	take_text("\xef\xbb\xbf# comment\n\n X=file\r\nZ=file\nY=file\n");
	CHECK_INT(fill(), 0);
	CHECK_ENVP("PATH=/a", "HOME=/b", "X=file", "Z=file", "Y=file");
	service.variables = set;
	service.variable_count = 2;
	take_text("X=file\nZ=file\nY=file");
	CHECK_INT(fill(), 0);
	CHECK_ENVP("PATH=/a", "HOME=/b", "X=file", "Y=conf", "Z=conf");
	/* The image's own are as they were. */
	CHECK_STR(env[0], "X=env");
}

TEST(a_wrong_line_of_the_file_is_told)
{
	take_cmd();
	take_text("A=1\n=2\n");
	CHECK_INT(fill(), -SPEC_E_VARIABLE);
	CHECK_INT(line, 2);
	take_text("A=1\nB=2\nC");
	CHECK_INT(fill(), -SPEC_E_VARIABLE);
	CHECK_INT(line, 3);
	take_text("A=1\nB=x");
	source.text[6] = '\0';
	CHECK_INT(fill(), -SPEC_E_NUL);
	CHECK_INT(line, 2);
}

/* Each beginning of a good file is good or told, and never more than asked for. */
TEST(every_prefix_of_a_file_is_survived)
{
	static const char whole[] =
		"# a\nA=1\n\n  B=2\r\nC=\nA=3\n\tD=4 = 5\nLAST=x";
	char part[sizeof(whole)];
	int good = 0;

	take_cmd();
	for (size_t len = 0; len < sizeof(whole); len++) {
		memcpy(part, whole, len);
		part[len] = '\0';
		take_text(part);
		good += fill() == 0;
	}
	CHECK(good > 20);
	CHECK_ENVP("B=2", "C=", "A=3", "D=4 = 5", "LAST=x", DEFAULT_PATH,
		   "HOME=/");
}

TEST(as_many_variables_as_a_file_may_have_fit)
{
	static char text[SPEC_VARIABLES_MAX * 8 + 9];
	size_t len = 0;

	take_cmd();
	for (int i = 0; i < SPEC_VARIABLES_MAX; i++)
		len += (size_t)sprintf(text + len, "V%d=\n", i);
	take_text(text);
	CHECK_INT(fill(), 0);
	CHECK_INT(vector.envc, SPEC_VARIABLES_MAX + 2);
	CHECK_STR(vector.envp[SPEC_VARIABLES_MAX - 1], "V4095=");
	strcpy(text + len, "W=\n");
	take_text(text);
	CHECK_INT(fill(), -SPEC_E_VARIABLES);
	CHECK_INT(line, SPEC_VARIABLES_MAX + 1);
}

static struct user somebody = {
	.home = "HOME=/srv",
	.shell = "SHELL=/bin/bash",
	.name = "USER=app",
	.log_name = "LOGNAME=app",
};

TEST(a_user_has_what_a_login_says)
{
	char *env[] = { env_path, env_home };

	take_cmd();
	source.user = &somebody;
	source.root_has_home = true;
	CHECK_INT(fill(), 0);
	CHECK_ENVP(DEFAULT_PATH, "HOME=/srv", "SHELL=/bin/bash", "USER=app",
		   "LOGNAME=app");
	source.app_envp = env;
	source.app_envc = 2;
	take_text("USER=other");
	CHECK_INT(fill(), 0);
	CHECK_ENVP("PATH=/a", "HOME=/b", "USER=other", "SHELL=/bin/bash",
		   "LOGNAME=app");
}

TEST(a_number_has_no_name)
{
	struct user number = { .home = "HOME=/",
			       .shell = "SHELL=/bin/sh",
			       .name = "USER=",
			       .log_name = "LOGNAME=" };

	take_cmd();
	source.user = &number;
	CHECK_INT(fill(), 0);
	CHECK_ENVP(DEFAULT_PATH, "HOME=/", "SHELL=/bin/sh");
}

TEST(notify_and_watchdog_are_ours)
{
	char socket[] = "NOTIFY_SOCKET=/run/x", set_x[] = "NOTIFY_SOCKET=conf";
	char *set[] = { set_x }, *env[] = { env_usec, env_notify };

	take_cmd();
	source.app_envp = env;
	source.app_envc = 2;
	service.variables = set;
	service.variable_count = 1;
	service.supervision.watchdog_ms = 1500;
	/* A service that does not use it has what the image says. */
	CHECK_INT(fill(), 0);
	CHECK_ENVP("WATCHDOG_USEC=env", "NOTIFY_SOCKET=conf", DEFAULT_PATH,
		   "HOME=/");
	source.notify_variable = socket;
	CHECK_INT(fill(), 0);
	CHECK_ENVP(DEFAULT_PATH, "HOME=/", "NOTIFY_SOCKET=/run/x",
		   "WATCHDOG_USEC=1500000");
	service.supervision.watchdog_ms = UINT32_MAX;
	CHECK_INT(fill(), 0);
	CHECK_STR(vector.envp[3], "WATCHDOG_USEC=4294967295000");
	service.supervision.watchdog_ms = 0;
	CHECK_INT(fill(), 0);
	CHECK_ENVP("WATCHDOG_USEC=env", DEFAULT_PATH, "HOME=/",
		   "NOTIFY_SOCKET=/run/x");
}

/* With no name twice the memory is used to its end. */
TEST(the_memory_is_just_enough)
{
	char socket[] = "NOTIFY_SOCKET=/run/x", set_x[] = "S=1";
	char *set[] = { set_x }, *env[] = { env_x, env_y };

	take_cmd();
	source.app_envp = env;
	source.app_envc = 2;
	service.variables = set;
	service.variable_count = 1;
	service.supervision.watchdog_ms = 1;
	source.notify_variable = socket;
	source.user = &somebody;
	take_text("F=1\nG=2");
	CHECK_INT(fill(), 0);
	CHECK_INT(vector.envc, 2 + 2 + 1 + 7);
	CHECK((char *)(vector.envp + vector.envc + 1) == memory + size);
}

TEST(the_proxy_is_named_in_both_cases)
{
	char own[] = "HTTPS_PROXY=own", none[] = "no_proxy=";
	char *env[] = { own, none }, long_proxy[200];

	take_cmd();
	source.proxy = "127.0.0.1:3128";
	source.user = &somebody;
	CHECK_INT(fill(), 0);
	CHECK_ENVP(DEFAULT_PATH, "HOME=/srv", "SHELL=/bin/bash", "USER=app",
		   "LOGNAME=app", "http_proxy=http://127.0.0.1:3128",
		   "HTTP_PROXY=http://127.0.0.1:3128",
		   "https_proxy=http://127.0.0.1:3128",
		   "HTTPS_PROXY=http://127.0.0.1:3128",
		   "no_proxy=localhost,127.0.0.1",
		   "NO_PROXY=localhost,127.0.0.1");
	/* Who has one of a pair keeps it alone, however it is written. */
	source.app_envp = env;
	source.app_envc = 2;
	source.user = NULL;
	CHECK_INT(fill(), 0);
	CHECK_ENVP("HTTPS_PROXY=own", "no_proxy=", DEFAULT_PATH, "HOME=/",
		   "http_proxy=http://127.0.0.1:3128",
		   "HTTP_PROXY=http://127.0.0.1:3128");
	/* What relay will refuse, too. */
	memset(long_proxy, '1', sizeof(long_proxy) - 1);
	long_proxy[sizeof(long_proxy) - 1] = '\0';
	source.proxy = long_proxy;
	CHECK_INT(fill(), 0);
	CHECK_ENVP("HTTPS_PROXY=own", "no_proxy=", DEFAULT_PATH, "HOME=/");
}

/* --- what execve refuses --- */

static void check_size(const char *wanted)
{
	struct text t;

	text_clear(&t);
	vector_explain_size(&vector, 4, &t); /* 128 bytes a string */
	CHECK_STR(text_string(&t), wanted);
}

TEST(what_is_too_long_is_named)
{
	char name[] = "p", exact[129], variable[200];
	char *args[] = { name, exact },
	     *env[] = { env_path, env_home, variable };

	memset(exact, 'x', sizeof(exact));
	exact[127] = '\0';
	source.app_argv = args;
	source.app_argc = 2;
	source.app_envp = env;
	source.app_envc = 2;
	CHECK_INT(fill(), 0);
	/* 2 + 128 + 8 + 8 bytes, and a pointer each */
	check_size(sizeof(char *) == 8 ?
			   ": arguments and variables have 178 bytes" :
			   ": arguments and variables have 162 bytes");
	exact[127] = 'x';
	exact[128] = '\0';
	check_size(": argument 1 has 128 bytes, 127 at most");
	exact[0] = '\0';
	memset(variable, 'n', sizeof(variable));
	strcpy(variable + 100, "=value");
	variable[106] = 'v';
	strcpy(variable + 140, "");
	source.app_envc = 3;
	CHECK_INT(fill(), 0);
	/* Of its name as much as shows which it is. */
	check_size(": variable nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		   "nnnnnnnnnnnnnnnn has 140 bytes, 127 at most");
	variable[3] = '=';
	check_size(": variable nnn has 140 bytes, 127 at most");
}

CHECK_MAIN("vector")
