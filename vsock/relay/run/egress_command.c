#include <stdio.h>
#include <string.h>

#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/base/value.h"
#include "vsock/relay/plan/fence.h"
#include "vsock/relay/plan/plan.h"
#include "vsock/relay/run/daemon.h"

enum { ALLOW = 'a', ONLY = 'o', WORKERS = 'w', OPTIONS_MAX = 16384 };

static struct plan plan;
static struct fence checked;
static char options[OPTIONS_MAX];

/* A number is a port of vsock. */
static int read_listen(const struct opts *o, struct plan_end *e)
{
	static char text[32];
	const char *at = o->value, *why;
	uint32_t port;

	if (e->listen.kind != ADDRESS_NONE)
		return opts_too_many(o);
	if (target_port(o->value, &port)) {
		(void)snprintf(text, sizeof(text), "vsock:%u", port);
		at = text;
	}
	why = address_read(at, strlen(at), ADDRESS_LISTENS, &e->listen);
	return why ? tool_usage(o->tool, o->value, "%s", why) : 0;
}

/* As in a line of a file: allow=NETWORK, only=RULE. */
static int add_option(const struct opts *o)
{
	size_t len = strlen(options);
	char *at = options + len + (len ? 1 : 0);
	const char *why, *bad;
	size_t bad_len;
	int n;

	if (strchr(o->value, ' ') || strchr(o->value, '\t'))
		return tool_usage(o->tool, o->name, "%s: one word", o->value);
	n = snprintf(options + len, sizeof(options) - len, "%s%s=%s",
		     len ? " " : "", o->name + 2, o->value);
	if (n < 0 || (size_t)n >= sizeof(options) - len)
		return tool_usage(o->tool, o->name, "there are too many");
	why = fence_add(&checked, at, strlen(at), &bad, &bad_len);
	return why ? tool_usage(o->tool, o->name, "%s: %s", o->value, why) : 0;
}

static int run_egress(struct tool *t, struct opts *o)
{
	struct plan_end *e = &plan.exits.at[0];
	struct plan_fault fault;
	int id, r = 0;

	/* Of an empty text: the values that nobody has named. */
	(void)plan_read("", 0, PLAN_PARENT, &plan, &fault);
	fence_open(&checked);
	while (r == 0 && (id = opts_next(o)) != OPT_END) {
		if (id == OPT_BAD)
			r = TOOL_USAGE;
		else if (id == OPT_ARGUMENT)
			r = read_listen(o, e);
		else
			r = id == WORKERS ? options_number(o, PLAN_WORKERS_MAX,
							   &plan.workers) :
					    add_option(o);
	}
	if (r)
		return r;
	if (e->listen.kind == ADDRESS_NONE)
		return tool_usage(t, NULL, "where are enclaves to ask?");
	plan.exits.count = 1;
	e->options =
		(struct plan_value){ .at = options, .len = strlen(options) };
	return daemon_run(t, &plan, NULL);
}

static const struct opt egress_options[] = {
	{ "--allow", OPT_MANY, ALLOW },
	{ "--only", OPT_MANY, ONLY },
	{ "--workers", OPT_VALUE, WORKERS },
	{ 0 },
};

const struct command egress_command = {
	.name = "egress",
	.does = "dial what enclaves ask for",
	.help = "usage: relay egress LISTEN [OPTION]...\n"
		"\n"
		"The other end of an enclave's egress, until SIGTERM or SIGINT: a proxy for\n"
		"CONNECT, HTTP with http:// URLs, SOCKS5 and enclaver's frames at LISTEN, an\n"
		"address as of relay forward, or a port of vsock (an enclave dials 17002). Names\n"
		"are looked up here. Addresses that are not of the internet (private, link-local\n"
		"and so the instance's metadata, loopback, this machine's own) are refused, also\n"
		"if a name has them, and only the address that was checked is dialled.\n"
		"\n"
		"  --allow NETWORK    dial these all the same: an address or a network, such as\n"
		"                     10.0.0.0/16 for a VPC, or [fd00::]/8\n"
		"  --only RULE        dial these alone: NAME[:PORT], *.NAME, **.NAME, an address,\n"
		"                     a network; port 443 if none is named\n"
		"  --workers N        processes; as many as processors, up to 4\n"
		"\n"
		"--allow and --only can be there several times. What the enclave may reach is\n"
		"what its own measured configuration says; --only is a second fence.\n"
		"\n"
		"Exit codes: 0 ended by a signal; 2 wrong usage; 5 the system failed.\n",
	.opts = egress_options,
	.run = run_egress,
};
