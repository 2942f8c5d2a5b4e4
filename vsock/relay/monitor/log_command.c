#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/monitor/follow_options.h"

static int run_log(struct tool *t, struct opts *opts)
{
	static struct follow_options f;

	f = (struct follow_options){ .show.tool = t,
				     .log_port = OPTIONS_LOG_PORT,
				     .is_until_current = true,
				     .wait_ms = 5000,
				     .lost_ms = 10000 };
	return follow_options_run(opts, &f);
}

static const struct opt log_options[] = {
	{ "--follow", OPT_FLAG, FOLLOW_FURTHER },
	{ "--log-port", OPT_VALUE, FOLLOW_LOG_PORT },
	{ "--take-log", OPT_FLAG, FOLLOW_TAKE_LOG },
	{ "--wait", OPT_VALUE, FOLLOW_WAIT },
	{ "--lost", OPT_VALUE, FOLLOW_LOST },
	{ "--json", OPT_FLAG, FOLLOW_JSON },
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
