#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "nsm/near.h"
#include "nsm/opts.h"
#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/print.h"

static const struct command *const commands[] = {
	&watch_command,	 &log_command,	   &status_command, &stop_command,
	&listen_command, &forward_command, &run_command,    &dns_command,
	&egress_command, &proxy_command,   &inside_command,
};

enum { COUNT = sizeof(commands) / sizeof(commands[0]), NAME_WIDTH = 13 };

static const char before_list[] =
	"usage: relay COMMAND [ARGUMENT]... [OPTION]...\n"
	"\n"
	"Both ends of what goes in and out of an enclave, and at the parent what it says\n"
	"and hears: log, status, report, stop.\n"
	"\n";

static const char after_list[] =
	"\n"
	"An enclave is a CID, mux:PATH (a socket of firecracker, cloud-hypervisor or\n"
	"vhost-device-vsock) or dir:PATH (a directory with the sockets PORT.listen).\n"
	"relay COMMAND --help says more of one; enclave-relay(1) has all, with examples.\n"
	"\n"
	"Exit codes: 0 done; 1 refused; 2 wrong usage; 5 the system failed; 124 no\n"
	"answer, or not any more; 125 the boot failed. watch and listen --once end with\n"
	"the code of the application, or 128 + N if signal N has ended it.\n";

static int print_list(const struct tool *t)
{
	size_t width;

	print_text(t->out, before_list);
	for (size_t i = 0; i < COUNT; i++) {
		print_text(t->out, "  ");
		print_text(t->out, commands[i]->name);
		width = strlen(commands[i]->name);
		do
			print_text(t->out, " ");
		while (++width < NAME_WIDTH);
		print_text(t->out, commands[i]->does);
		print_text(t->out, "\n");
	}
	print_text(t->out, after_list);
	return tool_end(t, TOOL_DONE);
}

static int print_and_end(const struct tool *t, const char *text)
{
	print_text(t->out, text);
	return tool_end(t, TOOL_DONE);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int unknown(const struct tool *t, const char *name)
{
	const char *nearest = NULL;
	unsigned least = NEAR_SLIPS, slips;

	for (size_t i = 0; i < COUNT; i++) {
		slips = near_slips(name, commands[i]->name);
		if (slips < least) {
			least = slips;
			nearest = commands[i]->name;
		}
	}
	return tool_usage(t, NULL, "no command %s%s%s%s", name,
			  nearest ? ": did you mean " : "",
			  nearest ? nearest : "", nearest ? "?" : "");
}

/* "relay help watch" means "relay watch --help". */
static int help(const struct tool *t, char **argv)
{
	const struct command *c;

	if (!argv[0])
		return print_list(t);
	c = find(argv[0]);
	return c ? print_and_end(t, c->help) : unknown(t, argv[0]);
}

/* C with the words of its command line. */
static int run_command_of(struct tool *t, const struct command *c, char **words)
{
	struct opts o = { .tool = t, .usage = tool_usage };

	t->command = c;
	o.table = c->opts;
	o.next = words;
	if (opts_want_help(&o))
		return print_and_end(t, c->help);
	return c->run(t, &o);
}

/* By the name of a link to relay: that of the command which does what such a program does. */
static const struct command *find_link(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash ? slash + 1 : path, proxy_command.name) == 0 ?
		       &proxy_command :
		       NULL;
}

static int run(struct tool *t, int argc, char **argv)
{
	const struct command *c = argc > 0 ? find_link(argv[0]) : NULL;

	if (c && argc > 1 &&
	    (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
		return print_and_end(
			t,
			"Vsock-TCP proxy of relay " ENCLAVE_INIT_VERSION "\n");
	if (c)
		return run_command_of(t, c, argv + 1);
	if (argc < 2)
		return tool_usage(t, NULL, "which command?");
	argv++;
	if (strcmp(argv[0], "--version") == 0)
		return print_and_end(t, "relay " ENCLAVE_INIT_VERSION "\n");
	if (opts_is_help(argv[0]))
		return print_list(t);
	if (strcmp(argv[0], "help") == 0)
		return help(t, argv + 1);
	if (argv[0][0] == '-')
		return tool_usage(t, argv[0], "options follow a command");
	c = find(argv[0]);
	return c ? run_command_of(t, c, argv + 1) : unknown(t, argv[0]);
}

/*
 * A socket opened later must not become stdin, stdout or stderr if these were
 * closed: they stay unusable, so that writing fails as it should.
 */
static void guard_standard(void)
{
	int fd;

	for (int i = 0; i <= STDERR_FILENO; i++) {
		if (fcntl(i, F_GETFD) >= 0 || errno != EBADF)
			continue;
		fd = open("/", O_PATH | O_CLOEXEC);
		if (fd != i && fd > STDERR_FILENO)
			(void)close(fd);
	}
}

int main(int argc, char **argv)
{
	static struct print out;
	struct tool t = { .out = &out };

	guard_standard();
	/* A reader that closes a pipe is an error of write, like others. */
	(void)signal(SIGPIPE, SIG_IGN);
	print_open(&out, STDOUT_FILENO);
	return run(&t, argc, argv);
}
