#include <stdio.h>
#include <string.h>

#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/dns/servers.h"
#include "vsock/relay/plan/plan.h"
#include "vsock/relay/run/daemon.h"

enum { SERVER = 's', OPTIONS_MAX = 512 };

static struct plan plan;
static char options[OPTIONS_MAX];

static int read_listen(const struct opts *o, struct plan_end *e)
{
	const char *why;

	if (e->listen.kind != ADDRESS_NONE)
		return opts_too_many(o);
	why = address_read(o->value, strlen(o->value), ADDRESS_LISTENS,
			   &e->listen);
	return why ? tool_usage(o->tool, o->value, "%s", why) : 0;
}

/* As in a line of a file: server=ADDRESS. */
static int add_server(const struct opts *o)
{
	static struct servers servers;
	const char *why = servers_add(&servers, o->value, strlen(o->value));
	size_t len = strlen(options);
	int n;

	if (why)
		return tool_usage(o->tool, o->name, "%s: %s", o->value, why);
	n = snprintf(options + len, sizeof(options) - len, "%sserver=%s",
		     len ? " " : "", o->value);

	if (n < 0 || (size_t)n >= sizeof(options) - len)
		return tool_usage(o->tool, o->name, "the value is too long");
	return 0;
}

static int run_dns(struct tool *t, struct opts *o)
{
	struct plan_end *e = &plan.resolvers.at[0];
	struct plan_fault fault;
	int id, r = 0;

	/* Of an empty text: the values that nobody has named. */
	(void)plan_read("", 0, PLAN_PARENT, &plan, &fault);
	while (r == 0 && (id = opts_next(o)) != OPT_END) {
		if (id == OPT_BAD)
			r = TOOL_USAGE;
		else
			r = id == SERVER ? add_server(o) : read_listen(o, e);
	}
	if (r)
		return r;
	if (e->listen.kind == ADDRESS_NONE)
		return tool_usage(t, NULL, "where are enclaves to ask?");
	plan.resolvers.count = 1;
	e->options =
		(struct plan_value){ .at = options, .len = strlen(options) };
	return daemon_run(t, &plan, NULL);
}

static const struct opt dns_options[] = {
	{ "--server", OPT_MANY, SERVER },
	{ 0 },
};

const struct command dns_command = {
	.name = "dns",
	.does = "answer the names that enclaves ask for",
	.help = "usage: relay dns LISTEN [--server ADDRESS]...\n"
		"\n"
		"The other end of an enclave's dns-forward, until SIGTERM or SIGINT: takes its\n"
		"questions at LISTEN, an address as of relay forward, and asks the servers of\n"
		"/etc/resolv.conf, one after the other. That file is read again when it changes.\n"
		"\n"
		"  --server ADDRESS    ask this one instead: IP, IPv4:PORT or [IPv6]:PORT. Up to\n"
		"                      three\n"
		"\n"
		"Exit codes: 0 ended by a signal; 2 wrong usage; 5 the system failed.\n",
	.opts = dns_options,
	.run = run_dns,
};
