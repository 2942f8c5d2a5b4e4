#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/monitor/follow.h"

enum {
	LOG_PORT = 'l',
	STATUS_PORT = 's',
	REPORT_PORT = 'r',
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
	case STATUS_PORT:
		return options_port(opts, &f->status_port);
	case REPORT_PORT:
		return options_port(opts, &f->report_port);
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

static int run_watch(struct tool *t, struct opts *opts)
{
	static struct follow_options f;
	int id, r = 0;

	f = (struct follow_options){ .show.tool = t,
				     .log_port = OPTIONS_LOG_PORT,
				     .status_port = OPTIONS_STATUS_PORT,
				     .report_port = OPTIONS_REPORT_PORT,
				     .has_status = true,
				     .has_report = true,
				     .wait_ms = -1,
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

static const struct opt watch_options[] = {
	{ "--log-port", OPT_VALUE, LOG_PORT },
	{ "--take-log", OPT_FLAG, TAKE_LOG },
	{ "--status-port", OPT_VALUE, STATUS_PORT },
	{ "--report-port", OPT_VALUE, REPORT_PORT },
	{ "--wait", OPT_VALUE, WAIT },
	{ "--lost", OPT_VALUE, LOST },
	{ "--json", OPT_FLAG, JSON },
	{ 0 },
};

const struct command watch_command = {
	.name = "watch",
	.does = "follow an enclave to its end: log, status and report",
	.help = "usage: relay watch TARGET [OPTION]...\n"
		"\n"
		"Prints the log of an enclave, each line once, and on stderr its status and what\n"
		"is missing; connects again whenever the connection ends. Takes the enclave's\n"
		"report if no other program listens for it. TARGET is a CID, mux:PATH (a socket\n"
		"of firecracker, cloud-hypervisor or vhost-device-vsock) or dir:PATH (the\n"
		"emulator's directory).\n"
		"\n"
		"  --json            one JSON object a line: log, gap, status, report\n"
		"  --wait TIME       give up if nothing answers within TIME (5s, 500ms, 2m)\n"
		"  --lost TIME       give up so long after the last connection has ended; 10s\n"
		"  --log-port N      17001\n"
		"  --take-log        listen there: the enclave has log = connect\n"
		"  --status-port N   17000\n"
		"  --report-port N   9001\n"
		"\n"
		"Exit codes: the application's; 128 + N if signal N has ended it; 125 if the boot\n"
		"failed; 124 if the enclave did not answer, or not any more; 2 wrong usage;\n"
		"5 the system failed.\n",
	.opts = watch_options,
	.run = run_watch,
};
