#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vsock/inside.h"
#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/base/value.h"
#include "vsock/relay/plan/advice.h"
#include "vsock/relay/plan/plan.h"
#include "vsock/relay/run/text.h"
#include "vsock/relay/run/worker.h"

/* The enclave's end, as PID 1 starts it: vsock/inside.h is what they have agreed on. */

enum { VERSION = 'v', CHECK = 'c', MEMORY = 'm' };

static struct plan plan;
static bool was_reported;

/* The one message to PID 1. Where nobody is connected it goes to the log alone. */
static void report(const struct inside_report *r)
{
	was_reported = true;
	(void)send(INSIDE_REPORT_FD, r, sizeof(*r), MSG_NOSIGNAL);
}

static void on_ready(void *ctx)
{
	const struct inside_report r = { .news = INSIDE_READY };

	(void)ctx;
	report(&r);
}

static void copy_text(char *to, size_t cap, const char *from)
{
	(void)snprintf(to, cap, "%s", from);
}

/* A fault that PID 1 prints, if it waits for one, and this process else. */
static int fail(const struct tool *t, unsigned line, const char *object,
		const char *reason, int error)
{
	struct inside_report r = { .news = INSIDE_FAULT,
				   .line = line,
				   .error = error };

	copy_text(r.object, sizeof(r.object), object);
	copy_text(r.reason, sizeof(r.reason), reason);
	if (was_reported)
		return tool_fail(t, TOOL_FILE, object, "%s",
				 error ? strerror(error) : reason);
	report(&r);
	return TOOL_FILE;
}

static int fail_service(const struct tool *t, const struct service_fault *f)
{
	return fail(t, f->line, f->object, f->reason ? f->reason : "",
		    f->reason ? 0 : f->error);
}

static int run_plan(const struct tool *t, const char *version)
{
	struct plan_fault bad;
	struct service_fault f = { 0 };
	const char *text;
	ssize_t len;
	int r;

	if (strcmp(version, ENCLAVE_INIT_VERSION) != 0)
		return fail(t, 0, "relay",
			    "it is version " ENCLAVE_INIT_VERSION
			    ", which is not init's",
			    0);
	/* What is sent there PID 1 has to let go of, a descriptor that lingers, say. */
	if (fcntl(INSIDE_REPORT_FD, F_GETFD) >= 0)
		worker_keep(INSIDE_REPORT_FD);
	len = text_read(INSIDE_PLAN_FD, true, &text);
	if (len < 0)
		return fail(t, 0, "the plan", "", (int)-len);
	if (plan_read(text, (size_t)len, PLAN_INSIDE, &plan, &bad) < 0)
		return fail(t, bad.line, "", bad.words, 0);
	r = worker_bind(&plan, &f);
	if (r == 0)
		r = worker_run(on_ready, NULL, &f);
	return r < 0 ? fail_service(t, &f) : TOOL_DONE;
}

static void print_line(void *ctx, const struct plan_fault *f)
{
	(void)ctx;
	if (f->line)
		(void)fprintf(stderr, "line %u: %s\n", f->line, f->words);
	else
		(void)fprintf(stderr, "%s\n", f->words);
}

static int check_plan(const struct tool *t, uint64_t memory)
{
	const char *text;
	ssize_t len = text_read(INSIDE_PLAN_FD, true, &text);
	struct plan_fault bad;

	if (len < 0)
		return tool_fail(t, TOOL_FILE, "the plan", "%s",
				 strerror((int)-len));
	if (plan_read(text, (size_t)len, PLAN_INSIDE, &plan, &bad) < 0) {
		print_line(NULL, &bad);
		return TOOL_USAGE;
	}
	advice_give(&plan, memory, print_line, NULL);
	return TOOL_DONE;
}

static int read_memory(const struct opts *o, uint64_t *ret)
{
	if (value_size(o->value, UINT64_MAX, ret))
		return 0;
	return tool_usage(o->tool, o->name, "%s: no size", o->value);
}

static int run_inside(struct tool *t, struct opts *opts)
{
	const char *version = NULL;
	bool only_check = false;
	uint64_t memory = 0;
	struct stat st;
	int id, r = 0;

	while (r == 0 && (id = opts_next(opts)) != OPT_END) {
		if (id == OPT_BAD)
			r = TOOL_USAGE;
		else if (id == CHECK)
			only_check = true;
		else if (id == VERSION)
			version = opts->value;
		else if (id == MEMORY)
			r = read_memory(opts, &memory);
		else
			r = opts_too_many(opts);
	}
	if (r)
		return r;
	if (only_check)
		return check_plan(t, memory);
	/* A pipe is init's log, whose lines have the name of who wrote them. */
	if (fstat(STDERR_FILENO, &st) == 0 && S_ISFIFO(st.st_mode))
		tool_is_named();
	t->never_waits = true;
	if (!version)
		return tool_usage(t, NULL,
				  "this is for init, which names its version");
	return run_plan(t, version);
}

static const struct opt inside_options[] = {
	{ "--version", OPT_VALUE, VERSION },
	{ "--check", OPT_FLAG, CHECK },
	{ "--memory", OPT_VALUE, MEMORY },
	{ 0 },
};

const struct command inside_command = {
	.name = "inside",
	.does = "the enclave's end, which init starts",
	.help = "usage: relay inside --version=VERSION | relay inside --check\n"
		"\n"
		"Carries connections in and out of an enclave, as the keys forward, egress, dns\n"
		"and tap of its configuration ask for: enclave-init.conf(5). init starts it, with\n"
		"these lines at descriptor 0 and a socket for its report at 3.\n"
		"\n"
		"  --version VERSION  init's, which must be this one\n"
		"  --check            read the lines at descriptor 0, report what is wrong, end\n"
		"  --memory SIZE      with --check: what the enclave will have\n"
		"\n"
		"Exit codes: 0 ended by a signal, or the lines are good; 2 they are not; 5 the\n"
		"system failed.\n",
	.opts = inside_options,
	.run = run_inside,
};
