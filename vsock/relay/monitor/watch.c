#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/monitor/follow_options.h"

static int run_watch(struct tool *t, struct opts *opts)
{
	static struct follow_options f;

	f = (struct follow_options){ .show.tool = t,
				     .log_port = OPTIONS_LOG_PORT,
				     .status_port = OPTIONS_STATUS_PORT,
				     .report_port = OPTIONS_REPORT_PORT,
				     .has_status = true,
				     .has_report = true,
				     .wait_ms = -1,
				     .lost_ms = 10000 };
	return follow_options_run(opts, &f);
}

static const struct opt watch_options[] = {
	{ "--log-port", OPT_VALUE, FOLLOW_LOG_PORT },
	{ "--take-log", OPT_FLAG, FOLLOW_TAKE_LOG },
	{ "--status-port", OPT_VALUE, FOLLOW_STATUS_PORT },
	{ "--report-port", OPT_VALUE, FOLLOW_REPORT_PORT },
	{ "--wait", OPT_VALUE, FOLLOW_WAIT },
	{ "--lost", OPT_VALUE, FOLLOW_LOST },
	{ "--json", OPT_FLAG, FOLLOW_JSON },
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
