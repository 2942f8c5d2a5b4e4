#include <stdbool.h>
#include <string.h>

#include "vsock/io.h"
#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/base/print.h"
#include "vsock/relay/monitor/json.h"
#include "vsock/relay/monitor/show.h"
#include "vsock/relay/monitor/statuses.h"
#include "vsock/relay/monitor/wait.h"

enum {
	STATUS_PORT = 's',
	WAIT = 'w',
	JSON = 'j',
};

struct request {
	struct target address;
	struct show show;
	uint32_t port;
	int64_t wait_ms;
};

static int read_option(const struct opts *opts, int id, struct request *q)
{
	switch (id) {
	case OPT_ARGUMENT:
		return options_target(opts, &q->address);
	case STATUS_PORT:
		return options_port(opts, &q->port);
	case WAIT:
		return options_time(opts, &q->wait_ms);
	case JSON:
		q->show.is_json = true;
		return 0;
	default:
		return TOOL_USAGE;
	}
}

static int print_status(const struct request *q, const struct status *status,
			const cJSON *json)
{
	const struct tool *t = q->show.tool;

	if (q->show.is_json) {
		json_value(t->out, json);
		print_text(t->out, "\n");
	} else {
		show_table(&q->show, status);
	}
	return tool_end(t, TOOL_DONE);
}

static int ask(const struct request *q)
{
	static struct statuses statuses;
	static struct status status;
	static struct wait w;
	int64_t until = io_now_ms() + q->wait_ms;
	enum statuses_result r = STATUSES_NONE;
	const char *why;
	cJSON *json = NULL;
	int64_t now;
	int code;

	statuses_open(&statuses, &q->address, q->port);
	for (;;) {
		now = io_now_ms();
		r = statuses_next(&statuses, &status, &json, &why);
		if (r != STATUSES_NONE || now >= until ||
		    channel_is_hopeless(&statuses.channel))
			break;
		wait_begin(&w);
		channel_wait(&statuses.channel, &w);
		wait_until(&w, until);
		wait_turn(&w);
	}
	channel_close(&statuses.channel);
	if (r == STATUSES_NONE && channel_is_hopeless(&statuses.channel))
		return tool_fail(q->show.tool, TOOL_FILE, q->show.where, "%s",
				 strerror(statuses.channel.error));
	if (r == STATUSES_NONE)
		return tool_fail(q->show.tool, TOOL_LOST, q->show.where,
				 "nothing answers at port %u", q->port);
	if (r == STATUSES_BAD)
		return tool_fail(q->show.tool, TOOL_REFUSED, q->show.where,
				 "the answer is no status: %s", why);
	code = print_status(q, &status, json);
	cJSON_Delete(json);
	return code;
}

static int run_status(struct tool *t, struct opts *opts)
{
	struct request q = { .show.tool = t,
			     .port = OPTIONS_STATUS_PORT,
			     .wait_ms = 5000 };
	int id, r = 0;

	while (r == 0 && (id = opts_next(opts)) != OPT_END)
		r = read_option(opts, id, &q);
	if (r == 0)
		r = options_need_target(opts, &q.address);
	if (r)
		return r;
	q.show.where = q.address.text;
	return ask(&q);
}

static const struct opt status_options[] = {
	{ "--status-port", OPT_VALUE, STATUS_PORT },
	{ "--wait", OPT_VALUE, WAIT },
	{ "--json", OPT_FLAG, JSON },
	{ 0 },
};

const struct command status_command = {
	.name = "status",
	.does = "print what an enclave says of itself now",
	.help = "usage: relay status TARGET [OPTION]...\n"
		"\n"
		"Prints the status of an enclave, and its services if its configuration has\n"
		"status = full. TARGET is a CID, mux:PATH or dir:PATH.\n"
		"\n"
		"  --json            the enclave's JSON object\n"
		"  --wait TIME       give up if nothing answers within TIME; 5s\n"
		"  --status-port N   17000\n"
		"\n"
		"Exit codes: 0 done; 1 the answer is no status; 124 nothing answers; 2 wrong\n"
		"usage; 5 the system failed.\n",
	.opts = status_options,
	.run = run_status,
};
