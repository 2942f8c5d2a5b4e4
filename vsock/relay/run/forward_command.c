#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/base/value.h"
#include "vsock/relay/plan/conflict.h"
#include "vsock/relay/plan/plan.h"
#include "vsock/relay/run/daemon.h"

enum {
	MAX = 'm',
	BUFFER = 'b',
	IDLE = 'i',
	HALF_CLOSE = 'h',
	PROXY = 'p',
	WORKERS = 'w',

	OPTION_MAX = 64,
};

static struct plan plan;

/* The options of a forward line, with "--" before them and "=" or a blank after. */
static int read_route_option(const struct opts *o, unsigned *seen)
{
	char word[OPTION_MAX];
	const char *why;
	int n;

	n = snprintf(word, sizeof(word), "%s=%s", o->name + 2, o->value);
	if (n < 0 || (size_t)n >= sizeof(word))
		return tool_usage(o->tool, o->name, "the value is too long");
	why = route_option(word, (size_t)n, seen, &plan.route[0]);
	return why ? tool_usage(o->tool, o->name, "%s: %s", o->value, why) : 0;
}

static int read_address(const struct opts *o)
{
	struct route *r = &plan.route[0];
	bool is_first = r->listen.kind == ADDRESS_NONE;
	const char *why;

	if (r->target.kind != ADDRESS_NONE)
		return opts_too_many(o);
	why = address_read(o->value, strlen(o->value),
			   is_first ? ADDRESS_LISTENS : 0,
			   is_first ? &r->listen : &r->target);
	return why ? tool_usage(o->tool, o->value, "%s", why) : 0;
}

static int read_options(struct opts *o)
{
	unsigned seen = 0;
	int id, r = 0;

	while (r == 0 && (id = opts_next(o)) != OPT_END) {
		if (id == OPT_BAD)
			r = TOOL_USAGE;
		else if (id == OPT_ARGUMENT)
			r = read_address(o);
		else if (id == WORKERS)
			r = options_number(o, PLAN_WORKERS_MAX, &plan.workers);
		else
			r = read_route_option(o, &seen);
	}
	return r;
}

static int run_forward(struct tool *t, struct opts *o)
{
	struct plan_fault fault;
	const char *why;
	int r;

	/* Of an empty text: the values that nobody has named. */
	(void)plan_read("", 0, PLAN_PARENT, &plan, &fault);
	plan.routes = 1;
	plan.route[0] = (struct route){ .max = 0 };
	r = read_options(o);
	if (r)
		return r;
	if (plan.route[0].target.kind == ADDRESS_NONE)
		return tool_usage(t, NULL, "from where, and to which target?");
	why = route_check(&plan.route[0]);
	if (why)
		return tool_usage(t, NULL, "%s", why);
	if (conflict_find(&plan, &fault) < 0)
		return daemon_fail(t, TOOL_USAGE, NULL, &fault);
	if (plan.route[0].max > plan.max)
		plan.max = plan.route[0].max;
	return daemon_run(t, &plan, NULL);
}

static const struct opt forward_options[] = {
	{ "--max", OPT_VALUE, MAX },
	{ "--buffer", OPT_VALUE, BUFFER },
	{ "--idle", OPT_VALUE, IDLE },
	{ "--half-close", OPT_VALUE, HALF_CLOSE },
	{ "--proxy", OPT_VALUE, PROXY },
	{ "--workers", OPT_VALUE, WORKERS },
	{ 0 },
};

const struct command forward_command = {
	.name = "forward",
	.does = "pass connections on, from one address to another",
	.help = "usage: relay forward LISTEN TARGET [OPTION]...\n"
		"\n"
		"Listens at LISTEN and passes each connection on to TARGET, until SIGTERM or\n"
		"SIGINT. Both are addresses:\n"
		"\n"
		"  vsock:[CID:]PORT[-LAST]  LISTEN: a port of this machine, for that CID alone;\n"
		"                           TARGET: a port of an enclave, whose CID it needs\n"
		"  tcp:IP:PORT[-LAST]       IPv6 in brackets; TARGET: also tcp:NAME:PORT\n"
		"  unix:PATH                a socket\n"
		"  dir:PATH:PORT[-LAST]     a directory with the sockets PORT.listen, PORT.sock\n"
		"  mux:PATH:PORT[-LAST]     a socket of a virtual machine monitor\n"
		"\n"
		"  --max N            connections at once, beyond which they wait; 4096\n"
		"  --buffer SIZE      of the window of vsock connections; 256K\n"
		"  --idle TIME        end what has been silent for so long; never\n"
		"  --half-close no    keep one end back until the other comes: for AWS's\n"
		"                     vsock-proxy, which ends both ways at the first\n"
		"  --proxy v2         tell TARGET who connects, by the PROXY protocol\n"
		"  --workers N        processes; as many as processors, up to 4\n"
		"\n"
		"Exit codes: 0 ended by a signal; 2 wrong usage; 5 the system failed.\n",
	.opts = forward_options,
	.run = run_forward,
};
