#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/commands.h"
#include "rootfs/pack/fault.h"

static const struct command *const commands[] = {
	&command_build,
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
	"Exit codes: 0 done; 1 refused: an image is malformed or not as it should be, or\n"
	"diff found other PCRs; 2 wrong usage; 5 a file, or the system, failed.\n";

/* --- what the commands say --- */

__attribute__((format(printf, 2, 0))) static void say(const struct command *c,
						      const char *format,
						      va_list args)
{
	struct fault f;
	char text[sizeof(f.text)];

	(void)vsnprintf(text, sizeof(text), format, args);
	/* For its escapes. */
	(void)fault_refuse(&f, "%s", text);
	(void)fflush(stdout);
	(void)fprintf(stderr, "mkeif: %s%s%s\n", c ? c->name : "",
		      c ? ": " : "", f.text);
}

int command_usage(const struct command *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(c, format, args);
	va_end(args);
	(void)fprintf(stderr, "Try mkeif %s%s--help\n", c ? c->name : "",
		      c ? " " : "");
	return EXIT_USAGE;
}

void command_note(const struct command *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(c, format, args);
	va_end(args);
}

int command_fail(const struct command *c, const struct fault *fault)
{
	switch (fault->kind) {
	case FAULT_USAGE:
		return command_usage(c, "%s", fault->text);
	case FAULT_SYSTEM:
		command_note(c, "%s", fault->text);
		return EXIT_FILE;
	case FAULT_REFUSED:
		break;
	}
	command_note(c, "%s", fault->text);
	return EXIT_REFUSED;
}

int command_end(const struct command *c, int code)
{
	struct fault f;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	(void)fault_system(&f, errno, "stdout");
	return command_fail(c, &f);
}

int command_option(const struct command *c, int argc, char **argv,
		   const struct option *options)
{
	int r;

	opterr = 0;
	r = getopt_long(argc, argv, ":", options, NULL);
	if (r == ':') {
		(void)command_usage(c, "%s: a value is missing",
				    argv[optind - 1]);
		return '?';
	}
	if (r == '?' && optopt)
		(void)command_usage(c, "%s: this option has no value",
				    argv[optind - 1]);
	else if (r == '?')
		(void)command_usage(c, "%s: no such option, or not one alone",
				    argv[optind - 1]);
	return r;
}

bool command_arguments(const struct command *c, int argc, char **argv,
		       int count, const char *what)
{
	if (argc - optind == count)
		return true;
	if (argc - optind > count)
		(void)command_usage(c, "%s: one argument too many",
				    argv[optind + count]);
	else
		(void)command_usage(c, "%s is missing", what);
	return false;
}

/* --- which command --- */

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
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
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
	if (strcmp(argv[1], "help") == 0 && find(argv[2])) {
		(void)fputs(find(argv[2])->help, stdout);
		return command_end(NULL, EXIT_DONE);
	}
	c = find(argv[1]);
	if (!c)
		return command_usage(NULL, "%s: no such command", argv[1]);
	if (argc == 3 && is_help(argv[2])) {
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
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
	/* A reader that goes is an error of a write, as others are. */
	(void)signal(SIGPIPE, SIG_IGN);
	return run(argc, argv);
}
