#include <string.h>

#include "nsm/kms/tool/commands.h"
#include "nsm/kms/tool/kmstool_cli.h"
#include "nsm/kms/tool/kmstool_server.h"
#include "nsm/near.h"
#include "nsm/opts.h"
#include "nsm/tool/out_file.h"

static const struct command *const commands[] = {
	&decrypt_command,	&generate_data_key_command,
	&generate_pair_command, &generate_random_command,
	&derive_command,
};

enum { COUNT = sizeof(commands) / sizeof(commands[0]), NAME_WIDTH = 24 };

static const char head[] =
	"usage: kms COMMAND [ARGUMENT]... [OPTION]...\n"
	"\n"
	"AWS KMS from inside an enclave: it encrypts its answers for this enclave alone.\n"
	"\n";

static const char tail[] =
	"\n"
	"  kmstool-cli             what AWS's kmstool_enclave_cli does; also by that name\n"
	"  kmstool-server          what AWS's kmstool_enclave does; also by that name\n"
	"\n"
	"kms COMMAND --help says more of one, kms help options what all of them have;\n"
	"kms(1) has it all, with examples.\n"
	"\n"
	"Exit codes: 0 done; 1 refused, by KMS, or its answer is not to be trusted;\n"
	"2 wrong usage; 3 no NSM here; 4 the NSM refused or failed; 5 a file, or the\n"
	"system, failed; 6 no connection, no TLS, or KMS failed: trying again may help;\n"
	"7 there are no credentials, or KMS refused them.\n";

static const char options_help[] =
	"usage: kms COMMAND ... [OPTION]...\n"
	"\n"
	"  --region NAME         else the region of --key's ARN, else $AWS_REGION\n"
	"  --endpoint HOST[:PORT]  another host of KMS, as that of a VPC endpoint\n"
	"  --fips, --dual-stack  the region's endpoint for FIPS 140, that with IPv6\n"
	"  --connect ADDRESS     how it is reached: vsock:3:8000 (if nothing is said),\n"
	"                        tcp:IP:PORT, tcp:NAME:PORT, unix:PATH\n"
	"  --ca FILE             trusts these certificates (PEM, DER) and not Amazon's\n"
	"  --credentials SOURCE  a file, - or fd:N (what IMDS gives, or lines AWS_...=);\n"
	"                        environment (if nothing is said); imds ADDRESS [ROLE];\n"
	"                        container URL, or container ADDRESS PATH\n"
	"  --timeout SECONDS     of the whole call: 30, at most 600\n"
	"  --attempts N          requests that a call may make: 4, at most 10\n"
	"\n"
	"Credentials are no secret from the parent, which has its role, too. Policies of\n"
	"keys keep it out (mkeif policy prints one), and TLS, which ends here. With\n"
	"--ca and --any-key you trust more than that.\n";

static int print(struct tool *t, const char *text)
{
	struct out out;

	(void)out_open(t, &out, NULL, 0, false);
	out_text(&out, text);
	return out_commit(t, &out);
}

static int print_list(struct tool *t)
{
	struct out out;

	(void)out_open(t, &out, NULL, 0, false);
	out_text(&out, head);
	for (size_t i = 0; i < COUNT; i++) {
		size_t width = strlen(commands[i]->name);

		out_text(&out, "  ");
		out_text(&out, commands[i]->name);
		for (; width < NAME_WIDTH; width++)
			out_text(&out, " ");
		out_text(&out, commands[i]->does);
		out_text(&out, "\n");
	}
	out_text(&out, tail);
	return out_commit(t, &out);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

/* The words of a name that are enough to tell it: "random", "data-key". */
static bool ends_with(const char *name, const char *word)
{
	const size_t len = strlen(name), end = strlen(word);

	return end < len && name[len - end - 1] == '-' &&
	       strcmp(name + len - end, word) == 0;
}

/* Suggests a command that could have been meant. */
static int unknown(const struct tool *t, const char *word)
{
	const char *nearest = NULL;
	unsigned least = NEAR_SLIPS, slips;

	for (size_t i = 0; i < COUNT; i++) {
		slips = near_slips(word, commands[i]->name);
		if (ends_with(commands[i]->name, word))
			slips = 0;
		if (slips < least) {
			least = slips;
			nearest = commands[i]->name;
		}
	}
	if (strcmp(word, "encrypt") == 0)
		return tool_usage(
			t, NULL,
			"no command encrypt: KMS encrypts nothing for "
			"enclaves alone; the parent can do that, or "
			"see generate-data-key");
	return tool_usage(t, NULL, "no command %s%s%s%s", word,
			  nearest ? ": did you mean " : "",
			  nearest ? nearest : "", nearest ? "?" : "");
}

static int help(struct tool *t, const char *word)
{
	const struct command *c;

	if (!word)
		return print_list(t);
	if (strcmp(word, "options") == 0)
		return print(t, options_help);
	c = find(word);
	return c ? print(t, c->help) : unknown(t, word);
}

static int run(int argc, char **argv)
{
	struct tool t = { .program = "kms" };
	struct opts o = { .tool = &t, .usage = tool_usage };

	if (argc < 2)
		return tool_usage(&t, NULL, "which command?");
	if (strcmp(argv[1], "--version") == 0)
		return print(&t, "kms " ENCLAVE_INIT_VERSION "\n");
	if (opts_is_help(argv[1]))
		return print_list(&t);
	if (strcmp(argv[1], "help") == 0)
		return help(&t, argv[2]);
	if (argv[1][0] == '-')
		return tool_usage(&t, argv[1], "options follow a command");
	t.command = find(argv[1]);
	if (!t.command)
		return unknown(&t, argv[1]);
	o.table = t.command->opts;
	o.next = argv + 2;
	if (opts_want_help(&o))
		return print(&t, t.command->help);
	return t.command->run(&t, &o);
}

/* AWS's tools: by the name of the program, or by a first word. */
static const struct {
	const char *program, *word;
	char *called;
	int (*run)(int argc, char **argv);
} others[] = {
	{ "kmstool_enclave_cli", "kmstool-cli", (char[]){ "kms kmstool-cli" },
	  kmstool_cli },
	{ "kmstool_enclave", "kmstool-server", (char[]){ "kms kmstool-server" },
	  kmstool_server },
};

int main(int argc, char **argv)
{
	char *slash = argc ? strrchr(argv[0], '/') : NULL;

	tool_guard();
	tool_refuse_dumps();
	if (slash)
		argv[0] = slash + 1;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (argc && strcmp(argv[0], others[i].program) == 0)
			return others[i].run(argc, argv);
		if (argc > 1 && strcmp(argv[1], others[i].word) == 0) {
			argv[1] = others[i].called;
			return others[i].run(argc - 1, argv + 1);
		}
	}
	out_clean_on_signals();
	return run(argc, argv);
}
