#include "rootfs/pack/command/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/near.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json_print.h"
#include "rootfs/pack/base/progress.h"

enum {
	COMMAND_QUIET = COMMAND_ARGUMENT + 1,
	COMMAND_HELP,
	PREFIX_MIN = 3, /* letters of a word that may be one cut short */
};

static const struct option common[] = {
	{ "quiet", no_argument, NULL, COMMAND_QUIET },
	{ "help", no_argument, NULL, COMMAND_HELP },
	{ 0 },
};

static bool quiet;

int command_repeats;

/* --- words to the user --- */

__attribute__((format(printf, 3, 0))) static void say(const struct command *c,
						      const char *kind,
						      const char *format,
						      va_list args)
{
	struct fault f;
	char *text;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	/* For its escapes, and its end where it is too long. */
	(void)fault_refuse(&f, "%s", text ? text : "no memory for the words");
	free(text);
	(void)fflush(stdout);
	progress_clear();
	(void)fprintf(stderr, "mkeif: %s%s%s%s\n", c ? c->name : "",
		      c ? ": " : "", kind, f.text);
}

int command_usage(const struct command *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(c, "", format, args);
	va_end(args);
	(void)fprintf(stderr, "Try mkeif %s%s--help\n", c ? c->name : "",
		      c ? " " : "");
	return EXIT_USAGE;
}

void command_note(const struct command *c, const char *format, ...)
{
	va_list args;

	if (quiet)
		return;
	va_start(args, format);
	say(c, "note: ", format, args);
	va_end(args);
}

__attribute__((format(printf, 2, 3))) static void say_fault(
	const struct command *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(c, "", format, args);
	va_end(args);
}

int command_fail(const struct command *c, const struct fault *fault)
{
	switch (fault->kind) {
	case FAULT_USAGE:
		return command_usage(c, "%s", fault->text);
	case FAULT_SYSTEM:
		say_fault(c, "%s", fault->text);
		return EXIT_FILE;
	case FAULT_REFUSED:
		break;
	}
	say_fault(c, "%s", fault->text);
	return EXIT_REFUSED;
}

int command_end(const struct command *c, int code)
{
	struct fault f;

	progress_clear();

	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	(void)fault_system(&f, errno, "stdout");
	return command_fail(c, &f);
}

int command_print_json(const struct command *c, cJSON *json)
{
	struct fault f;

	if (!json) {
		(void)fault_system(&f, ENOMEM, "JSON");
		return command_fail(c, &f);
	}
	json_print_value(stdout, json, 0);
	(void)fputc('\n', stdout);
	cJSON_Delete(json);
	return EXIT_DONE;
}

/* --- what may have been meant --- */

/* A short word has room for one slip only, a beginning for none. */
static unsigned how_far(const char *word, const char *name)
{
	size_t len = strlen(word);
	unsigned d;

	if (len >= PREFIX_MIN && strncmp(word, name, len) == 0)
		return 1;
	d = near_slips(word, name);
	return d > (len + 1) / 3 ? NEAR_SLIPS : d;
}

const char *command_nearest(const char *word,
			    const char *(*name_of)(const void *list, size_t i),
			    const void *list, size_t count)
{
	const char *nearest = NULL;
	unsigned least = NEAR_SLIPS, d;

	for (size_t i = 0; i < count; i++) {
		d = how_far(word, name_of(list, i));
		if (d < least) {
			least = d;
			nearest = name_of(list, i);
		}
	}
	return nearest;
}

static const char *option_name(const void *list, size_t i)
{
	return ((const struct option *)list)[i].name;
}

static size_t count_options(const struct option *options)
{
	size_t n = 0;

	while (options[n].name)
		n++;
	return n;
}

/* --- options --- */

/*
 * Where command_option is. Arguments go to the front of ARGV, from argv[1] on, as they
 * are met: what stands there was read.
 */
static struct {
	int next; /* the word to be read */
	int arguments;
	bool only_arguments;		 /* there was a "--" */
	bool given[COMMAND_OPTIONS_MAX]; /* by the first name of each */
} words = { .next = 1 };

/* The option that WORD is up to its '=', LEN bytes of it. */
static const struct option *find(const struct option *options, const char *word,
				 size_t len)
{
	const struct option *lists[] = { options, common };

	if (strncmp(word, "--", 2) != 0)
		return NULL;
	for (size_t i = 0; i < 2; i++)
		for (const struct option *o = lists[i]; o->name; o++)
			if (strlen(o->name) == len - 2 &&
			    memcmp(o->name, word + 2, len - 2) == 0)
				return o;
	return NULL;
}

static const struct command_hint *find_hint(const struct command *c,
					    const char *name)
{
	for (const struct command_hint *h = c->hints; h && h->option; h++)
		if (strcmp(h->option, name) == 0)
			return h;
	return NULL;
}

static int unknown(const struct command *c, const char *word, size_t len)
{
	char name[NEAR_NAME_MAX + 1];
	const struct command_hint *h;
	const char *nearest = NULL;

	if (strncmp(word, "--", 2) != 0) {
		name[0] = word[1];
		name[1] = '\0';
		h = find_hint(c, name);
		(void)command_usage(c, "-%s: %s", name,
				    h ? h->words : "no such option");
		return '?';
	}
	if (len - 2 < sizeof(name)) {
		memcpy(name, word + 2, len - 2);
		name[len - 2] = '\0';
		h = find_hint(c, name);
		if (h) {
			(void)command_usage(c, "--%s: %s", name, h->words);
			return '?';
		}
		nearest = command_nearest(name, option_name, c->options,
					  count_options(c->options));
	}
	if (nearest)
		(void)command_usage(c,
				    "%.*s: no such option; did you mean --%s?",
				    (int)len, word, nearest);
	else
		(void)command_usage(c, "%.*s: no such option", (int)len, word);
	return '?';
}

/* O, one of OPTIONS, has a value: is it the first? */
static bool is_first(const struct option *options, const struct option *o)
{
	size_t i = 0;

	if (o->flag == COMMAND_REPEATS || o->val == COMMAND_ARGUMENT)
		return true;
	while (options[i].val != o->val)
		i++;
	if (i >= COMMAND_OPTIONS_MAX || words.given[i])
		return false;
	words.given[i] = true;
	return true;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

int command_option(const struct command *c, int argc, char **argv,
		   const struct option *options)
{
	const struct option *o;
	char *word;
	size_t len;

	while (words.next < argc) {
		word = argv[words.next++];
		if (!words.only_arguments && strcmp(word, "--") == 0) {
			words.only_arguments = true;
			continue;
		}
		if (words.only_arguments || !is_option(word)) {
			argv[++words.arguments] = word;
			continue;
		}
		len = strcspn(word, "=");
		o = find(options, word, len);
		if (!o)
			return unknown(c, word, len);
		optarg = word[len] ? word + len + 1 : NULL;
		if (optarg && o->has_arg == no_argument) {
			(void)command_usage(c, "--%s: this option has no value",
					    o->name);
			return '?';
		}
		if (!optarg && o->has_arg == required_argument) {
			if (words.next == argc) {
				(void)command_usage(
					c, "--%s: a value is missing", o->name);
				return '?';
			}
			optarg = argv[words.next++];
		}
		if (o->has_arg != no_argument && !is_first(options, o)) {
			(void)command_usage(c, "--%s: twice", o->name);
			return '?';
		}
		if (o->val == COMMAND_QUIET) {
			quiet = true;
			progress_hide();
		} else if (o->val == COMMAND_ARGUMENT)
			argv[++words.arguments] = optarg;
		else
			return o->val;
	}
	optind = argc - words.arguments;
	memmove(argv + optind, argv + 1,
		(size_t)words.arguments * sizeof(*argv));
	return -1;
}

bool command_wants_help(const struct command *c, int argc, char **argv)
{
	const struct option *o;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!is_option(argv[i]))
			continue;
		if (strcmp(argv[i], "-h") == 0)
			return true;
		o = find(c->options, argv[i], strcspn(argv[i], "="));
		if (!o)
			return false; /* which is said first */
		if (o->val == COMMAND_HELP)
			return !strchr(argv[i], '=');
		if (o->has_arg == required_argument && !strchr(argv[i], '='))
			i++;
	}
	return false;
}

bool command_is_nitro_cli(const struct command *c, char **argv)
{
	return c->nitro_cli && strcmp(argv[0], c->nitro_cli) == 0;
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
