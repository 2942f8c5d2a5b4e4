#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rootfs/pack/command/command.h"

static const struct command *const commands[] = {
	&build_command, &describe_command, &diff_command,     &extract_command,
	&pcr_command,	&policy_command,   &set_init_command, &sign_command,
};

enum { COUNT = sizeof(commands) / sizeof(commands[0]) };

static const char head[] =
	"usage: mkeif COMMAND [ARGUMENT]... [OPTION]...\n"
	"\n"
	"Enclave image files (EIF) of AWS Nitro Enclaves, without Docker.\n"
	"\n";

static const char tail[] =
	"\n"
	"mkeif COMMAND --help says more of one; mkeif(1) has it all, with examples.\n"
	"\n"
	"Exit codes: 0 done; 1 refused: an image is malformed or not as it should be;\n"
	"2 wrong usage; 5 a file, a network, the system or a program that mkeif runs\n"
	"failed, so that trying again may help. Those of diff: 0 the PCRs are equal;\n"
	"1 they differ; 2 trouble.\n";

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int print_list(void)
{
	(void)fputs(head, stdout);
	for (size_t i = 0; i < COUNT; i++)
		(void)printf("  %-10s%s\n", commands[i]->name,
			     commands[i]->does);
	(void)fputs(tail, stdout);
	return command_end(NULL, EXIT_DONE);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(commands[i]->name, name) == 0 ||
		    (commands[i]->nitro_cli &&
		     strcmp(commands[i]->nitro_cli, name) == 0))
			return commands[i];
	return NULL;
}

static const char *command_name(const void *list, size_t i)
{
	return ((const struct command *const *)list)[i]->name;
}

static int no_such_command(const char *word)
{
	const char *nearest =
		command_nearest(word, command_name, commands, COUNT);

	if (strcmp(word, "run") == 0 || strcmp(word, "run-enclave") == 0)
		return command_usage(NULL,
				     "%s: no such command; booting is "
				     "scripts/run-enclave, or nitro-cli on an "
				     "instance",
				     word);
	if (nearest)
		return command_usage(NULL,
				     "%s: no such command; did you mean %s?",
				     word, nearest);
	return command_usage(NULL, "%s: no such command", word);
}

static int run(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2)
		return command_usage(NULL, "which command?");
	if (is_help(argv[1]) || (strcmp(argv[1], "help") == 0 && argc == 2))
		return print_list();
	if (strcmp(argv[1], "--version") == 0) {
		(void)puts("mkeif " ENCLAVE_INIT_VERSION);
		return command_end(NULL, EXIT_DONE);
	}
	if (strcmp(argv[1], "help") == 0) {
		c = find(argv[2]);
		if (!c)
			return no_such_command(argv[2]);
		(void)fputs(c->help, stdout);
		return command_end(NULL, EXIT_DONE);
	}
	c = find(argv[1]);
	if (!c)
		return no_such_command(argv[1]);
	if (command_wants_help(c, argc - 1, argv + 1)) {
		(void)fputs(c->help, stdout);
		return command_end(c, EXIT_DONE);
	}
	return c->run(c, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int fd;

	/* What is opened must not become a standard descriptor that was closed. */
	do
		fd = open("/dev/null", O_RDWR); /* NOLINT: skopeo's, too */
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
	/* A reader that goes is an error of a write, as others are. */
	(void)signal(SIGPIPE, SIG_IGN);
	/* And a file that may grow no more. */
	(void)signal(SIGXFSZ, SIG_IGN);
	return run(argc, argv);
}
