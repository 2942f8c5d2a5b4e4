#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "vsock/io.h"
#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/base/value.h"
#include "vsock/relay/monitor/control.h"
#include "vsock/relay/monitor/show.h"
#include "vsock/relay/monitor/statuses.h"
#include "vsock/relay/monitor/wait.h"

enum {
	CONTROL_PORT = 'c',
	STATUS_PORT = 's',
	SIGNAL = 'g',
	TIMEOUT = 't',
	WAIT = 'w',

	FIRST_STATUS_MS = 1000, /* for the status port before the stop */
	GONE_MS = 2000, /* without an answer: there is no enclave any more */
	TICK_MS = 100,
};

struct stop {
	struct tool *tool;
	struct target address;
	uint32_t control_port, status_port;
	char signal[24];	     /* empty: none */
	int64_t wait_ms, timeout_ms; /* -1: without end */
	struct statuses statuses;
	int64_t up_ms;
	int64_t looked_ms; /* at the status port, for the last time */
};

static int read_signal(const struct opts *opts, struct stop *s)
{
	if (value_signal(opts->value, s->signal, sizeof(s->signal)))
		return 0;
	return tool_usage(opts->tool, opts->name, "%s: no name of a signal",
			  opts->value);
}

static int read_option(const struct opts *opts, int id, struct stop *s)
{
	switch (id) {
	case OPT_ARGUMENT:
		return options_target(opts, &s->address);
	case CONTROL_PORT:
		return options_port(opts, &s->control_port);
	case STATUS_PORT:
		return options_port(opts, &s->status_port);
	case SIGNAL:
		return read_signal(opts, s);
	case TIMEOUT:
		return options_time(opts, &s->timeout_ms);
	case WAIT:
		return options_time(opts, &s->wait_ms);
	default:
		return TOOL_USAGE;
	}
}

/* Reads what the status port says until UNTIL_MS; true at the enclave's end. */
static bool read_status(struct stop *s, int64_t until_ms, bool only_first)
{
	static struct status status;
	static struct wait w;
	enum statuses_result r;
	const char *why;
	bool is_final;
	int64_t now;

	for (;;) {
		now = s->looked_ms = io_now_ms();
		r = statuses_next(&s->statuses, &status, NULL, &why);
		if (s->statuses.channel.is_up)
			s->up_ms = io_now_ms();
		is_final = r == STATUSES_ONE && status_is_final(&status);
		if (is_final || (r == STATUSES_ONE && only_first) ||
		    now >= until_ms)
			return is_final;
		if (r != STATUSES_NONE)
			continue;
		wait_begin(&w);
		channel_wait(&s->statuses.channel, &w);
		wait_until(&w, until_ms);
		wait_turn(&w);
	}
}

/* True if it is not the system that failed. */
static bool is_peers(int error)
{
	return error == -ETIMEDOUT || error == -EMSGSIZE || error == -EPROTO;
}

static int send_command(struct stop *s)
{
	const char *command = s->signal[0] ? s->signal : "stop";
	char answer[CONTROL_ANSWER_MAX];
	int r = control_ask(&s->address, s->control_port, command,
			    io_now_ms() + s->wait_ms, answer);

	if (r == -ECONNRESET)
		return tool_fail(s->tool, TOOL_LOST, s->address.text,
				 "nothing answers at port %u", s->control_port);
	if (r < 0)
		return tool_fail(s->tool, is_peers(r) ? TOOL_LOST : TOOL_FILE,
				 s->address.text, "port %u: %s",
				 s->control_port, strerror(-r));
	if (strcmp(answer, "ok") == 0)
		return TOOL_DONE;
	if (strncmp(answer, "no: ", 4) == 0)
		return tool_fail(s->tool, TOOL_REFUSED, s->address.text,
				 "%s is refused: %s", command, answer + 4);
	return tool_fail(s->tool, TOOL_REFUSED, s->address.text,
			 "%s is answered by: %s", command, answer);
}

/* True if there is no enclave any more, as far as its ports tell. */
static bool is_gone(struct stop *s)
{
	if (!s->statuses.channel.was_up &&
	    control_is_there(&s->address, s->control_port))
		s->up_ms = io_now_ms();
	/* This process may have had no processor since it looked. */
	return s->looked_ms - s->up_ms >= GONE_MS;
}

static int wait_for_end(struct stop *s)
{
	int64_t begin = io_now_ms();

	s->up_ms = begin;
	do {
		if (read_status(s, io_now_ms() + TICK_MS, false) || is_gone(s))
			return TOOL_DONE;
	} while (s->timeout_ms < 0 || io_now_ms() - begin < s->timeout_ms);
	return tool_fail(s->tool, TOOL_LOST, s->address.text,
			 "it has not ended yet");
}

static int run_stop(struct tool *t, struct opts *opts)
{
	static struct stop s;
	int id, r = 0;

	s = (struct stop){ .tool = t,
			   .control_port = OPTIONS_CONTROL_PORT,
			   .status_port = OPTIONS_STATUS_PORT,
			   .wait_ms = 5000,
			   .timeout_ms = -1 };
	while (r == 0 && (id = opts_next(opts)) != OPT_END)
		r = read_option(opts, id, &s);
	if (r == 0)
		r = options_need_target(opts, &s.address);
	if (r)
		return r;
	if (s.signal[0])
		return send_command(&s);
	/* The end must not be missed. */
	statuses_open(&s.statuses, &s.address, s.status_port);
	if (!read_status(&s, io_now_ms() + FIRST_STATUS_MS, true)) {
		r = send_command(&s);
		if (r == 0)
			r = wait_for_end(&s);
	}
	channel_close(&s.statuses.channel);
	return r;
}

static const struct opt stop_options[] = {
	{ "--timeout", OPT_VALUE, TIMEOUT },
	{ "--signal", OPT_VALUE, SIGNAL },
	{ "--wait", OPT_VALUE, WAIT },
	{ "--control-port", OPT_VALUE, CONTROL_PORT },
	{ "--status-port", OPT_VALUE, STATUS_PORT },
	{ 0 },
};

const struct command stop_command = {
	.name = "stop",
	.does = "ask an enclave to end, and wait until it has",
	.help = "usage: relay stop TARGET [OPTION]...\n"
		"\n"
		"Asks an enclave whose configuration has control = stop to end as it does by\n"
		"itself, and waits for its status to say so, or for its ports to be gone. TARGET\n"
		"is a CID, mux:PATH or dir:PATH.\n"
		"\n"
		"  --timeout TIME     wait no longer than TIME (30s, 5m) for the end\n"
		"  --signal NAME      send the application this signal instead, do not wait\n"
		"  --wait TIME        give up if nothing answers within TIME; 5s\n"
		"  --control-port N   17003\n"
		"  --status-port N    17000\n"
		"\n"
		"Exit codes: 0 it has ended, or has taken the signal; 1 refused; 124 nothing\n"
		"answers, or it has not ended in time; 2 wrong usage; 5 the system failed.\n",
	.opts = stop_options,
	.run = run_stop,
};
