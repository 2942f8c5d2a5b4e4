#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "vsock/io.h"
#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/plan/advice.h"
#include "vsock/relay/plan/plan.h"
#include "vsock/relay/run/daemon.h"
#include "vsock/relay/run/text.h"

enum { CHECK = 'c' };

static struct plan plan;

static ssize_t read_file(const char *path, const char **ret)
{
	ssize_t n;
	int fd;

	if (strcmp(path, "-") == 0)
		return text_read(STDIN_FILENO, false, ret);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	n = text_read(fd, false, ret);
	close(fd);
	return n;
}

struct warned {
	const struct tool *tool;
	const char *file;
};

static void on_warning(void *ctx, const struct plan_fault *f)
{
	const struct warned *w = ctx;

	(void)daemon_fail(w->tool, 0, w->file, f);
}

static int run_file(struct tool *t, const char *path, bool only_check)
{
	const char *file = strcmp(path, "-") == 0 ? "stdin" : path;
	struct warned warned = { t, file };
	struct plan_fault fault;
	const char *text;
	ssize_t len = read_file(path, &text);

	if (len < 0)
		return tool_fail(t, TOOL_FILE, file, "%s", strerror((int)-len));
	if (plan_read(text, (size_t)len, PLAN_PARENT, &plan, &fault) < 0)
		return daemon_fail(t, TOOL_USAGE, file, &fault);
	if (plan.routes + plan.exits.count + plan.resolvers.count == 0)
		return tool_fail(t, TOOL_USAGE, file, "there is nothing to do");
	advice_give(&plan, 0, on_warning, &warned);
	return only_check ? TOOL_DONE : daemon_run(t, &plan, file);
}

static int run_run(struct tool *t, struct opts *opts)
{
	const char *path = NULL;
	bool only_check = false;
	int id;

	while ((id = opts_next(opts)) != OPT_END) {
		if (id == OPT_BAD)
			return TOOL_USAGE;
		if (id == CHECK)
			only_check = true;
		else if (path)
			return opts_too_many(opts);
		else
			path = opts->value;
	}
	if (!path)
		return tool_usage(t, NULL, "which file?");
	return run_file(t, path, only_check);
}

static const struct opt run_options[] = {
	{ "--check", OPT_FLAG, CHECK },
	{ 0 },
};

const struct command run_command = {
	.name = "run",
	.does = "all that a file asks for: forwards, exits, DNS",
	.help = "usage: relay run FILE [--check]\n"
		"\n"
		"Runs what the lines of FILE ask for, until SIGTERM or SIGINT. - is stdin.\n"
		"\n"
		"  forward = LISTEN TARGET [max=N] [buffer=SIZE] [idle=TIME] [half-close=no]\n"
		"            [proxy=v2]\n"
		"  exit = LISTEN [OPTION]...    see relay egress --help\n"
		"  dns = LISTEN [OPTION]...     see relay dns --help\n"
		"  forward-workers = N          processes; as many as processors, up to 4\n"
		"  forward-max = N              connections in all; 4096\n"
		"  forward-memory = SIZE        of bytes that wait; 16M\n"
		"\n"
		"The first three may repeat. Lines that begin with # are comments. LISTEN and\n"
		"TARGET are addresses, see relay forward --help.\n"
		"\n"
		"  --check    read FILE, report what is wrong with it, and end\n"
		"\n"
		"Exit codes: 0 ended by a signal, or FILE is good; 2 FILE or usage is wrong; 5\n"
		"the system failed.\n",
	.opts = run_options,
	.run = run_run,
};
