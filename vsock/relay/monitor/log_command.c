#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/monitor/follow.h"

enum {
	LOG_PORT = 'l',
	FOLLOW = 'f',
	WAIT = 'w',
	LOST = 'x',
	JSON = 'j',
	TAKE_LOG = 't',
};

static int read_option(const struct opts *opts, int id,
		       struct follow_options *f)
{
	switch (id) {
	case OPT_ARGUMENT:
		return options_target(opts, &f->address);
	case LOG_PORT:
		return options_port(opts, &f->log_port);
	case FOLLOW:
		f->is_until_current = false;
		return 0;
	case WAIT:
		return options_time(opts, &f->wait_ms);
	case LOST:
		return options_time(opts, &f->lost_ms);
	case TAKE_LOG:
		f->is_log_taken = true;
		return 0;
	case JSON:
		f->show.is_json = true;
		return 0;
	default:
		return TOOL_USAGE;
	}
}

static int run_log(struct tool *t, struct opts *opts)
{
	static struct follow_options f;
	int id, r = 0;

	f = (struct follow_options){ .show.tool = t,
				     .log_port = OPTIONS_LOG_PORT,
				     .is_until_current = true,
				     .wait_ms = 5000,
				     .lost_ms = 10000 };
	while (r == 0 && (id = opts_next(opts)) != OPT_END)
		r = read_option(opts, id, &f);
	if (r == 0)
		r = options_need_target(opts, &f.address);
	if (r)
		return r;
	f.show.where = f.address.text;
	return follow_run(&f);
}

static const struct opt log_options[] = {
	{ "--follow", OPT_FLAG, FOLLOW },
	{ "--log-port", OPT_VALUE, LOG_PORT },
	{ "--take-log", OPT_FLAG, TAKE_LOG },
	{ "--wait", OPT_VALUE, WAIT },
	{ "--lost", OPT_VALUE, LOST },
	{ "--json", OPT_FLAG, JSON },
	{ 0 },
};

const struct command log_command = {
	.name = "log",
	.does = "print what an enclave's log has now, or follow it",
	.help = "usage: relay log TARGET [--follow] [OPTION]...\n"
		"\n"
		"Prints what the log of an enclave keeps, and on stderr what is missing. TARGET\n"
		"is a CID, mux:PATH or dir:PATH.\n"
		"\n"
		"  --follow      go on until the enclave ends\n"
		"  --json        one JSON object a line: log, gap\n"
		"  --wait TIME   give up if nothing answers within TIME; 5s\n"
		"  --lost TIME   give up so long after the last connection has ended; 10s\n"
		"  --log-port N  17001\n"
		"  --take-log    listen there: the enclave has log = connect\n"
		"\n"
		"Exit codes: 0 done, or the enclave has ended; 124 it did not answer, or not any\n"
		"more; 2 wrong usage; 5 the system failed.\n",
	.opts = log_options,
	.run = run_log,
};
