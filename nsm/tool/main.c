#include <string.h>

#include "nsm/near.h"
#include "nsm/opts.h"
#include "nsm/tool/commands.h"
#include "nsm/tool/out_file.h"
#include "nsm/tool/tool.h"

static const struct command *const commands[] = {
	&device_describe_command, &device_random_command,
	&pcr_list_command,	  &pcr_get_command,
	&pcr_extend_command,	  &pcr_lock_command,
	&pcr_predict_command,	  &device_attest_command,
	&verify_command,	  &show_command,
	&recipient_new_command,	  &recipient_attest_command,
	&recipient_open_command,
};

enum { COUNT = sizeof(commands) / sizeof(commands[0]), NAME_WIDTH = 18 };

static const char after_list[] =
	"\n"
	"nsm COMMAND --help says more of one; nsm(1) has it all, with examples.\n"
	"\n"
	"Exit codes: 0 done; 1 refused: a document or message is malformed, not true, not\n"
	"as expected, or does not decrypt; 2 wrong usage; 3 no NSM here; 4 the NSM\n"
	"refused or failed; 5 a file, or the system, failed.\n";

/* Lists the commands whose names begin with GROUP; all if that is empty. */
static int print_list(const struct tool *t, const char *group)
{
	size_t len = strlen(group), width;
	struct out out;

	(void)out_open(t, &out, NULL, 0, false);
	out_text(&out, "usage: nsm ");
	out_text(&out, group);
	out_text(&out, len ? " " : "");
	out_text(&out, "COMMAND [ARGUMENT]... [OPTION]...\n");
	if (!len)
		out_text(
			&out,
			"\nThe Nitro Secure Module of an AWS Nitro Enclave.\n");
	out_text(&out, "\n");
	for (size_t i = 0; i < COUNT; i++) {
		if (strncmp(commands[i]->name, group, len) != 0)
			continue;
		out_text(&out, "  ");
		out_text(&out, commands[i]->name);
		width = strlen(commands[i]->name);
		do
			out_text(&out, " ");
		while (++width < NAME_WIDTH);
		out_text(&out, commands[i]->does);
		out_text(&out, "\n");
	}
	out_text(&out, after_list);
	return out_commit(t, &out);
}

static int print_text(const struct tool *t, const char *text)
{
	struct out out;

	(void)out_open(t, &out, NULL, 0, false);
	out_text(&out, text);
	return out_commit(t, &out);
}

/* Returns how many words of ARGV are COMMAND's full name: 0, 1 or 2. */
static int words_of(const struct command *command, char **argv)
{
	const char *name = command->name, *blank = strchr(name, ' ');
	size_t len = blank ? (size_t)(blank - name) : strlen(name);

	if (!argv[0] || strlen(argv[0]) != len ||
	    memcmp(argv[0], name, len) != 0)
		return 0;
	if (!blank)
		return 1;
	return argv[1] && strcmp(argv[1], blank + 1) == 0 ? 2 : 0;
}

static bool is_group(const char *word)
{
	return strcmp(word, "pcr") == 0 || strcmp(word, "recipient") == 0;
}

/* Suggests a command that could have been meant. */
static int unknown(const struct tool *t, char **argv, bool group)
{
	const char *nearest = NULL;
	unsigned least = NEAR_SLIPS, slips;
	size_t len = strlen(argv[0]);

	for (size_t i = 0; i < COUNT; i++) {
		const char *name = commands[i]->name, *blank;

		blank = strchr(name, ' ');
		if (group &&
		    (strncmp(name, argv[0], len) != 0 || name[len] != ' '))
			continue;
		/* "predict" may mean "pcr predict". */
		slips = near_slips(group ? argv[1] : argv[0],
				   blank ? blank + 1 : name);
		if (slips < least) {
			least = slips;
			nearest = name;
		}
	}
	if (!nearest && !group && near_slips(argv[0], "pcr") < 2)
		nearest = "pcr";
	if (!nearest && !group && near_slips(argv[0], "recipient") < 3)
		nearest = "recipient";
	return tool_usage(t, NULL, "no command %s%s%s%s%s%s", argv[0],
			  group ? " " : "", group ? argv[1] : "",
			  nearest ? ": did you mean " : "",
			  nearest ? nearest : "", nearest ? "?" : "");
}

/* "nsm help verify" means "nsm verify --help". */
static int help(struct tool *t, char **argv)
{
	if (!argv[0])
		return print_list(t, "");
	for (size_t i = 0; i < COUNT; i++)
		if (words_of(commands[i], argv) > 0)
			return print_text(t, commands[i]->help);
	if (is_group(argv[0]) && !argv[1])
		return print_list(t, argv[0]);
	if (is_group(argv[0]))
		t->group = argv[0];
	return unknown(t, argv, t->group);
}

static int run(int argc, char **argv)
{
	struct tool t = { .program = "nsm" };
	struct opts o = { .tool = &t, .usage = tool_usage };
	int words;

	if (argc < 2)
		return tool_usage(&t, NULL, "which command?");
	argv++;
	if (strcmp(argv[0], "--version") == 0)
		return print_text(&t, "nsm " ENCLAVE_INIT_VERSION "\n");
	if (opts_is_help(argv[0]))
		return print_list(&t, "");
	if (strcmp(argv[0], "help") == 0)
		return help(&t, argv + 1);
	for (size_t i = 0; i < COUNT; i++) {
		words = words_of(commands[i], argv);
		if (words == 0)
			continue;
		t.command = commands[i];
		argv += words;
		o.table = t.command->opts;
		o.next = argv;
		if (opts_want_help(&o))
			return print_text(&t, t.command->help);
		return t.command->run(&t, &o);
	}
	if (argv[0][0] == '-')
		return tool_usage(&t, argv[0], "options follow a command");
	if (!is_group(argv[0]))
		return unknown(&t, argv, false);
	t.group = argv[0];
	if (!argv[1])
		return tool_usage(&t, argv[0], "which of its commands?");
	if (opts_is_help(argv[1]))
		return print_list(&t, argv[0]);
	return unknown(&t, argv, true);
}

int main(int argc, char **argv)
{
	tool_guard();
	out_clean_on_signals();
	return run(argc, argv);
}
