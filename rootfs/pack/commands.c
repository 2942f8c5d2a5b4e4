#include "rootfs/pack/commands.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rootfs/pack/fault.h"

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
	if (r == '?' && optopt >= ' ')
		(void)command_usage(c, "-%c: no such option", optopt);
	else if (r == '?' && optopt)
		(void)command_usage(c, "%s: this option has no value",
				    argv[optind - 1]);
	else if (r == '?')
		(void)command_usage(c, "%s: no such option", argv[optind - 1]);
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
